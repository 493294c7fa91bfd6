"""What a job does to rows of a table that was there before, kept by a trigger: exact whatever path the rows take.

The trigger fires for transactions that say so alone (`watch`), sees each row as it was and as it is in the end,
after all that other triggers did to it, and writes both in the same transaction. An application's own writes pass it
by.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, text

from shared.errors import OperatorError, PermanentError
from shared.quoting import qualified, quote, quote_text
from shared.records.plan import TablePlan, UndoLog
from shared.target import ddl
from shared.target.statements import attempt, run

_SETTING: Final = "pgconvoy.undo"
"""Holds the id of the job for whose log a transaction writes."""
_COLUMNS: Final = text("""
    SELECT a.attname, a.attgenerated::text <> '' AS generated, a.attidentity::text = 'a' AS fixed
      FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = CAST(:oid AS oid) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
""")


def arm(connection: Connection, plan: TablePlan, *, job: int, table: int) -> TablePlan:
    """Keep from now on what the job does to a table's rows, in the caller's transaction; harmless where it is so.

    Args:
        connection: A transaction.
        plan: A table that was there before, or that is mended.
        job: The job's id.
        table: The table's id in the ledger.

    Returns:
        The plan, which says so.

    Raises:
        OperatorError: where the role may not make a trigger on the table.
        ConvoyError: where somebody holds the table for too long.
    """
    place = connection.execute(
        text("SELECT pg_catalog.to_regclass(:name)::oid::bigint"), {"name": ddl.table_name(plan)}
    )
    found = columns_of(connection, int(place.scalar_one()))
    log = UndoLog(job=job, table=table, columns=tuple(name for name, _, _ in found))
    if plan.undo is not None and plan.undo.columns != log.columns:
        msg = (
            f"{ddl.table_name(plan)} has other columns than when the job began, so what it does there cannot be kept"
            " any longer (--undo-log): start a new job"
        )
        raise OperatorError(msg)
    refused = attempt(connection, _making(plan, log, found), f"keeping what the job does to {ddl.table_name(plan)}")
    if refused is not None:
        msg = f"--undo-log needs a trigger on the table while the job runs, which PostgreSQL refuses: {refused.reason}"
        raise OperatorError(msg)
    return replace(plan, undo=log)


def disarm(connection: Connection, plan: TablePlan) -> TablePlan:
    """Take the trigger away, in the caller's transaction; what it has kept stays in the ledger.

    Raises:
        ConvoyError: where somebody holds the table for too long; it can run again.
    """
    if plan.undo is None:
        return plan
    # Nothing but our trigger depends on the function; to drop that by its name takes the table's owner.
    run(connection, f"DROP FUNCTION IF EXISTS {_function(plan.undo)} CASCADE")
    return replace(plan, undo=replace(plan.undo, armed=False))


def watch(connection: Any, plan: TablePlan) -> None:
    """Let a transaction that is about to write a table's rows be seen by the trigger; nothing where none is asked for.

    Args:
        connection: ADBC's or psycopg2's, in the transaction.
        plan: The table.

    Raises:
        PermanentError: where the trigger is not there, or does not fire: nothing may be written then.
    """
    if plan.undo is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(_watching(plan, plan.undo))
        fires = cursor.fetchone()[1]
    if not fires:
        msg = (
            f"the trigger {_trigger(plan.undo)} of {ddl.table_name(plan)}, which keeps what the job does there "
            "(--undo-log), is gone or does not fire: start a new job"
        )
        raise PermanentError(msg)


def has_triggers(connection: Connection, plan: TablePlan) -> bool:
    """Whether a write into a table may fire a trigger, one of a foreign key included."""
    found = text("SELECT relhastriggers FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(:name)")
    return bool(connection.execute(found, {"name": ddl.table_name(plan)}).scalar_one())


def settle_constraints(connection: Connection) -> None:
    """Check deferred constraints now: as long as a check waits, PostgreSQL lets no trigger of the table be dropped."""
    run(connection, "SET CONSTRAINTS ALL IMMEDIATE")


def columns_of(connection: Connection, oid: int) -> list[tuple[str, bool, bool]]:
    """The columns of a table in their order: name, whether it is generated, whether nobody may set it in an UPDATE."""
    return [
        (row.attname, row.generated, row.generated or row.fixed) for row in connection.execute(_COLUMNS, {"oid": oid})
    ]


def row_text(row: str, columns: list[tuple[str, bool, bool]]) -> str:
    """Render a row as its own text, which the table's row type reads back exactly; what it computes is left out.

    The text depends on settings of the session, which `shared.target.connections` makes the same in all of ours.
    """
    values = ", ".join("NULL" if generated else f"{row}.{quote(name)}" for name, generated, _ in columns)
    return f"ROW({values})::pg_catalog.text"


def _watching(plan: TablePlan, log: UndoLog) -> str:
    return (
        f"SELECT pg_catalog.set_config('{_SETTING}', '{log.job}', true), EXISTS (SELECT FROM pg_catalog.pg_trigger t"
        f" WHERE t.tgrelid = pg_catalog.to_regclass({quote_text(ddl.table_name(plan))})"
        f" AND t.tgname = '{_trigger(log)}' AND t.tgenabled IN ('O', 'A'))"
        " AND pg_catalog.current_setting('session_replication_role') <> 'replica'"
    )


def _making(plan: TablePlan, log: UndoLog, columns: list[tuple[str, bool, bool]]) -> list[str]:
    before, after = row_text("OLD", columns), row_text("NEW", columns)
    # The names of types in rows (regclass) are written with their schemas whatever the table's own code searches.
    body = f"""
        DECLARE
            was text := CASE WHEN TG_OP <> 'INSERT' THEN {before} END;
            is_now text := CASE WHEN TG_OP <> 'DELETE' THEN {after} END;
        BEGIN
            IF was IS DISTINCT FROM is_now THEN
                INSERT INTO pgconvoy.undo (job_id, table_id, before, after)
                VALUES ({log.job}, {log.table}, was, is_now);
            END IF;
            RETURN NULL;
        END
    """
    function = (
        f"CREATE OR REPLACE FUNCTION {_function(log)} RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog AS {quote_text(body)}"
    )
    trigger = (
        f"CREATE OR REPLACE TRIGGER {_trigger(log)} AFTER INSERT OR UPDATE OR DELETE"
        f" ON {qualified(plan.schema, plan.name)} FOR EACH ROW"
        f" WHEN (pg_catalog.current_setting('{_SETTING}', true) = '{log.job}') EXECUTE FUNCTION {_function(log)}"
    )
    return [function, trigger]


def _function(log: UndoLog) -> str:
    return f"pgconvoy.undo_{log.table}()"


def _trigger(log: UndoLog) -> str:
    return f"pgconvoy_undo_{log.table}"
