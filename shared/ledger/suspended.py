"""Jobs whose tables go without foreign keys and triggers, or with ours, and whether anybody still writes into these."""

from __future__ import annotations

import sqlalchemy as sa

from shared.ledger.session import Ledger
from shared.ledger.states import JOB_ENDS, ChunkState
from shared.ledger.tables import chunks, jobs, tables

_AWAY = sa.or_(
    tables.c.plan["set_aside"]["away"].as_boolean(),
    tables.c.plan["undo"]["armed"].as_boolean(),  # the trigger of --undo-log
)


def suspended_jobs(ledger: Ledger, schema: str) -> tuple[int, ...]:
    """The ended jobs for which tables of a target schema still go without something."""
    statement = (
        sa.select(jobs.c.id)
        .join(tables, tables.c.job_id == jobs.c.id)
        .where(jobs.c.state.in_(JOB_ENDS), _AWAY, tables.c.target_schema == schema)
        .distinct()
        .order_by(jobs.c.id)
    )
    return tuple(row.id for row in ledger.run(statement))


def is_suspended(ledger: Ledger, job_id: int) -> bool:
    """Whether a table of a job goes without something."""
    return bool(ledger.run(sa.select(tables.c.id).where(tables.c.job_id == job_id, _AWAY).limit(1)))


def end_idle_chunks(ledger: Ledger, job_id: int) -> bool:
    """Cancel what an ended job has claimed and nobody writes yet; False where somebody writes.

    Whoever claimed such a chunk finds then that the attempt is no longer its own.
    """
    idle = (
        sa.select(chunks.c.id)
        .where(chunks.c.job_id == job_id, chunks.c.state == ChunkState.COPYING)
        .with_for_update(skip_locked=True)
        .cte("idle")
    )
    ledger.run(
        sa.update(chunks)
        .where(chunks.c.id == idle.c.id)
        .values(state=ChunkState.CANCELLED, enqueued_at=None, not_before=None)
        .returning(chunks.c.id)
    )
    held = sa.select(chunks.c.id).where(chunks.c.job_id == job_id, chunks.c.state == ChunkState.COPYING).limit(1)
    return not ledger.run(held)
