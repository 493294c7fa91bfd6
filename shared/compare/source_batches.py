"""The source's side: a chunk, or a whole table, in batches of columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from shared.compare.text_bytes import Rows
from shared.errors import NotArrowableError
from shared.records.keys import OPEN, ChunkRange, Key, KeyRange, NullKeys, RawText, SourceRow, Value
from shared.records.plan import TablePlan, TableRead, TypeKind
from shared.records.source import ChunkKeyKind
from shared.source.reader import SourceReader

Column: TypeAlias = pa.Array | list[Value]
"""Values of one storage class as Arrow has them, or of several as Python has them."""

CAREFUL_ROWS: Final = 10_000
"""Rows in Python objects at once: about 10 MB for ten columns."""
_WINDOW_ROWS: Final = 50_000
"""Rows of a whole table that are read into Arrow at once."""
NUMBERS: Final = frozenset(
    {TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT, TypeKind.NUMERIC, TypeKind.DOUBLE, TypeKind.REAL}
)
"""Kinds that do not tell 5 from 5.0, which SQLite's NUMERIC affinity mixes in one column."""
_ARROW_TYPES: Final = {int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read of a source table, and what the plan knows of its columns (see `SourceReader.read_arrow`)."""

    read: TableRead
    suspects: tuple[str, ...] = ()
    """Columns that may mix storage classes: all but those in which a profile of all rows saw at most one."""
    as_numbers: tuple[str, ...] = ()
    """Columns that are numbers in the target, where 5 and 5.0 are the same."""

    def only(self, columns: Sequence[str]) -> Reading:
        """The same of some columns."""
        return replace(self, read=replace(self.read, columns=tuple(columns)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBatch:
    """Some rows of the source."""

    rows: int
    columns: tuple[Column, ...]
    """In the order of the TableRead."""
    chunk_keys: tuple[tuple[Value, ...], ...] | None = None
    """Each row's chunk key; None where it was not read beside the columns."""

    def only(self, rows: Rows) -> SourceBatch:
        """These rows alone."""
        if len(rows) == self.rows:
            return self
        return SourceBatch(rows=len(rows), columns=tuple(_taken(column, rows) for column in self.columns))

    def row(self, row: int, places: Sequence[int]) -> tuple[Value, ...]:
        """Some values of one row."""
        return tuple(values_of(self.columns[place], np.array([row]))[0] for place in places)


def reading_of(plan: TablePlan, places: Iterable[int] | None = None) -> Reading:
    """How to read a plan's columns, or those at some places."""
    columns = [plan.columns[place] for place in (range(len(plan.columns)) if places is None else places)]
    return Reading(
        read=replace(plan.read, columns=tuple(column.source for column in columns)),
        suspects=tuple(column.source for column in columns if plan.sampled or column.mixed or not column.classes),
        as_numbers=tuple(column.source for column in columns if column.type.kind in NUMBERS),
    )


def chunk_batches(
    reader: SourceReader, reading: Reading, key_range: ChunkRange, *, rows: int | None, careful: bool = False
) -> Iterator[SourceBatch]:
    """Read a chunk in batches of at most `rows`, in key order; `careful`: row by row, with the chunk keys."""
    columns = None if careful else _columns(reader, reading, key_range)
    if columns is None:
        for batch in reader.read_rows(reading.read, key_range, batch_rows=CAREFUL_ROWS):
            yield _from_rows(batch, len(reading.read.columns))
        return
    total = len(columns[0])
    for first in range(0, total, rows or max(1, total)):
        last = min(first + (rows or total), total)
        yield SourceBatch(rows=last - first, columns=tuple(_between(column, first, last) for column in columns))


def table_batches(reader: SourceReader, reading: Reading, *, limit: int | None) -> Iterator[SourceBatch]:
    """Read a whole table, or its first `limit` rows by chunk key, with bounded memory."""
    left = limit
    for key_range in _windows(reader, reading.read):
        careful = reading.read.chunk_key.kind is ChunkKeyKind.NONE
        for batch in chunk_batches(reader, reading, key_range, rows=_WINDOW_ROWS, careful=careful):
            if left is None:
                yield batch
                continue
            yield batch if batch.rows <= left else batch.only(np.arange(left))
            left -= min(left, batch.rows)
            if not left:
                return


def count_rows(reader: SourceReader, read: TableRead, key_range: ChunkRange) -> int:
    """Count a chunk's rows by reading as little of them as can be."""
    if read.chunk_key.kind is ChunkKeyKind.NONE:
        return reader.count_rows(read.table)
    keys_alone = Reading(read=replace(read, columns=read.chunk_key.columns[:1]))
    return sum(batch.rows for batch in chunk_batches(reader, keys_alone, key_range, rows=None))


def values_of(column: Column, rows: Rows) -> list[Value]:
    """Some values of a column as the source stores them."""
    if isinstance(column, list):
        return [column[row] for row in rows]
    some = column.take(pa.array(rows))
    if not pa.types.is_string(some.type):
        return list(some.to_pylist())
    return [_decoded(raw) for raw in some.cast(pa.binary()).to_pylist()]


def _decoded(raw: bytes | None) -> Value:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return RawText(raw)


def _columns(reader: SourceReader, reading: Reading, key_range: ChunkRange) -> tuple[Column, ...] | None:
    """A chunk by columns; None where Arrow cannot carry it."""
    try:
        return _arrays(reader, reading, key_range)
    except NotArrowableError:
        return _columns_beside_mixed(reader, reading, key_range)


def _arrays(reader: SourceReader, reading: Reading, key_range: ChunkRange) -> tuple[pa.Array, ...]:
    table = reader.read_arrow(
        reading.read,
        key_range,
        suspects=_among(reading.suspects, reading),
        as_numbers=_among(reading.as_numbers, reading),
    )
    return tuple(map(_one_array, table.columns))


def _among(names: tuple[str, ...], reading: Reading) -> tuple[str, ...]:
    return tuple(name for name in names if name in reading.read.columns)


def _columns_beside_mixed(reader: SourceReader, reading: Reading, key_range: ChunkRange) -> tuple[Column, ...] | None:
    """Read only the columns of mixed storage classes value by value."""
    read = reading.read
    classes = reader.storage_classes(read, key_range, read.columns)
    mixed = tuple(name for name in read.columns if len(classes[name]) > 1)
    others = tuple(name for name in read.columns if name not in mixed)
    if not mixed or not others:
        return None
    try:
        arrays = dict(zip(others, _arrays(reader, reading.only(others), key_range), strict=True))
    except NotArrowableError:
        return None
    values: dict[str, list[Value]] = {name: [] for name in mixed}
    for batch in reader.read_rows(replace(read, columns=mixed), key_range, batch_rows=CAREFUL_ROWS):
        for place, name in enumerate(mixed):
            values[name].extend(row.values[place] for row in batch)
    return tuple(values[name] if name in values else arrays[name] for name in read.columns)


def _windows(reader: SourceReader, read: TableRead) -> Iterator[ChunkRange]:
    key = read.chunk_key
    if key.kind is ChunkKeyKind.NONE:
        yield KeyRange()
        return
    if reader.has_null_keys(read.table, key):
        yield NullKeys()
    lower: Key | None = None
    for upper in reader.walk_keys(read.table, key, step=_WINDOW_ROWS):
        yield KeyRange(lower=OPEN if lower is None else lower, upper=upper)
        lower = upper
    yield KeyRange(lower=OPEN if lower is None else lower)


def _from_rows(batch: Sequence[SourceRow], width: int) -> SourceBatch:
    columns = tuple(_packed([row.values[place] for row in batch]) for place in range(width))
    return SourceBatch(rows=len(batch), columns=columns, chunk_keys=tuple(row.key for row in batch))


def _packed(values: list[Value]) -> Column:
    """Values of a single storage class as an Arrow array, which is compared many times faster."""
    classes = {type(value) for value in values} - {type(None)}
    arrow_type = _ARROW_TYPES.get(next(iter(classes))) if len(classes) == 1 else None
    return pa.array(values, arrow_type) if arrow_type is not None else values


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return array.cast(pa.string()) if pa.types.is_large_string(array.type) else array


def _between(column: Column, first: int, last: int) -> Column:
    return column[first:last] if isinstance(column, list) else column.slice(first, last - first)


def _taken(column: Column, rows: Rows) -> Column:
    return [column[row] for row in rows] if isinstance(column, list) else column.take(pa.array(rows))
