from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shared.errors import NotArrowableError, SourceError
from shared.records.keys import EVERYTHING, KeyRange, NullKeys, RawText
from shared.records.plan import TableRead
from shared.records.source import StorageClass
from shared.records.stored import StoredAs, size_of
from shared.source.sqlite import SqliteReader, open_sqlite

ReaderOf = Callable[..., tuple[SqliteReader, TableRead]]


@pytest.fixture
def reader_of(tmp_path: Path) -> ReaderOf:
    """Make a table ``t``, fill it, and open it for reading all of its columns."""
    opened: list[SqliteReader] = []

    def make(ddl: str, rows: Sequence[Sequence[Any]]) -> tuple[SqliteReader, TableRead]:
        path = tmp_path / "t.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(ddl)
            if rows:
                connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
            connection.commit()
        opened.append(open_sqlite(str(path), frozen=True))
        (table,) = opened[-1].catalog().tables
        names = tuple(column.name for column in table.columns)
        return opened[-1], TableRead(table="t", chunk_key=table.chunk_key, columns=names)

    yield make
    for reader in opened:
        reader.close()


def test_columns_are_named_by_position_and_typed_by_what_is_stored(reader_of: ReaderOf) -> None:
    """int64, double, string and binary; null where a column has no value."""
    reader, read = reader_of("CREATE TABLE t(i, r, x, b, void)", [(1, 1.5, "é\0", b"\xff", None)])
    table = reader.read_arrow(read, EVERYTHING)
    assert table.schema == pa.schema(
        [("0", pa.int64()), ("1", pa.float64()), ("2", pa.string()), ("3", pa.binary()), ("4", pa.null())]
    )
    assert table.to_pylist() == [{"0": 1, "1": 1.5, "2": "é\0", "3": b"\xff", "4": None}]


def test_texts_that_are_computed_when_they_are_read_are_read_row_by_row(tmp_path: Path) -> None:
    """Two versions of SQLite are at hand, which spell a real in two ways; numbers and stored texts are alike."""
    path = tmp_path / "computed.db"
    columns = "r REAL, twice AS (r * 2) VIRTUAL, kept TEXT AS (r || 'x') STORED, shown TEXT AS (r || 'x') VIRTUAL"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t({columns})")
        connection.execute("INSERT INTO t(r) VALUES (0.1234567890123456789)")
    with open_sqlite(str(path), frozen=True) as reader:
        (table,) = reader.catalog().tables
        read = TableRead(table="t", chunk_key=table.chunk_key, columns=("r", "twice", "kept", "shown"))
        with pytest.raises(NotArrowableError, match="'shown' of table 't' is computed when it is read"):
            reader.read_arrow(read, EVERYTHING)
        others = TableRead(table="t", chunk_key=table.chunk_key, columns=("r", "twice", "kept"))
        assert reader.read_arrow(others, EVERYTHING).num_rows == 1


def test_a_chunk_without_rows_is_a_table_without_rows(reader_of: ReaderOf) -> None:
    """Every column is there, none has a type."""
    reader, read = reader_of("CREATE TABLE t(a, b)", [])
    table = reader.read_arrow(read, KeyRange(lower=(5,), upper=(9,)))
    assert (table.num_rows, table.schema.types) == (0, [pa.null(), pa.null()])
    assert list(reader.read_rows(read, EVERYTHING, batch_rows=10)) == []


def test_a_column_that_begins_with_many_nulls_has_the_type_of_its_values(reader_of: ReaderOf) -> None:
    """The driver settles types by its first batch, so a chunk is one batch."""
    reader, read = reader_of("CREATE TABLE t(a)", [(None,)] * 5000 + [("late",)])
    column = reader.read_arrow(read, EVERYTHING)["0"]
    assert column.type == pa.string()
    assert column.num_chunks == 1
    assert column[5000].as_py() == "late"


def test_rows_come_in_key_order_with_their_keys(reader_of: ReaderOf) -> None:
    """In batches of the size asked for, each row with the values of its chunk key."""
    reader, read = reader_of(
        "CREATE TABLE t(v, a, b, PRIMARY KEY(b, a)) WITHOUT ROWID", [(n, -n, "x") for n in range(7)]
    )
    batches = list(reader.read_rows(read, KeyRange(lower=("x", -5)), batch_rows=4))
    assert [len(batch) for batch in batches] == [4, 2]
    assert [row.key for batch in batches for row in batch] == [("x", -n) for n in range(5, -1, -1)]
    assert reader.read_arrow(read, KeyRange(lower=("x", -5)))["0"].to_pylist() == [5, 4, 3, 2, 1, 0]


