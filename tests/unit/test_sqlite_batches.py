"""A key range of a SQLite table as a stream of batches of columns, each value by its own storage class."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shared.errors import NotArrowableError
from shared.records.keys import KeyRange, NullKeys, RawText, SourceRow
from shared.records.plan import TableRead
from shared.records.source import ChunkKey, ChunkKeyKind, StorageClass
from shared.records.stored import BatchSize, StoredAs, StoredBatch, batch_of, size_of
from shared.source.kinds import open_source
from shared.source.reader import SourceReader

INTEGER, REAL, TEXT, BLOB = StorageClass
ROWID = ChunkKey(kind=ChunkKeyKind.ROWID, columns=("rowid",))
SIZE = BatchSize(rows=4, batch_bytes=1, widest=None)
ONE = BatchSize(rows=100, batch_bytes=2**20, widest=None)
ANYTHING = StoredAs(classes=(), certain=False)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where tests make their tables."""
    return tmp_path / "s.sqlite"


def _opened(database: Path, script: str) -> SourceReader:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(script)
    return open_source(str(database), frozen=True)


def _read(reader: SourceReader, look: StoredAs, size: BatchSize = SIZE, key: ChunkKey = ROWID) -> list[StoredBatch]:
    read = TableRead(table="t", chunk_key=key, columns=("v",))
    with reader, closing(reader.read_batches(read, KeyRange(), [look], size)) as batches:
        return list(batches)


def _shown(batches: list[StoredBatch]) -> Iterator[tuple[object, ...]]:
    """Each row's values, one for each part of the column, and whether it is unread."""
    for batch in batches:
        unread = np.zeros(batch.rows, np.bool_) if batch.unread is None else batch.unread
        for row in range(batch.rows):
            yield (*(part[row].as_py() for part in batch.columns[0]), *(["unread"] if unread[row] else []))


def test_a_column_that_begins_with_nulls_has_its_type(database: Path) -> None:
    """The driver settles types by its first batch, in which there is nothing but NULL."""
    script = f"CREATE TABLE t (v); INSERT INTO t VALUES {', '.join(['(NULL)'] * 10)}, ('x'), ('x')"
    batches = _read(_opened(database, script), StoredAs(classes=(TEXT,), certain=True))
    assert len(batches) > 1
    assert list(_shown(batches)) == [(None,)] * 10 + [("x",)] * 2


def test_classes_that_were_expected_come_apart_and_others_are_unread(database: Path) -> None:
    """No value is widened to another class."""
    script = "CREATE TABLE t (v); INSERT INTO t VALUES (1), ('1'), (1.5), (x'31'), (NULL)"
    mixed = StoredAs(classes=(INTEGER, TEXT), certain=False)
    assert list(_shown(_read(_opened(database, script), mixed))) == [
        (1, None),
        (None, "1"),
        (None, None, "unread"),
        (None, None, "unread"),
        (None, None),
    ]
    with_all = _read(open_source(str(database), frozen=True), ANYTHING)
    assert [len(batch.columns[0]) for batch in with_all] == [4, 4]
    assert all(batch.unread is None for batch in with_all)


def test_integers_and_reals_come_as_doubles_where_both_are_numbers(database: Path) -> None:
    """An integer that shares its double with others is unread, so that nobody takes one for the other."""
    script = f"CREATE TABLE t (v); INSERT INTO t VALUES (1), (1.5), ({2**53 + 1}), (NULL)"
    look = StoredAs(classes=(INTEGER, REAL), certain=True, as_number=True)
    assert list(_shown(_read(_opened(database, script), look))) == [(1.0,), (1.5,), (2.0**53, "unread"), (None,)]


def test_values_far_wider_than_the_others_are_unread(database: Path) -> None:
    """They are read on their own, so that no batch is wider than memory allows."""
    script = "CREATE TABLE t (v); INSERT INTO t VALUES ('short'), ('" + "é" * 6 + "'), (NULL)"
    look = StoredAs(classes=(TEXT,), certain=True)
    batches = _read(_opened(database, script), look, BatchSize(rows=4, batch_bytes=1, widest=11))
    assert list(_shown(batches)) == [("short",), (None, "unread"), (None,)]


def test_a_wide_value_that_stands_alone_is_not_copied(database: Path) -> None:
    """Not as the driver reads it, the chunk's first one included, and not as a row becomes columns."""
    reader = _opened(database, "CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(1000000)), (zeroblob(1000000))")
    read = TableRead(table="t", chunk_key=ROWID, columns=("v",))
    look = StoredAs(classes=(BLOB,), certain=True)
    before = pa.total_allocated_bytes()
    with (
        reader,
        closing(reader.read_batches(read, KeyRange(), [look], BatchSize(rows=1, batch_bytes=1, widest=None))) as rows,
    ):
        for batch in rows:
            assert pa.total_allocated_bytes() - before < 100_000
            columns = batch_of([SourceRow((1,), (bytes(batch.columns[0][0][0].as_buffer()),))])
            assert len(columns.columns[0][0][0].as_buffer()) == 1_000_000
            assert pa.total_allocated_bytes() - before < 100_000


