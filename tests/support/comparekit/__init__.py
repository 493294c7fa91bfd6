"""A source in memory and plans for it, so that comparison is tested against rows that each test writes out itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import psycopg2
import pyarrow as pa

from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, ChunkRange, Key, KeyRange, NullKeys, OpenEnd, RawText, SourceRow, Value
from shared.records.plan import CompareBy, TablePlan, TableRead, TargetColumn, TargetType, TypeKind
from shared.records.source import ChunkKey, ChunkKeyKind, StorageClass
from shared.records.stored import BatchSize, StoredAs, StoredBatch, batch_of

ROWID = "rowid"
_EXACT_DOUBLE = 2**53
_CLASSES = {
    int: StorageClass.INTEGER,
    float: StorageClass.REAL,
    str: StorageClass.TEXT,
    RawText: StorageClass.TEXT,
    bytes: StorageClass.BLOB,
}
_ARROW = {
    StorageClass.INTEGER: pa.int64(),
    StorageClass.REAL: pa.float64(),
    StorageClass.TEXT: pa.string(),
    StorageClass.BLOB: pa.binary(),
}


class MemorySource:
    """One table of a source: rows by rowid, or by its place where the table has no chunk key."""

    def __init__(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Value]],
        *,
        widest: int | None = None,
        batch_rows: int = 3,
    ) -> None:
        """Hold rows, read `batch_rows` at once as columns; rows with values of more than `widest` bytes are unread."""
        self.columns = tuple(columns)
        self.rows = [tuple(row) for row in rows]
        self.arrow_reads = 0
        self._widest = widest
        self._batch_rows = batch_rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def count_rows(self, table: str) -> int:
        """Count the rows."""
        del table
        return len(self.rows)

    def has_null_keys(self, table: str, chunk_key: ChunkKey) -> bool:
        """Rowids are never NULL."""
        del table, chunk_key
        return False

    def walk_keys(self, table: str, chunk_key: ChunkKey, *, step: int) -> Iterator[Key]:
        """Yield the key of every `step`-th row."""
        del table, chunk_key
        for number in range(step, len(self.rows), step):
            yield (self._rowid(number),)

    def read_arrow(
        self,
        read: TableRead,
        key_range: ChunkRange,
        *,
        suspects: Sequence[str] | None = None,
        as_numbers: Sequence[str] = (),
    ) -> pa.Table:
        """Read a chunk by columns, as SourceReader says."""
        self.arrow_reads += 1
        del suspects  # every column is looked at
        rows = self._chosen(read, key_range)
        arrays = []
        for place in range(len(read.columns)):
            values = [row.values[place] for row in rows]
            classes = {_CLASSES[type(value)] for value in values if value is not None}
            numbers = classes == {StorageClass.INTEGER, StorageClass.REAL} and read.columns[place] in as_numbers
            if numbers and all(abs(value) <= _EXACT_DOUBLE for value in values if isinstance(value, int)):
                values, classes = [None if value is None else float(value) for value in values], {StorageClass.REAL}
            if len(classes) > 1 or any(isinstance(value, RawText) for value in values):
                raise NotArrowableError(read.columns[place])
            arrays.append(pa.array(values, _ARROW[classes.pop()] if classes else pa.null()))
        return pa.table(arrays, names=[str(place) for place in range(len(arrays))])

    def read_batches(
        self, read: TableRead, key_range: ChunkRange, looks: Sequence[StoredAs], size: BatchSize
    ) -> Iterator[StoredBatch]:
        """Read a chunk by columns in batches of a few rows, as SourceReader says."""
        self.arrow_reads += 1
        del looks, size  # every value is looked at
        rows = self._chosen(read, key_range)
        for first in range(0, len(rows), self._batch_rows):
            some = rows[first : first + self._batch_rows]
            unread = np.array([self._is_wide(row) for row in some], np.bool_)
            kept = [SourceRow(row.key, (None,) * len(row.values)) if self._is_wide(row) else row for row in some]
            yield replace(batch_of(kept), unread=unread if unread.any() else None)

    def _is_wide(self, row: SourceRow) -> bool:
        return self._widest is not None and any(
            len(value) > self._widest for value in row.values if isinstance(value, str | bytes)
        )

    def read_by_keys(self, read: TableRead, keys: Iterable[Sequence[Value]]) -> Iterator[SourceRow]:
        """Read single rows by their keys."""
        rows = {row.key: row for row in self._chosen(read, EVERYTHING)}
        yield from (rows[tuple(key)] for key in keys)

    def read_rows(self, read: TableRead, key_range: ChunkRange, *, batch_rows: int) -> Iterator[Sequence[SourceRow]]:
        """Read a chunk row by row."""
        rows = self._chosen(read, key_range)
        for first in range(0, len(rows), batch_rows):
            yield rows[first : first + batch_rows]

    def storage_classes(
        self, read: TableRead, key_range: ChunkRange, columns: Sequence[str]
    ) -> dict[str, frozenset[StorageClass]]:
        """Which storage classes occur."""
        rows = self._chosen(read, key_range)
        return {
            name: frozenset(
                _CLASSES[type(value)] for row in rows if (value := row.values[read.columns.index(name)]) is not None
            )
            for name in columns
        }

    def _rowid(self, place: int) -> int:
        if "id" in self.columns:
            value = self.rows[place][self.columns.index("id")]
            assert isinstance(value, int)
            return value
        return place + 1

    def _value(self, place: int, name: str) -> Value:
        return self._rowid(place) if name == ROWID else self.rows[place][self.columns.index(name)]

    def _chosen(self, read: TableRead, key_range: ChunkRange) -> list[SourceRow]:
        assert not isinstance(key_range, NullKeys)
        keyed = read.chunk_key.kind is not ChunkKeyKind.NONE
        rows = [
            SourceRow((self._rowid(n),) if keyed else (), tuple(self._value(n, name) for name in read.columns))
            for n in range(len(self.rows))
        ]
        return sorted((row for row in rows if _within(row.key, key_range)), key=lambda row: row.key) if keyed else rows


def _within(key: Any, key_range: KeyRange) -> bool:
    lower, upper = key_range.lower, key_range.upper
    return (isinstance(lower, OpenEnd) or lower <= key) and (isinstance(upper, OpenEnd) or key < upper)


def kind_of(sql: str) -> TypeKind:
    """The family of a type as the tests spell it."""
    bare = sql.partition("(")[0]
    texts = {"character varying", "character", "citext", "text"}
    if bare in texts:
        return TypeKind.TEXT
    return TypeKind(bare) if bare in set(TypeKind) else TypeKind.OTHER


def make_plan(
    columns: dict[str, str],
    *,
    match_key: tuple[str, ...] = ("id",),
    compare_by: CompareBy = CompareBy.RANGE,
    **more: Any,
) -> TablePlan:
    """A plan for the table ``public.t`` with columns of these types, read from a table of the same columns."""
    kind = more.pop("chunk_key", ChunkKeyKind.ROWID)
    chunk_key = ChunkKey(
        kind=kind, columns=(("id" if "id" in columns else ROWID),) if kind is ChunkKeyKind.ROWID else ()
    )
    return TablePlan(
        read=TableRead(table="t", chunk_key=chunk_key, columns=tuple(columns)),
        schema="public",
        name="t",
        columns=tuple(
            TargetColumn(source=name, name=name, type=TargetType(kind=kind_of(sql), sql=sql))
            for name, sql in columns.items()
        ),
        match_key=match_key if compare_by is not CompareBy.MULTISET else (),
        compare_by=compare_by,
        **more,
    )


def fill_target(url: str, columns: dict[str, str], rows: Sequence[Sequence[Any]], *, key: str = "") -> None:
    """Make the table ``t`` of the target and write rows into it by plain SQL, as no copier does."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS t")
            listed = ", ".join(f'"{name}" {sql}' for name, sql in columns.items())
            cursor.execute(f"CREATE TABLE t ({listed}{f', PRIMARY KEY ({key})' if key else ''})")
            marks = ", ".join(f"%s::{sql}" for sql in columns.values())
            for row in rows:
                cursor.execute(f"INSERT INTO t VALUES ({marks})", tuple(row))
    finally:
        connection.close()


def run_sql(url: str, *statements: str) -> None:
    """Change the target by hand."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()
