"""What can be done about tables that a job did not finish, as the ledger tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from shared.errors import SourceChangedError
from shared.ledger.session import Ledger
from shared.ledger.states import JOB_ENDS, ChunkState, JobState, TableState
from shared.ledger.tables import chunks, jobs, tables


def finishing_commands(ledger: Ledger, schema: str, names: Sequence[str]) -> dict[str, str]:
    """Name the command that finishes each table whose latest job left it failed or cancelled, by target name.

    A table whose source has changed since is not among them: no command finishes that one.
    """
    history = (
        sa.select(tables.c.id, tables.c.target_name, tables.c.state, tables.c.job_id, jobs.c.state.label("job_state"))
        .join(jobs, jobs.c.id == tables.c.job_id)
        .where(tables.c.target_schema == schema, tables.c.target_name.in_(names))
        .where(jobs.c.state != JobState.ROLLED_BACK)
        .order_by(tables.c.job_id)
    )
    latest = {row.target_name: row for row in ledger.run(history)}
    return {
        name: f"producer {'resume' if row.job_state == JobState.CANCELLED else 'requeue'} {row.job_id}"
        for name, row in latest.items()
        if row.state in (TableState.FAILED, TableState.CANCELLED) and not count_changed(ledger, row.id)
    }


def superseded_jobs(ledger: Ledger, schema: str, names: Sequence[str]) -> tuple[int, ...]:
    """The jobs that ended failed or cancelled over none but these target tables: a new job takes their place."""
    statement = (
        sa.select(jobs.c.id)
        .join(tables, tables.c.job_id == jobs.c.id)
        .where(
            jobs.c.state.in_([JobState.FAILED, JobState.CANCELLED]),
            tables.c.target_schema == schema,
        )
        .group_by(jobs.c.id)
        .having(sa.func.bool_and(tables.c.target_name.in_(names)))
        .order_by(jobs.c.id)
    )
    return tuple(row.id for row in ledger.run(statement))


def count_changed(ledger: Ledger, table_id: int) -> int:
    """Count a table's failed chunks whose source was found to be another than the job was planned from."""
    changed = chunks.c.error.contains(SourceChangedError.FINDING, autoescape=True)
    where = (chunks.c.table_id == table_id, chunks.c.state == ChunkState.FAILED, changed)
    return int(ledger.run(sa.select(sa.func.count()).where(*where))[0][0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """Another job that got at the unfinished tables of an ended one since."""

    job_id: int
    state: str
    tables: tuple[str, ...]
    """Their names in the target."""


def successor_of(ledger: Ledger, job_id: int) -> Successor | None:
    """The latest other job that copies, or has copied since, into tables that an ended job did not complete.

    A transaction that holds `lock_starts` sees whatever has started.
    """
    mine, theirs, my_job, their_job = tables.alias(), tables.alias(), jobs.alias(), jobs.alias()
    brought = sa.exists().where(
        chunks.c.table_id == theirs.c.id,
        sa.or_(theirs.c.job_id > job_id, chunks.c.copied_at > my_job.c.ended_at),
        chunks.c.state.in_([ChunkState.COPYING, ChunkState.COPIED, ChunkState.VERIFIED]),
    )
    same = (theirs.c.target_schema == mine.c.target_schema, theirs.c.target_name == mine.c.target_name)
    statement = (
        sa.select(their_job.c.id, their_job.c.state, sa.func.array_agg(mine.c.target_name).label("names"))
        .select_from(
            mine.join(my_job, my_job.c.id == mine.c.job_id)
            .join(theirs, sa.and_(*same, theirs.c.job_id != job_id))
            .join(their_job, their_job.c.id == theirs.c.job_id)
        )
        .where(
            mine.c.job_id == job_id,
            mine.c.state != TableState.COMPLETED,
            their_job.c.state != JobState.ROLLED_BACK,
            sa.or_(their_job.c.state.not_in(JOB_ENDS), brought),
        )
        .group_by(their_job.c.id)
        .order_by(their_job.c.id.desc())
        .limit(1)
    )
    rows = ledger.run(statement)
    return Successor(job_id=rows[0].id, state=rows[0].state, tables=tuple(sorted(rows[0].names))) if rows else None
