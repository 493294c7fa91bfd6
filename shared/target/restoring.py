"""Tables that were there before a job, brought back to what they held: by what `shared.target.undo` has kept.

Kept are texts of rows, each as it was before a write and as it was after. What a row was in between does not matter: a
text that was left more often than it was met is a row of the job's, one that was met more often is a row to restore.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, text

from shared.quoting import qualified, quote, quote_list
from shared.records.plan import SetAsideTrigger, TablePlan, TypeKind
from shared.target import ddl
from shared.target.statements import run
from shared.target.undo import columns_of, row_text

MOST_KEYS: Final = 5
"""Keys that are named of rows which stand in the way."""
_RELATION: Final = text("""
    SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = CAST(:oid AS oid)
""")
_TRIGGERS: Final = text("""
    SELECT t.tgname, t.tgenabled::text AS mode FROM pg_catalog.pg_trigger t
     WHERE t.tgrelid = CAST(:oid AS oid) AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled IN ('O', 'A')
     ORDER BY t.tgname
""")
_PLACES: Final = "count(DISTINCT (place_of, place)) FILTER (WHERE place IS NOT NULL)"
_IN_ORDER: Final = """
    SELECT pg_catalog.set_config(name, 'off', true)
      FROM (VALUES ('enable_seqscan'), ('enable_hashjoin'), ('enable_mergejoin'), ('jit')) AS each (name)
