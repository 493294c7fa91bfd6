"""Whose turn it is in a job with a limit of load: how many chunks may be copied at once, and when the next may begin.

A limit of connections or of lag is kept by a number, `jobs.in_flight`; one of bytes by a moment, `jobs.paced_until`,
which each chunk that begins moves on by the time that its bytes may take. So a rate below one chunk at a time is kept
as well: chunks begin further apart than they take.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from shared.ledger.codec import decode_max_load
from shared.ledger.intervals import seconds
from shared.ledger.prepared import Prepared, prepared
from shared.ledger.session import Ledger
from shared.ledger.states import JOB_ENDS, ChunkState
from shared.ledger.tables import chunks, jobs, tables
from shared.records.load import MaxLoad

CREDIT_S: Final = 10.0
"""What a job fell behind its rate it may catch up, but no more than of so many seconds: as long as a
controller may take to send the next message."""
_AHEAD_S: Final = 2.0
"""Messages are sent for what may begin within so long: chunks that end send the next ones."""
PATIENCE_S: Final = 4.0
"""A worker waits so long for a chunk's turn; what has to wait longer has no message yet. Less than after which rescue
takes a message for lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a job with limits may do now."""

    job_id: int
    limits: MaxLoad
    free: float
    """How many chunks more may be copied at once; infinite under a limit of bytes alone."""
    wait_s: float
    """Until the next one may begin; 0: at once."""

    @property
    def seconds(self) -> float:
        """Until a chunk may begin, as far as that is known: infinite where another one has to end first."""
        return self.wait_s if self.free >= 1 else math.inf


def hold_turn(ledger: Ledger, chunk_id: int) -> Turn | None:
    """Lock the job of a pending chunk for this transaction, so that no other claims meanwhile; None without limits."""
    of_chunk = sa.and_(chunks.c.job_id == jobs.c.id, chunks.c.id == chunk_id, chunks.c.state == ChunkState.PENDING)
    statement = (
        sa.select(jobs.c.id)
        .where(sa.exists().where(of_chunk), jobs.c.max_load.is_not(None), jobs.c.state.not_in(JOB_ENDS))
        .with_for_update(key_share=True)
    )
    held = ledger.run(statement)
    # Asked afterwards: a statement sees what was committed when it began, and this one may have waited.
    return turn_of(ledger, held[0].id) if held else None


def turn_of(ledger: Ledger, job_id: int) -> Turn | None:
    """What a job may do now; None where it has no limits."""
    return _turn(ledger, _limits(job_id, of_table=False))


def _turn_of_table(ledger: Ledger, table_id: int) -> Turn | None:
    return _turn(ledger, _limits(table_id, of_table=True))


@prepared
def _limits(number: int, *, of_table: bool) -> sa.Select[Any]:
    """Of a job by its own number, or by that of one of its tables."""
    here = sa.exists().where(tables.c.id == number, tables.c.job_id == jobs.c.id) if of_table else jobs.c.id == number
    wait = sa.extract("epoch", jobs.c.paced_until - sa.func.clock_timestamp())
    columns = (jobs.c.id, jobs.c.max_load, jobs.c.in_flight, wait.label("wait"))
    return sa.select(*columns).where(here, jobs.c.max_load.is_not(None))


def _turn(ledger: Ledger, asked: Prepared) -> Turn | None:
    rows = ledger.run(asked)
    if not rows:
        return None
    job = rows[0]
    limits = decode_max_load(job.max_load)
    free = math.inf if job.in_flight is None else job.in_flight - count_copying(ledger, job.id)
    paced = limits.bytes_per_s is not None and job.wait is not None
    return Turn(job_id=job.id, limits=limits, free=free, wait_s=max(0.0, float(job.wait)) if paced else 0.0)


def move_turn(ledger: Ledger, job_id: int, source_bytes: int, limits: MaxLoad) -> None:
    """Let the next chunk begin when the bytes of this one may be over."""
    if limits.bytes_per_s is None:
        return
    now = sa.func.clock_timestamp()
    begun = sa.func.greatest(sa.func.coalesce(jobs.c.paced_until, now), now - seconds(CREDIT_S))
    ledger.run(
        sa.update(jobs)
        .where(jobs.c.id == job_id)
        .values(paced_until=begun + seconds(source_bytes / limits.bytes_per_s))
    )


def give_back(ledger: Ledger, chunk_id: int) -> None:
    """Note that a pending chunk has no message any more: it is sent again when there is room for it."""
    ledger.run(
        sa.update(chunks).where(chunks.c.id == chunk_id, chunks.c.state == ChunkState.PENDING).values(enqueued_at=None)
    )


def count_copying(ledger: Ledger, job_id: int) -> int:
    """How many chunks of a job are being copied."""
    copying = sa.and_(chunks.c.job_id == job_id, chunks.c.state == ChunkState.COPYING)
    return int(ledger.run(sa.select(sa.func.count()).where(copying))[0][0])


def count_comparing(ledger: Ledger, job_id: int) -> int:
    """How many chunks of a job were sent to be compared and are not done."""
    sent = sa.and_(chunks.c.state == ChunkState.COPIED, chunks.c.compare_sent_at.is_not(None))
    where = (chunks.c.job_id == job_id, sent, chunks.c.compared_at.is_(None))
    return int(ledger.run(sa.select(sa.func.count()).where(*where))[0][0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much may be sent now."""

    chunks: float = math.inf
    bytes: float = math.inf
    """The last chunk may take more than is left."""

    def count(self, sizes: Iterable[int]) -> int:
        """How many of the chunks of these sizes there is room for, from the first on."""
        number, bytes_ = 0, 0
        for size in sizes:
            if number + 1 > self.chunks or bytes_ >= self.bytes:
                break
            number += 1
            bytes_ += size
        return number


EVERYTHING_FITS: Final = Room()


def room_for_copies(ledger: Ledger, table_id: int) -> Room:
    """How many chunks of a table may be sent to be copied, what is under way for its job taken into account."""
    turn = _turn_of_table(ledger, table_id)
    if turn is None:
        return EVERYTHING_FITS
    size = sa.cast(sa.func.coalesce(sa.func.sum(chunks.c.source_bytes), 0), sa.BigInteger)
    sent = (chunks.c.job_id == turn.job_id, chunks.c.state == ChunkState.PENDING, chunks.c.enqueued_at.is_not(None))
    number, bytes_ = ledger.run(sa.select(sa.func.count(), size).where(*sent))[0]
    return room_in(turn, sent=number, sent_bytes=bytes_)


def room_for_comparisons(ledger: Ledger, table_id: int) -> Room:
    """How many chunks of a table may be sent to be compared: only their number is limited, since nothing is written."""
    turn = _turn_of_table(ledger, table_id)
    if turn is None or math.isinf(turn.free):
        return EVERYTHING_FITS
    return Room(chunks=max(0, turn.free - count_comparing(ledger, turn.job_id)))


def room_in(turn: Turn, *, sent: int, sent_bytes: int) -> Room:
    """How much may be sent to be copied, when so much waits in the queue already; pure."""
    if turn.wait_s > PATIENCE_S:
        return Room(chunks=0)
    rate = turn.limits.bytes_per_s
    bytes_ = math.inf if rate is None else rate * _AHEAD_S - sent_bytes
    return Room(chunks=max(0, turn.free - sent), bytes=bytes_)
