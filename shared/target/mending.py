"""What a repair writes is the job's: kept with what the job wrote, so that a rollback takes back both at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from shared.records.keys import Value
from shared.records.plan import TablePlan
from shared.target import ddl
from shared.target.restoring import is_keyed, same_key
from shared.target.statements import run
from shared.target.surplus import has_key
from shared.target.undo import arm, disarm, settle_constraints, watch


@contextmanager
def mended(
    connection: Connection, plan: TablePlan, keys: Iterable[Sequence[Value]], *, job: int, table: int
) -> Iterator[None]:
    """Let what the block writes over the rows of some keys be the job's, in the caller's transaction.

    Of a table that the job made, each row is kept as the block leaves it: `shared.target.removing.rows_of` knows it by
    that. Of one that was there before, where the job's doing is kept (`shared.way_back.keeping_undo` is around this),
    what others made of a row between the job and the block is no state to come back to: the one before the job is.

    Args:
        connection: A transaction, by which the block writes.
        plan: The table.
        keys: Match keys of the rows that are written, none of their values NULL.
        job: The job's id.
        table: The table's id in the ledger.

    Raises:
        ConvoyError: as `arm` and `watch` say.
    """
    if plan.creates:
        armed = arm(connection, plan, job=job, table=table)
        watch(connection.connection.dbapi_connection, armed)
        yield
        settle_constraints(connection)
        disarm(connection, armed)
        return
    named = has_key(plan, "(m.r)", keys) if plan.undo is not None and is_keyed(plan) else None
    last = run(connection, "SELECT coalesce(max(id), 0) FROM pgconvoy.undo").scalar_one() if named else 0
    yield
    if named:
        run(connection, _joining(plan, table, int(last), named))


def _joining(plan: TablePlan, table: int, last: int, named: str) -> str:
    """Let the first write over a row, of those after the last that was kept, follow on what the job left there."""
    row = f"::{ddl.table_name(plan)} AS r"
    return f"""
        UPDATE pgconvoy.undo AS u SET before = w.kept FROM (
            SELECT DISTINCT ON (l.kept) l.kept, m.id
              FROM (SELECT kept, kept{row} FROM (
                        SELECT after AS kept, 1 AS sign FROM pgconvoy.undo
                         WHERE table_id = {table} AND id <= {last} AND after IS NOT NULL
                        UNION ALL
                        SELECT before, -1 FROM pgconvoy.undo
                         WHERE table_id = {table} AND id <= {last} AND before IS NOT NULL
                    ) AS logged GROUP BY kept HAVING sum(sign) > 0) AS l
              JOIN (SELECT id, after{row} FROM pgconvoy.undo
                     WHERE table_id = {table} AND id > {last} AND after IS NOT NULL) AS m
                ON {same_key(plan, "(l.r)", "(m.r)")}
             WHERE {named} ORDER BY l.kept, m.id
        ) AS w WHERE u.id = w.id
    """
