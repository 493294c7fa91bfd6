"""SIGKILL at every named point, of workers, the controller and the producer: each row is there once, each index, and
the job says so.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from fleetkit import Points, RunningWorker, await_true
from producerkit import Producer, carried, chunk_ids, ledger_rows, make_source

from shared.points import Point

WorkerFactory = Callable[..., RunningWorker]
ROWS = 24_000
BY_WORKERS = frozenset(Point) - {Point.RECORDING, Point.RECORDED, Point.PLANNING, Point.PLANNED_NOT_SENT}
BY_PRODUCERS = (Point.RECORDED, Point.PLANNING, Point.PLANNED_NOT_SENT, Point.TAKEN_NOT_SENT)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Few chunks a batch of planning, indexes as tasks of their own, a controller that looks often."""
    return environment | {
        "PGCONVOY_PLAN_BATCH_CHUNKS": "2",
        "PGCONVOY_BUILD_APART_MB": "0",
        "PGCONVOY_RESCUE_INTERVAL_S": "1",
        "PGCONVOY_MAX_ATTEMPTS": "20",
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A table of several chunks with a key and an index, and a small one that travels whole."""
    script = """
        CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, note TEXT);
        CREATE INDEX big_note ON big (note);
        CREATE TABLE small (id INTEGER PRIMARY KEY, name TEXT);
        CREATE VIEW names AS SELECT id, name FROM big;
    """
    big = ((number, f"name {number}", "a note of some length " * 5 + str(number % 90)) for number in range(ROWS))
    return make_source(tmp_path / "s.db", script, {"big": big, "small": ((1, "one"), (2, "two"))})


def assert_all_there(source: Path, url: str) -> None:
    """Rows, keys, indexes and the view are there once, and the ledger says that all was compared."""
    assert carried(source, url, table="big")
    assert carried(source, url, table="small")
    assert ledger_rows(url, "SELECT DISTINCT state FROM pgconvoy.chunks") == [("verified",)]
    assert ledger_rows(url, "SELECT DISTINCT state FROM pgconvoy.tables") == [("completed",)]
    assert ledger_rows(url, "SELECT state FROM pgconvoy.jobs") == [("completed",)]
    there = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    assert ledger_rows(url, there) == [("big_name_key",), ("big_note",), ("big_pkey",), ("small_pkey",)]
    assert ledger_rows(url, "SELECT count(*) FROM names") == [(ROWS,)]
    ((grades,),) = ledger_rows(url, "SELECT grades FROM pgconvoy.jobs")
    assert [grade["grade"] for grade in grades if grade["name"] == "names"] == ["exact"]


def test_workers_killed_at_every_point_and_the_controller_between(
    source: Path,
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """One job that nobody waits for: a pool process dies at each point of every task, the controller in the middle.

    A chunk that lost its worker is claimed again: the ledger says that a second attempt has begun.
    """
    producer("start", "--source", source, "--chunk-mb", "0.3", "--detach")
    victim = chunk_ids(target_url, "big")[0]  # its worker dies twice: then it is split
    left: dict[Point, int | None] = dict.fromkeys(BY_WORKERS) | {Point.CLAIMED: victim, Point.HELD: victim}
    for point, number in left.items():
        points.stop_at(point, number)
    worker = worker_factory(environment=environment, queues=("copy", "verify"))
    controller = _controller(worker_factory, environment, tmp_path, "first")

    def stopped_or_ended() -> Point | str | None:
        return next((each for each in left if _reached(points, each, left[each])), None) or _end_of(target_url)

    while isinstance(point := await_true(stopped_or_ended, f"one of {sorted(left)}", seconds=180), Point):
        number = left.pop(point)
        pid = points.await_reached(point, number)
        if point is Point.HELD:
            query = f"SELECT attempt FROM pgconvoy.chunks WHERE id = {victim}"
            assert ledger_rows(target_url, query) == [(2,)], "its second attempt has begun"
        (worker.kill_pool if pid in worker.pool_pids() else controller.kill_pool)(pid)
        points.clear(point, number)
        if point is Point.COPIED_NOT_COMMITTED:
            controller.kill()
            controller = _controller(worker_factory, environment, tmp_path, "second")
    assert point == "completed", worker.log_text()
    assert left == {}, "every point was reached"
    assert_all_there(source, target_url)
    assert ledger_rows(target_url, "SELECT max(attempt) >= 2, sum(lost) > 0 FROM pgconvoy.chunks") == [(True, True)]


def _reached(points: Points, point: Point, number: int | None) -> bool:
    reached = points.folder / f"{point if number is None else f'{point}.{number}'}.reached"
    return reached.exists() and bool(reached.read_text())


def _end_of(url: str) -> str | None:
    ended = ledger_rows(url, "SELECT state FROM pgconvoy.jobs WHERE ended_at IS NOT NULL")
    return str(ended[0][0]) if ended else None


def _controller(worker_factory: WorkerFactory, environment: dict[str, str], folder: Path, name: str) -> RunningWorker:
    beat = ("--beat", f"--schedule={folder / name}-beat")
    return worker_factory(environment=environment, name=name, queues=("control",), concurrency=1, options=beat)


def test_a_producer_killed_at_every_stage_of_planning_and_sending(
    source: Path,
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """Before the job is recorded nothing is left of it; after that, `producer resume` goes on from wherever it was."""
    arguments: tuple[str | Path, ...] = ("start", "--source", source, "--chunk-mb", "0.3")
    _kill_at(Point.RECORDING, producer, points, *arguments)
    gone = "SELECT to_regclass('pgconvoy.jobs'), to_regclass('public.big')"
    assert ledger_rows(target_url, gone) == [(None, None)]
    for point in BY_PRODUCERS:
        _kill_at(point, producer, points, *arguments)
        arguments = ("resume",)
    assert ledger_rows(target_url, "SELECT count(*) FROM pgconvoy.jobs") == [(1,)]
    worker_factory(environment=environment)
    producer("resume")
    assert_all_there(source, target_url)
    ((numbers, chunks),) = ledger_rows(
        target_url,
        "SELECT count(DISTINCT number), count(*) FROM pgconvoy.chunks c JOIN pgconvoy.tables t ON t.id = c.table_id"
        " WHERE t.source_name = 'big'",
    )
    assert numbers == chunks > 4


def _kill_at(point: Point, producer: Producer, points: Points, *arguments: str | Path) -> None:
    points.stop_at(point)
    process = producer.start(*arguments)
    os.kill(points.await_reached(point), signal.SIGKILL)
    points.clear(point)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, out + err
