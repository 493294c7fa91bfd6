"""The source's side: a chunk, or a whole table, in batches of columns that are bounded in rows and bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from shared.compare.text_bytes import Rows
from shared.errors import NotArrowableError
from shared.records.keys import ChunkRange, KeyRange, NullKeys, RawText, SourceRow, Value
from shared.records.plan import TablePlan, TableRead, TargetColumn, TypeKind
from shared.records.source import ChunkKeyKind
from shared.records.stored import WIDE_CLASSES, Mask, Parts, StoredAs, StoredBatch, binary_array, size_of
from shared.source.reader import SourceReader

Column: TypeAlias = pa.Array | list[Value]
"""Values of one storage class as Arrow has them, or of several as Python has them."""

_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Source bytes of a batch: the target's side of it is about as large, and what is compared is copied once or twice."""
_CAREFUL_ROWS: Final = 10_000
"""Rows in Python objects at once: about 10 MB for ten columns."""
_CAREFUL_STEP: Final = 100
"""Rows that are read into Python objects at once, where some of them may be as wide as `_BATCH_BYTES` / 100."""
NUMBERS: Final = frozenset(
    {TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT, TypeKind.NUMERIC, TypeKind.DOUBLE, TypeKind.REAL}
)
"""Kinds that do not tell 5 from 5.0, which SQLite's NUMERIC affinity mixes in one column."""
_MOST_UNREAD: Final = 100
"""Rows of a batch that are read again by their keys; where there are more, all that is left is read row by row."""
_NUMBER_BYTES: Final = 8
_ARROW_TYPES: Final = {int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read of a source table, and what the plan knows of its columns."""

    read: TableRead
    looks: tuple[StoredAs, ...]
    """One for each column of the TableRead."""
    row_bytes: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBatch:
    """Some rows of the source."""

    rows: int
    columns: tuple[Column, ...]
    """In the order of the TableRead."""
    chunk_keys: tuple[tuple[Value, ...], ...] | None = None
    """Each row's chunk key; None where nobody asked for it."""

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
        looks=tuple(_look(column, plan) for column in columns),
        row_bytes=plan.row_bytes,
    )


def _look(column: TargetColumn, plan: TablePlan) -> StoredAs:
    known = bool(column.classes) and not plan.sampled
    return StoredAs(
        classes=column.classes,
        certain=known,
        longest=column.longest if known else None,
        as_number=column.type.kind in NUMBERS,
    )


def chunk_batches(
    reader: SourceReader, reading: Reading, key_range: ChunkRange, *, keyed: bool = False
) -> Iterator[SourceBatch]:
    """Read a chunk in key order; `keyed`: with the chunk keys.

    Where columns can't carry it, or what is left of it, row by row.
    """
    done = 0
    try:
        for batch in _by_columns(reader, reading, key_range, keyed=keyed):
            yield batch
            done += batch.rows
            del batch  # before the next one is read
    except NotArrowableError:
        yield from _by_rows(reader, reading, key_range, skip=done)


def table_batches(reader: SourceReader, reading: Reading, *, limit: int | None) -> Iterator[SourceBatch]:
    """Read a whole table, or its first `limit` rows by chunk key, with bounded memory."""
    left = limit
    for batch in _whole_table(reader, reading):
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
    keys_alone = replace(read, columns=read.chunk_key.columns[:1])
    reading = Reading(read=keys_alone, looks=(StoredAs(classes=(), certain=False),))
    return sum(batch.rows for batch in chunk_batches(reader, reading, key_range))


def values_of(column: Column, rows: Rows) -> list[Value]:
    """Some values of a column as the source stores them."""
    if isinstance(column, list):
        return [column[row] for row in rows]
    some = column.take(pa.array(rows))
    if not pa.types.is_string(some.type):
        return list(some.to_pylist())
    return [_decoded(raw) for raw in some.cast(pa.binary()).to_pylist()]


def packed(values: list[Value]) -> Column:
    """Values of a single storage class as an Arrow array, which is compared many times faster."""
    classes = {type(value) for value in values} - {type(None)}
    arrow_type = _ARROW_TYPES.get(next(iter(classes))) if len(classes) == 1 else None
    if arrow_type == pa.binary():
        return binary_array(values)  # type: ignore[arg-type]  # bytes, as their class says
    return pa.array(values, arrow_type) if arrow_type is not None else values


def _decoded(raw: bytes | None) -> Value:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return RawText(raw)


def _whole_table(reader: SourceReader, reading: Reading) -> Iterator[SourceBatch]:
    key = reading.read.chunk_key
    if key.kind is ChunkKeyKind.NONE:
        yield from _by_rows(reader, reading, KeyRange())
        return
    if reader.has_null_keys(reading.read.table, key):
        yield from chunk_batches(reader, reading, NullKeys())
    yield from chunk_batches(reader, reading, KeyRange())


