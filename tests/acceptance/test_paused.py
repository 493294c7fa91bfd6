"""A job that is paused while it runs: it stands still whatever happens to its servers, and goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleetkit import Points, RedisServer, RunningWorker, await_true
from producerkit import Producer, chunk_ids, ledger_rows, make_source

from shared.points import Point

ROWS = 2000
SCRIPT = """
CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO goods SELECT i, 'goods of the number ' || i FROM n;
"""
STATES = "SELECT state, count(*) FROM pgconvoy.chunks GROUP BY state"


def test_a_paused_job_outlives_its_workers_and_its_queue(
    tmp_path: Path,
    producer: Producer,
    points: Points,
    redis_server: RedisServer,
    target_url: str,
    worker_factory: Callable[..., RunningWorker],
    environment: dict[str, str],
) -> None:
    """What runs ends; killed workers and an emptied Redis change nothing; unpause goes on at once."""
    source = make_source(tmp_path / "s.db", SCRIPT)
    producer("start", "--source", source, "--chunk-mb", "0.005", "--detach")
    first, second, *_ = chunk_ids(target_url, "goods")
    points.stop_at(Point.HELD, first)
    points.stop_at(Point.HELD, second)
    old = worker_factory(environment=environment)
    points.await_reached(Point.HELD, first)
    points.await_reached(Point.HELD, second)
    waiting = producer.start("resume", "1")
    try:
        paused = producer("pause", "1")
        assert "job 1 is paused since" in paused.out
        assert "what runs ends: 2 chunks or indexes" in paused.out
        assert "paused already, since" in producer("pause", code=2).err
        points.clear(Point.HELD, first)
        await_true(lambda: dict(ledger_rows(target_url, STATES)).get("copied") == 1, "the first chunk has ended")
        old.kill()
        redis_server.flush()
        points.clear_all()
        worker = worker_factory(environment=environment)
        await_true(lambda: "copying" not in dict(ledger_rows(target_url, STATES)), "rescue puts the second chunk back")
        seen = producer("status", "--json").json
        assert seen["state"] == "copying"
        assert seen["paused_at"] is not None
        assert "go on with: producer unpause 1" in producer("status").out
        assert "copying, paused" in producer("jobs").out
        assert dict(ledger_rows(target_url, STATES))["copied"] == 1, worker.log_text()
        assert "job 1 goes on" in producer("unpause").out
        out, err = waiting.communicate(timeout=120)
    finally:
        waiting.kill()
    assert waiting.returncode == 0, out + err + worker.log_text()
    assert "paused since" in out
    assert "job 1 goes on" in out
    assert ledger_rows(target_url, "SELECT count(*), count(DISTINCT id) FROM goods") == [(ROWS, ROWS)]
    assert "job 1 is completed: there is nothing to pause any more" in producer("pause", "1", code=2).err


def test_a_local_fleet_is_paused_from_another_terminal(tmp_path: Path, target_url: str, points: Points) -> None:
    """Without a broker the producer that runs sees the pause, tells of it, and sends what waits when it is over."""
    producer = Producer({"PGCONVOY_TARGET_URL": target_url, "PGCONVOY_WORKERS": "1"} | points.environment, tmp_path)
    source = make_source(tmp_path / "s.db", SCRIPT)
    points.stop_at(Point.HELD)
    running = producer.start("start", "--source", source, "--chunk-mb", "0.005")
    try:
        points.await_reached(Point.HELD)
        producer("pause")
        points.clear_all()
        await_true(lambda: "copying" not in dict(ledger_rows(target_url, STATES)), "what ran has ended")
        ((unpaused,),) = ledger_rows(target_url, "SELECT count(*) FROM pgconvoy.chunks WHERE state = 'pending'")
        assert unpaused > 1
        assert "producer resume 1" in producer("unpause").out
        out, err = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == 0, out + err
    assert "go on with: producer unpause 1" in out
    assert ledger_rows(target_url, "SELECT count(*) FROM goods") == [(ROWS,)]
