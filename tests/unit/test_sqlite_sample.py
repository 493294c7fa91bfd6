"""A profile of a sample: which rows are looked at, and what holds of all rows nevertheless."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.records.plan import ProfileMode
from shared.records.source import TableProfile
from shared.source import sqlite_profile
from shared.source.sqlite import open_sqlite

ROWS = 1000


@pytest.fixture(autouse=True)
def _small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_profile, "_SAMPLE_ROWS", 3)
    monkeypatch.setattr(sqlite_profile, "_SAMPLE_PLACES", 20)


def _profile(path: Path, ddl: str, *, rows: int = ROWS, mode: ProfileMode = ProfileMode.SAMPLE) -> TableProfile:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(ddl)
        connection.executemany("INSERT INTO t(k, v) VALUES (?, ?)", [(n, "x" * 10) for n in range(rows)])
        connection.execute("UPDATE t SET v = 'first, longer' WHERE k = 0")
        connection.execute(f"UPDATE t SET v = 'last and longest' WHERE k = {rows - 1}")
        connection.commit()
    with open_sqlite(str(path), frozen=True) as reader:
        return reader.profile(reader.catalog().tables[0], processes=2, mode=mode)


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE t(k INT, v)",
        "CREATE TABLE t(k INTEGER PRIMARY KEY, v)",
        "CREATE TABLE t(k INT PRIMARY KEY, v) WITHOUT ROWID",
        "CREATE TABLE t(k INT, v, PRIMARY KEY (k DESC)) WITHOUT ROWID",
        "CREATE TABLE t(k INT NOT NULL UNIQUE, v, rowid, oid, _rowid_)",
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(k INT, v)",
    ],
)
def test_a_sample_is_spread_from_the_first_row_to_the_last(tmp_path: Path, ddl: str) -> None:
    """Whatever the table is cut on; its rows are counted exactly, and its size is that of all rows."""
    found = _profile(tmp_path / "s.db", ddl)
    assert found.rows == ROWS
    assert found.sampled_rows is not None
    assert 60 <= found.sampled_rows <= 66
    assert (found.columns["k"].integer_min, found.columns["k"].integer_max) == (0, ROWS - 1)
    assert found.columns["v"].longest_text == len("last and longest") * (2 if "UTF-16" in ddl else 1)
    assert found.columns["v"].texts == found.sampled_rows
    assert 15 * ROWS < found.source_bytes < 45 * ROWS


@pytest.mark.parametrize(
    ("ddl", "rows", "mode"),
    [
        ("CREATE TABLE t(k INT, v)", 60, ProfileMode.SAMPLE),
        ("CREATE TABLE t(k INT, v)", ROWS, ProfileMode.FULL),
        ("CREATE TABLE t(k INT, v, rowid, oid, _rowid_)", ROWS, ProfileMode.SAMPLE),
        ("CREATE TABLE t(k INTEGER PRIMARY KEY, v)", 1, ProfileMode.SAMPLE),
    ],
)
def test_every_value_is_looked_at_where_a_sample_saves_nothing(
    tmp_path: Path, ddl: str, rows: int, mode: ProfileMode
) -> None:
    """A small table, one without a key to cut it on, and any table unless a sample was asked for."""
    found = _profile(tmp_path / "s.db", ddl, rows=rows, mode=mode)
    assert (found.rows, found.sampled_rows, found.columns["v"].texts) == (rows, None, rows)


def test_nulls_in_keys_are_counted_in_all_rows(tmp_path: Path) -> None:
    """Whether a key identifies rows hangs on them; other columns' NULLs are those of the sample."""
    ddl = """
        CREATE TABLE t(k INTEGER PRIMARY KEY, v, a INT DEFAULT 1, b INT DEFAULT 1, c INT DEFAULT 1, d INT DEFAULT 1);
        CREATE UNIQUE INDEX one ON t(a, k);
        CREATE UNIQUE INDEX part ON t(k, b) WHERE b > 0;
        CREATE INDEX many ON t(c);
        CREATE TRIGGER gaps AFTER INSERT ON t WHEN NEW.k = 400 OR NEW.k = 401 BEGIN
            UPDATE t SET a = NULL, b = NULL, c = NULL, d = NULL WHERE k = NEW.k;
        END;
    """
    found = _profile(tmp_path / "n.db", ddl)
    assert {name: column.nulls for name, column in found.columns.items()} == {
        "k": 0, "v": 0, "a": 2, "b": 0, "c": 0, "d": 0,
    }  # fmt: skip


def test_a_nullable_chunk_key_shows_all_its_nulls(tmp_path: Path) -> None:
    """Rows with a NULL key have no order; they are looked at, and counted exactly."""
    with closing(sqlite3.connect(tmp_path / "k.db")) as connection:
        connection.execute("CREATE TABLE t(k INT UNIQUE, rowid, oid, _rowid_)")
        connection.executemany("INSERT INTO t(k) VALUES (?)", [(n if n % 10 else None,) for n in range(ROWS)])
        connection.commit()
    with open_sqlite("k.db", frozen=True) as reader:
        found = reader.profile(reader.catalog().tables[0], mode=ProfileMode.SAMPLE)
    assert (found.rows, found.columns["k"].nulls) == (ROWS, ROWS // 10)
    assert found.columns["k"].integers < ROWS / 2
