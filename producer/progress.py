"""Rates and time left of a job, from the ledger's counts; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from producer.held import throttle_of
from producer.records import JobProgress, TableLine
from producer.times import times_view
from shared.ledger.states import TABLE_ENDS
from shared.records.work import NO_TIMES, Job, TableProgress, TimeSums

_WINDOW_S: Final = 20.0
"""Rates are of the last 20 seconds: long enough for chunks of a few seconds each, short enough to follow a change."""

JobTimes = tuple[TimeSums, Mapping[int, TimeSums]]
"""Of a job, and of its tables by their ids."""


class Pace:
    """How fast a job went lately: feed it a sample at each look."""

    def __init__(self, window_s: float = _WINDOW_S) -> None:
        self._window_s = window_s
        self._samples: deque[tuple[float, float, float, float]] = deque()

    def add(self, moment_s: float, *, rows: float, bytes_: float, work: float) -> None:
        """Note totals at a moment; samples older than the window go, but one before it stays as its beginning."""
        self._samples.append((moment_s, rows, bytes_, work))
        while len(self._samples) > 2 and moment_s - self._samples[1][0] >= self._window_s:
            self._samples.popleft()

    def rates(self) -> tuple[float, float, float] | None:
        """Rows, bytes and work a second; None while there is no time between samples."""
        if len(self._samples) < 2:
            return None
        first, last = self._samples[0], self._samples[-1]
        seconds = last[0] - first[0]
        if seconds <= 0:
            return None
        rows, bytes_, work = ((late - early) / seconds for early, late in zip(first[1:], last[1:], strict=True))
        return rows, bytes_, work


def table_line(
    table: TableProgress, *, now: datetime, copied_until: datetime | None, times: TimeSums = NO_TIMES
) -> TableLine:
    """Say where a table is; its rate is taken over the time that it copied.

    Args:
        table: The ledger's counts.
        now: By the ledger's clock, as all its times are.
        copied_until: When its latest chunk arrived.
        times: Of its chunks.
    """
    bytes_ = min(table.bytes_copied, max(table.bytes_expected, table.bytes_copied))
    copying = table.copied < table.chunks or not table.planned
    until = now if copying and table.state not in TABLE_ENDS else copied_until
    rate = _rate(table.bytes_copied, _seconds(table.started_at, until))
    left = max(0, table.bytes_expected - bytes_) if copying else 0
    return TableLine(
        name=table.name,
        state=table.state,
        planned=table.planned,
        chunks=table.chunks,
        copied=table.copied,
        verified=table.verified,
        failed=table.failed,
        rows=table.rows_copied,
        rows_expected=table.rows_expected,
        rows_verified=table.rows_verified,
        bytes=bytes_,
        bytes_expected=table.bytes_expected,
        bytes_per_s=rate,
        seconds_left=left / rate if rate and left and table.state not in TABLE_ENDS else None,
        rejects=table.rejects,
        mismatches=table.mismatches,
        paths=table.paths,
        builds=table.builds,
        builds_ended=table.builds_ended,
        error=table.error,
        times=times_view(times),
    )


def job_progress(
    job: Job,
    tables: Sequence[TableProgress],
    *,
    now: datetime,
    copied_until: Mapping[int, datetime],
    pace: Pace | None = None,
    times: JobTimes = (NO_TIMES, {}),
) -> JobProgress:
    """Add a job's tables up.

    Args:
        job: The job.
        tables: Its tables' counts.
        now: By the ledger's clock.
        copied_until: When each table's latest chunk arrived, by table id.
        pace: Where somebody watches: it gets this sample, and rates are its own; else they are since the job began.
        times: Of all its chunks, and of each table's by table id.
    """
    compares = job.options.verify and not job.options.schema_only
    rows = sum(table.rows_copied for table in tables)
    bytes_ = sum(table.bytes_copied for table in tables)
    work = sum(work_done(table, compares=compares) for table in tables)
    whole = sum(work_expected(table, compares=compares) for table in tables)
    elapsed = _seconds(job.created_at, job.ended_at or now) or 0.0
    rates = _rates(pace, now, elapsed, rows=rows, bytes_=bytes_, work=work)
    running = job.ended_at is None and job.paused_at is None
    return JobProgress(
        job=job.id,
        state=job.state,
        error=job.error,
        rows=rows,
        rows_expected=sum(table.rows_expected for table in tables),
        bytes=bytes_,
        bytes_expected=sum(table.bytes_expected for table in tables),
        chunks=sum(table.chunks for table in tables),
        chunks_done=sum(table.copied + table.failed + table.cancelled for table in tables),
        failed=sum(table.failed for table in tables),
        rejects=sum(table.rejects for table in tables),
        mismatches=sum(table.mismatches for table in tables),
        done=_share(work, whole),
        rows_per_s=rates[0] if rates else None,
        bytes_per_s=rates[1] if rates else None,
        seconds_left=max(0.0, whole - work) / rates[2] if running and rates and rates[2] > 0 else None,
        elapsed_s=elapsed,
        created_at=job.created_at,
        ended_at=job.ended_at,
        tables=tuple(
            table_line(
                table,
                now=now,
                copied_until=copied_until.get(table.table_id),
                times=times[1].get(table.table_id, NO_TIMES),
            )
            for table in tables
        ),
        times=times_view(times[0]),
        throttle=throttle_of(job),
        paused_at=job.paused_at,
        cancelled=sum(table.cancelled for table in tables),
    )


def work_expected(table: TableProgress, *, compares: bool) -> float:
    """A table's whole work: its bytes, twice where they are compared too, and something for a table without bytes."""
    return (2.0 if compares else 1.0) * max(table.bytes_expected, 1)


def work_done(table: TableProgress, *, compares: bool) -> float:
    """The work that is done, in the same measure; all of it once the table has ended."""
    whole = work_expected(table, compares=compares)
    if table.state in TABLE_ENDS:
        return whole
    compared = table.bytes_copied * table.verified / table.copied if compares and table.copied else 0.0
    return min(whole, table.bytes_copied + compared)


def _rates(
    pace: Pace | None, now: datetime, elapsed: float, *, rows: float, bytes_: float, work: float
) -> tuple[float, float, float] | None:
    if pace is not None:
        pace.add(now.timestamp(), rows=rows, bytes_=bytes_, work=work)
        return pace.rates()
    return (rows / elapsed, bytes_ / elapsed, work / elapsed) if elapsed > 0 else None


def _rate(bytes_: int, seconds: float | None) -> float | None:
    return bytes_ / seconds if bytes_ and seconds else None


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole else 0.0
