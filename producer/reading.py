"""What the ledger says of a job, as the records that commands return."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from producer.local_postgres import connect_hint, stop_hint
from producer.progress import Pace, job_progress
from producer.records import FailureLine, JobEnd, JobProgress, MismatchLine, exit_code_of
from producer.services import Target
from producer.views import JobLine, RejectLine
from shared.errors import SourceChangedError
from shared.ledger.jobs import read_job, read_jobs, read_tables
from shared.ledger.progress import (
    read_copy_ends,
    read_failures,
    read_job_sizes,
    read_last_copies,
    read_mismatches,
    read_progress,
    read_rejects,
)
from shared.ledger.session import Ledger
from shared.ledger.times import read_times
from shared.records.keys import RawText, Value, encode_value
from shared.records.plan import CompareBy, Grade, ObjectGrade, OnConflict, TablePlan
from shared.records.work import NO_TIMES, Chunk, Job, Mismatch, Reject

SHOWN: Final = 20
"""Mismatches that a person gets to see at once; the report has more."""
MOST_FAILURES: Final = 1000
"""Failed chunks that are read at a job's end: most of them fail alike, and make a line together."""


def job_id_of(target: Target, job_id: int | None) -> int:
    """The job that was asked for, or the latest.

    Raises:
        OperatorError: where there is no such job.
    """
    with target.ledger("reading the job") as ledger:
        return read_job(ledger, job_id).id


def progress_of(target: Target, job_id: int, pace: Pace | None = None) -> JobProgress:
    """Where a job is; who looks again and again, with a pace, is not told where its time went.

    Raises:
        OperatorError: where there is no such job.
    """
    with target.ledger(f"reading the progress of job {job_id}") as ledger:
        now, ends = read_copy_ends(ledger, job_id)
        times = read_times(ledger, job_id) if pace is None else (NO_TIMES, {})
        job, tables = read_job(ledger, job_id, brief=True), read_progress(ledger, job_id)
        return job_progress(job, tables, now=now, copied_until=ends, pace=pace, times=times)


def end_of(target: Target, job_id: int, *, seconds: float | None = None) -> JobEnd:
    """How a job ended."""
    progress = progress_of(target, job_id)
    with target.ledger(f"reading the end of job {job_id}") as ledger:
        job = read_job(ledger, job_id)
        return JobEnd(
            exit_code=exit_code_of(job.state),
            progress=progress,
            target=target.shown,
            connect=connect_hint(target.shown, job.target_schema) if target.embedded else None,
            stop=stop_hint(target.settings) if target.embedded else None,
            verified=is_verified(job, progress),
            presence_only=presence_only(table.plan for table in read_tables(ledger, job_id)),
            failures=failures_of(ledger, job_id, limit=MOST_FAILURES),
            mismatches=mismatches_of(ledger, job_id, limit=SHOWN),
            not_exact=not_exact(job.grades),
            seconds=seconds,
        )


def is_verified(job: Job, progress: JobProgress) -> bool:
    """Whether every chunk of a job that has any was compared and found equal."""
    if job.options.schema_only:
        return False
    return all(table.verified == table.chunks and table.planned for table in progress.tables) and (
        job.options.verify or progress.chunks > 0
    )


def presence_only(plans: Iterable[TablePlan]) -> tuple[str, ...]:
    """The source tables whose rows were kept as the target had them, so that their keys alone were compared."""
    return tuple(
        plan.read.table
        for plan in plans
        if not plan.creates and plan.on_conflict is OnConflict.SKIP and plan.compare_by is not CompareBy.MULTISET
    )


def job_lines(target: Target) -> tuple[JobLine, ...]:
    """All jobs, latest first."""
    with target.ledger("listing the jobs") as ledger:
        sizes, copies = read_job_sizes(ledger), read_last_copies(ledger)
        return tuple(
            _job_line(job, *sizes.get(job.id, (0, 0)), copied_at=copies.get(job.id)) for job in read_jobs(ledger)
        )


def _job_line(job: Job, tables: int, rows: int, *, copied_at: datetime | None) -> JobLine:
    return JobLine(
        job=job.id,
        state=job.state,
        source=job.source_url,
        target_schema=job.target_schema,
        created_at=job.created_at,
        copied_at=copied_at,
        ended_at=job.ended_at,
        tables=tables,
        rows=rows,
        error=job.error,
        paused_at=job.paused_at,
    )


def failures_of(ledger: Ledger, job_id: int, *, limit: int) -> tuple[FailureLine, ...]:
    """The first failed chunks of a job."""
    found = read_failures(ledger, job_id, limit=limit)
    return tuple(_failure_line(table, chunk) for table, chunk in found)


def _failure_line(table: str, chunk: Chunk) -> FailureLine:
    error = chunk.error or ""
    return FailureLine(
        table=table,
        chunk=chunk.number,
        key_range=str(chunk.key_range),
        attempts=chunk.attempt,
        error=error,
        source_changed=SourceChangedError.FINDING in error,
    )


def mismatches_of(ledger: Ledger, job_id: int, *, limit: int) -> tuple[MismatchLine, ...]:
    """The first mismatches of a job."""
    return tuple(_mismatch_line(table, each) for table, each in read_mismatches(ledger, job_id, limit=limit))


def _mismatch_line(table: str, mismatch: Mismatch) -> MismatchLine:
    return MismatchLine(
        table=table,
        kind=mismatch.kind,
        key=_readable_key(mismatch),
        column=mismatch.column,
        source=mismatch.source,
        target=mismatch.target,
    )


def _readable_key(mismatch: Mismatch) -> str:
    columns = mismatch.key_columns
    if len(columns) != len(mismatch.key):
        return ", ".join(readable(value) for value in mismatch.key)
    return ", ".join(f"{name} = {readable(value)}" for name, value in zip(columns, mismatch.key, strict=True))


def readable(value: Value) -> str:
    """Render a value of a source row for people."""
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"x'{value.hex()}'"
        case RawText(raw=raw):
            return f"not UTF-8: x'{raw.hex()}'"
        case _:
            return repr(value)


def reject_lines(target: Target, job_id: int, *, limit: int | None) -> tuple[RejectLine, ...]:
    """The rejected rows of a job, whole."""
    with target.ledger(f"reading the rejects of job {job_id}") as ledger:
        columns = {table.plan.read.table: table.plan.read.columns for table in read_tables(ledger, job_id)}
        found = read_rejects(ledger, job_id, limit=limit)
    return tuple(_reject_line(table, columns[table], reject) for table, reject in found)


def _reject_line(table: str, columns: Sequence[str], reject: Reject) -> RejectLine:
    row = {name: encode_value(value) for name, value in zip(columns, reject.values, strict=True)}
    return RejectLine(
        table=table,
        key=tuple(encode_value(value) for value in reject.key),
        column=reject.column,
        reason=reject.reason,
        value=None if reject.column is None else row[reject.column],
        row=row,
    )


def not_exact(grades: Sequence[ObjectGrade]) -> tuple[ObjectGrade, ...]:
    """What became of the objects that are approximated or refused."""
    return tuple(grade for grade in grades if grade.grade is not Grade.EXACT)
