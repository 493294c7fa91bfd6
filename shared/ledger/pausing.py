"""A pause: since when nothing of a job begins, and what gives its messages back meanwhile.

Whatever begins work asks `goes_on` in the statement that claims or sends it; what a message asked for in vain is
marked as not sent, so that it is sent again as soon as the job goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from shared.ledger.session import Ledger
from shared.ledger.states import JOB_ENDS, TABLE_ENDS, BuildState, ChunkState
from shared.ledger.tables import builds, chunks, jobs, tables


def goes_on(job_id: Any) -> sa.ColumnElement[bool]:
    """Whether a job has neither ended nor is paused, inside another statement."""
    return sa.exists().where(jobs.c.id == job_id, jobs.c.state.not_in(JOB_ENDS), jobs.c.paused_at.is_(None))


def is_paused(job_id: Any) -> sa.ColumnElement[bool]:
    """Whether a job is paused, inside another statement."""
    return sa.exists().where(jobs.c.id == job_id, jobs.c.paused_at.is_not(None))


def pause_job(ledger: Ledger, job_id: int) -> datetime | None:
    """Pause a job that has not ended and is not paused; returns since when, by PostgreSQL's clock.

    None as well where somebody holds the job's row: for a moment, or for long where its end is being made.
    """
    where = (jobs.c.id == job_id, jobs.c.state.not_in(JOB_ENDS), jobs.c.paused_at.is_(None))
    rows = _set(ledger, sa.and_(*where), sa.func.clock_timestamp())
    since: datetime | None = rows[0].paused_at if rows else None
    return since


def unpause_job(ledger: Ledger, job_id: int) -> bool:
    """Let a paused job go on; False where it is not paused, or somebody holds its row for a moment."""
    where = (jobs.c.id == job_id, jobs.c.paused_at.is_not(None))
    return bool(_set(ledger, sa.and_(*where), sa.null()))


def _set(ledger: Ledger, where: sa.ColumnElement[bool], moment: Any) -> Sequence[Any]:
    free = sa.select(jobs.c.id).where(where).with_for_update(skip_locked=True, key_share=True).cte("free")
    statement = sa.update(jobs).where(jobs.c.id == free.c.id).values(paused_at=moment).returning(jobs.c.paused_at)
    return ledger.run(statement)


def give_back_chunk(ledger: Ledger, chunk_id: int) -> bool:
    """Note that a paused job's pending chunk has no message any more; False where it is another or none is paused."""
    where = (chunks.c.id == chunk_id, chunks.c.state == ChunkState.PENDING, is_paused(chunks.c.job_id))
    statement = sa.update(chunks).where(*where).values(enqueued_at=None).returning(chunks.c.id)
    return bool(ledger.run(statement))


def give_back_comparison(ledger: Ledger, chunk_id: int) -> None:
    """As `give_back_chunk`, of a chunk that was to be compared."""
    waiting = (chunks.c.state == ChunkState.COPIED, chunks.c.compared_at.is_(None))
    where = (chunks.c.id == chunk_id, *waiting, is_paused(chunks.c.job_id))
    ledger.run(sa.update(chunks).where(*where).values(compare_sent_at=None))


def give_back_build(ledger: Ledger, job_id: int) -> None:
    """As `give_back_chunk`, of one build of a job: its messages stand for no build in particular."""
    sent = (builds.c.job_id == job_id, builds.c.state == BuildState.PENDING, builds.c.enqueued_at.is_not(None))
    one = sa.select(builds.c.id).where(*sent, is_paused(builds.c.job_id)).limit(1)
    one = one.with_for_update(of=builds, skip_locked=True, key_share=True)
    ledger.run(sa.update(builds).where(builds.c.id == one.scalar_subquery()).values(enqueued_at=None))


def give_back_table(ledger: Ledger, table_id: int) -> None:
    """As `give_back_chunk`, of a table whose next step was asked for."""
    _give_back_steps(ledger, tables.c.id == table_id)


def give_back_small_tables(ledger: Ledger, table_ids: Sequence[int]) -> None:
    """As `give_back_chunk`, of tables that a message was to carry, whatever of them is left."""
    where = (chunks.c.table_id.in_(table_ids), chunks.c.state == ChunkState.PENDING, chunks.c.enqueued_at.is_not(None))
    ledger.run(sa.update(chunks).where(*where, is_paused(chunks.c.job_id)).values(enqueued_at=None))
    _give_back_steps(ledger, tables.c.id.in_(table_ids))


def give_back_job(ledger: Ledger, job_id: int) -> None:
    """Note that nobody is asked for the end of a job any more, whose row the caller holds."""
    ledger.run(sa.update(jobs).where(jobs.c.id == job_id).values(finish_sent_at=None))


def _give_back_steps(ledger: Ledger, which: sa.ColumnElement[bool]) -> None:
    """Whoever holds a table's row is at work on it, and its next move forgets the message anyway."""
    where = (which, tables.c.state.not_in(TABLE_ENDS), tables.c.finish_sent_at.is_not(None), is_paused(tables.c.job_id))
    free = sa.select(tables.c.id).where(*where).with_for_update(skip_locked=True, key_share=True, of=tables).cte("free")
    ledger.run(sa.update(tables).where(tables.c.id == free.c.id).values(finish_sent_at=None))


def count_running(ledger: Ledger, job_id: int) -> int:
    """How many chunks and builds of a job are claimed: they end, whatever becomes of the job."""
    copying = sa.select(sa.func.count()).where(chunks.c.job_id == job_id, chunks.c.state == ChunkState.COPYING)
    building = sa.select(sa.func.count()).where(builds.c.job_id == job_id, builds.c.state == BuildState.BUILDING)
    return int(ledger.run(sa.select(copying.scalar_subquery() + building.scalar_subquery()))[0][0])
