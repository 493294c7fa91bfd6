"""Small tables, several in a message: each whole, once and verified, whatever becomes of their worker."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fleetkit import Points, RedisServer, RunningWorker, await_true
from fleetkit.processes import POLL_SECONDS
from producerkit import Producer, carried, ledger_rows

from shared.messages import CARRY_TABLES, COPY_QUEUE
from shared.points import Point

TABLES = 60
ROWS = 20
WorkerFactory = Callable[..., RunningWorker]
HOME = """
    SELECT count(*) FILTER (WHERE k.contype = 'p'), count(*) FILTER (WHERE k.contype = 'f' AND k.convalidated)
      FROM pg_constraint k WHERE k.connamespace = 'public'::regnamespace
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 tables: every third refers to the one before, every tenth is empty, one has no key, one mixed values."""
    path = tmp_path_factory.mktemp("small") / "small.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        for n in range(TABLES):
            parent = f"REFERENCES t{n - 1} (id)" if n % 3 == 1 else ""
            key = "id INTEGER" if n == 5 else "id INTEGER PRIMARY KEY"
            connection.execute(f"CREATE TABLE t{n} ({key}, name TEXT, price REAL, parent INTEGER {parent})")
            connection.execute(f"CREATE INDEX t{n}_name ON t{n} (name)")
            up = 0 if n % 10 == 0 else 1  # the table before is empty, or not
            rows = [] if n % 10 == 9 else [(i, f"{n} {i}", i / 7, i * up or None) for i in range(1, ROWS + 1)]
            connection.executemany(f"INSERT INTO t{n} VALUES (?, ?, ?, ?)", rows)
        connection.execute("UPDATE t7 SET price = 'dear' WHERE id = 3")
    return path


@pytest.fixture
def detached(producer: Producer, source: Path, redis_server: RedisServer) -> None:
    """A job of these tables that no worker has seen yet: all of it in a few messages."""
    producer("start", "--source", source, "--detach")
    with redis_server.client() as client:
        messages = [str(message) for message in client.lrange(COPY_QUEUE, 0, -1)]
    assert all(CARRY_TABLES in message for message in messages)
    assert 2 * 4 <= len(messages) <= TABLES / 3, "two workers share them, and a message is worth sending"


def table_ids(target_url: str) -> list[int]:
    """The tables of the job, in the order of enqueueing."""
    return [row[0] for row in ledger_rows(target_url, "SELECT id FROM pgconvoy.tables ORDER BY position")]


def assert_all_there(source: Path, target_url: str) -> None:
    """Each table is completed, verified, and has its rows once with its keys."""
    for n in range(TABLES):
        assert carried(source, target_url, table=f"t{n}")
    assert ledger_rows(target_url, "SELECT DISTINCT state FROM pgconvoy.tables") == [("completed",)]
    assert ledger_rows(target_url, "SELECT DISTINCT state FROM pgconvoy.chunks") == [("verified",)]
    assert ledger_rows(target_url, HOME) == [(TABLES - 1, TABLES / 3)]


def chunk_at(target_url: str, place: int) -> int:
    """A chunk, by its place in the order of enqueueing."""
    ((number,),) = ledger_rows(target_url, f"SELECT id FROM pgconvoy.chunks ORDER BY id OFFSET {place} LIMIT 1")
    return int(number)


@pytest.mark.usefixtures("detached")
def test_sixty_tables_travel_in_a_few_messages_and_one_that_fails_leaves_the_others_alone(
    producer: Producer,
    source: Path,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """Both processes are at work and each chunk takes one attempt, also where PostgreSQL ended idle connections between
    two tables; a chunk that fails for good fails its table alone, and requeue brings that one.
    """
    points.fail_at(Point.CLAIMED, chunk_at(target_url, 20))
    tables = table_ids(target_url)[30:38]  # of several messages
    for table in tables:
        points.stop_at(Point.CARRYING, table)
    worker_factory(environment=environment)
    await_true(lambda: len(list(points.folder.glob("*.reached"))) == 2, "each process stands before a table")
    idle = "application_name IN ('pgconvoy copying', 'pgconvoy reading') AND state = 'idle'"
    ended = ledger_rows(target_url, f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {idle}")
    assert ended == [(True,)] * 4
    for table in tables:
        points.clear(Point.CARRYING, table)
    producer("resume", code=1)
    states = ledger_rows(target_url, "SELECT state, count(*) FROM pgconvoy.tables GROUP BY state ORDER BY state")
    assert states == [("completed", TABLES - 1), ("failed", 1)]
    ((attempts, workers),) = ledger_rows(target_url, "SELECT max(attempt), count(DISTINCT worker) FROM pgconvoy.chunks")
    assert (attempts, workers) == (1, 2)
    points.clear_all()
    producer("requeue")
    producer("resume")
    assert_all_there(source, target_url)


@pytest.mark.usefixtures("detached")
def test_workers_killed_in_the_middle_of_bundles_lose_nothing(
    producer: Producer,
    source: Path,
    points: Points,
    redis_server: RedisServer,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """Redis emptied before any worker came, so that rescue sends all from the ledger alone; then SIGKILL at each named
    point, with tables of the bundle before and behind it: all arrive, once and verified.
    """
    redis_server.flush()
    left = {
        Point.CARRYING: table_ids(target_url)[30],
        Point.CLAIMED: chunk_at(target_url, 10),
        Point.COPIED_NOT_COMMITTED: chunk_at(target_url, 20),
        Point.COMMITTED_NOT_ACKNOWLEDGED: chunk_at(target_url, 40),
        Point.BUILDING: table_ids(target_url)[50],
        Point.COMPARING: chunk_at(target_url, 48),
    }
    for point, number in left.items():
        points.stop_at(point, number)
    worker = worker_factory(environment=environment)
    waiting = producer.start("resume")
    while left:
        reached = {point: number for point, number in left.items() if points.reached(point, number)}
        for point, number in reached.items():
            worker.kill_pool(points.await_reached(point, number))
            points.clear(point, left.pop(point))
        assert waiting.poll() is None, f"{sorted(left)} not reached"
        time.sleep(POLL_SECONDS)
    out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, out + err
    assert_all_there(source, target_url)
