"""The proof of a copy: what was asked for, what arrived, what was compared, and what is not exact."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from producer.reading import failures_of, mismatches_of, not_exact, presence_only
from producer.services import Target
from producer.times import times_view
from producer.views import Report, ReportTable
from shared.ledger.jobs import read_job, read_tables
from shared.ledger.progress import read_copy_ends, read_paths, read_progress
from shared.ledger.times import read_times
from shared.records.work import NO_TIMES, Job, JobTable, TableProgress, TimeSums

_SHOWN: Final = 1000
"""Mismatches and failures that a report names; it counts them all."""


def report_of(target: Target, job_id: int) -> Report:
    """Read all that proves, or disproves, that a job's rows arrived.

    Raises:
        OperatorError: where there is no such job.
    """
    with target.ledger(f"reading the report of job {job_id}") as ledger:
        job = read_job(ledger, job_id)
        now, ends = read_copy_ends(ledger, job_id)
        copied_at = max(ends.values(), default=None)
        paths = read_paths(ledger, job_id)
        plans = {table.id: table for table in read_tables(ledger, job_id)}
        whole, times = read_times(ledger, job_id)
        tables = [
            report_table(table, plans[table.table_id], paths, times=times.get(table.table_id, NO_TIMES))
            for table in read_progress(ledger, job_id)
        ]
        return Report(
            job=job.id,
            state=job.state,
            error=job.error,
            source=job.source_url,
            snapshot=job.snapshot_url,
            fingerprint=job.fingerprint,
            versions=job.versions,
            target_schema=job.target_schema,
            options=job.options,
            created_at=job.created_at,
            copied_at=copied_at,
            ended_at=job.ended_at,
            seconds=_seconds(job, copied_at or job.ended_at or now),
            tables=tuple(tables),
            rows_source=sum(table.rows_source for table in tables),
            rows_target=sum(table.rows_target for table in tables),
            rejects=sum(table.rejects for table in tables),
            rows_verified=sum(table.rows_verified for table in tables),
            presence_only=presence_only(table.plan for table in plans.values()),
            mismatches=sum(table.mismatches for table in tables),
            shown_mismatches=mismatches_of(ledger, job_id, limit=_SHOWN),
            failures=failures_of(ledger, job_id, limit=_SHOWN),
            unreadable=job.unreadable,
            exact_objects=len(job.grades) - len(not_exact(job.grades)),
            not_exact=not_exact(job.grades),
            times=times_view(whole),
        )


def report_table(
    progress: TableProgress,
    table: JobTable,
    paths: Mapping[int, dict[str, int]],
    *,
    times: TimeSums = NO_TIMES,
) -> ReportTable:
    """One table's line of the report."""
    return ReportTable(
        source=progress.name,
        target=f"{table.plan.schema}.{table.plan.name}",
        state=progress.state,
        rows_source=progress.rows_expected,
        rows_target=progress.rows_copied,
        rejects=progress.rejects,
        rows_verified=progress.rows_verified,
        mismatches=progress.mismatches,
        chunks=progress.chunks,
        chunks_by_path=paths.get(progress.table_id, {}),
        error=progress.error,
        times=times_view(times),
    )


def _seconds(job: Job, until: datetime) -> float:
    return max(0.0, (until - job.created_at).total_seconds())
