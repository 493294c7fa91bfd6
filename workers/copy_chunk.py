"""How one chunk travels: claim, read, convert, write, record; rows and record in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pyarrow as pa
from sqlalchemy.exc import SQLAlchemyError

from shared.errors import (
    ConvoyError,
    MissingParentError,
    NotArrowableError,
    PermanentError,
    SourceChangedError,
)
from shared.ledger.attempts import (
    fail_if_current,
    finish_if_current,
    hold_if_current,
    note_commit,
    record_rejects,
    release_if_current,
)
from shared.ledger.session import ArrowLedger
from shared.points import Point, reach
from shared.records.plan import LoadPath, TablePlan, TypeKind
from shared.records.work import Chunk, CopyResult, Job
from shared.source.reader import SourceReader
from shared.target.compared_upsert import upsert_compared
from shared.target.connections import commit, translate_error
from shared.target.convert import to_target
from shared.target.undo import watch
from workers.claiming import claim_in_turn
from workers.context import WorkerContext
from workers.copy_columns import copy_columns
from workers.copy_rows import copy_rows
from workers.failures import is_surprise, left_to_rescue, sentence_of
from workers.fingerprint import fingerprint_of
from workers.kept import swells
from workers.retrying import delay_before_retry
from workers.stopping import given_back_at_exit
from workers.timing import ChunkTimer, Stage

log = logging.getLogger(__name__)
_NUMBERS = frozenset({TypeKind.NUMERIC, TypeKind.DOUBLE, TypeKind.REAL})
"""Kinds that do not tell 5 from 5.0, which SQLite's NUMERIC affinity mixes in one column."""


@left_to_rescue
def copy_chunk(context: WorkerContext, chunk_id: int) -> str:
    """Copy one chunk, or find that there is nothing to do; never raises, so that the chord goes on.

    What goes wrong before the claim or after the copy is left to rescue; all else is recorded with the chunk.

    Returns:
        What happened, in a few words, for Flower and the log.
    """
    claimed = claim_in_turn(context, chunk_id)
    if claimed is None:
        return "nothing to do: not pending, not due, no room under the job's limit, or its job is paused or has ended"
    said = _attempt(context, claimed.job, claimed.chunk, claimed.table.plan)
    if claimed.job.max_load is not None:
        context.dispatcher.send_next(claimed.job.id)
    return said


def _attempt(context: WorkerContext, job: Job, chunk: Chunk, plan: TablePlan) -> str:
    timer = ChunkTimer()
    try:
        with given_back_at_exit(context, partial(release_if_current, chunk=chunk)):
            reach(Point.CLAIMED, chunk.id)
            result = _copy(context, job, chunk, plan, timer)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is recorded with the chunk
        return _record_failure(context, chunk, plan, error)
    reach(Point.COMMITTED_NOT_ACKNOWLEDGED, chunk.id)
    if result is None:
        return f"attempt {chunk.attempt} was overtaken"
    _note_commit(context, chunk, timer)
    return f"copied {result.rows} rows by {result.path}"


def _copy(context: WorkerContext, job: Job, chunk: Chunk, plan: TablePlan, timer: ChunkTimer) -> CopyResult | None:
    """Take the fast path, and the careful one where Arrow or PostgreSQL can't take the chunk as a whole."""
    with context.source(job) as reader:
        try:
            return _copy_columns(context, reader, job, chunk, plan, timer)
        except SourceChangedError:
            raise
        except (NotArrowableError, PermanentError, MissingParentError) as reason:
            if isinstance(reason, MissingParentError) and not _is_last(context, chunk):
                raise  # the parent's chunk may not have been copied yet
            log.info("%s takes the careful path: %s", _place(chunk, plan), reason)
            return _copy_rows(context, reader, job, chunk, plan, timer)


def _connection(context: WorkerContext, job: Job, chunk: Chunk, plan: TablePlan) -> AbstractContextManager[Any]:
    return context.arrow(f"copy chunk {chunk.id}", job.id, keep=not swells(plan))


def _is_last(context: WorkerContext, chunk: Chunk) -> bool:
    return chunk.attempt >= context.settings.max_attempts