def test_mixed_classes_are_found_among_the_suspects(reader_of: ReaderOf) -> None:
    """By default any column is suspected; a chunk in which a column is not mixed may pass."""
    reader, read = reader_of("CREATE TABLE t(a, b)", [(1, "x"), ("1", "y"), ("z", "z")])
    with pytest.raises(NotArrowableError, match="column 'a' mixes integer and text"):
        reader.read_arrow(read, EVERYTHING)
    with pytest.raises(NotArrowableError):
        reader.read_arrow(read, EVERYTHING, suspects=["a"])
    assert reader.read_arrow(read, KeyRange(lower=(2,)), suspects=["a"])["0"].to_pylist() == ["1", "z"]
    assert reader.read_arrow(read, EVERYTHING, suspects=["b"]).num_rows == 3
    classes = reader.storage_classes(read, EVERYTHING, ["a", "b"])
    assert classes == {"a": {StorageClass.INTEGER, StorageClass.TEXT}, "b": {StorageClass.TEXT}}


def test_prices_may_come_together_as_doubles(reader_of: ReaderOf) -> None:
    """SQLite stores 5.00 as an integer; that it becomes a double loses nothing, and only where asked for."""
    reader, read = reader_of("CREATE TABLE t(price DECIMAL(8,2))", [(5.00,), (5.5,), (2**53,), (None,)])
    assert reader.read_arrow(read, EVERYTHING, as_numbers=["price"])["0"].to_pylist() == [5.0, 5.5, 2.0**53, None]
    with pytest.raises(NotArrowableError):
        reader.read_arrow(read, EVERYTHING)


@pytest.mark.parametrize("beyond", [2**53 + 1, -(2**53) - 1, 2**63 - 1, "5"])
def test_what_a_double_cannot_hold_is_never_widened(reader_of: ReaderOf, beyond: Any) -> None:
    """An integer beyond 2**53, or a text among the numbers, sends the chunk to the careful path."""
    reader, read = reader_of("CREATE TABLE t(price)", [(5,), (5.5,), (beyond,)])
    with pytest.raises(NotArrowableError, match="'price' mixes"):
        reader.read_arrow(read, EVERYTHING, as_numbers=["price"])
    assert reader.read_arrow(read, KeyRange(upper=(3,)), as_numbers=["price"]).num_rows == 2


def test_text_that_is_not_utf_8_is_not_carried_as_text(reader_of: ReaderOf) -> None:
    """Columns refuse it; rows keep its bytes."""
    reader, read = reader_of("CREATE TABLE t(a)", [])
    reader.close()
    with closing(sqlite3.connect("t.db")) as connection:
        connection.execute("INSERT INTO t VALUES (CAST(x'61FF' AS TEXT))")
        connection.commit()
    with open_sqlite("t.db", frozen=True) as again:
        with pytest.raises(NotArrowableError, match="not valid UTF-8"):
            again.read_arrow(read, EVERYTHING, suspects=[])
        ((row,),) = again.read_rows(read, EVERYTHING, batch_rows=5)
        assert row.values == (RawText(b"a\xff"),)


def test_texts_that_are_not_utf_8_bound_chunks_among_numbers(reader_of: ReaderOf) -> None:
    """Binding such a text does not turn the column's numbers into texts."""
    reader, read = reader_of("CREATE TABLE t(k PRIMARY KEY) WITHOUT ROWID", [(1,), (10.5,), ("a",), (b"b",)])
    bound = (RawText(b"!\xff"),)  # above each number, though below each number's text

    def values(key_range: KeyRange) -> list[Any]:
        return [row.values[0] for batch in reader.read_rows(read, key_range, batch_rows=9) for row in batch]

    assert values(KeyRange(lower=bound)) == ["a", b"b"]
    assert values(KeyRange(upper=bound)) == [1, 10.5]


