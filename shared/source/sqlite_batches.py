"""Read a key range of a SQLite table as batches of columns, as one stream: memory holds a batch, whatever the rows.

ADBC's driver settles a column's type by its first batch. So the first row of the query is ours: a value of each class
that is looked for. A column of several classes is selected once for each; whatever else occurs, and what is far wider
than a batch may be, marks its row as unread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager import dbapi

from shared.errors import NotArrowableError
from shared.records.keys import ChunkRange
from shared.records.plan import TableRead
from shared.records.source import ChunkKeyKind, StorageClass
from shared.records.stored import MOST_ROWS, WIDE_CLASSES, BatchSize, Mask, Parts, StoredAs, StoredBatch
from shared.source.sqlite_keys import column_sql, order_by, table_sql, where
from shared.source.sqlite_read import BATCH_ROWS_OPTION, EXACT_DOUBLE, needs_rows

_MOST_TERMS: Final = 2_000
"""Result columns of a query (SQLITE_MAX_COLUMN)."""
_TERMS_PER_FLAG: Final = 100
"""Questions in one expression: SQLite bounds its depth at 1,000."""
_SEEDS: Final = {
    StorageClass.INTEGER: "0",
    StorageClass.REAL: "0.0",
    StorageClass.TEXT: "''",
    StorageClass.BLOB: "x''",
}
_ANY: Final = StoredAs(classes=tuple(StorageClass), certain=True)
_ROWID: Final = StoredAs(classes=(StorageClass.INTEGER,), certain=True)
_NUMBERS: Final = frozenset({StorageClass.INTEGER, StorageClass.REAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """A column of the query."""

    sql: str
    seed: str
    widened: bool = False
    """Whether integers come as doubles; those that are none exactly count as unread."""


@dataclass(frozen=True, slots=True)
class _Column:
    """How a column is asked for."""

    terms: tuple[_Term, ...]
    doubts: tuple[str, ...] = ()
    """Conditions under which a row has a value that none of the terms gives."""


def read_batches(
    connection: dbapi.Connection, read: TableRead, key_range: ChunkRange, looks: Sequence[StoredAs], size: BatchSize
) -> Iterator[StoredBatch]:
    """Read a chunk in key order.

    Args:
        connection: ADBC's.
        read: The table and its columns.
        key_range: The chunk.
        looks: What is known of each of the columns.
        size: How much is read at once.

    Raises:
        NotArrowableError: where the table's key needs a collation of the application, a value is of a class that
            cannot occur, or the columns are too many for one query.
    """
    query = _Query(read, looks, size.widest)
    sql, values = query.render(key_range)
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{BATCH_ROWS_OPTION: str(size.rows)})
        try:
            cursor.execute(sql, values or None)
            with cursor.fetch_record_batch() as stream:
                for batch in _gathered(_without_seed(stream), size):
                    yield query.unpacked(batch)
                    del batch
        except AdbcError as error:
            if "Type mismatch" in str(error):
                msg = f"table {read.table!r} holds values that it did not hold when it was surveyed"
                raise NotArrowableError(msg) from error
            row_by_row = needs_rows(read, error)
            if row_by_row is None:
                raise
            raise row_by_row from error


def _without_seed(stream: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Leave our own first row out."""
    first = True
    for batch in stream:
        if not first or batch.num_rows > 1:
            yield batch.slice(1) if first else batch
        first = False
        del batch  # before the next one is read, which may be as large; so below


def _gathered(stream: Iterable[pa.RecordBatch], size: BatchSize) -> Iterator[pa.RecordBatch]:
    """Put what the driver reads at once together into batches."""
    held: list[pa.RecordBatch] = []
    for batch in stream:
        held.append(batch)
        del batch
        rows, width = sum(each.num_rows for each in held), sum(each.nbytes for each in held)
        if rows and (rows >= MOST_ROWS - 1 or width >= size.batch_bytes):
            yield _joined(held)
            held = []
    if any(each.num_rows for each in held):
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


