"""Builds of keys and indexes in the ledger: recorded for a loaded table, claimed largest first, ended, rescued.

As with chunks, the lock on a build's row is its lease, and every update is guarded by state and attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import sqlalchemy as sa

from shared.ledger.intervals import seconds
from shared.ledger.pausing import give_back_build, goes_on
from shared.ledger.prepared import prepared
from shared.ledger.session import Ledger
from shared.ledger.states import BUILD_ENDS, JOB_ENDS, BuildState
from shared.ledger.tables import builds, jobs
from shared.records.builds import Build, BuildOutcome, NewBuild
from shared.records.plan import Grade
from shared.records.source import ObjectKind

_ERROR_LENGTH: Final = 2000
_LONGEST_DELAY_S: Final = 300.0
"""As for chunks: past five minutes a retry helps nobody who waits."""


def record_builds(ledger: Ledger, job_id: int, table_id: int, planned: Iterable[NewBuild]) -> None:
    """Record what is to be built on a table, in the order of the plan, in a transaction that holds the table's row.

    A build that had ended begins anew.
    """
    rows: list[dict[str, Any]] = [
        {
            "job_id": job_id,
            "table_id": table_id,
            "position": position,
            "kind": build.kind,
            "name": build.name,
            "bytes_expected": build.bytes_expected,
        }
        for position, build in enumerate(planned, start=1)
    ]
    forget_builds(ledger, table_id, [build["name"] for build in rows])
    if rows:
        ledger.run(sa.insert(builds).values(rows))


def forget_builds(ledger: Ledger, table_id: int, names: Collection[str] | None = None) -> None:
    """Forget builds of a table by name, or all that came to no index: the table is built again.

    What was built stays in either case as long as its index is there, since its grade may say less than planned.
    """
    if names is None:
        ledger.run(_forget_unbuilt(table_id))
    else:
        ledger.run(sa.delete(builds).where(builds.c.table_id == table_id, builds.c.name.in_(names)))


@prepared
def _forget_unbuilt(table_id: int) -> sa.Delete:
    return sa.delete(builds).where(builds.c.table_id == table_id, builds.c.state != BuildState.BUILT)


def read_builds(ledger: Ledger, table_id: int) -> tuple[Build, ...]:
    """Read the builds of a table, in the order of the plan."""
    return tuple(_build_of(row) for row in ledger.run(_builds(table_id)))


@prepared
def _builds(table_id: int) -> sa.Select[Any]:
    return sa.select(builds).where(builds.c.table_id == table_id).order_by(builds.c.position)


def take_builds(ledger: Ledger, table_id: int) -> tuple[int, ...]:
    """Mark pending, due builds of a table without a message as sent; returns the job's id once for each.

    A message stands for no build in particular: whoever gets it claims the largest of the job that waits.
    """
    due = sa.and_(builds.c.table_id == table_id, _is_due(), builds.c.enqueued_at.is_(None), goes_on(builds.c.job_id))
    free = sa.select(builds.c.id).where(due).with_for_update(skip_locked=True, key_share=True).cte("free")
    statement = sa.update(builds).where(builds.c.id == free.c.id).values(enqueued_at=sa.func.clock_timestamp())
    return tuple(row.job_id for row in ledger.run(statement.returning(builds.c.job_id)))


def claim_largest(ledger: Ledger, job_id: int, worker: str) -> Build | None:
    """Note attempt, worker and start time of a job's largest build that waits; None where there is none.

    None as well where the job has ended or is paused: a paused job's build is asked for again.
    """
    largest = (
        sa.select(builds.c.id)
        .where(builds.c.job_id == job_id, _is_due(), goes_on(builds.c.job_id))
        .order_by(builds.c.bytes_expected.desc(), builds.c.id)
        .limit(1)
        .with_for_update(of=builds, skip_locked=True)
        .cte("largest")
    )
    statement = (
        sa.update(builds)
        .where(builds.c.id == largest.c.id)
        .values(
            state=BuildState.BUILDING,
            attempt=builds.c.attempt + 1,
            worker=worker,
            started_at=sa.func.clock_timestamp(),
            not_before=None,
            error=None,
        )
        .returning(builds)
    )
    rows = ledger.run(statement)
    if rows:
        return _build_of(rows[0])
    give_back_build(ledger, job_id)
    return None


def hold_if_current(ledger: Ledger, build: Build) -> bool:
    """Lock the build's row for this transaction: the lease. False where the attempt or the job is over."""
    statement = sa.select(builds.c.id).where(_is_current(build), _job_runs())
    return bool(ledger.run(statement.with_for_update(of=builds, skip_locked=True)))


def finish_if_current(ledger: Ledger, build: Build, outcome: BuildOutcome) -> bool:
    """Say what the build came to, in the transaction that built; False where the attempt is no longer its own."""
    statement = (
        sa.update(builds)
        .where(_is_current(build))
        .values(
            state=_state_after(outcome),
            ended_at=sa.func.clock_timestamp(),
            grade=outcome.grade,
            reason=outcome.reason,
            error=None if outcome.error is None else outcome.error[:_ERROR_LENGTH],
        )
        .returning(builds.c.id)
    )
    return bool(ledger.run(statement))


def _state_after(outcome: BuildOutcome) -> BuildState:
    if outcome.error is not None:
        return BuildState.FAILED
    return BuildState.BUILT if outcome.there else BuildState.LEFT_OUT


