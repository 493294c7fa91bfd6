"""PostgreSQL dies under a fleet of real workers and a `producer` that waits: the job goes on by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from faultkit import PASSWORD, Cluster, Wire
from fleetkit import Points, RedisServer, RunningWorker, TestPostgres, await_true
from producerkit import Producer, differences, ledger_rows

from shared.messages import COPY_QUEUE
from shared.points import Point

ROWS = 100_000
CHUNKS = 20
WorkerFactory = Callable[..., RunningWorker]


@pytest.fixture
def cluster(postgres_server: TestPostgres) -> Iterator[Cluster]:
    """A server of the test's own."""
    made = Cluster.make(postgres_server.programs)
    yield made
    made.close()


@pytest.fixture
def wire(cluster: Cluster) -> Iterator[Wire]:
    """The name under which everybody knows it."""
    with Wire(("127.0.0.1", cluster.port)) as between:
        yield between


@pytest.fixture
def target_url(cluster: Cluster, wire: Wire) -> str:
    """What workers and producer are told."""
    return cluster.url_of("postgres", port=wire.port)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A table of at least 20 chunks."""
    path = tmp_path / "s.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, ratio REAL)")
        rows = ((number, f"name {number} {'x' * 40}", number / 7) for number in range(1, ROWS + 1))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    return path


def queued(redis_server: RedisServer) -> int:
    """Messages that wait."""
    with redis_server.client() as client:
        return int(client.llen(COPY_QUEUE))


def test_a_fleet_outlives_postgresql_twice(
    cluster: Cluster,
    wire: Wire,
    source: Path,
    producer: Producer,
    points: Points,
    redis_server: RedisServer,
    worker_factory: WorkerFactory,
    environment: dict[str, str],
) -> None:
    """SIGKILL of the server while a chunk is copied and not committed, and it comes back; SIGKILL again with a chunk
    copied and another claimed, and a standby that knows of no chunk at all takes its place: the command that waits ends
    with everything verified there.
    """
    producer("start", "--source", source, "--chunk-mb", "0.3", "--detach")
    ids = [row[0] for row in ledger_rows(cluster.url_of("postgres"), "SELECT id FROM pgconvoy.chunks ORDER BY number")]
    assert len(ids) >= CHUNKS
    with Wire(("127.0.0.1", cluster.port)) as followed:
        heir = cluster.standby(followed.port)
        followed.refuse()
        followed.cut()
        for number in (4, 8):
            points.stop_at(Point.COPIED_NOT_COMMITTED, ids[number])
        points.stop_at(Point.CLAIMED, ids[12])
        before = queued(redis_server)
        waiting = producer.start("resume")
        # Once it has sent everything again, it waits; a command that only begins does not outlive its target.
        await_true(lambda: queued(redis_server) > before, "the command waits")
        worker = worker_factory(environment=environment)

        points.await_reached(Point.COPIED_NOT_COMMITTED, ids[4])
        cluster.kill()
        points.clear(Point.COPIED_NOT_COMMITTED, ids[4])
        await_true(lambda: "server closed the connection" in worker.log_text(lines=400), "a worker notices")
        cluster.start()

        points.await_reached(Point.COPIED_NOT_COMMITTED, ids[8])
        points.await_reached(Point.CLAIMED, ids[12])
        cluster.kill()
        heir.promote()
        wire.to(("127.0.0.1", heir.port))
        points.clear_all()

        out, err = waiting.communicate(timeout=200)
        said = out + err + worker.log_text(lines=10_000)
        assert waiting.returncode == 0, said
        assert worker.running
        assert PASSWORD not in said
        assert "Traceback" not in said
        assert not differences(source, heir.url_of("postgres"), table="t")
        states = "SELECT DISTINCT state FROM pgconvoy.chunks"
        assert ledger_rows(heir.url_of("postgres"), states) == [("verified",)]
        heir.close()
