"""Which chunks have a message under way: taken before sending, forgotten where the queue lost them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from shared.ledger.builds import count_open_builds
from shared.ledger.intervals import seconds
from shared.ledger.pausing import give_back_table, goes_on
from shared.ledger.prepared import prepared
from shared.ledger.session import Ledger
from shared.ledger.states import TABLE_ENDS, ChunkState, JobState, TableState
from shared.ledger.steps import ChunkCounts, Step, next_step
from shared.ledger.tables import chunks, jobs, tables
from shared.ledger.turns import EVERYTHING_FITS, Room, room_for_comparisons, room_for_copies

CHORD_SIZE: Final = 1000
"""Headers a chord holds at most: its body is copied into every message and all results travel in one (measured:
5.3 KB of the producer's memory and 1.6 KB of Redis a header)."""
MAX_COMPARE_FAILURES: Final = 5
"""As many as attempts by default: with the waits in between, a server may be away for half a minute, and one that has
no connection to spare for seven."""


def is_due() -> sa.ColumnElement[bool]:
    """Whether a chunk's next attempt, or comparison, may begin."""
    return sa.or_(chunks.c.not_before.is_(None), chunks.c.not_before <= sa.func.clock_timestamp())


def take_pending(ledger: Ledger, table_id: int) -> tuple[int, ...]:
    """Mark up to a chord of pending, due chunks without a message as sent, and return their ids in key order.

    None while a whole chord of the table waits already: so the queue stays small whatever the table's size. Under a
    limit of load, no more than may soon begin; of a paused job, none.
    """
    sent = (chunks.c.table_id == table_id, chunks.c.state == ChunkState.PENDING, chunks.c.enqueued_at.is_not(None))
    # No more are counted than matter: a million chunks are planned in a thousand batches, each of which asks.
    waiting = sa.select(chunks.c.id).where(*sent).limit(CHORD_SIZE).subquery()
    if ledger.run(sa.select(sa.func.count()).select_from(waiting))[0][0] >= CHORD_SIZE:
        return ()
    return _take(ledger, table_id, room_for_copies(ledger, table_id), compare=False)


def take_uncompared(ledger: Ledger, table_id: int) -> tuple[int, ...]:
    """Mark up to a chord of copied, uncompared chunks without a message as sent, and return their ids.

    None while the table itself is not compared: its keys come first.
    """
    return _take(ledger, table_id, room_for_comparisons(ledger, table_id), compare=True)


def _take(ledger: Ledger, table_id: int, room: Room, *, compare: bool) -> tuple[int, ...]:
    number = CHORD_SIZE if room == EVERYTHING_FITS else _fitting(ledger, table_id, room, compare=compare)
    taken = ledger.run(_taking(table_id, number, compare=compare))
    return tuple(row.id for row in sorted(taken, key=lambda row: row.number))


@prepared
def _taking(table_id: int, number: int, *, compare: bool) -> sa.Update:
    picked = (
        sa.select(chunks.c.id)
        .where(_waits_for_a_message(table_id, compare=compare))
        .order_by(chunks.c.number)
        .limit(number)
        .with_for_update(skip_locked=True, key_share=True)
        .cte("picked")
    )
    return (
        sa.update(chunks)
        .where(chunks.c.id == picked.c.id)
        .values({_sent_at(compare=compare): sa.func.clock_timestamp()})
        .returning(chunks.c.id, chunks.c.number)
    )


def _fitting(ledger: Ledger, table_id: int, room: Room, *, compare: bool) -> int:
    waiting = _waits_for_a_message(table_id, compare=compare)
    sizes = sa.select(chunks.c.source_bytes).where(waiting).order_by(chunks.c.number).limit(CHORD_SIZE)
    return room.count(row.source_bytes for row in ledger.run(sizes))


def _sent_at(*, compare: bool) -> sa.Column[Any]:
    return chunks.c.compare_sent_at if compare else chunks.c.enqueued_at


def _waits_for_a_message(table_id: int, *, compare: bool) -> sa.ColumnElement[bool]:
    waiting = [
        chunks.c.table_id == table_id,
        _sent_at(compare=compare).is_(None),
        is_due(),
        goes_on(chunks.c.job_id),
    ]
    if not compare:
        return sa.and_(*waiting, chunks.c.state == ChunkState.PENDING)
    verifying = sa.exists().where(tables.c.id == table_id, tables.c.state == TableState.VERIFYING)
    uncompared = (chunks.c.state == ChunkState.COPIED, chunks.c.compared_at.is_(None))
    return sa.and_(*waiting, *uncompared, chunks.c.compare_failures < MAX_COMPARE_FAILURES, verifying)


def forget_messages(ledger: Ledger, job_id: int, *, older_than_s: float) -> int:
    """Treat messages sent longer ago than this as lost, so that they are sent again; returns how many.

    Sending one too many is harmless: the second finds its chunk claimed or done.
    """
    moment = sa.func.clock_timestamp() - seconds(older_than_s)
    lost = 0
    for sent_at, state in ((chunks.c.enqueued_at, ChunkState.PENDING), (chunks.c.compare_sent_at, ChunkState.COPIED)):
        where = sa.and_(
            chunks.c.job_id == job_id, chunks.c.state == state, chunks.c.compared_at.is_(None), sent_at < moment
        )
        lost += len(_update_free(ledger, chunks, where, {sent_at: None}))
    sent_before = sa.and_(tables.c.job_id == job_id, tables.c.finish_sent_at < moment)
    _update_free(ledger, tables, sent_before, {tables.c.finish_sent_at: None})
    sent_before = sa.and_(jobs.c.id == job_id, jobs.c.finish_sent_at < moment)
    _update_free(ledger, jobs, sent_before, {jobs.c.finish_sent_at: None})
    return lost


def _update_free(
    ledger: Ledger, table: sa.Table, where: sa.ColumnElement[bool], values: dict[sa.Column[Any], Any]
) -> Sequence[Any]:
    """Update the rows that nobody holds, without waiting for the others: who holds a row is at work on it.

    Rows of `tables` and `jobs` are locked FOR NO KEY UPDATE throughout: rows that refer to them may be inserted.
    """
    free = sa.select(table.c.id).where(where).with_for_update(skip_locked=True, key_share=True).cte("free")
    return ledger.run(sa.update(table).where(table.c.id == free.c.id).values(values).returning(table.c.id))


def count_chunks(ledger: Ledger, table_id: int) -> ChunkCounts:
    """Count where a table's chunks are."""
    return ChunkCounts(**ledger.run(_counts(table_id))[0]._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


@prepared
def _counts(table_id: int) -> sa.Select[Any]:
    uncompared = sa.and_(chunks.c.state == ChunkState.COPIED, chunks.c.compared_at.is_(None))
    return sa.select(
        sa.func.count().label("total"),
        _count(chunks.c.state.in_([ChunkState.PENDING, ChunkState.COPYING])).label("unfinished"),
        _count(chunks.c.state == ChunkState.FAILED).label("failed"),
        _count(chunks.c.state == ChunkState.CANCELLED).label("cancelled"),
        _count(uncompared).label("uncompared"),
        _count(sa.and_(uncompared, chunks.c.compare_failures >= MAX_COMPARE_FAILURES)).label("incomparable"),
        _sum(chunks.c.rejects).label("rejects"),
        _sum(chunks.c.mismatches).label("mismatches"),
        count_open_builds(table_id).label("open_builds"),
    ).where(chunks.c.table_id == table_id)


def _count(condition: sa.ColumnElement[bool]) -> Any:
    return sa.func.count().filter(condition)


def _sum(column: sa.Column[Any]) -> Any:
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)


def step_of(ledger: Ledger, table_id: int) -> Step:
    """What a table needs next."""
    return _step(ledger, table_id, ledger.run(_where_is(table_id, hold=False))[0])


@prepared
def _where_is(table_id: int, *, hold: bool) -> sa.Select[Any]:
    found = sa.select(tables.c.state, tables.c.planned).where(tables.c.id == table_id)
    if not hold:
        return found
    return found.where(goes_on(tables.c.job_id)).with_for_update(skip_locked=True, key_share=True, of=tables)


def _step(ledger: Ledger, table_id: int, row: Any) -> Step:
    state = TableState(row.state)
    if state in TABLE_ENDS:
        return Step.NOTHING
    return next_step(state, count_chunks(ledger, table_id), planned=row.planned)


def hold_step_of(ledger: Ledger, table_id: int) -> Step:
    """What a table needs next, its row locked for the transaction; nothing where somebody is at it.

    Whoever is turned away may have known more than the holder; the next rescue looks again. Nothing as well where
    its job has ended or is paused: a paused job's step is asked for again.
    """
    held = ledger.run(_where_is(table_id, hold=True))
    if held:
        return _step(ledger, table_id, held[0])
    give_back_table(ledger, table_id)
    return Step.NOTHING


def open_tables(ledger: Ledger, job_id: int) -> tuple[int, ...]:
    """The tables of a job that have not ended, in the order of enqueueing."""
    statement = (
        sa.select(tables.c.id)
        .where(tables.c.job_id == job_id, tables.c.state.not_in(TABLE_ENDS))
        .order_by(tables.c.position)
    )
    return tuple(row.id for row in ledger.run(statement))


def tables_waiting(ledger: Ledger, job_id: int) -> tuple[int, ...]:
    """The tables of a job with due chunks that nobody sent, in the order of enqueueing."""
    due = sa.or_(chunks.c.not_before.is_(None), chunks.c.not_before <= sa.func.clock_timestamp())
    unsent = (chunks.c.table_id == tables.c.id, chunks.c.state == ChunkState.PENDING, chunks.c.enqueued_at.is_(None))
    statement = (
        sa.select(tables.c.id)
        .where(
            tables.c.job_id == job_id,
            tables.c.state.not_in(TABLE_ENDS),
            goes_on(tables.c.job_id),
            sa.exists().where(*unsent, due),
        )
        .order_by(tables.c.position)
    )
    return tuple(row.id for row in ledger.run(statement))


def take_finish_table(ledger: Ledger, table_id: int) -> bool:
    """Mark the message for finish_table as sent; False where one is under way already, or somebody is at the table.

    False as well where the job has ended or is paused.
    """
    where = sa.and_(tables.c.id == table_id, tables.c.finish_sent_at.is_(None), goes_on(tables.c.job_id))
    return bool(_update_free(ledger, tables, where, {tables.c.finish_sent_at: sa.func.clock_timestamp()}))


def take_finish_job(ledger: Ledger, job_id: int) -> bool:
    """Mark the message for finish_job as sent, if all tables have ended, none is under way, and nobody is at it.

    False as well where the job is paused.
    """
    unfinished = sa.exists().where(tables.c.job_id == job_id, tables.c.state.not_in(TABLE_ENDS))
    where = sa.and_(
        jobs.c.id == job_id,
        jobs.c.finish_sent_at.is_(None),
        jobs.c.paused_at.is_(None),
        jobs.c.state.in_([JobState.COPYING, JobState.VERIFYING]),
        ~unfinished,
    )
    return bool(_update_free(ledger, jobs, where, {jobs.c.finish_sent_at: sa.func.clock_timestamp()}))
