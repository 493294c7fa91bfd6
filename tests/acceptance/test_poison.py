"""What ends its process each time it is tried: it fails after its attempts, with the reason, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from fleetkit import Points, RunningWorker
from producerkit import Producer, carried, chunk_ids, ledger_rows, make_source

from shared.points import Point

ATTEMPTS = 2
WorkerFactory = Callable[..., RunningWorker]
_SCRIPT = """
    CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE crossed (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE whole (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE small1 (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE small2 (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE small3 (id INTEGER PRIMARY KEY, name TEXT);
"""
_SMALL = ("small1", "small2", "small3", "whole")


def rows(count: int) -> Iterable[tuple[Any, ...]]:
    """Rows that differ."""
    return ((number, f"name {number}" * 10) for number in range(1, count + 1))


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Few attempts, so that the test is short."""
    return environment | {"PGCONVOY_MAX_ATTEMPTS": str(ATTEMPTS)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two tables of some chunks, and four small ones that travel in a message together."""
    tables = {"big": rows(20_000), "crossed": rows(20_000), **{name: rows(50) for name in _SMALL}}
    return make_source(tmp_path / "poison.db", _SCRIPT, tables)


def states(url: str, what: str = "tables") -> dict[str, int]:
    """How many chunks or tables are in each state."""
    return dict(ledger_rows(url, f"SELECT state, count(*) FROM pgconvoy.{what} GROUP BY 1"))


def errors(url: str) -> dict[str, str]:
    """Why tables failed, by name."""
    return dict(ledger_rows(url, "SELECT source_name, error FROM pgconvoy.tables WHERE state = 'failed'"))


def test_what_ends_its_process_each_time_fails_after_its_attempts(
    source: Path,
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
) -> None:
    """A chunk that is killed as by a lack of memory, one that crashes, a small table among others, a comparison and a
    table's last look: each fails alone, the job ends with exit code 1, and `requeue` does the rest.
    """
    producer("start", "--source", source, "--chunk-mb", "0.5", "--detach")
    killed, crashed = chunk_ids(target_url, "big")[1:3]
    (small,) = chunk_ids(target_url, "small2")
    compared = chunk_ids(target_url, "crossed")[0]
    ((whole,),) = ledger_rows(target_url, "SELECT id FROM pgconvoy.tables WHERE source_name = 'whole'")
    points.kill_at(Point.COPIED_NOT_COMMITTED, killed)
    points.kill_at(Point.HELD, crashed, signal="SIGSEGV")
    points.kill_at(Point.CLAIMED, small, signal="SIGABRT")
    points.kill_at(Point.COMPARING, compared)
    points.kill_at(Point.CHECKING, whole)
    # Splitting a chunk that ends workers is another test's matter: these are as good as single rows.
    with_one_row = (
        f"UPDATE pgconvoy.chunks SET rows_expected = 1 WHERE id IN ({killed}, {crashed}, {small}) RETURNING 1"
    )
    assert len(ledger_rows(target_url, with_one_row, commit=True)) == 3
    worker = worker_factory(environment=environment | points.environment)

    ended = producer("resume", code=1)
    assert worker.running, worker.log_text()
    assert states(target_url) == {"failed": 4, "completed": 2}, str(ended)
    assert states(target_url, "chunks")["failed"] == 3
    lost = "SELECT attempt, error FROM pgconvoy.chunks WHERE state = 'failed'"
    for attempt, error in ledger_rows(target_url, lost):
        assert attempt == ATTEMPTS
        assert "was lost during attempt 2" in error
    found = errors(target_url)
    assert found.keys() == {"big", "crossed", "small2", "whole"}
    assert found["whole"] == "its worker was lost each of 2 times when the table as a whole was built or compared"
    ((incomparable,),) = ledger_rows(target_url, f"SELECT error FROM pgconvoy.chunks WHERE id = {compared}")
    assert incomparable == "not compared: its worker was lost in each of 2 comparisons"
    assert carried(source, target_url, table="small1")
    assert carried(source, target_url, table="small3")
    copied = "SELECT sum(rows) FROM pgconvoy.chunks c JOIN pgconvoy.tables t ON t.id = c.table_id"
    there = ledger_rows(target_url, f"{copied} WHERE t.source_name = 'big'")
    assert there == ledger_rows(target_url, "SELECT count(*) FROM big")
    assert "was lost" in ended.out + ended.err

    points.clear_all()
    producer("requeue")
    producer("resume")
    assert states(target_url) == {"completed": 6}
    assert states(target_url, "chunks").keys() == {"verified"}
    for table in ("big", "crossed", *_SMALL):
        assert carried(source, target_url, table=table)
