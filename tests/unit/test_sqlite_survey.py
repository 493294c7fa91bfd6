from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from producer.survey import chunks_of, survey
from shared.errors import ExitCode, OperatorError
from shared.records.keys import KeyRange, NullKeys
from shared.records.plan import TablePlan, TableRead
from shared.source.sqlite import SqliteReader, open_sqlite


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop with a view, an FTS table, and two tables that differ only in case of letters beyond ASCII."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE Customers(id INTEGER PRIMARY KEY, name); INSERT INTO Customers VALUES (1, 'Ann');
            CREATE TABLE Orders(id INTEGER PRIMARY KEY);
            CREATE TABLE "É"(a); CREATE TABLE "é"(a);
            CREATE VIEW totals AS SELECT 1;
            CREATE VIRTUAL TABLE docs USING fts5(body);
            CREATE VIRTUAL TABLE seek USING fts5(body, content='');
            """
        )
    return path


def _picked(path: Path, tables: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    with open_sqlite(str(path)) as reader:
        found = survey(reader, tables, exclude, processes=1)
    assert list(found.profiles) == [table.name for table in found.catalog.tables]
    assert {each.name for each in found.catalog.objects} >= {"totals", "docs", "docs_data"}
    return list(found.profiles)


def test_all_tables_are_surveyed_unless_told_otherwise(shop: Path) -> None:
    """--tables picks, --exclude leaves out, in the source's order; all other objects stay in the catalog."""
    assert _picked(shop) == ["Customers", "Orders", "É", "é", "docs"]
    assert _picked(shop, ("orders", "Customers")) == ["Customers", "Orders"]
    assert _picked(shop, (), ("É", "CUSTOMERS")) == ["Orders", "é", "docs"]
    assert _picked(shop, ("Orders",), ("Orders",)) == []


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("Custmers", "--tables names 'Custmers', but the source has no such table: did you mean 'Customers'?"),
        ("zzz", "--tables names 'zzz', but the source has no such table: `producer plan` lists them all"),
        ("TOTALS", "--tables names 'TOTALS', which is a view and not a table: only ordinary tables are copied"),
        ("seek", "--tables names 'seek', which is a virtual table and not a table: only ordinary tables are copied"),
        ("docs_data", "--tables names 'docs_data', which is a shadow table of 'docs' and not a table"),
    ],
)
def test_an_unknown_table_is_named_with_what_comes_close(shop: Path, name: str, finding: str) -> None:
    """A typing mistake is met with suggestions, and what is no table is said to be what it is."""
    with pytest.raises(OperatorError) as caught:
        _picked(shop, (name,))
    assert str(caught.value).startswith(finding)
    assert caught.value.exit_code is ExitCode.USAGE
    with pytest.raises(OperatorError, match=r"^--exclude names"):
        _picked(shop, (), (name,))


def test_a_name_that_two_tables_have_but_for_case_must_be_exact(tmp_path: Path) -> None:
    """SQLite folds ASCII letters alone, so two tables may differ in the case of others."""
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        connection.executescript('CREATE TABLE "straßE"(a); CREATE TABLE "STRASSE"(a);')
    with open_sqlite("s.db") as reader:
        assert list(survey(reader, ("STRASSE",), (), processes=1).profiles) == ["STRASSE"]
        with pytest.raises(OperatorError, match="could be 'straßE' or 'STRASSE'"):
            survey(reader, ("strasse",), (), processes=1)


def _plan(reader: SqliteReader, *, rows: int, limit: int | None = None) -> TablePlan:
    (table,) = reader.catalog().tables
    read = TableRead(table=table.name, chunk_key=table.chunk_key, columns=("a",))
    return TablePlan(read=read, schema="public", name="t", columns=(), rows=rows, row_bytes=10, row_limit=limit)


def _make(path: Path, ddl: str, values: list[int | None]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(ddl)
        connection.executemany("INSERT INTO t(a) VALUES (?)", [(value,) for value in values])
        connection.commit()


def test_a_table_without_a_key_is_one_chunk_and_takes_no_limit(tmp_path: Path) -> None:
    """Which rows would be the first cannot be said; a limit that takes them all in is fine."""
    _make(tmp_path / "t.db", "CREATE TABLE t(a, rowid, _rowid_, oid)", list(range(9)))
    with open_sqlite("t.db") as reader:
        (chunk,) = chunks_of(reader, _plan(reader, rows=9), 20)
        assert (chunk.key_range, chunk.rows, chunk.source_bytes) == (KeyRange(), 9, 90)
        assert [chunk.rows for chunk in chunks_of(reader, _plan(reader, rows=9, limit=9), 20)] == [9]
        with pytest.raises(OperatorError, match="--limit 5 cannot be kept for table 't'"):
            list(chunks_of(reader, _plan(reader, rows=5, limit=5), 20))


def test_null_keys_are_a_chunk_of_their_own_and_come_first(tmp_path: Path) -> None:
    """They cannot be cut, so a limit below their number is refused."""
    values = [None, None, 1, 2, 3, None]
    _make(tmp_path / "t.db", "CREATE TABLE t(a UNIQUE, rowid, _rowid_, oid)", values)
    with open_sqlite("t.db") as reader:
        chunks = list(chunks_of(reader, _plan(reader, rows=6), 20))
        assert [(chunk.key_range, chunk.rows) for chunk in chunks] == [
            (NullKeys(), 3),
            (KeyRange(upper=(3,)), 2),
            (KeyRange(lower=(3,)), 1),
        ]
        limited = [chunk.key_range for chunk in chunks_of(reader, _plan(reader, rows=4, limit=4), 20)]
        assert limited == [NullKeys(), KeyRange(upper=(2,))]
        assert [c.key_range for c in chunks_of(reader, _plan(reader, rows=3, limit=3), 20)] == [NullKeys()]
        with pytest.raises(OperatorError, match="--limit 2 cannot be kept"):
            list(chunks_of(reader, _plan(reader, rows=2, limit=2), 20))
