"""What follows when a table's chunks are done: keys and indexes, then comparison, then its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from shared.compare.tables import compare_table
from shared.errors import ConvoyError, TransientError, UnreachableError
from shared.ledger.begun import begin_step, end_step, release_step
from shared.ledger.builds import forget_builds, read_builds, record_builds
from shared.ledger.comparisons import (
    mismatches_of_chunks,
    record_table_comparison,
    rejects_of_table,
    why_not_compared,
)
from shared.ledger.jobs import move_table, read_job, read_table, save_plan
from shared.ledger.progress import read_table_progress
from shared.ledger.queueing import count_chunks, hold_step_of
from shared.ledger.session import Ledger, SqlAlchemyLedger
from shared.ledger.standing import note_table
from shared.ledger.states import BUILD_ENDS, TableState
from shared.ledger.steps import ChunkCounts, Step, next_step
from shared.ledger.unfinished import count_changed
from shared.ledger.way_back import settle
from shared.messages import LONGEST_BUILD_S
from shared.points import Point, reach
from shared.records.plan import CompareBy
from shared.records.work import JobTable
from shared.target.build_sessions import name_build
from shared.target.connections import translate_error
from shared.way_back import is_untouched
from workers.building import outcome_of
from workers.context import WorkerContext
from workers.failures import noted_and_left_to_rescue
from workers.kept import swells
from workers.objects import Built, build_table, existing_objects, missing_builds
from workers.planned_builds import is_large, new_builds
from workers.stopping import given_back_at_exit


@noted_and_left_to_rescue(note_table)
def finish_table(context: WorkerContext, table_id: int) -> str:
    """Do what the table needs next until it waits for chunks or has ended; harmless when it runs twice or early.

    Returns:
        Where the table is now, for Flower and the log.
    """
    move_on(context, table_id, lambda _step: _send_on(context, table_id))
    with context.store.transaction() as ledger:
        table = read_table(ledger, table_id)
    if table is None:
        return f"table {table_id} is gone from the ledger"
    context.dispatcher.send_finish_job(table.job_id)
    return f"table {table.plan.read.table} is {table.state}"


def move_on(context: WorkerContext, table_id: int, hand_on: Callable[[Step], bool]) -> None:
    """Take step after step until the table waits for others or has ended.

    Args:
        context: This process's.
        table_id: The table.
        hand_on: Sees to the steps that are done chunk by chunk; False where they are left to others.
    """
    while take_step(context, table_id, hand_on):
        pass


def _send_on(context: WorkerContext, table_id: int) -> bool:
    context.dispatcher.send_work(table_id)
    return False


def take_step(context: WorkerContext, table_id: int, hand_on: Callable[[Step], bool]) -> bool:
    """Take one step as `move_on` does; False where there is none to take now, or it was the last."""
    with context.store.transaction() as ledger:
        step = hold_step_of(ledger, table_id)
        match step:
            case Step.BUILD:
                begun = move_table(ledger, table_id, TableState.BUILDING, begun=1)
                if begun:
                    forget_builds(ledger, table_id)
            case Step.CHECK:
                begun = False
            case Step.FAIL:
                return _end(ledger, table_id, TableState.FAILED, _why_failed(ledger, table_id))
            case Step.CANCEL:
                return _end(ledger, table_id, TableState.CANCELLED)
            case _:
                begun = True
        refused = None if begun else begin_step(ledger, table_id, most=context.settings.max_attempts)
        if refused is not None:
            return _end(ledger, table_id, TableState.FAILED, refused)
    whole = {Step.BUILD: _build, Step.CHECK: _check}.get(step)
    if whole is not None:
        return _counted(whole, context, table_id)
    return step is not Step.NOTHING and hand_on(step)


def _end(ledger: Ledger, table_id: int, to: TableState, error: str | None = None) -> bool:
    """Move a table to its end; False, since there is no step after it."""
    move_table(ledger, table_id, to, error=error)
    return False


def _counted(step: Callable[[WorkerContext, int], bool], context: WorkerContext, table_id: int) -> bool:
    """Take a step that was noted as begun; what is left of the note then tells of a process that was lost."""
    try:
        with given_back_at_exit(context, partial(release_step, table_id=table_id)):
            return step(context, table_id)
    except Exception:
        with suppress(SQLAlchemyError, ConvoyError), context.store.transaction() as ledger:
            end_step(ledger, table_id)
        raise


def _build(context: WorkerContext, table_id: int) -> bool:
    """Build keys and indexes in one transaction that holds the table's row, or see them built as tasks of their own.

    False where somebody else is at it, or those tasks are yet to end.
    """
    with context.store.transaction() as ledger:
        table = read_table(ledger, table_id, lock=True, skip_locked=True)
        if table is None or table.state != TableState.BUILDING:
            return False
        name_build(ledger.connection, table.job_id, table.plan.name)
        options = read_job(ledger, table.job_id, brief=True).options
        reach(Point.BUILDING, table_id)
        settles = _settles(ledger, table)
        built = _built(context, ledger, table) if table.plan.creates else Built()
        if built is None:
            end_step(ledger, table_id)
            return True
        if built.error is not None:
            return _end(ledger, table_id, TableState.FAILED, built.error)
        if table.plan.match_key in built.left_out:
            # Without its key no row can be looked up: the table is compared as a whole.
            save_plan(ledger, table_id, replace(table.plan, match_key=(), compare_by=CompareBy.MULTISET))
        if settles:
            settle(ledger, table_id, nested=bool(table.plan.search))
        if options.verify and not options.schema_only:
            return move_table(ledger, table_id, TableState.VERIFYING)
        return _end(ledger, table_id, TableState.COMPLETED)


def _settles(ledger: SqlAlchemyLedger, table: JobTable) -> bool:
    """Whether all rows are the job's: not a second time, since others may have written rows by then.

    A column for searching that is only made now writes every row anew.
    """
    again = table.settled_xid is not None
    return table.plan.creates and (not again or (bool(table.plan.search) and is_untouched(ledger, table)))


def _built(context: WorkerContext, ledger: SqlAlchemyLedger, table: JobTable) -> Built | None:
    """Build a small table at once; None while the builds of a large one, each a task of its own, have yet to end."""
    recorded = read_builds(ledger, table.id)
    if any(build.state not in BUILD_ENDS for build in recorded):
        return None
    came_to = {build.name: outcome_of(build) for build in recorded}
    if is_large(table.plan, bound=context.settings.build_apart_bytes):
        there = existing_objects(ledger, table.plan)
        missing = missing_builds(ledger, table.job_id, table.plan, there, came_to)
        if missing:
            record_builds(ledger, table.job_id, table.id, new_builds(table.plan, missing))
            return None
    return build_table(ledger, table.job_id, table.plan, came_to)


def _check(context: WorkerContext, table_id: int) -> bool:
    """Look at the table as a whole and end it, unless somebody else is at it; False, since nothing comes after it."""
    with context.store.transaction() as ledger:
        table = read_table(ledger, table_id, lock=True, skip_locked=True)
        if table is None or table.state != TableState.VERIFYING:
            return False
        # Asked again: since the step was, another worker may have ended the table and an operator reopened it.
        counts = count_chunks(ledger, table_id)
        if next_step(TableState.VERIFYING, counts, planned=table.planned) is not Step.CHECK:
            return False
        # Idle meanwhile, and of a huge table without a key for longer than a transaction may be otherwise.
        ledger.run(sa.text(f"SET LOCAL idle_in_transaction_session_timeout TO '{LONGEST_BUILD_S}s'"))
        reach(Point.CHECKING, table_id)
        error = _compare_whole(context, ledger, table, counts)
        return _end(ledger, table_id, TableState.FAILED if error else TableState.COMPLETED, error)


def _compare_whole(
    context: WorkerContext, ledger: SqlAlchemyLedger, table: JobTable, counts: ChunkCounts
) -> str | None:
    """Compare what only the table as a whole shows; returns why it fails, or None."""
    job = read_job(ledger, table.job_id, brief=True)
    rejected = rejects_of_table(ledger, table.id) if counts.rejects else ()
    already = mismatches_of_chunks(ledger, table.id) if counts.mismatches else ()
    plan = table.plan
    try:
        with (
            context.source_for_reads(job) as reader,
            context.arrow_for_reads(f"verify table {table.id}", job.id, keep=not swells(plan)) as connection,
        ):
            rows = reader.count_rows(plan.read.table)
            expected = rows if plan.row_limit is None else min(rows, plan.row_limit)
            comparison = compare_table(
                reader,
                connection,
                plan,
                source_rows=expected,
                rejects=len(rejected),
                rejected=rejected,
                already=already,
            )
            context.refuse_changed(reader, job)
    except Exception as error:
        ours = error if isinstance(error, ConvoyError) else translate_error(error, what=f"comparing {plan.name}")
        if isinstance(ours, TransientError | UnreachableError):
            raise ours from error  # rescue asks again
        return f"the table as a whole could not be compared: {ours}"
    record_table_comparison(ledger, table.job_id, table.id, comparison)
    found = comparison.found + counts.mismatches
    mismatches = "1 mismatch" if found == 1 else f"{found:,} mismatches"
    return f"{mismatches}: `producer report` names them" if found else None


def _why_failed(ledger: Ledger, table_id: int) -> str:
    counts = read_table_progress(ledger, table_id)
    if count_changed(ledger, table_id):
        return f"{counts.failed} of {counts.chunks} chunks failed: the source has changed, only a new job can copy it"
    if counts.failed:
        return f"{counts.failed} of {counts.chunks} chunks failed: `producer requeue` copies them again"
    reason = why_not_compared(ledger, table_id)
    first = "" if reason is None else f"; the first was {reason}"
    return f"chunks could not be compared: `producer verify` compares them again{first}"
