"""Chunks with a few rows that do not fit: those are rejects, all others are there once, whoever is killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fleetkit import Points, RunningWorker
from producerkit import Producer, chunk_ids, ledger_rows, make_source

from shared.errors import ExitCode
from shared.points import Point

ROWS = 60_000
EVERY = 3_000
POINTS = {Point.HELD: 2, Point.COPIED_NOT_COMMITTED: 2, Point.COMMITTED_NOT_ACKNOWLEDGED: 1}
"""Where a worker is killed, and how many attempts its chunk takes."""
WorkerFactory = Callable[..., RunningWorker]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A table in which one row of 3,000 has a text that PostgreSQL cannot hold, and one a text among the integers."""
    rows = (
        (
            number,
            "nul \0 here" if number % EVERY == 0 else f"name {number}",
            " 7 " if number % EVERY == 1 else "no number" if number % EVERY == 2 else number % 100,
        )
        for number in range(1, ROWS + 1)
    )
    return make_source(
        tmp_path / "s.db", "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n)", {"big": rows}
    )


def test_fitting_rows_arrive_once_and_the_others_are_rejects(
    source: Path,
    producer: Producer,
    points: Points,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Rows, rejects and the ledger's record of a chunk are one transaction, by columns and row by row alike; workers
    die at each point of that, one chunk after the other.
    """
    (tmp_path / "pgconvoy.toml").write_text('[[rules]]\ntable = "big"\ncolumn = "n"\ntype = "bigint"\n')
    producer("start", "--source", source, "--chunk-mb", "0.3", "--detach")
    victims = dict(zip(POINTS, chunk_ids(target_url, "big")[1:], strict=False))
    for point, victim in victims.items():
        points.stop_at(point, victim)
    worker = worker_factory(environment=environment)
    waiting = producer.start("resume")
    for point, victim in victims.items():
        worker.kill_pool(points.await_reached(point, victim))
        points.clear(point, victim)
    out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == ExitCode.INCOMPLETE, out + err
    attempts = dict(ledger_rows(target_url, "SELECT id, attempt FROM pgconvoy.chunks"))
    assert [attempts[victim] for victim in victims.values()] == list(POINTS.values())
    bad = 2 * ROWS // EVERY
    assert ledger_rows(target_url, "SELECT count(*), count(DISTINCT id) FROM big") == [(ROWS - bad, ROWS - bad)]
    assert ledger_rows(target_url, f"SELECT count(*) FROM big WHERE id % {EVERY} = 1 AND n = 7") == [(ROWS // EVERY,)]
    assert ledger_rows(
        target_url, "SELECT column_name, count(*), count(DISTINCT key) FROM pgconvoy.rejects GROUP BY 1"
    ) == ([("n", bad // 2, bad // 2), ("name", bad // 2, bad // 2)])
    assert ledger_rows(target_url, "SELECT sum(rows), sum(rejects) FROM pgconvoy.chunks") == [(ROWS - bad, bad)]
    paths = "SELECT DISTINCT path, rejects > 0 FROM pgconvoy.chunks ORDER BY 1"
    assert ledger_rows(target_url, paths) == [("arrow_bare", False), ("arrow_split", True)]
    assert ledger_rows(target_url, "SELECT DISTINCT state FROM pgconvoy.chunks") == [("verified",)]
