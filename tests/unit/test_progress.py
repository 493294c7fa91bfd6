"""Rates and time left, from the ledger's counts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from producer.progress import Pace, job_progress, table_line, work_done, work_expected
from shared.records.plan import JobOptions
from shared.records.work import Job, TableProgress

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
MB = 1_000_000
TABLE = TableProgress(
    table_id=1,
    name="orders",
    state="copying",
    planned=True,
    chunks=10,
    pending=5,
    copying=1,
    copied=4,
    verified=0,
    failed=0,
    cancelled=0,
    rows_expected=1000,
    rows_copied=400,
    rows_verified=0,
    rejects=0,
    mismatches=0,
    bytes_expected=10 * MB,
    bytes_copied=4 * MB,
    paths=("arrow_bare",),
    started_at=BEGIN,
)
JOB = Job(
    id=7,
    state="copying",
    source_url="sqlite:////a.db",
    snapshot_url="sqlite:////b.db",
    fingerprint="f",
    target_schema="public",
    options=JobOptions(),
    grades=(),
    created_at=BEGIN,
)


def after(seconds: float) -> datetime:
    """A moment after the job's beginning."""
    return BEGIN + timedelta(seconds=seconds)


def test_a_tables_rate_is_taken_over_the_time_that_it_copied() -> None:
    """4 MB in 2 s are 2 MB/s, and the 6 MB that are missing take 3 s more."""
    line = table_line(TABLE, now=after(2), copied_until=after(1.9))
    assert line.bytes_per_s == pytest.approx(2 * MB)
    assert line.seconds_left == pytest.approx(3)


def test_the_time_that_a_table_is_verified_does_not_slow_its_copy_rate() -> None:
    """A table whose chunks are all there keeps the rate that it had when the last one came."""
    verifying = replace(TABLE, state="verifying", copied=10, pending=0, copying=0, bytes_copied=10 * MB)
    line = table_line(verifying, now=after(100), copied_until=after(5))
    assert line.bytes_per_s == pytest.approx(2 * MB)
    assert line.seconds_left is None


def test_nothing_is_said_of_a_table_that_has_not_begun() -> None:
    """No rate and no time left, rather than a division by zero."""
    idle = replace(TABLE, state="pending", copied=0, bytes_copied=0, rows_copied=0, started_at=None)
    line = table_line(idle, now=after(1), copied_until=None)
    assert (line.bytes_per_s, line.seconds_left) == (None, None)


def test_a_clock_that_stands_still_gives_no_rate() -> None:
    """Copied in no time at all is no infinite speed."""
    assert table_line(TABLE, now=BEGIN, copied_until=BEGIN).bytes_per_s is None


def test_verification_is_half_of_the_work() -> None:
    """All bytes there and half of the chunks compared are three quarters of the job."""
    table = replace(TABLE, state="verifying", copied=10, verified=5, bytes_copied=10 * MB)
    assert work_done(table, compares=True) / work_expected(table, compares=True) == pytest.approx(0.75)


def test_without_verification_copying_is_the_whole_work() -> None:
    """--no-verify: four of ten MB are 40 %."""
    job = replace(JOB, options=JobOptions(verify=False))
    assert job_progress(job, [TABLE], now=after(1), copied_until={}).done == pytest.approx(0.4)


def test_an_ended_table_has_no_work_left() -> None:
    """A table that failed does not keep the time left from reaching zero."""
    failed = replace(TABLE, state="failed", failed=6, pending=0, copying=0, ended_at=after(3), error="…")
    progress = job_progress(JOB, [failed], now=after(4), copied_until={1: after(2)})
    assert progress.done == 1.0
    assert progress.seconds_left == 0.0


def test_time_left_follows_the_rate_of_the_last_seconds() -> None:
    """A job that slowed down says so soon: the window forgets how fast it was at first."""
    pace = Pace(window_s=10)
    for second, copied in enumerate([0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]):
        table = replace(TABLE, bytes_copied=copied * MB)
        progress = job_progress(JOB, [table], now=after(second), copied_until={}, pace=pace)
    assert progress.bytes_per_s == pytest.approx(0)
    assert progress.seconds_left is None


def test_a_single_look_gives_no_rate_to_who_watches() -> None:
    """The first look has nothing to compare with."""
    progress = job_progress(JOB, [TABLE], now=after(2), copied_until={}, pace=Pace())
    assert (progress.rows_per_s, progress.bytes_per_s, progress.seconds_left) == (None, None, None)


def test_a_status_takes_rates_over_the_whole_job() -> None:
    """Who looks only once gets the mean since the job began."""
    progress = job_progress(JOB, [TABLE], now=after(4), copied_until={})
    assert progress.rows_per_s == pytest.approx(100)
    assert progress.seconds_left == pytest.approx((20 - 4) / 1)


def test_an_empty_job_counts_nothing_and_divides_by_nothing() -> None:
    """Tables without bytes still make a whole."""
    empty = replace(
        TABLE,
        chunks=0,
        copied=0,
        pending=0,
        copying=0,
        rows_copied=0,
        rows_expected=0,
        bytes_copied=0,
        bytes_expected=0,
    )
    assert job_progress(JOB, [empty], now=after(1), copied_until={}).done == 0.0
    ended = replace(empty, state="completed", ended_at=after(1))
    done = job_progress(replace(JOB, state="completed", ended_at=after(1)), [ended], now=after(9), copied_until={})
    assert (done.done, done.elapsed_s, done.ended) == (1.0, 1.0, True)
