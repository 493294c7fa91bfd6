"""A source that changes under its job, and one that a worker cannot see."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fleetkit import Points, RunningWorker, await_true
from producerkit import Producer, chunk_ids, ledger_rows, make_source

from shared.points import Point

WorkerFactory = Callable[..., RunningWorker]


def test_a_source_that_changes_is_refused(
    tmp_path: Path,
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """Rows written after the plan fail the chunk with one sentence; nothing of it is in the target."""
    source = make_source(tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    producer("start", "--source", source, "--no-snapshot", "--detach")
    (chunk_id,) = chunk_ids(target_url, "t")
    points.stop_at(Point.CLAIMED, chunk_id)
    worker_factory(environment=environment)
    points.await_reached(Point.CLAIMED, chunk_id)
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (3)")
    points.clear_all()
    ended = producer("resume", code=1)
    assert "start a new job, without --no-snapshot" in ended.out
    assert "producer start --recreate" in ended.out
    assert "requeue" not in ended.out.replace("requeueing", "")
    ((state, error),) = ledger_rows(target_url, "SELECT state, error FROM pgconvoy.chunks")
    assert state == "failed"
    assert "has changed since job 1 was planned" in error
    assert ledger_rows(target_url, "SELECT count(*) FROM t") == [(0,)]
    assert "has changed since job 1" in producer("requeue", code=1).err


def test_a_worker_that_cannot_see_the_source_says_so(
    tmp_path: Path, producer: Producer, worker_factory: WorkerFactory, target_url: str, environment: dict[str, str]
) -> None:
    """The attempt names the worker and the file; the job fails with exit 1 until the source is there again."""
    source = make_source(tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    producer("start", "--source", source, "--no-snapshot", "--detach")
    hidden = source.rename(tmp_path / "elsewhere.db")
    worker_factory(environment=environment | {"PGCONVOY_MAX_ATTEMPTS": "1"})
    failed = "SELECT error FROM pgconvoy.chunks WHERE state = 'failed'"
    ((error,),) = await_true(lambda: ledger_rows(target_url, failed), "the chunk has failed")
    assert "cannot read the source" in error
    assert "s.db" in error
    hidden.rename(source)
    outcome = producer("resume", code=1)
    assert "cannot read the source" in outcome.out + outcome.err
    producer("requeue")
    producer("resume")
    assert ledger_rows(target_url, "SELECT count(*) FROM t") == [(2,)]


def test_a_chunk_is_held_while_it_is_read(
    tmp_path: Path,
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """However long reading takes, rescue leaves the chunk alone: its row is locked before the first row is read."""
    source = make_source(tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    producer("start", "--source", source, "--detach")
    (chunk_id,) = chunk_ids(target_url, "t")
    points.stop_at(Point.HELD, chunk_id)
    worker_factory(environment=environment)
    points.await_reached(Point.HELD, chunk_id)
    assert ledger_rows(target_url, "SELECT id FROM pgconvoy.chunks FOR UPDATE SKIP LOCKED") == []
    points.clear_all()
    producer("resume")
