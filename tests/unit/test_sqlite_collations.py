"""Collations of the application stand in the way of nothing that is read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.records.source import ChunkKeyKind
from shared.source.sqlite import open_sqlite

_SPELLINGS = ("ABCD", '"a b"', "[a b]", "`a``b`", "'it''s'", "/* why */ ABCD", "\n-- why\nABCD")


def _backwards(left: str, right: str) -> int:
    return (left[::-1] > right[::-1]) - (left[::-1] < right[::-1])


@pytest.fixture(params=_SPELLINGS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Make a database in an order of its own, written in one of SQLite's spellings."""
    path = tmp_path / "own.db"
    with closing(sqlite3.connect(path)) as connection:
        for name in ("ABCD", "a b", "a`b", "it's"):
            connection.create_collation(name, _backwards)
        connection.executescript(f"""
            CREATE TABLE keyed (k TEXT COLLATE {request.param} PRIMARY KEY, v) WITHOUT ROWID;
            INSERT INTO keyed VALUES ('ab', 1), ('ba', 2), ('zc', 3), ('aa', 4);
            CREATE TABLE plain (a TEXT, b INT, c INT, d INT);
            INSERT INTO plain VALUES ('x', 1, 2, 3);
            CREATE INDEX counted ON plain (a COLLATE {request.param});
        """)
    return path


def test_counted_and_walked(file: Path) -> None:
    """Rows are counted, checked and walked however the collation is written."""
    with open_sqlite(str(file), frozen=True) as reader:
        reader.check()
        assert (reader.count_rows("keyed"), reader.count_rows("plain")) == (4, 1)


def test_never_cut(file: Path) -> None:
    """A key in an order that is not here cuts no table: rows would be looked for in the wrong places."""
    with open_sqlite(str(file), frozen=True) as reader:
        keys = {table.name: table.chunk_key.kind for table in reader.catalog().tables}
    assert keys == {"keyed": ChunkKeyKind.NONE, "plain": ChunkKeyKind.ROWID}