def test_rows_of_a_batch_are_found_again_by_their_keys(database: Path) -> None:
    """Keys of a table without rowid keep their classes, texts that are not valid UTF-8 included."""
    script = """
        CREATE TABLE t (k, n INTEGER, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
        INSERT INTO t VALUES (CAST(x'ff' AS TEXT), 1, 'bad'), ('x', 1, 'text'), (x'78', 1, 'blob'), (1.5, 1, 'real')
    """
    key = ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=("k", "n"))
    read = TableRead(table="t", chunk_key=key, columns=("v",))
    with _opened(database, script) as reader:
        (batch,) = reader.read_batches(read, KeyRange(), [StoredAs(classes=(TEXT,), certain=True)], ONE)
        found = list(reader.read_by_keys(read, batch.keys_of(np.arange(4))))
    assert found == [
        SourceRow((1.5, 1), ("real",)),
        SourceRow(("x", 1), ("text",)),
        SourceRow((RawText(b"\xff"), 1), ("bad",)),
        SourceRow((b"x", 1), ("blob",)),
    ]


def test_rows_without_a_key_are_not_read_again(database: Path) -> None:
    """Of a NULL key there may be many rows, and of a table without a key nobody can tell them apart."""
    script = "CREATE TABLE t (k UNIQUE, v); INSERT INTO t VALUES (NULL, 1), (NULL, 2)"
    nullable = ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=("k",), nullable=True)
    read = TableRead(table="t", chunk_key=nullable, columns=("v",))
    with _opened(database, script) as reader:
        (batch,) = reader.read_batches(read, NullKeys(), [ANYTHING], ONE)
        with pytest.raises(NotArrowableError, match="is NULL"):
            batch.keys_of(np.array([0]))
        with pytest.raises(NotArrowableError, match="no rows of table 't' have the key"):
            list(reader.read_by_keys(read, [("gone",)]))
    with pytest.raises(NotArrowableError, match="has no key"):
        StoredBatch(rows=1, columns=(), keys=()).keys_of(np.array([0]))


def test_a_table_of_nothing_but_null_has_its_rows(database: Path) -> None:
    """A column without any value is not read; the rows are counted all the same."""
    script = "CREATE TABLE t (v); INSERT INTO t VALUES (NULL), (NULL)"
    batches = _read(_opened(database, script), StoredAs(classes=(), certain=True), key=ChunkKey(kind=ChunkKeyKind.NONE))
    assert [batch.rows for batch in batches] == [2]
    assert batches[0].columns == ((),)


def test_too_many_columns_of_several_classes_are_read_row_by_row(database: Path) -> None:
    """A query has at most 2,000 result columns."""
    names = [f"c{number}" for number in range(900)]
    with _opened(database, f"CREATE TABLE t ({', '.join(names)})") as reader:
        read = TableRead(table="t", chunk_key=ROWID, columns=tuple(names))
        two = StoredAs(classes=(INTEGER, TEXT), certain=False)
        assert list(reader.read_batches(read, KeyRange(), [two] * 900, SIZE)) == []
        with pytest.raises(NotArrowableError, match="too many columns"):
            list(reader.read_batches(read, KeyRange(), [ANYTHING] * 900, SIZE))


def test_batches_are_bounded_by_what_the_widest_rows_may_take() -> None:
    """Narrow rows by their number, wide ones by their bytes; where some may be very wide, those are left out."""
    narrow = StoredAs(classes=(TEXT,), certain=True, longest=100)
    assert size_of([narrow], row_bytes=100, batch_bytes=2**23) == BatchSize(rows=16_384, batch_bytes=2**23, widest=None)
    blobs = StoredAs(classes=(BLOB,), certain=True, longest=100_000)
    assert size_of([blobs], row_bytes=50_000, batch_bytes=2**23).rows == 167
    huge = StoredAs(classes=(BLOB,), certain=True, longest=50_000_000)
    assert size_of([huge], row_bytes=50e6, batch_bytes=2**23) == BatchSize(rows=1, batch_bytes=2**23, widest=None)
    assert size_of([huge, narrow], row_bytes=200, batch_bytes=2**23).widest == 2**26 // 1024 // 2
    unknown = StoredAs(classes=(), certain=False)
    assert size_of([unknown] * 100, row_bytes=200, batch_bytes=2**23).widest == 4096


def test_rows_become_columns_by_class() -> None:
    """Rows that were read one by one travel as columns too."""
    rows = [SourceRow((1,), (1, "a")), SourceRow((2,), ("x", None)), SourceRow((3,), (RawText(b"\xff"), None))]
    batch = batch_of(rows)
    assert [len(parts) for parts in batch.columns] == [2, 1]
    assert batch.keys_of(np.array([2])) == [(3,)]
    with pytest.raises(NotArrowableError, match="not valid utf-16le"):
        batch_of([SourceRow((1,), (RawText(b"\x00\xd8", "utf-16le"),))])
