"""Chunks that cost workers their lives, or take too long: they are split, and each row is there once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleetkit import Points, RunningWorker, await_true
from producerkit import Producer, chunk_ids, ledger_rows, make_source

from shared.points import Point

ROWS = 50_000
WorkerFactory = Callable[..., RunningWorker]
SCRIPT = f"""
CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
INSERT INTO goods SELECT i * 7, 'goods of the number ' || i FROM n;
"""


def assert_each_row_once(target_url: str) -> None:
    """Every row is there once, and the chunks say so."""
    assert ledger_rows(target_url, "SELECT count(*), count(DISTINCT id) FROM goods") == [(ROWS, ROWS)]
    sums = "SELECT sum(rows)::int, sum(rows_expected)::int, array_agg(DISTINCT state) FROM pgconvoy.chunks"
    assert ledger_rows(target_url, sums) == [(ROWS, ROWS, ["verified"])]


def test_a_chunk_that_ends_its_workers_is_split_also_through_a_crash_of_the_splitting(
    tmp_path: Path,
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """After two killed workers the third splits it; killed in the middle of that, the fourth does, and all arrives."""
    producer("start", "--source", make_source(tmp_path / "s.db", SCRIPT), "--detach")
    points.stop_at(Point.COPIED_NOT_COMMITTED)
    worker = worker_factory(environment=environment)
    waiting = producer.start("resume", "1")
    try:
        for lost in (1, 2):
            worker.kill_pool(points.await_reached(Point.COPIED_NOT_COMMITTED))
            points.clear(Point.COPIED_NOT_COMMITTED)
            points.stop_at(Point.COPIED_NOT_COMMITTED if lost == 1 else Point.SPLIT_NOT_COMMITTED)
        worker.kill_pool(points.await_reached(Point.SPLIT_NOT_COMMITTED))
        assert ledger_rows(target_url, "SELECT attempt FROM pgconvoy.chunks") == [(3,)], worker.log_text()
        points.clear_all()
        out, err = waiting.communicate(timeout=120)
    finally:
        waiting.kill()
    assert waiting.returncode == 0, out + err + worker.log_text()
    assert_each_row_once(target_url)
    found = ledger_rows(target_url, "SELECT number, rows, lost FROM pgconvoy.chunks ORDER BY number")
    assert found == [(number, ROWS // 4, 0) for number in range(1, 5)]


def test_what_runs_long_is_split_before_it_is_copied(
    tmp_path: Path,
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """Where the first chunk took longer than chunks should, the next become parts, and each part gets its message."""
    producer("start", "--source", make_source(tmp_path / "s.db", SCRIPT), "--chunk-mb", "0.3", "--detach")
    first, *others = chunk_ids(target_url, "goods")
    points.stop_at(Point.HELD, first)
    worker = worker_factory(environment=environment | {"PGCONVOY_CHUNK_SECONDS": "1"}, concurrency=1)
    waiting = producer.start("resume", "1")
    try:
        points.await_reached(Point.HELD, first)
        old = (
            "SELECT 1 FROM pgconvoy.chunks WHERE state = 'copying' AND started_at < clock_timestamp() - interval '3 s'"
        )
        await_true(lambda: ledger_rows(target_url, old), "the first chunk has taken three seconds")
        points.clear_all()
        out, err = waiting.communicate(timeout=120)
    finally:
        waiting.kill()
    assert waiting.returncode == 0, out + err + worker.log_text()
    assert_each_row_once(target_url)
    found = chunk_ids(target_url, "goods")
    assert first in found
    assert len(found) > 1 + len(others)