def _copy_columns(
    context: WorkerContext, reader: SourceReader, job: Job, chunk: Chunk, plan: TablePlan, timer: ChunkTimer
) -> CopyResult | None:
    with _connection(context, job, chunk, plan) as connection, _translated(chunk, plan):
        ledger = ArrowLedger(connection)
        # Held before the first row is read: a chunk that nobody holds counts as lost after a few seconds.
        if not hold_if_current(ledger, chunk):
            return None
        watch(connection, plan)
        reach(Point.HELD, chunk.id)
        if plan.load is LoadPath.BARE:
            record = partial(record_rejects, ledger, chunk, plan)
            result = copy_columns(reader, connection, plan, chunk.key_range, timer, record)
            context.refuse_changed(reader, job)
        else:
            result = _upsert_columns(context, reader, connection, job, chunk, plan, timer)
        finish_if_current(ledger, chunk, result)
        reach(Point.COPIED_NOT_COMMITTED, chunk.id)
        with timer.stage(Stage.COMMIT):
            commit(connection)
    return result


def _upsert_columns(
    context: WorkerContext,
    reader: SourceReader,
    connection: Any,
    job: Job,
    chunk: Chunk,
    plan: TablePlan,
    timer: ChunkTimer,
) -> CopyResult:
    rows, fingerprint = _read_columns(context, reader, job, chunk, plan, timer)
    with timer.stage(Stage.WRITE):
        written, path = upsert_compared(connection, rows, plan, chunk.key_range)
    return CopyResult(path=path, rows=written, fingerprint=fingerprint, times=timer.times())


def _read_columns(
    context: WorkerContext, reader: SourceReader, job: Job, chunk: Chunk, plan: TablePlan, timer: ChunkTimer
) -> tuple[pa.Table, str]:
    """Read a chunk and convert it; returns what is written, and the digest of what was read."""
    suspects = None if plan.sampled else [column.source for column in plan.columns if column.mixed]
    numbers = [column.source for column in plan.columns if column.type.kind in _NUMBERS]
    with timer.stage(Stage.READ):
        source_rows = reader.read_arrow(plan.read, chunk.key_range, suspects=suspects, as_numbers=numbers)
        context.refuse_changed(reader, job)
    with timer.stage(Stage.CONVERT):
        return to_target(source_rows, plan.columns), fingerprint_of(source_rows)


def _copy_rows(
    context: WorkerContext, reader: SourceReader, job: Job, chunk: Chunk, plan: TablePlan, timer: ChunkTimer
) -> CopyResult | None:
    with _connection(context, job, chunk, plan) as connection, _translated(chunk, plan):
        ledger = ArrowLedger(connection)
        if not hold_if_current(ledger, chunk):
            return None
        watch(connection, plan)
        record = partial(record_rejects, ledger, chunk, plan)
        last = _is_last(context, chunk)
        result = copy_rows(reader, connection, plan, chunk.key_range, timer, record, reject_orphans=last)
        context.refuse_changed(reader, job)
        finish_if_current(ledger, chunk, result)
        reach(Point.COPIED_NOT_COMMITTED, chunk.id)
        with timer.stage(Stage.COMMIT):
            commit(connection)
    return result


def _note_commit(context: WorkerContext, chunk: Chunk, timer: ChunkTimer) -> None:
    """Add what was not known before the commit; the rows are there, whatever becomes of this."""
    try:
        with context.store.alone() as ledger:
            note_commit(ledger, chunk, timer.commit_s)
    except (SQLAlchemyError, ConvoyError) as lost:
        log.info("the time of a commit was not noted: %s", sentence_of(lost))


def _record_failure(context: WorkerContext, chunk: Chunk, plan: TablePlan, error: Exception) -> str:
    """Record the failure with the time of the next attempt; a failure of that too is left to rescue."""
    sentence = _sentence(chunk, plan, error)
    log.warning("%s", sentence, exc_info=is_surprise(error))
    settings = context.settings
    delay_s = delay_before_retry(settings, error)
    try:
        with context.store.transaction() as ledger:
            state = fail_if_current(
                ledger,
                chunk,
                sentence,
                retry=delay_s > 0,
                max_attempts=settings.max_attempts,
                delay_s=delay_s,
            )
    except SQLAlchemyError as lost:
        return f"failed, and the ledger could not be told: {sentence_of(lost)}"
    return f"attempt {chunk.attempt} failed, the chunk is {state or 'not ours any more'}: {sentence}"


def _sentence(chunk: Chunk, plan: TablePlan, error: Exception) -> str:
    return f"{_place(chunk, plan)}, attempt {chunk.attempt}: {sentence_of(error)}"


def _place(chunk: Chunk, plan: TablePlan) -> str:
    return f"table {plan.read.table}, chunk {chunk.number} {chunk.key_range}"


@contextmanager
def _translated(chunk: Chunk, plan: TablePlan) -> Iterator[None]:
    """Turn a driver's errors into ours, once."""
    try:
        yield
    except ConvoyError:
        raise
    except Exception as error:
        raise translate_error(error, what=f"copying {_place(chunk, plan)}") from error
