"""What a job notes on its way, so that it can be taken back: what it makes, what it does to rows that were there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from shared.ledger.jobs import read_tables, save_plan
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import TABLE_ENDS
from shared.ledger.way_back import record_made
from shared.records.plan import ObjectPlan, TablePlan
from shared.records.work import JobTable
from shared.target.made_objects import objects_in
from shared.target.removing import rows_of
from shared.target.restoring import place_of
from shared.target.undo import arm, disarm, has_triggers, settle_constraints, watch


@contextmanager
def noting_made(
    ledger: SqlAlchemyLedger, job_id: int, schemas: Sequence[str], objects: Sequence[ObjectPlan]
) -> Iterator[None]:
    """Keep what the block makes in some schemas, and of these themselves, where its objects name it.

    What other sessions make meanwhile under other names is theirs.
    """
    before = {(each.kind, each.oid) for each in objects_in(ledger.connection, schemas)}
    yield
    said = "\n".join(statement for each in objects for statement in each.statements)
    new = [
        each
        for each, word in objects_in(ledger.connection, schemas).items()
        if (each.kind, each.oid) not in before and (each.kind == "schema" or word in said)
    ]
    record_made(ledger, job_id, new)


def keep_undo(ledger: SqlAlchemyLedger, job_id: int) -> None:
    """Keep from now on what a job does to rows of tables that were there before (--undo-log).

    Raises:
        OperatorError: where the role may not make a trigger there.
    """
    for table in read_tables(ledger, job_id):
        if not table.plan.creates and table.state not in TABLE_ENDS:
            save_plan(ledger, table.id, arm(ledger.connection, table.plan, job=job_id, table=table.id))


def stop_keeping_undo(ledger: SqlAlchemyLedger, job_id: int) -> None:
    """Take the triggers of `keep_undo` away; what they kept stays."""
    for table in read_tables(ledger, job_id):
        if table.plan.undo is not None and table.plan.undo.armed:
            save_plan(ledger, table.id, disarm(ledger.connection, table.plan))


@contextmanager
def keeping_undo(ledger: SqlAlchemyLedger, plan: TablePlan) -> Iterator[None]:
    """Keep what the block writes, by the same connection, into a table of an ended job, in the caller's transaction.

    Where the table has triggers of its own, what these do in the job's other tables is kept there too.

    Raises:
        ConvoyError: as `arm` and `watch` say.
    """
    if plan.undo is None:
        yield
        return
    own = {each.id: each.plan for each in read_tables(ledger, plan.undo.job) if each.plan.undo is not None}
    if not has_triggers(ledger.connection, plan):
        own = {plan.undo.table: plan}
    resting = {table: each for table, each in own.items() if each.undo is not None and not each.undo.armed}
    armed = [arm(ledger.connection, each, job=plan.undo.job, table=table) for table, each in resting.items()]
    watch(ledger.connection.connection.dbapi_connection, plan)
    yield
    settle_constraints(ledger.connection)
    for each in armed:
        disarm(ledger.connection, each)


def is_untouched(ledger: SqlAlchemyLedger, table: JobTable) -> bool:
    """Whether a table that the job made holds no row that came, or was changed, after all of the job's were there."""
    if not table.plan.creates or table.oid is None or table.settled_xid is None:
        return False
    place = place_of(ledger.connection, table.oid)
    if place is None:
        return False
    return rows_of(ledger.connection, table.plan, place, table.settled_xid, table=table.id).younger == 0
