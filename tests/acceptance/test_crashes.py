"""Killed workers, doubled messages, an emptied Redis: each row is there exactly once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fleetkit import Points, RedisServer, RunningWorker, await_true
from producerkit import Producer, chunk_ids, ledger_rows, make_source

from shared.broker import Broker
from shared.points import Point
from shared.settings import load_settings

ROWS = 100_000
ATTEMPTS = {Point.CLAIMED: 2, Point.COPIED_NOT_COMMITTED: 2, Point.COMMITTED_NOT_ACKNOWLEDGED: 1}
"""Where a worker is killed, and how many attempts its chunk takes."""
WorkerFactory = Callable[..., RunningWorker]


@pytest.fixture(scope="session")
def big_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 100,000 rows."""
    rows = ((number, f"name {number}", number / 7, number % 2) for number in range(1, ROWS + 1))
    script = """
        CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT NOT NULL, ratio REAL, flag BOOLEAN);
        CREATE VIEW names AS SELECT id, name FROM big;
    """
    return make_source(tmp_path_factory.mktemp("big") / "big.db", script, {"big": rows})


@pytest.fixture
def detached(producer: Producer, big_source: Path, target_url: str) -> list[int]:
    """A job of at least 20 chunks that no worker has seen yet; its chunks' ids."""
    producer("start", "--source", big_source, "--chunk-mb", "0.1", "--detach")
    ids = chunk_ids(target_url, "big")
    assert len(ids) >= 20
    return ids


def assert_each_row_once(target_url: str) -> None:
    """Every row is there once, and the ledger says so chunk by chunk."""
    ((rows, distinct),) = ledger_rows(target_url, "SELECT count(*), count(DISTINCT id) FROM big")
    assert (rows, distinct) == (ROWS, ROWS)
    ((copied, states),) = ledger_rows(target_url, "SELECT sum(rows), array_agg(DISTINCT state) FROM pgconvoy.chunks")
    assert (copied, states) == (ROWS, ["verified"])


def test_a_killed_worker_costs_one_attempt_and_no_row(
    detached: list[int],
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """SIGKILL of a process at each named point, one after the other: the job completes, each row there once, and each
    chunk has its times, but for what died with a process.
    """
    where = dict(zip(ATTEMPTS, detached[4:7], strict=True))
    for point, victim in where.items():
        points.stop_at(point, victim)
    worker = worker_factory(environment=environment)
    waiting = producer.start("resume")
    points.await_reached(*next(iter(where.items())))
    ((before,),) = ledger_rows(target_url, "SELECT clock_timestamp()")
    for point, victim in where.items():
        worker.kill_pool(points.await_reached(point, victim))
        points.clear(point, victim)
    out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, out + err
    assert_each_row_once(target_url)
    attempts = dict(ledger_rows(target_url, "SELECT id, attempt FROM pgconvoy.chunks"))
    assert {point: attempts[victim] for point, victim in where.items()} == ATTEMPTS
    committed = where[Point.COMMITTED_NOT_ACKNOWLEDGED]
    assert ledger_rows(target_url, "SELECT id FROM pgconvoy.chunks WHERE commit_s IS NULL") == [(committed,)]
    times = "read_s IS NULL OR convert_s IS NULL OR write_s IS NULL OR compare_s IS NULL"
    assert ledger_rows(target_url, f"SELECT id FROM pgconvoy.chunks WHERE {times}") == []
    # What a killed process held besides may have been taken for lost: its message came all the same, of no known age.
    unknown = ledger_rows(target_url, "SELECT started_at FROM pgconvoy.chunks WHERE wait_s IS NULL")
    assert len(unknown) <= len(where)
    assert all(started_at > before for (started_at,) in unknown)


def test_a_killed_machine_is_replaced_by_another_and_an_emptied_redis_filled_again(
    detached: list[int],
    producer: Producer,
    points: Points,
    redis_server: RedisServer,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """SIGKILL of a whole worker while both of its processes copy: another one goes on; Redis emptied under that one,
    too: `producer resume` fills it again from the ledger, and the job completes.
    """
    for victim in detached[:2]:
        points.stop_at(Point.COPIED_NOT_COMMITTED, victim)
    first = worker_factory(environment=environment)
    for victim in detached[:2]:
        points.await_reached(Point.COPIED_NOT_COMMITTED, victim)
    first.kill()
    points.clear_all()
    points.stop_at(Point.CLAIMED, detached[9])
    worker_factory(environment=environment)
    points.await_reached(Point.CLAIMED, detached[9])
    redis_server.flush()
    points.clear_all()
    producer("resume")
    assert_each_row_once(target_url)


def test_a_doubled_message_does_nothing(
    detached: list[int],
    producer: Producer,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """Each chunk's message delivered twice: one successful attempt each, each row once."""
    ((table_id,),) = ledger_rows(target_url, "SELECT id FROM pgconvoy.tables")
    urls = {name.removeprefix("PGCONVOY_").lower(): value for name, value in environment.items() if "URL" in name}
    Broker(load_settings(**urls)).send_copies(table_id, detached)
    worker_factory(environment=environment)
    producer("resume")
    assert_each_row_once(target_url)
    assert ledger_rows(target_url, "SELECT DISTINCT attempt FROM pgconvoy.chunks") == [(1,)]


def test_a_worker_outlives_redis(
    detached: list[int],
    producer: Producer,
    points: Points,
    redis_server: RedisServer,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """Redis stops while one task runs and a pool slot is free: the worker stays and the job completes."""
    for chunk_id in detached:
        points.stop_at(Point.CLAIMED, chunk_id)
    worker = worker_factory(environment=environment, concurrency=2)
    points.await_reached(Point.CLAIMED, detached[0])
    points.await_reached(Point.CLAIMED, detached[1])
    with redis_server.client() as client:
        client.delete("copy")
    points.clear(Point.CLAIMED, detached[0])
    await_true(
        lambda: ledger_rows(target_url, f"SELECT 1 FROM pgconvoy.chunks WHERE id = {detached[0]} AND rows > 0"),
        "the first chunk is copied, one slot is free",
    )
    redis_server.stop()
    await_true(lambda: "Connection" in worker.log_text(lines=400), "the worker notices")
    redis_server.start()
    worker.await_ready()
    points.clear_all()
    producer("resume")
    assert worker.running, worker.log_text()
    assert_each_row_once(target_url)