def _by_columns(reader: SourceReader, reading: Reading, key_range: ChunkRange, *, keyed: bool) -> Iterator[SourceBatch]:
    def parts_of(stored: StoredBatch) -> Iterator[SourceBatch]:
        return _parts_of(reader, reading.read, stored, keyed=keyed)

    size = size_of(reading.looks, row_bytes=reading.row_bytes, batch_bytes=_BATCH_BYTES)
    if size.rows == 1 and reading.read.chunk_key.kind is not ChunkKeyKind.NONE:
        return _one_by_one(reader, reading.read, key_range)
    # Not a loop, whose variable would hold each batch while the next one is read.
    return chain.from_iterable(map(parts_of, reader.read_batches(reading.read, key_range, reading.looks, size)))


def _one_by_one(reader: SourceReader, read: TableRead, key_range: ChunkRange) -> Iterator[SourceBatch]:
    """Read rows that are wider than a batch by their keys: a stream would hold three copies of one all the while."""
    keys_alone = replace(read, columns=())
    size = size_of((), row_bytes=_NUMBER_BYTES, batch_bytes=_BATCH_BYTES)
    for stored in reader.read_batches(keys_alone, key_range, (), size):
        yield from _bounded(reader.read_by_keys(read, stored.keys_of(np.arange(stored.rows))))


def _parts_of(reader: SourceReader, read: TableRead, stored: StoredBatch, *, keyed: bool) -> Iterator[SourceBatch]:
    """The rows that came as columns, and between them those that have to be read again."""
    if stored.unread is None:
        yield _from_columns(stored, keyed=keyed)
        return
    if stored.unread.sum() > _MOST_UNREAD:
        msg = f"of {stored.rows} rows of table {read.table!r} too many would be read one by one"
        raise NotArrowableError(msg)
    for first, end, unread in _runs(stored.unread):
        if unread:
            yield from _bounded(reader.read_by_keys(read, stored.keys_of(np.arange(first, end))))
        else:
            yield _from_columns(_between(stored, first, end), keyed=keyed)


def _by_rows(reader: SourceReader, reading: Reading, key_range: ChunkRange, *, skip: int = 0) -> Iterator[SourceBatch]:
    step = _CAREFUL_STEP if sum(map(_width, reading.looks)) * _CAREFUL_STEP <= _BATCH_BYTES else 1
    rows = (row for some in reader.read_rows(reading.read, key_range, batch_rows=step) for row in some)
    return _bounded(islice(rows, skip, None))


def _width(look: StoredAs) -> int:
    """Bytes that a value may have."""
    if look.certain and not WIDE_CLASSES & set(look.classes):
        return _NUMBER_BYTES
    return _BATCH_BYTES if look.longest is None else look.longest


def _bounded(rows: Iterable[SourceRow]) -> Iterator[SourceBatch]:
    """Gather rows into batches."""
    held: list[SourceRow] = []
    width = 0
    for row in rows:
        held.append(row)
        width += sum(len(value) for value in row.values if isinstance(value, str | bytes))
        del row  # before the next one is read, which may be as wide
        if len(held) >= _CAREFUL_ROWS or width >= _BATCH_BYTES:
            yield _from_rows(held)
            held, width = [], 0
    if held:
        yield _from_rows(held)


def _runs(marks: Mask) -> Iterator[tuple[int, int, bool]]:
    """Where runs of equal marks begin and end, and which marks they are of."""
    ends = [*(np.flatnonzero(marks[1:] != marks[:-1]) + 1).tolist(), len(marks)]
    first = 0
    for end in ends:
        yield first, end, bool(marks[first])
        first = end


def _between(stored: StoredBatch, first: int, end: int) -> StoredBatch:
    def cut(columns: tuple[Parts, ...]) -> tuple[Parts, ...]:
        return tuple(tuple(part.slice(first, end - first) for part in parts) for parts in columns)

    return StoredBatch(rows=end - first, columns=cut(stored.columns), keys=cut(stored.keys))


def _from_columns(stored: StoredBatch, *, keyed: bool) -> SourceBatch:
    return SourceBatch(
        rows=stored.rows,
        columns=tuple(_one_column(parts, stored.rows) for parts in stored.columns),
        chunk_keys=tuple(stored.keys_of(np.arange(stored.rows))) if keyed else None,
    )


def _one_column(parts: Parts, rows: int) -> Column:
    """The parts of a column that have values as one array, or its values where there are several."""
    filled = [part for part in parts if part.null_count < len(part)]
    if not filled:
        return pa.nulls(rows)
    if len(filled) == 1:
        return filled[0]
    columns = [values_of(part, np.arange(rows)) for part in filled]
    return [next((value for value in row if value is not None), None) for row in zip(*columns, strict=True)]


def _from_rows(batch: Sequence[SourceRow]) -> SourceBatch:
    columns = tuple(packed(list(values)) for values in zip(*(row.values for row in batch), strict=True))
    return SourceBatch(rows=len(batch), columns=columns, chunk_keys=tuple(row.key for row in batch))


def _taken(column: Column, rows: Rows) -> Column:
    return [column[row] for row in rows] if isinstance(column, list) else column.take(pa.array(rows))
