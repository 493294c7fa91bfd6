"""Indexes in tasks of their own, with real workers: killed, forgotten, cancelled, swapped; each is there once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from fleetkit import Points, RedisServer, RunningWorker, await_true
from producerkit import Producer, ledger_rows, make_source

from shared.points import Point

WorkerFactory = Callable[..., RunningWorker]
StoppedAt = Callable[..., RunningWorker]
ROWS = 2000
INDEXES = """
    SELECT t.relname, c.relname, k.contype FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
      LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
     WHERE t.relnamespace = 'public'::regnamespace ORDER BY 1, 2
"""
THERE = [
    ("goods", "goods_label_key", "u"),
    ("goods", "goods_pkey", "p"),
    ("goods", "goods_price", None),
    ("sales", "sales_day", None),
    ("sales", "sales_good_day", "u"),
    ("sales", "sales_note", None),
    ("sales", "sales_pkey", "p"),
]


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Every table counts as large."""
    return environment | {"PGCONVOY_BUILD_APART_MB": "0"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two tables with several keys and indexes each."""
    script = """
        CREATE TABLE goods (id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, price REAL);
        CREATE TABLE sales (id INTEGER PRIMARY KEY, good INTEGER REFERENCES goods (id), day TEXT, note TEXT);
        CREATE INDEX goods_price ON goods (price);
        CREATE INDEX sales_day ON sales (day);
        CREATE INDEX sales_note ON sales (note);
        CREATE UNIQUE INDEX sales_good_day ON sales (good, day);
    """
    goods = ((number, f"good {number}", number / 4) for number in range(1, ROWS + 1))
    sales = ((number, number, f"day {number % 90}", "a note " * 9 + str(number)) for number in range(1, ROWS + 1))
    return make_source(tmp_path / "shop.db", script, {"goods": goods, "sales": sales})


@pytest.fixture
def stopped_at(
    source: Path, producer: Producer, points: Points, worker_factory: WorkerFactory, environment: dict[str, str]
) -> Callable[..., RunningWorker]:
    """Begin a job, with options of `start`, whose worker stops at a point."""

    def begin(point: Point, *options: str, concurrency: int = 1) -> RunningWorker:
        points.stop_at(point)
        producer("start", "--source", source, "--detach", *options)
        worker = worker_factory(environment=environment, concurrency=concurrency)
        points.await_reached(point)
        return worker

    return begin


def builds(target_url: str) -> dict[str, tuple[int, str, int]]:
    """Id, state and attempt of each build, by name."""
    found = ledger_rows(target_url, "SELECT name, id, state, attempt FROM pgconvoy.builds")
    return {name: (number, state, attempt) for name, number, state, attempt in found}


def test_a_killed_worker_costs_one_attempt_of_one_build(
    stopped_at: StoppedAt, producer: Producer, points: Points, target_url: str
) -> None:
    """SIGKILL with an index built and not committed: it is built again by another process, all others once."""
    worker = stopped_at(Point.BUILT_NOT_COMMITTED, concurrency=2)
    waiting = producer.start("resume")
    pid = points.await_reached(Point.BUILT_NOT_COMMITTED)
    (victim,) = ledger_rows(target_url, f"SELECT name FROM pgconvoy.builds WHERE worker LIKE '%:{pid}'")
    worker.kill_pool(pid)
    points.clear(Point.BUILT_NOT_COMMITTED)
    out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, out + err
    assert ledger_rows(target_url, INDEXES) == THERE
    attempts = {name: attempt for name, (_, state, attempt) in builds(target_url).items() if state == "built"}
    assert attempts == dict.fromkeys((name for _, name, _ in THERE), 1) | {victim[0]: 2}


def test_lost_messages_of_builds_are_sent_again(
    stopped_at: StoppedAt, producer: Producer, points: Points, redis_server: RedisServer, target_url: str
) -> None:
    """Redis is emptied while two indexes are built and others wait: rescue brings them all to their end, each once."""
    stopped_at(Point.BUILT_NOT_COMMITTED, concurrency=2)
    redis_server.flush()
    points.clear(Point.BUILT_NOT_COMMITTED)
    producer("resume")
    assert ledger_rows(target_url, INDEXES) == THERE
    assert {state for _, state, _ in builds(target_url).values()} == {"built"}


def test_cancel_ends_builds_at_once_and_resume_builds_them(
    stopped_at: StoppedAt, producer: Producer, points: Points, target_url: str
) -> None:
    """Builds that wait for a lock, which nobody will let go, are over when the command returns."""
    stopped_at(Point.BUILDING)
    ours = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgconvoy job 1 builds %'"
    with closing(psycopg2.connect(target_url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE goods, sales IN ROW EXCLUSIVE MODE")
        points.clear(Point.BUILDING)
        await_true(
            lambda: ledger_rows(target_url, f"{ours} AND wait_event_type = 'Lock'"), "a build waits for the table"
        )
        producer("cancel")
        assert ledger_rows(target_url, ours) == []
    assert [name for _, name, _ in ledger_rows(target_url, INDEXES)] == []
    assert ledger_rows(target_url, "SELECT DISTINCT state FROM pgconvoy.tables") == [("cancelled",)]
    producer("resume")
    assert ledger_rows(target_url, INDEXES) == THERE


def test_status_tells_how_many_indexes_are_built(
    stopped_at: StoppedAt, producer: Producer, points: Points, target_url: str
) -> None:
    """In words and as JSON."""
    stopped_at(Point.BUILT_NOT_COMMITTED, "--tables", "goods")
    assert "building, 0 of 3 indexes done" in producer("status").out
    (table,) = producer("status", "--json").json["tables"]
    assert (table["builds"], table["builds_ended"]) == (3, 0)
    points.clear(Point.BUILT_NOT_COMMITTED)
    producer("resume")
    assert {state for _, state, _ in builds(target_url).values()} == {"built"}


@pytest.mark.parametrize("options", [("--recreate",), ("--schema-only",)])
def test_names_are_the_same_however_a_table_comes_about(
    options: tuple[str, ...], source: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """A swapped table brings its indexes and constraints along under their names; an empty one has them too."""
    if "--recreate" in options:
        producer("start", "--source", source)
    out = producer("start", "--source", source, *options)
    assert ledger_rows(target_url, INDEXES) == THERE, out
    assert worker.running


def test_rows_that_violate_a_key_fail_the_table_and_requeue_builds_the_rest(
    stopped_at: StoppedAt, producer: Producer, points: Points, target_url: str
) -> None:
    """The job says which key; the rows are mended, `requeue` builds what is missing and nothing else."""
    stopped_at(Point.BUILDING, "--tables", "goods")
    with closing(psycopg2.connect(target_url)) as other, other.cursor() as cursor:
        cursor.execute("UPDATE goods SET label = 'good 1' WHERE id = 2")
        other.commit()
        points.clear(Point.BUILDING)
        assert "could not create unique index" in producer("resume", code=1).out
        cursor.execute("UPDATE goods SET label = 'good 2' WHERE id = 2")
        other.commit()
    producer("requeue")
    producer("resume")
    assert ledger_rows(target_url, INDEXES) == THERE[:3]
    assert {state for _, state, _ in builds(target_url).values()} == {"built"}