class _Query:
    """What is selected, and what its columns mean."""

    def __init__(self, read: TableRead, looks: Sequence[StoredAs], widest: int | None) -> None:
        self._read = read
        self._columns = [_asked(name, look, widest) for name, look in zip(read.columns, looks, strict=True)]
        self._key_places = [read.columns.index(key) if key in read.columns else None for key in _key_columns(read)]
        self._keys = [_asked(name, _key_look(read), None) for name in _unread_keys(read)]
        doubts = [doubt for column in self._columns for doubt in column.doubts]
        self._flags = [
            _Term(sql=" OR ".join(doubts[first : first + _TERMS_PER_FLAG]), seed="0")
            for first in range(0, len(doubts), _TERMS_PER_FLAG)
        ]

    def render(self, key_range: ChunkRange) -> tuple[str, tuple[Any, ...]]:
        """The statement and the values that are bound to it."""
        read = self._read
        terms = [term for column in (*self._columns, *self._keys) for term in column.terms] + self._flags
        if len(terms) > _MOST_TERMS:
            msg = f"table {read.table!r} has too many columns of several storage classes for one query"
            raise NotArrowableError(msg)
        clause = where(read.chunk_key, key_range)
        # Something is selected of a table without any value, too: its rows are counted by it.
        seeds = ", ".join([term.seed for term in terms] or ["0"])
        selected = ", ".join([f'{term.sql} AS "{place}"' for place, term in enumerate(terms)] or ['0 AS "0"'])
        rows = f"SELECT {selected} FROM {table_sql(read.table)} {clause.sql} {order_by(read.chunk_key)}"
        return f"SELECT {seeds} UNION ALL SELECT * FROM ({rows})", clause.values

    def unpacked(self, batch: pa.RecordBatch) -> StoredBatch:
        """Tell the columns of the query apart again."""
        arrays = iter(batch.columns)
        unread = np.zeros(batch.num_rows, np.bool_)
        columns, keys = ([_unpacked(column, arrays, unread) for column in some] for some in (self._columns, self._keys))
        for _ in self._flags:
            unread |= pc.fill_null(pc.cast(next(arrays), pa.bool_()), False).to_numpy(zero_copy_only=False)
        others = iter(keys)
        chunk_keys = (next(others) if place is None else columns[place] for place in self._key_places)
        return StoredBatch(
            rows=batch.num_rows,
            columns=tuple(columns),
            keys=tuple(chunk_keys),
            unread=unread if unread.any() else None,
        )


def _unpacked(column: _Column, arrays: Iterator[pa.Array], unread: Mask) -> Parts:
    parts = []
    for term in column.terms:
        part = next(arrays)
        if term.widened:
            unread |= _inexact(part)
        parts.append(part)
    return tuple(parts)


def _inexact(part: pa.Array) -> Mask:
    """Doubles that several integers could have become."""
    numbers = part.to_numpy(zero_copy_only=False)
    inexact: Mask = np.abs(numbers) >= EXACT_DOUBLE
    return inexact


def _key_columns(read: TableRead) -> tuple[str, ...]:
    return read.chunk_key.columns


def _unread_keys(read: TableRead) -> list[str]:
    return [name for name in _key_columns(read) if name not in read.columns]


def _key_look(read: TableRead) -> StoredAs:
    return _ROWID if read.chunk_key.kind is ChunkKeyKind.ROWID else _ANY


def _asked(name: str, look: StoredAs, widest: int | None) -> _Column:
    """Ask for a column's values by class."""
    column = column_sql(name)
    wide = widest is not None and (not look.certain or WIDE_CLASSES & set(look.classes))
    doubts = [f"octet_length({column}) > {widest}"] if wide else []
    if not look.certain:
        known = ", ".join(f"'{each}'" for each in ("null", *_sought(look)))
        doubts.append(f"typeof({column}) NOT IN ({known})")
    return _Column(tuple(_terms(column, look, widest if wide else None)), tuple(doubts))


def _sought(look: StoredAs) -> tuple[StorageClass, ...]:
    """The classes that values are asked for by: all of them where none is known."""
    return look.classes if look.classes or look.certain else tuple(StorageClass)


def _terms(column: str, look: StoredAs, widest: int | None) -> Iterator[_Term]:
    classes = _sought(look)
    widened = look.as_number and set(classes) >= _NUMBERS
    groups = [[each] for each in classes if not (widened and each in _NUMBERS)]
    if widened:
        groups.append([StorageClass.REAL, StorageClass.INTEGER])
    for group in groups:
        conditions = []
        if len(groups) > 1 or not look.certain:
            conditions.append(" OR ".join(f"typeof({column}) = '{each}'" for each in group))
        if widest is not None and WIDE_CLASSES & set(group):
            conditions.append(f"octet_length({column}) <= {widest}")
        condition = " AND ".join(f"({each})" for each in conditions)
        yield _Term(
            sql=f"CASE WHEN {condition} THEN {column} END" if condition else column,
            seed=_SEEDS[group[0]],
            widened=len(group) > 1,
        )