def fail_if_current(
    ledger: Ledger, build: Build, error: str, *, retry: bool, max_attempts: int, delay_s: float
) -> BuildState | None:
    """Put the build back with the time of its next attempt, or fail it for good.

    Args:
        ledger: A transaction of its own, since the build's was rolled back.
        build: As it was claimed.
        error: One sentence, redacted.
        retry: Whether another attempt may help.
        max_attempts: Attempts a build gets.
        delay_s: Seconds before the second attempt; doubles with each one.

    Returns:
        The build's new state; None where the attempt is no longer its own.
    """
    again = retry and build.attempt < max_attempts
    wait = min(delay_s * 2 ** (build.attempt - 1), _LONGEST_DELAY_S)
    state = BuildState.PENDING if again else BuildState.FAILED
    statement = (
        sa.update(builds)
        .where(_is_current(build))
        .values(
            state=state,
            enqueued_at=None,
            not_before=sa.func.clock_timestamp() + seconds(wait) if again else None,
            ended_at=None if again else sa.func.clock_timestamp(),
            error=error[:_ERROR_LENGTH],
        )
        .returning(builds.c.id)
    )
    return state if ledger.run(statement) else None


def release_if_current(ledger: Ledger, build: Build) -> bool:
    """Give a build back whose attempt its own process gave up; False where the attempt is no longer its own.

    As with chunks, its number is used again.
    """
    values = {"state": BuildState.PENDING, "attempt": builds.c.attempt - 1, "not_before": None}
    statement = sa.update(builds).where(_is_current(build)).values(**values).returning(builds.c.id)
    return bool(ledger.run(statement))


def rescue_lost_builds(ledger: Ledger, job_id: int, *, grace_s: float, max_attempts: int) -> int:
    """Put back every build that says `building` while nobody holds its row; returns how many there were.

    Args:
        ledger: A transaction of its own.
        job_id: The job to look at.
        grace_s: Seconds since the claim, by PostgreSQL's clock, that cover the moment between claiming and holding.
        max_attempts: Attempts a build gets; one whose last attempt lost its worker is failed.
    """
    is_old = builds.c.started_at < sa.func.clock_timestamp() - seconds(grace_s)
    lost = (
        sa.select(builds.c.id)
        .where(builds.c.job_id == job_id, builds.c.state == BuildState.BUILDING, is_old)
        .with_for_update(skip_locked=True)
        .cte("lost")
    )
    used_up = builds.c.attempt >= max_attempts
    what = sa.func.concat("building ", builds.c.name, ": worker ", builds.c.worker, " was lost during attempt ")
    statement = (
        sa.update(builds)
        .where(builds.c.id == lost.c.id)
        .values(
            state=sa.case((used_up, BuildState.FAILED.value), else_=BuildState.PENDING.value),
            enqueued_at=None,
            not_before=None,
            ended_at=sa.case((used_up, sa.func.clock_timestamp()), else_=None),
            error=sa.func.concat(what, builds.c.attempt),
        )
        .returning(builds.c.id)
    )
    return len(ledger.run(statement))


def forget_build_messages(ledger: Ledger, job_id: int, *, older_than_s: float) -> int:
    """Treat messages for builds sent longer ago than this as lost, so that they are sent again; returns how many."""
    moment = sa.func.clock_timestamp() - seconds(older_than_s)
    waiting = sa.and_(builds.c.job_id == job_id, builds.c.state == BuildState.PENDING, builds.c.enqueued_at < moment)
    free = sa.select(builds.c.id).where(waiting).with_for_update(skip_locked=True, key_share=True).cte("free")
    statement = sa.update(builds).where(builds.c.id == free.c.id).values(enqueued_at=None)
    return len(ledger.run(statement.returning(builds.c.id)))


def count_builds(table_id: Any, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    """Count, inside another statement, the builds of a table."""
    return sa.select(sa.func.count()).select_from(builds).where(builds.c.table_id == table_id, *where).scalar_subquery()


def count_open_builds(table_id: int) -> sa.ScalarSelect[int]:
    """Count, inside another statement, the builds of a table that are pending or on their way."""
    return count_builds(table_id, builds.c.state.not_in(BUILD_ENDS))


def count_building(ledger: Ledger, job_id: int) -> int:
    """Count the builds of a job that are on their way."""
    where = (builds.c.job_id == job_id, builds.c.state == BuildState.BUILDING)
    return int(ledger.run(sa.select(sa.func.count()).select_from(builds).where(*where))[0][0])


def _is_due() -> sa.ColumnElement[bool]:
    moment = sa.or_(builds.c.not_before.is_(None), builds.c.not_before <= sa.func.clock_timestamp())
    return sa.and_(builds.c.state == BuildState.PENDING, moment)


def _job_runs() -> sa.ColumnElement[bool]:
    return sa.exists().where(jobs.c.id == builds.c.job_id, jobs.c.state.not_in(JOB_ENDS))


def _is_current(build: Build) -> sa.ColumnElement[bool]:
    return sa.and_(builds.c.id == build.id, builds.c.state == BuildState.BUILDING, builds.c.attempt == build.attempt)


def _build_of(row: Any) -> Build:
    return Build(
        id=row.id,
        job_id=row.job_id,
        table_id=row.table_id,
        kind=ObjectKind(row.kind),
        name=row.name,
        state=row.state,
        attempt=row.attempt,
        grade=None if row.grade is None else Grade(row.grade),
        reason=row.reason,
        error=row.error,
    )