def test_null_keys_are_read_by_their_own_range_alone(reader_of: ReaderOf) -> None:
    """Neither end being open takes NULL in."""
    reader, read = reader_of(
        "CREATE TABLE t(k UNIQUE, rowid, _rowid_, oid)", [(k, 0, 0, 0) for k in (None, 1, None, 2)]
    )
    only = TableRead(table="t", chunk_key=read.chunk_key, columns=("k",))
    assert reader.has_null_keys("t", read.chunk_key)
    assert reader.read_arrow(only, EVERYTHING)["0"].to_pylist() == [1, 2]
    assert reader.read_arrow(only, NullKeys())["0"].to_pylist() == [None, None]
    assert list(reader.walk_keys("t", read.chunk_key, step=1)) == [(2,)]


def test_the_walk_seeks_instead_of_sorting_where_an_index_has_the_order(reader_of: ReaderOf) -> None:
    """Each step costs its rows, not the table's: SQLite's own count of steps grows no faster than the rows."""
    reader, read = reader_of("CREATE TABLE t(v)", [(n,) for n in range(20_000)])
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    reader._sqlite.set_progress_handler(count, 100)
    assert sum(1 for _ in reader.walk_keys("t", read.chunk_key, step=100)) == 199
    assert steps * 100 < 20 * 20_000


def test_keys_that_are_equal_to_their_columns_do_not_stop_the_walk(reader_of: ReaderOf) -> None:
    """A key that tells case apart on a column that does not: each row is at its offset, and the walk ends."""
    ddl = "CREATE TABLE t(k TEXT COLLATE NOCASE, PRIMARY KEY(k COLLATE BINARY)) WITHOUT ROWID"
    reader, read = reader_of(ddl, [("a",), ("A",), ("b",), ("B",), ("c",)])
    keys = list(islice(reader.walk_keys("t", read.chunk_key, step=1), 9))
    assert [key.lower() for (key,) in keys] == ["a", "b", "b", "c"]


def test_sparse_and_extreme_rowids_are_walked(reader_of: ReaderOf) -> None:
    """One outlier makes no empty chunks."""
    ids = [-(2**63), -5, 0, 7, 2**62, 2**63 - 1]
    reader, read = reader_of("CREATE TABLE t(id INTEGER PRIMARY KEY)", [(number,) for number in ids])
    assert list(reader.walk_keys("t", read.chunk_key, step=2)) == [(0,), (2**62,)]
    assert reader.read_arrow(read, KeyRange(lower=(2**63 - 1,)))["0"].to_pylist() == [2**63 - 1]


def test_a_column_that_is_not_there_is_an_error_and_not_its_name(reader_of: ReaderOf) -> None:
    """SQLite would take an unknown name in double quotes for a string."""
    reader, read = reader_of("CREATE TABLE t(a)", [(1,)])
    gone = TableRead(table="t", chunk_key=read.chunk_key, columns=("gone",))
    with pytest.raises(SourceError, match="no such column"):
        reader.read_arrow(gone, EVERYTHING)
    with pytest.raises(SourceError, match="no such column"):
        list(reader.read_rows(gone, EVERYTHING, batch_rows=1))


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 37), reason="this SQLite has no STRICT tables")
def test_what_the_drivers_sqlite_refuses_to_compute_is_left_to_rows(tmp_path: Path) -> None:
    """A computed value that is not of its STRICT column's type is read by one version of SQLite, not by another."""
    path = tmp_path / "t.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a TEXT, b INT GENERATED ALWAYS AS (hex(a))) STRICT")
        connection.execute("INSERT INTO t (a) VALUES (?)", ("1" * 4_000,))
        connection.commit()
    with open_sqlite(str(path), frozen=True) as reader:
        (table,) = reader.catalog().tables
        read = TableRead(table="t", chunk_key=table.chunk_key, columns=("a", "b"))
        looks = [StoredAs(classes=(known,), certain=True) for known in (StorageClass.TEXT, StorageClass.REAL)]
        with pytest.raises(NotArrowableError, match="versions of SQLite differ"):
            reader.read_arrow(read, EVERYTHING)
        with pytest.raises(NotArrowableError, match="versions of SQLite differ"):
            list(reader.read_batches(read, EVERYTHING, looks, size_of(looks, row_bytes=1, batch_bytes=1_000)))