"""
"""Rows are then looked up by their places one after the other, in the order of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a table of a job is now, by PostgreSQL's number."""

    oid: int
    schema: str
    name: str
    kind: str

    @property
    def sql(self) -> str:
        """Its name in SQL."""
        return qualified(self.schema, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A table with kept rows, and what is to be done there."""

    id: int
    """In the ledger."""
    oid: int
    plan: TablePlan
    place: Place
    columns: list[tuple[str, bool, bool]]
    """As `shared.target.undo.columns_of` says."""
    keyed: bool
    """Whether rows can be found by the match key."""
    rows: int = 0
    """Rows that are there because of the job."""
    missing: int = 0
    """How many of them are not as the job left them."""
    keys: tuple[str, ...] = ()
    """The first of those, as people read them."""
    to_delete: int = 0
    to_restore: int = 0
    """Rows that are to be changed back, or brought back."""

    @property
    def table(self) -> str:
        """Its rows in SQL: not those of children, which the job never touched."""
        return self.place.sql if self.place.kind == "p" else f"ONLY {self.place.sql}"

    @property
    def back(self) -> str:
        """The temporary table of what is to be done."""
        return f"pg_temp.pgconvoy_back_{self.id}"

    @property
    def net(self) -> str:
        """The temporary table of what the log comes to."""
        return f"pg_temp.pgconvoy_net_{self.id}"


def place_of(connection: Connection, oid: int) -> Place | None:
    """Find a table by PostgreSQL's number; None where it is gone."""
    row = connection.execute(_RELATION, {"oid": oid}).first()
    return None if row is None else Place(oid=oid, schema=row.schema, name=row.name, kind=row.kind)


def lock(connection: Connection, places: Sequence[Place], *, whole: bool) -> None:
    """Let nobody write, or with `whole` read, some tables until the transaction ends."""
    for place in sorted(places, key=lambda each: each.sql):
        only = "" if place.kind == "p" else "ONLY "
        run(connection, f"LOCK TABLE {only}{place.sql} IN {'ACCESS' if whole else 'SHARE ROW'} EXCLUSIVE MODE")


def weigh(connection: Connection, table: int, oid: int, plan: TablePlan, place: Place) -> Changed | None:
    """Say what a table's log comes to, and find the rows in question; None where its columns have changed since."""
    columns = columns_of(connection, oid)
    if plan.undo is None or tuple(name for name, _, _ in columns) != plan.undo.columns:
        return None
    found = Changed(id=table, oid=oid, plan=plan, place=place, columns=columns, keyed=is_keyed(plan))
    run(connection, _netting(found))
    run(connection, f"ANALYZE {found.net}")
    run(connection, _finding(found))
    run(connection, f"ANALYZE {found.back}")
    rows, missing, to_delete, to_restore = run(connection, _counting(found)).one()
    keys = run(connection, _naming(found)).scalars() if missing else ()
    return replace(found, rows=rows, missing=missing, keys=tuple(keys), to_delete=to_delete, to_restore=to_restore)


def is_keyed(plan: TablePlan) -> bool:
    """Whether kept rows of a table can be paired by its match key: with types whose operators are in pg_catalog."""
    kinds = [each.type.kind for each in plan.columns if each.name in plan.match_key]
    return bool(kinds) and TypeKind.OTHER not in kinds


def _netting(each: Changed) -> str:
    return (
        f"CREATE TEMPORARY TABLE {each.net[8:]} ON COMMIT DROP AS"
        f" SELECT kept, sum(sign)::int AS n, max(id) AS seq, kept::{each.place.sql} AS r FROM ("
        f"SELECT after AS kept, 1 AS sign, id FROM pgconvoy.undo WHERE table_id = {each.id} AND after IS NOT NULL"
        f" UNION ALL SELECT before, -1, id FROM pgconvoy.undo WHERE table_id = {each.id} AND before IS NOT NULL"
        ") AS logged GROUP BY kept HAVING sum(sign) <> 0"
    )


def _finding(each: Changed) -> str:
    """Pair the job's rows, where they are now, with those to restore; an old one without a place comes in anew."""
    paired = same_key(each.plan, "(f.r)", "(c.r)") if each.keyed else "false"
    return f"""
        CREATE TEMPORARY TABLE {each.back[8:]} ON COMMIT DROP AS
        WITH f AS MATERIALIZED (
            SELECT * FROM (
                SELECT g.kept, g.r, g.n, g.seq, h.tableoid AS place_of, h.ctid AS place,
                       row_number() OVER (PARTITION BY g.kept) AS k
                  FROM {each.net} AS g JOIN {each.table} AS h ON {_is_there(each, "g")} WHERE g.n > 0
            ) AS every WHERE k <= n
        )
        SELECT f.kept, f.place_of, f.place, f.seq, c.kept AS old, c.r
          FROM f LEFT JOIN {each.net} AS c ON c.n < 0 AND {paired}
        UNION ALL
        SELECT NULL, NULL, NULL, c.seq, c.kept, c.r
          FROM {each.net} AS c CROSS JOIN generate_series(1, -c.n)
         WHERE c.n < 0 AND NOT EXISTS (SELECT FROM f WHERE {paired})
    """


def _is_there(each: Changed, kept: str) -> str:
    same = f"{row_text('h', each.columns)} = {kept}.kept"
    return f"{same_key(each.plan, 'h', f'({kept}.r)')} AND {same}" if each.keyed else same


def same_key(plan: TablePlan, one: str, other: str) -> str:
    """Say in SQL that two rows of a table have the same match key."""
    return " AND ".join(f"{one}.{quote(name)} = {other}.{quote(name)}" for name in plan.match_key)


def _counting(each: Changed) -> str:
    return (
        f"SELECT coalesce(sum(n), 0)::bigint, coalesce(sum(n), 0)::bigint - (SELECT {_PLACES} FROM {each.back}),"
        f" (SELECT count(*) FROM {each.back} WHERE old IS NULL),"
        f" (SELECT count(*) FROM {each.back} WHERE old IS NOT NULL) FROM {each.net} WHERE n > 0"
    )


def _naming(each: Changed) -> str:
    return (
        f"SELECT {named_key('(g.r)', each.plan.match_key, 'g.kept')} FROM {each.net} AS g LEFT JOIN"
        f" (SELECT kept, {_PLACES} AS n FROM {each.back} GROUP BY kept) AS b USING (kept)"
        f" WHERE g.n > coalesce(b.n, 0) ORDER BY g.seq LIMIT {MOST_KEYS}"
    )


def named_key(row: str, key: Sequence[str], whole: str) -> str:
    """Render what names a row to people: its key, or all of it where it has none."""
    if not key:
        return f"pg_catalog.left({whole}, 80)"
    parts = ", ".join(f"pg_catalog.concat({_said(name)}, {row}.{quote(name)})" for name in key)
    return f"pg_catalog.left(pg_catalog.concat_ws(', ', {parts}), 80)"


def _said(name: str) -> str:
    return "'" + name.replace("'", "''") + " = '"


def restore(connection: Connection, tables: Sequence[Changed]) -> tuple[int, int, int]:
    """Delete, change back and bring back rows of tables that refer to each other, in one statement.

    Foreign keys are asked at its end, so that rows may go that refer to each other in a circle. What is deleted goes
    first, and what is changed is changed in the order opposite to the job's, so that unique values are free in time.

    Returns:
        How many rows were deleted, changed, and brought back.

    Raises:
        DBAPIError: where PostgreSQL refuses it.
    """
    run(connection, _IN_ORDER)
    deleted, changed, inserted = run(connection, _restoring(tables)).one()
    for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        run(connection, f"SET LOCAL {name} TO DEFAULT")
    return int(deleted), int(changed), int(inserted)


def _restoring(tables: Sequence[Changed]) -> str:
    parts = [
        f"d{each.id} AS (DELETE FROM {each.table} AS h USING {each.back} AS b"
        " WHERE b.old IS NULL AND h.tableoid = b.place_of AND h.ctid = b.place RETURNING 1)"
        for each in tables
    ]
    parts.append(f"gone AS MATERIALIZED (SELECT {_total('d', tables)} AS n)")
    for each in tables:
        parts += [_changing(each), _inserting(each)]
    totals = ", ".join(_total(sign, tables) for sign in "dui")
    return f"WITH {', '.join(parts)} SELECT {totals}"


def _total(sign: str, tables: Sequence[Changed]) -> str:
    return " + ".join(f"(SELECT count(*) FROM {sign}{each.id})" for each in tables)


def _changing(each: Changed) -> str:
    settable = [name for name, _, fixed in each.columns if not fixed]
    sets = ", ".join(f"{quote(name)} = (b.r).{quote(name)}" for name in settable)
    if not sets:
        return f"u{each.id} AS (SELECT 1 WHERE false)"
    return (
        f"u{each.id} AS (UPDATE {each.table} AS h SET {sets} FROM (SELECT w.* FROM {each.back} AS w, gone"
        " WHERE gone.n >= 0 AND w.old IS NOT NULL AND w.place IS NOT NULL ORDER BY w.seq DESC OFFSET 0) AS b"
        " WHERE h.tableoid = b.place_of AND h.ctid = b.place RETURNING 1)"
    )


def _inserting(each: Changed) -> str:
    written = [name for name, generated, _ in each.columns if not generated]
    values = ", ".join(f"(b.r).{quote(name)}" for name in written)
    return (
        f"i{each.id} AS (INSERT INTO {each.place.sql} ({quote_list(written)}) OVERRIDING SYSTEM VALUE SELECT {values}"
        f" FROM {each.back} AS b, gone WHERE gone.n >= 0 AND b.place IS NULL ORDER BY b.seq DESC RETURNING 1)"
    )


def unlike(connection: Connection, each: Changed) -> int:
    """Count the rows that are not what they should be after `restore`, since something in the target changed them."""
    wanted = f"(SELECT old AS kept, r FROM {each.back} WHERE old IS NOT NULL) AS w"
    there = f"SELECT FROM {each.table} AS h WHERE {_is_there(each, 'w')}"
    return int(run(connection, f"SELECT count(*) FROM {wanted} WHERE NOT EXISTS ({there})").scalar_one())


def triggers_of(connection: Connection, oid: int) -> tuple[SetAsideTrigger, ...]:
    """A table's own triggers that fire for ordinary sessions."""
    rows = connection.execute(_TRIGGERS, {"oid": oid})
    return tuple(SetAsideTrigger(name=row.tgname, always=row.mode == "A") for row in rows)


def switch(connection: Connection, each: Changed, triggers: Sequence[SetAsideTrigger], *, on: bool) -> None:
    """Let a table's triggers fire or not."""
    plan = replace(each.plan, schema=each.place.schema, name=each.place.name)
    for trigger in triggers:
        run(connection, ddl.switch_trigger(plan, trigger, on=on))
