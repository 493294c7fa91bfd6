"""A job that may make so much load and no more: it says so, keeps to it, and is let go while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from fleetkit import Points, RunningWorker, await_true
from producerkit import Producer, ledger_rows, make_source

from shared.points import Point

SCRIPT = """
CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO goods SELECT i, 'goods of the number ' || i FROM n;
"""
SMALL = "0.005"
"""MiB a chunk: a dozen chunks."""


def states(target_url: str) -> dict[str, int]:
    """How many chunks are in which state."""
    rows = ledger_rows(target_url, "SELECT state, count(*) FROM pgconvoy.chunks GROUP BY state")
    return {state: number for state, number in rows if isinstance(state, str) and isinstance(number, int)}


def test_a_byte_rate_holds_a_job_until_it_is_lifted(
    tmp_path: Path, producer: Producer, target_url: str, worker: RunningWorker
) -> None:
    """At two bytes a second the first chunk is copied and no other; lifted while it runs, the job ends verified."""
    source = make_source(tmp_path / "s.db", SCRIPT)
    producer("start", "--source", source, "--chunk-mb", SMALL, "--max-load", "2B/s", "--detach")
    waiting = producer.start("resume", "1")
    try:
        await_true(lambda: states(target_url).get("copied"), "a chunk is copied")
        held = producer("throttle", "--json").json
        assert held["throttle"]["max_load"]["bytes_per_s"] == 2
        assert "of at most 2 bytes/s" in producer("status").out
        assert "job 1: held back" in producer("throttle", "1").out
        assert set(states(target_url)) == {"copied", "pending"}, worker.log_text()
        assert states(target_url)["copied"] == 1
        sent = "SELECT count(*) FROM pgconvoy.chunks WHERE state = 'pending' AND enqueued_at IS NOT NULL"
        assert ledger_rows(target_url, sent) == [(0,)]
        assert "no limit of load" in producer("throttle", "1", "--off").out
        out, err = waiting.communicate(timeout=120)
    finally:
        waiting.kill()
    assert waiting.returncode == 0, out + err + worker.log_text()
    assert ledger_rows(target_url, "SELECT count(*) FROM goods") == [(2000,)]


def test_no_more_chunks_are_copied_at_once_than_the_load_allows(
    tmp_path: Path,
    producer: Producer,
    points: Points,
    target_url: str,
    worker_factory: Callable[..., RunningWorker],
    environment: dict[str, str],
) -> None:
    """Where somebody else keeps the one allowed connection busy, one of two worker processes copies, the other waits;
    limits given while the job runs replace them.
    """
    source = make_source(tmp_path / "s.db", SCRIPT)
    points.stop_at(Point.HELD)
    worker = worker_factory(environment=environment)
    with _busy_connection(target_url):
        producer("start", "--source", source, "--chunk-mb", SMALL, "--max-load", "connections=1", "--detach")
        waiting = producer.start("resume", "1")
        try:
            points.await_reached(Point.HELD)
            held = [producer("throttle", "--json").json["throttle"]["in_flight"] for _ in range(3)]
            assert max(held) <= 1, worker.log_text()
            assert states(target_url)["copying"] == 1, worker.log_text()
            assert "of at most 1 active connections" in producer("status").out
            producer("throttle", "1", "lag=5s", "90MB/s")
            limits = producer("throttle", "--json").json["throttle"]["max_load"]
            assert limits == {"bytes_per_s": 90_000_000, "connections": None, "lag_s": 5}
            points.clear_all()
            out, err = waiting.communicate(timeout=120)
        finally:
            waiting.kill()
    assert waiting.returncode == 0, out + err + worker.log_text()
    assert ledger_rows(target_url, "SELECT count(*) FROM goods") == [(2000,)]


@contextmanager
def _busy_connection(target_url: str) -> Iterator[None]:
    with closing(psycopg2.connect(target_url)) as connection:

        def sleep() -> None:
            with pytest.raises(psycopg2.errors.QueryCanceled), connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(600)")

        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        try:
            yield
        finally:
            connection.cancel()
            sleeper.join()


@pytest.mark.parametrize(
    ("limit", "finding"),
    [
        ("20XB/s", "unknown unit 'XB'"),
        ("0MB/s", "not above 0"),
        ("-3MB/s", "not above 0"),
        ("connections=0", "not above 0"),
        ("connections=1.5", "no whole number"),
        ("lag=5", "no unit"),
        ("weather=fine", "unknown kind 'weather'"),
        ("20MB", "bytes are limited a second"),
    ],
)
def test_a_limit_that_cannot_be_read_is_refused(producer: Producer, limit: str, finding: str) -> None:
    """Exit 2 and one sentence, before anything is looked at."""
    outcome = producer("start", "--source", "absent.db", f"--max-load={limit}", code=2)
    assert finding in outcome.err
    assert outcome.err.count("\n") == 1


def test_jobs_that_cannot_be_throttled_are_named(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """An unknown job, an ended one and limits beside --off are usage errors with a sentence each."""
    source = make_source(tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);")
    producer("start", "--source", source)
    assert "there is no job 7" in producer("throttle", "7", "20MB/s", code=2).err
    assert "job 1 is completed" in producer("throttle", "1", "20MB/s", code=2).err, worker.log_text()
    assert "exclude each other" in producer("throttle", "1", "20MB/s", "--off", code=2).err
    assert "no job's number" in producer("throttle", "0", code=2).err
    assert ledger_rows(target_url, "SELECT max_load FROM pgconvoy.jobs") == [(None,)]
