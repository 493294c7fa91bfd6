"""Workers that are asked to stop: in bounded time, what they did is given back at once, and others go on with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
from fleetkit import Points, RunningWorker, await_true
from fleetkit.processes import alive
from producerkit import Producer, chunk_ids, ledger_rows, make_source

from shared.points import Point

ROWS = 60_000
SCRIPT = """
    CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE INDEX big_name ON big (name);
"""
SOFT_S = 1
"""How long a worker of these tests may go on with its task after SIGTERM; an operator's has 20 s."""
WorkerFactory = Callable[..., RunningWorker]


def test_a_fleet_whose_workers_are_stopped_one_after_the_other_does_the_job(
    tmp_path: Path,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """SIGTERM at each point of the way: the next worker takes the work up at once, without rescue, and none is lost."""
    # Nothing counts as lost before ten minutes are over: rescue is no help here.
    ours = environment | {"PGCONVOY_RESCUE_GRACE_S": "600", "PGCONVOY_BUILD_APART_MB": "0"}
    producer = Producer(ours, tmp_path)
    rows = ((number, f"name {number}") for number in range(1, ROWS + 1))
    source = make_source(tmp_path / "big.db", SCRIPT, {"big": rows})
    producer("start", "--source", source, "--chunk-mb", "0.25", "--detach")
    ids = chunk_ids(target_url, "big")
    assert len(ids) >= 4
    stations = [
        (Point.HELD, ids[0]),
        (Point.COPIED_NOT_COMMITTED, ids[1]),
        (Point.BUILT_NOT_COMMITTED, None),
        (Point.COMPARING, ids[2]),
        (Point.FINISHING, None),
    ]
    for number, (point, chunk_id) in enumerate(stations):
        points.stop_at(point, chunk_id)
        options = [f"worker.soft_shutdown_timeout={SOFT_S}"]
        worker = worker_factory(name=f"w{number}", environment=ours, concurrency=1, options=options)
        points.await_reached(point, chunk_id)
        code = worker.terminate(seconds=30)
        assert code >= 0, f"{point}: {worker.log_text()}"
        points.clear(point, chunk_id)
    worker_factory(name="last", environment=ours)
    producer("resume")
    assert ledger_rows(target_url, "SELECT count(*), count(DISTINCT id) FROM big") == [(ROWS, ROWS)]
    lost = "SELECT sum(lost), count(*) FILTER (WHERE state <> 'verified') FROM pgconvoy.chunks"
    assert ledger_rows(target_url, lost) == [(0, 0)]


def test_a_worker_that_waits_for_postgresql_stops_in_bounded_time(
    tmp_path: Path,
    producer: Producer,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """A COPY that waits for a lock hears no signal: its process is killed, and the chunk goes to another."""
    source = make_source(tmp_path / "s.db", SCRIPT, {"big": [(1, "one"), (2, "two")]})
    producer("start", "--source", source, "--detach")
    copying = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgconvoy copy chunk%'"
    ours = environment | {"PGCONVOY_LOCK_TIMEOUT_S": "300"}
    with closing(psycopg2.connect(target_url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE big IN ACCESS EXCLUSIVE MODE")
        options = [f"worker.soft_shutdown_timeout={SOFT_S}"]
        worker = worker_factory(name="first", environment=ours, concurrency=1, options=options)
        waits = f"{copying} AND wait_event_type = 'Lock'"
        await_true(lambda: ledger_rows(target_url, waits), "a chunk waits for the table")
        (pool_pid,) = worker.pool_pids()
        assert worker.terminate(seconds=60) >= 0, worker.log_text()
        assert "is killed" in worker.log_text()
        assert not alive(pool_pid)
        await_true(lambda: not ledger_rows(target_url, copying), "PostgreSQL notices that its client is gone")
    worker_factory(name="second", environment=ours, concurrency=1)
    producer("resume")
    assert ledger_rows(target_url, "SELECT count(*) FROM big") == [(2,)]
    assert ledger_rows(target_url, "SELECT attempt, lost FROM pgconvoy.chunks") == [(2, 1)]
