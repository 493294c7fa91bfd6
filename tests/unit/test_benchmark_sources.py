"""The benchmark's sources are the same for the same seed, and hold what they are said to hold."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.events_table import make_events
from benchmarks.sources.blob_table import make_blobs
from benchmarks.sources.changed_events import make_changed
from benchmarks.sources.dirty_table import COLUMNS, dirty_rows, make_dirty, refused_rows
from benchmarks.sources.making import made_once
from benchmarks.sources.many_tables import make_many
from benchmarks.sources.narrow_table import make_narrow
from benchmarks.sources.wide_table import make_wide

MAKERS: dict[str, Callable[..., Path]] = {
    "events": lambda path, **seed: make_events(path, rows=300, **seed),
    "wide": lambda path, **seed: make_wide(path, rows=50, **seed),
    "blobs": lambda path, **seed: make_blobs(path, rows=5, sizes=(10, 100), **seed),
    "many": lambda path, **seed: make_many(path, tables=3, **seed),
    "narrow": lambda path, **seed: make_narrow(path, rows=300, **seed),
}
ROWS = 4_000
DIRTY = 4
"""0.01 % of 4,000 rows of 10 values."""


def dumped(path: Path) -> str:
    """A digest of everything that a database holds."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        names = [name.decode() for (name,) in connection.execute("SELECT name FROM sqlite_schema ORDER BY name")]
        rows = [row for name in names for row in connection.execute(f"SELECT * FROM {name} ORDER BY 1")]
    return hashlib.blake2b(repr((names, rows)).encode()).hexdigest()


@pytest.mark.parametrize("name", MAKERS)
def test_a_seed_makes_the_same_rows(name: str, tmp_path: Path) -> None:
    """Made twice, a source is the same; with another seed it is another."""
    make = MAKERS[name]
    first = dumped(make(tmp_path / "first.sqlite"))
    assert dumped(make(tmp_path / "second.sqlite")) == first
    assert dumped(make(tmp_path / "third.sqlite", seed=7)) != first


def test_a_finished_source_is_not_made_again(tmp_path: Path) -> None:
    """What carries the same mark stays; another mark, and a file that was not finished, are made anew."""
    path, made = tmp_path / "source.sqlite", []

    def fill(connection: sqlite3.Connection) -> None:
        made.append(1)
        connection.execute("CREATE TABLE t (a)")

    made_once(path, "small", fill)
    made_once(path, "small", fill)
    assert len(made) == 1
    made_once(path, "large", fill)
    assert len(made) == 2
    path.with_suffix(".large.done").unlink()
    made_once(path, "large", fill)
    assert len(made) == 3


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    """The dirty events, with the clean ones as `clean`."""
    folder = tmp_path_factory.mktemp("dirty")
    clean = make_events(folder / "events.sqlite", rows=ROWS)
    connection = sqlite3.connect(make_dirty(folder / "dirty.sqlite", clean, rows=ROWS))
    connection.text_factory = bytes
    connection.execute("ATTACH ? AS clean", (str(clean),))
    return connection


def test_the_share_of_dirty_values_is_right(dirty: sqlite3.Connection) -> None:
    """One value in ten thousand differs from the clean table's, each in a row of its own, and no other does."""
    columns = [row[1].decode() for row in dirty.execute("PRAGMA table_info(events)")]
    assert len(columns) == COLUMNS
    differing = {
        (number, column)
        for column in columns
        for (number,) in dirty.execute(
            f"SELECT id FROM events JOIN clean.events AS other USING (id) WHERE events.{column} IS NOT other.{column}"
        )
    }
    assert len(differing) == DIRTY
    assert {number for number, _ in differing} == set(dirty_rows(ROWS))


def test_dirty_values_are_of_four_kinds(dirty: sqlite3.Connection) -> None:
    """A NUL, invalid UTF-8, a day that does not exist and a truth value in words, of each as many."""
    each = DIRTY / 4
    for condition in (
        "instr(note, char(0))",
        "hex(note) = '636166E9'",
        "day = '2021-02-30'",
        "active = 'yes'",
    ):
        assert dirty.execute(f"SELECT count(*) FROM events WHERE {condition}").fetchone() == (each,), condition
    (refused,) = dirty.execute(
        "SELECT count(*) FROM events WHERE instr(note, char(0)) OR hex(note) = '636166E9' OR day = '2021-02-30'"
    ).fetchone()
    assert len(list(refused_rows(ROWS))) == refused


def test_every_row_of_the_changed_events_differs(tmp_path: Path) -> None:
    """Each row has the same key and another value."""
    original = make_events(tmp_path / "events.sqlite", rows=200)
    changed = make_changed(tmp_path / "changed.sqlite", original, rows=200)
    with closing(sqlite3.connect(changed)) as connection:
        connection.execute("ATTACH ? AS original", (str(original),))
        equal = "SELECT * FROM main.events INTERSECT SELECT * FROM original.events"
        assert connection.execute(equal).fetchall() == []
        assert connection.execute("SELECT count(*) FROM original.events JOIN main.events USING (id)").fetchone() == (
            200,
        )
