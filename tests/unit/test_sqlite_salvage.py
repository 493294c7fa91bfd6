"""What can be read of a damaged database comes whole, and what cannot is named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import SourceError
from shared.source.kinds import salvage_source
from shared.source.sqlite_file import path_of

PAGE = 4096
MANY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Tables of several kinds, an index, a view, a trigger and a full-text table."""
    path = tmp_path / "d.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("odd", 1, lambda _: 1, deterministic=True)
        connection.create_collation("MINE", lambda a, b: (a > b) - (a < b))
        connection.executescript(
            f"""PRAGMA user_version = 7;
            CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT COLLATE MINE CHECK (odd(v)), g AS (id * 2));
            {MANY} INSERT INTO t (id, v) SELECT i * 3, hex(zeroblob(50)) FROM n;
            CREATE TABLE w (a TEXT PRIMARY KEY, b) WITHOUT ROWID;
            {MANY} INSERT INTO w SELECT 'k' || i, hex(zeroblob(50)) FROM n;
            CREATE INDEX t_v ON t (v, odd(id)); CREATE VIEW seen AS SELECT * FROM t;
            CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END;
            CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('words');
            DELETE FROM t WHERE id = 9000;"""
        )
        connection.commit()
    return path


def leaves(path: Path, table: str) -> list[int]:
    """The numbers of the pages that hold a table's rows, in order."""
    raw = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    return _below(raw, root)


def _below(raw: bytes, number: int) -> list[int]:
    page = raw[(number - 1) * PAGE : number * PAGE]
    if page[0] in {10, 13}:
        return [number]
    cells = int.from_bytes(page[3:5], "big")
    places = [int.from_bytes(page[12 + 2 * cell : 14 + 2 * cell], "big") for cell in range(cells)]
    children = [int.from_bytes(page[place : place + 4], "big") for place in places]
    return [leaf for child in children for leaf in _below(raw, child)]


def break_pages(path: Path, pages: list[int]) -> None:
    """Overwrite pages."""
    raw = bytearray(path.read_bytes())
    for page in pages:
        raw[(page - 1) * PAGE : page * PAGE] = b"\xff" * PAGE
    path.write_bytes(bytes(raw))


def ids(path: Path) -> set[int]:
    """The rows of table t."""
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM t NOT INDEXED")}


def test_all_but_the_broken_pages_comes(database: Path, tmp_path: Path) -> None:
    """Rows before, between and behind two broken pages are there; the gaps are named to the row."""
    whole = ids(database)
    pages = leaves(database, "t")
    break_pages(database, [pages[3], pages[5]])
    url, unreadable = salvage_source(str(database), tmp_path / "snapshots")
    found = ids(path_of(url))
    lost = sorted(whole - found)
    gaps = [each.key_range for each in unreadable if each.table == "t"]
    assert found < whole
    assert len(gaps) == 2
    for gap in gaps:
        first, last = (int(word) for word in gap.removeprefix("rowid ").split(" to "))
        in_gap = [each for each in lost if first <= each <= last]
        assert in_gap
        assert min(in_gap) - 3 < first <= min(in_gap), "no row before the gap is lost"
        lost = [each for each in lost if each not in in_gap]
    assert not lost, "no row is lost beyond what is named"


def test_the_salvaged_file_is_whole(database: Path, tmp_path: Path) -> None:
    """It passes SQLite's check and holds every object, the counter of AUTOINCREMENT and the version."""
    break_pages(database, leaves(database, "t")[2:3])
    url, _ = salvage_source(str(database), tmp_path / "snapshots")
    with closing(sqlite3.connect(path_of(url))) as copy, closing(sqlite3.connect(database)) as old:
        copy.create_function("odd", 1, lambda _: 1, deterministic=True)
        copy.create_collation("MINE", lambda a, b: (a > b) - (a < b))
        objects = "SELECT type, name FROM sqlite_schema ORDER BY 1, 2"
        assert copy.execute(objects).fetchall() == old.execute(objects).fetchall()
        assert copy.execute("SELECT seq FROM sqlite_sequence").fetchall() == [(9000,)]
        assert copy.execute("SELECT rowid, body FROM f").fetchall() == [(1, "words")]
        assert copy.execute("PRAGMA user_version").fetchone() == (7,)
        assert copy.execute("PRAGMA quick_check").fetchone() == ("ok",)
    assert [each.suffix for each in (tmp_path / "snapshots").iterdir()] == [".sqlite"], "the damaged copy is gone"


def test_the_end_of_a_table_may_be_gone(database: Path, tmp_path: Path) -> None:
    """A file that was cut off gives its beginning."""
    raw = database.read_bytes()
    database.write_bytes(raw[: leaves(database, "t")[10] * PAGE])
    url, unreadable = salvage_source(str(database), tmp_path / "snapshots")
    assert min(ids(path_of(url))) == 3
    assert any(each.table == "w" for each in unreadable)


def test_a_table_without_rowid_is_read_from_both_ends(database: Path, tmp_path: Path) -> None:
    """What lies before the damage comes, and what lies behind it."""
    break_pages(database, leaves(database, "w")[4:5])
    url, unreadable = salvage_source(str(database), tmp_path / "snapshots")
    with closing(sqlite3.connect(path_of(url))) as copy:
        rows = copy.execute("SELECT count(*), min(a), max(a) FROM w").fetchone()
    assert 2900 < rows[0] < 3000
    assert rows[1:] == ("k1", "k999")
    assert [each.table for each in unreadable] == ["w"]


def test_a_whole_file_is_copied_as_it_is(database: Path, tmp_path: Path) -> None:
    """Without damage it is an ordinary snapshot, and nothing is unreadable."""
    url, unreadable = salvage_source(str(database), tmp_path / "snapshots")
    assert unreadable == ()
    assert ids(path_of(url)) == ids(database)


def test_a_schema_that_cannot_be_read_is_refused(database: Path, tmp_path: Path) -> None:
    """Where the schema is gone, nothing can be salvaged, and one sentence says so."""
    raw = bytearray(database.read_bytes())
    raw[100:PAGE] = b"\xff" * (PAGE - 100)
    database.write_bytes(bytes(raw))
    with pytest.raises(SourceError, match=r"d\.db"):
        salvage_source(str(database), tmp_path / "snapshots")
    assert not list((tmp_path / "snapshots").iterdir())
