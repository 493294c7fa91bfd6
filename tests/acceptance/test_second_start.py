"""A second start into tables with rows: an upsert that touches only what changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fleetkit import RunningWorker
from producerkit import Producer, carried, ledger_rows, make_source

SCRIPT = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT, doc JSON);
CREATE TABLE child (a INTEGER, b TEXT, parent_id INTEGER REFERENCES parent (id), PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO parent VALUES (1, 'one', '{"x": 1}'), (2, 'two', NULL), (3, NULL, NULL);
INSERT INTO child VALUES (1, 'a', 1), (1, 'b', 2), (2, 'a', NULL);
"""
CHANGES = """
UPDATE parent SET name = 'TWO' WHERE id = 2;
INSERT INTO parent VALUES (4, 'four', NULL);
INSERT INTO child VALUES (9, 'z', 4);
"""


def test_changed_rows_are_updated_and_equal_ones_are_not_rewritten(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """Changed rows updated, unchanged rows keep their xmin, new rows inserted."""
    source = make_source(tmp_path / "s.db", SCRIPT)
    producer("start", "--source", source)
    versions = (
        "SELECT 'parent', id::text, xmin::text FROM parent UNION ALL SELECT 'child', a || b, xmin::text FROM child"
    )
    before = set(ledger_rows(target_url, versions))
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(CHANGES)
    report = producer("start", "--source", source, "--json").json
    assert report["progress"]["state"] == "completed"
    for table in ("parent", "child"):
        assert carried(source, target_url, table=table)
    after = set(ledger_rows(target_url, versions))
    rewritten = {row[:2] for row in after - before}
    assert rewritten == {("parent", "2"), ("parent", "4"), ("child", "9z")}
    paths = "SELECT DISTINCT path FROM pgconvoy.chunks WHERE job_id = 2"
    assert ledger_rows(target_url, paths) == [("arrow_compared",)]


def test_on_conflict_skip_keeps_what_is_there(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """With --on-conflict skip, rows that are there stay as they are and new ones come in."""
    source = make_source(tmp_path / "s.db", SCRIPT)
    producer("start", "--source", source)
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(CHANGES)
    producer("start", "--source", source, "--on-conflict", "skip")
    assert ledger_rows(target_url, "SELECT id, name FROM parent ORDER BY id") == [
        (1, "one"),
        (2, "two"),
        (3, None),
        (4, "four"),
    ]
