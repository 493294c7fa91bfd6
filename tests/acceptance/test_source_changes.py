"""A source that changes under a job with --no-snapshot is refused, and what was read of it does not count."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fleetkit import Points, RunningWorker
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
