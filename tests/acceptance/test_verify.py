"""Verification finds what was changed behind our back, and what our own copier got wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from fleetkit import RunningWorker
from producerkit import Producer, make_source

WorkerFactory = Callable[..., RunningWorker]

SCRIPT = """
CREATE TABLE every (
    id INTEGER PRIMARY KEY, number BIGINT, ratio REAL, price DECIMAL(10, 2), name TEXT, raw BLOB, flag BOOLEAN,
    at DATETIME, at_zone DATETIME, day DATE, clock TIME, uid UUID, doc JSON
);
INSERT INTO every VALUES
    (1, 10, 0.5, 1.25, 'one', x'00ff', 1, '2024-02-29 12:00:00.000001', '2024-02-29T12:00:00+02:00', '2024-02-29',
     '23:59:59', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, 2.50]}'),
    (2, -20, 1e300, -0.01, 'zwei', x'', 0, '1969-12-31 23:59:59', '2024-02-29T12:00:00Z', '0001-01-01',
     '00:00:00.5', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '"text"'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE codes (code TEXT PRIMARY KEY, label TEXT);
INSERT INTO codes VALUES ('a', 'A'), ('b', 'B'), ('c', 'C');
CREATE TABLE loose (x INTEGER, y TEXT);
INSERT INTO loose VALUES (1, 'x'), (1, 'x'), (2, 'y');
"""

CHANGES = {
    "bigint": ("UPDATE every SET number = 11 WHERE id = 1", "every", "id = 1", "number"),
    "double precision": ("UPDATE every SET ratio = ratio + 1e-16 WHERE id = 1", "every", "id = 1", "ratio"),
    "numeric": ("UPDATE every SET price = 1.26 WHERE id = 1", "every", "id = 1", "price"),
    "text": ("UPDATE every SET name = 'one ' WHERE id = 1", "every", "id = 1", "name"),
    "bytea": (r"UPDATE every SET raw = '\x00fe' WHERE id = 1", "every", "id = 1", "raw"),
    "boolean": ("UPDATE every SET flag = NOT flag WHERE id = 1", "every", "id = 1", "flag"),
    "timestamp": ("UPDATE every SET at = at + interval '1 us' WHERE id = 1", "every", "id = 1", "at"),
    "timestamptz": ("UPDATE every SET at_zone = at_zone + interval '1h' WHERE id = 1", "every", "id = 1", "at_zone"),
    "date": ("UPDATE every SET day = day + 1 WHERE id = 2", "every", "id = 2", "day"),
    "time": ("UPDATE every SET clock = '00:00:00.6' WHERE id = 2", "every", "id = 2", "clock"),
    "uuid": ("UPDATE every SET uid = 'c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' WHERE id = 2", "every", "id = 2", "uid"),
    "jsonb": ("""UPDATE every SET doc = '{"a": [1, 2.51]}' WHERE id = 1""", "every", "id = 1", "doc"),
    "null to value": ("UPDATE every SET name = '' WHERE id = 3", "every", "id = 3", "name"),
    "text key": ("UPDATE codes SET label = 'X' WHERE code = 'b'", "codes", "code = b", "label"),
    "keyless": ("UPDATE loose SET y = 'z' WHERE x = 2", "loose", "", "y"),
    "deleted": ("DELETE FROM every WHERE id = 2", "every", "id = 2", None),
    "deleted by text key": ("DELETE FROM codes WHERE code = 'b'", "codes", "code = b", None),
    "deleted, keyless": ("DELETE FROM loose WHERE x = 2", "loose", "", None),
    "added": ("INSERT INTO every (id) VALUES (99)", "every", "id = 99", None),
    "added by text key": ("INSERT INTO codes VALUES ('d', 'D')", "codes", "code = d", None),
    "added, keyless": ("INSERT INTO loose VALUES (1, 'x')", "loose", "", None),
}

_DELETED = [change for what, change in CHANGES.items() if what.startswith("deleted")]
_ADDED = [change for what, change in CHANGES.items() if what.startswith("added")]
_CHANGED = [change for change in CHANGES.values() if change not in (*_DELETED, *_ADDED)]


@pytest.fixture
def copied(tmp_path: Path, producer: Producer, worker_factory: WorkerFactory, environment: dict[str, str]) -> Path:
    """A source with a column of every type, copied and verified."""
    worker_factory(environment=environment)
    source = make_source(tmp_path / "every.db", SCRIPT)
    producer("start", "--source", source)
    return source


def execute(url: str, *statements: str) -> None:
    """Change the target behind our back."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_every_change_is_found_and_named(copied: Path, producer: Producer, target_url: str) -> None:
    """One value changed in each type, then rows deleted, then added: exit 1, with table, key and column of each."""
    names = {"every", "codes", "loose"}
    saved = [f"CREATE TABLE saved_{name} AS TABLE {name}" for name in names]
    restored = [f"TRUNCATE {name}; INSERT INTO {name} SELECT * FROM saved_{name}" for name in names]
    execute(target_url, *saved)
    for group in (_CHANGED, _DELETED, _ADDED):
        execute(target_url, *(change for change, *_ in group))
        found = producer("verify", "--json", code=1).json["mismatches"]
        named = sorted((each["table"], each["key"].replace("'", ""), str(each["column"])) for each in found)
        assert named == sorted((table, key, str(column)) for _, table, key, column in group)
        execute(target_url, *restored)
    producer("verify")


def test_verify_says_so_to_people_too(copied: Path, producer: Producer, target_url: str) -> None:
    """Without --json the mismatch stands in the text, with both values."""
    execute(target_url, "UPDATE every SET price = 9.99 WHERE id = 1")
    outcome = producer("verify", code=1)
    said = outcome.out + outcome.err
    for part in ("every", "price", "1.25", "9.99"):
        assert part in said, said


def test_a_wrong_conversion_is_found(
    tmp_path: Path, producer: Producer, worker_factory: WorkerFactory, environment: dict[str, str]
) -> None:
    """A copier that shifts timestamps by an hour is caught by the verification, which shares no code with it."""
    (tmp_path / "wrong_app.py").write_text(
        """
import pyarrow as pa
import pyarrow.compute as pc
import workers.copy_columns as copying
from dataclasses import replace

right = copying.to_target_where_fit

def wrong(batch, plan):
    fitted = right(batch, plan)
    place = fitted.rows.schema.get_field_index("at")
    if place < 0:
        return fitted
    shifted = pc.add(fitted.rows.column(place), pa.scalar(3_600_000_000, pa.duration("us")))
    return replace(fitted, rows=fitted.rows.set_column(place, "at", shifted))

copying.to_target_where_fit = wrong
from workers.celery_app import app
"""
    )
    worker_factory(environment=environment | {"PYTHONPATH": str(tmp_path)}, app="wrong_app")
    source = make_source(tmp_path / "every.db", SCRIPT)
    report = producer("start", "--source", source, "--json", code=1).json
    assert report["progress"]["state"] == "failed"
    assert {(each["table"], each["column"]) for each in report["mismatches"]} == {("every", "at")}
    assert {table["name"]: table["state"] for table in report["progress"]["tables"]} == {
        "codes": "completed",
        "every": "failed",
        "loose": "completed",
    }


def test_what_differs_is_copied_again_by_its_keys(copied: Path, producer: Producer, target_url: str) -> None:
    """Changed, deleted and added rows are as the source has them afterwards, and compared; no other was touched."""
    assert copied.exists()
    keyed = [change for change, _, key, _ in CHANGES.values() if key]
    execute(target_url, *keyed)
    untouched = rows(target_url, "SELECT xmin::text FROM codes WHERE code = 'c'")
    end = producer("verify", "--repair")
    assert "4 rows copied again" in end.out
    assert end.code == 0
    assert rows(target_url, "SELECT id FROM every ORDER BY id") == [(1,), (2,), (3,)]
    assert rows(target_url, "SELECT xmin::text FROM codes WHERE code = 'c'") == untouched


def test_what_cannot_be_repaired_stays_and_is_told(copied: Path, producer: Producer, target_url: str) -> None:
    """A row that others refer to is not removed, and a table without a key is only told about: exit 1."""
    assert copied.exists()
    execute(
        target_url,
        "INSERT INTO every (id) VALUES (98), (99)",
        "CREATE TABLE child (every_id bigint REFERENCES every ON DELETE CASCADE)",
        "INSERT INTO child VALUES (99)",
        "DELETE FROM loose WHERE x = 2",
    )
    end = producer("verify", "--repair", code=1)
    assert "table loose has no key" in end.err
    assert rows(target_url, "SELECT id FROM every WHERE id > 90") == [(99,)]
    assert rows(target_url, "SELECT every_id FROM child") == [(99,)]


def rows(url: str, question: str) -> list[tuple[object, ...]]:
    """Ask the target."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return list(cursor.fetchall())
