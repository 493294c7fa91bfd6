"""Rejected rows tried again after a new rule: one transaction a chunk, and all is compared afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from producer.records import Listener
from producer.services import Target
from producer.wording import counted
from shared.errors import OperatorError
from shared.ledger.comparisons import rejects_of
from shared.ledger.jobs import read_tables, save_plan
from shared.ledger.replays import chunks_with_rejects, hold_rejected, record_replay
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.way_back import settle
from shared.records.keys import SourceRow
from shared.records.plan import TablePlan
from shared.records.work import Job, JobTable
from shared.schema.rules.book import RuleBook
from shared.schema.rules.replays import retreated
from shared.target import ddl
from shared.target.careful_writer import write_carefully
from shared.target.statements import run
from shared.target.suspending import triggers_off
from shared.way_back import is_untouched, keeping_undo


def replay_rejects(target: Target, job: Job, book: RuleBook, listener: Listener) -> int:
    """Try the rejects of a job again.

    Args:
        target: Where the ledger is.
        job: A job that has ended.
        book: The rules as they are now, read with the job's source.
        listener: Is told how many rows arrived.

    Returns:
        How many rows arrived.

    Raises:
        OperatorError: where the job has no rejects, or a rule would change what is copied already.
    """
    with target.ledger(f"reading the rejects of job {job.id}") as ledger:
        work = {table: chunks_with_rejects(ledger, table.id) for table in read_tables(ledger, job.id)}
    work = {table: chunks for table, chunks in work.items() if chunks}
    if not work:
        msg = f"job {job.id} has no rejects: there is nothing to replay"
        raise OperatorError(msg)
    plans = {table.id: retreated(table.plan, book) for table in work}  # all judged before any row is written
    arrived = sum(_replay_table(target, table, plans[table.id], chunks) for table, chunks in work.items())
    left = sum(_rejects_left(target, work))
    listener.say(f"job {job.id}: {counted(arrived, 'rejected row')} arrived, {left:,} stay in the rejects")
    return arrived


def _replay_table(target: Target, table: JobTable, plan: TablePlan, chunks: Iterable[int]) -> int:
    def note(ledger: SqlAlchemyLedger) -> bool:
        save_plan(ledger, table.id, plan)
        return is_untouched(ledger, table)

    untouched = target.transact(f"noting the rules for table {plan.read.table}", note)
    arrived = sum(_replay_chunk(target, plan, chunk) for chunk in chunks)
    if untouched:
        target.transact(
            f"noting that rows of table {plan.read.table} are the job's",
            lambda ledger: settle(ledger, table.id, nested=False),
        )
    return arrived


def _replay_chunk(target: Target, plan: TablePlan, chunk_id: int) -> int:
    def replay(ledger: SqlAlchemyLedger) -> int:
        chunk = hold_rejected(ledger, chunk_id)
        if chunk is None:
            return 0
        rows = [SourceRow(reject.key, reject.values) for reject in rejects_of(ledger, chunk_id)]
        with own_triggers_off(ledger, plan):
            result = write_carefully(ledger.connection.connection.dbapi_connection, [rows], plan, reject_orphans=True)
        record_replay(ledger, chunk, plan, result)
        return result.rows

    return target.transact(f"replaying the rejects of table {plan.read.table}", replay)


@contextmanager
def own_triggers_off(ledger: SqlAlchemyLedger, plan: TablePlan) -> Iterator[None]:
    """Keep triggers still that did not fire either when the table's rows came.

    Those are all of a table that is ours, and what another one went without.
    """
    if not plan.creates:
        with triggers_off(ledger.connection, plan), keeping_undo(ledger, plan):
            yield
        return
    run(ledger.connection, ddl.switch_triggers(plan, on=False))
    yield
    run(ledger.connection, ddl.switch_triggers(plan, on=True))


def _rejects_left(target: Target, work: Mapping[JobTable, tuple[int, ...]]) -> Iterator[int]:
    with target.ledger("counting the rejects that are left") as ledger:
        for chunks in work.values():
            yield from (len(rejects_of(ledger, chunk)) for chunk in chunks)
