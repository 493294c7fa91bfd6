"""Rows of a source as columns, a column's values by their storage classes, so that none is widened silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import NotArrowableError
from shared.records.keys import UTF_8, RawText, SourceRow, Value
from shared.records.source import StorageClass

Parts: TypeAlias = tuple[pa.Array, ...]
"""A column's values, an array for each storage class: at most one of them is not NULL in a row; none: all are NULL."""
Mask: TypeAlias = npt.NDArray[np.bool_]

MOST_ROWS: Final = 16_384
"""Rows of a batch, where they are narrow: measured as fast to convert and to write as ten times as many."""
_ROWS_AT_ONCE: Final = 1_024
"""Rows that the driver reads at once where some of them may be wide; several such make a batch."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""What the driver may read at once, at the worst; wider values are read on their own."""
_NARROW: Final = 4_096
"""A value of so many bytes is never read on its own."""
WIDE_CLASSES: Final = frozenset({StorageClass.TEXT, StorageClass.BLOB})
_CLASSES: Final = {int: pa.int64(), float: pa.float64(), str: pa.string(), RawText: pa.string(), bytes: pa.binary()}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAs:
    """What is known of the values of a column before it is read."""

    classes: tuple[StorageClass, ...]
    """The storage classes that occur, NULL aside."""
    certain: bool
    """Whether no other class occurs."""
    longest: int | None = None
    """Bytes of the longest text or blob; None: nobody knows."""
    as_number: bool = False
    """Whether integers and reals may come together as doubles, since 5 and 5.0 are the same in the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSize:
    """How much is read at once."""

    rows: int
    """By the source's driver."""
    batch_bytes: int
    """A batch is handed on when it has so many, or `MOST_ROWS` rows."""
    widest: int | None
    """Bytes of a value that is not read with the others; None: none can be too wide."""


def size_of(looks: Iterable[StoredAs], *, row_bytes: float, batch_bytes: int) -> BatchSize:
    """Choose how much is read at once, so that rows far wider than the mean do no harm."""
    wide = [look for look in looks if not look.certain or WIDE_CLASSES & set(look.classes)]
    rows = max(1, min(MOST_ROWS, int(batch_bytes / max(1.0, row_bytes))))
    for some in dict.fromkeys((rows, min(rows, _ROWS_AT_ONCE))):
        longest = [look.longest for look in wide]
        if rows == 1 or sum(_MOST_BYTES if each is None else each for each in longest) * some <= _MOST_BYTES:
            return BatchSize(rows=some, batch_bytes=batch_bytes, widest=None)
    rows = min(rows, _ROWS_AT_ONCE)
    return BatchSize(rows=rows, batch_bytes=batch_bytes, widest=max(_NARROW, _MOST_BYTES // (rows * len(wide))))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBatch:
    """Some rows of a chunk, as columns."""

    rows: int
    columns: tuple[Parts, ...]
    """In the order of the TableRead."""
    keys: tuple[Parts, ...]
    """The columns of the chunk key; none where the table has none."""
    unread: Mask | None = None
    """Rows of which a value was not read, since it is very wide or of a class that nobody expected; None: there are
    none. They are read again by their keys."""

    def taken(self, rows: Mask) -> StoredBatch:
        """The rows that a mask is true for; all of their values have been read."""
        mask = pa.array(rows)
        return StoredBatch(
            rows=int(rows.sum()),
            columns=tuple(tuple(part.filter(mask) for part in parts) for parts in self.columns),
            keys=tuple(tuple(part.filter(mask) for part in parts) for parts in self.keys),
        )

    def keys_of(self, rows: npt.NDArray[np.int64]) -> list[tuple[Value, ...]]:
        """The chunk keys of the rows at some places.

        Raises:
            NotArrowableError: where the table has no chunk key, or the key of a row has not been read.
        """
        if not self.keys:
            msg = "the table has no key by which single rows could be read again"
            raise NotArrowableError(msg)
        places = pa.array(rows)
        keys = list(zip(*(_values(parts, places) for parts in self.keys), strict=True))
        if any(None in key for key in keys):
            msg = "a row's key is NULL or of a storage class that was not expected"
            raise NotArrowableError(msg)
        return keys


def batch_of(rows: Sequence[SourceRow]) -> StoredBatch:
    """Rows that were read one by one, as columns.

    Raises:
        NotArrowableError: where a text is no valid UTF-16 in a file of UTF-16.
    """
    width = len(rows[0].values) if rows else 0
    return StoredBatch(
        rows=len(rows),
        columns=tuple(_parts([row.values[place] for row in rows]) for place in range(width)),
        keys=tuple(_parts([row.key[place] for row in rows]) for place in range(len(rows[0].key) if rows else 0)),
    )


def _parts(values: Sequence[Value]) -> Parts:
    arrow_types = {_CLASSES[type(value)]: None for value in values if value is not None}
    return tuple(_part(values, arrow_type) for arrow_type in arrow_types)


def _part(values: Sequence[Value], arrow_type: pa.DataType) -> pa.Array:
    own = [value if value is not None and _CLASSES[type(value)] == arrow_type else None for value in values]
    if arrow_type == pa.binary():
        return binary_array(own)  # type: ignore[arg-type]  # bytes, as their class says
    if arrow_type != pa.string():
        return pa.array(own, arrow_type)
    stored = binary_array([None if value is None else _bytes(value) for value in own])
    return pa.Array.from_buffers(pa.string(), len(stored), stored.buffers(), stored.null_count)


def binary_array(values: Sequence[bytes | None]) -> pa.Array:
    """Values as a binary array; one that is alone, and may be very wide, without a copy."""
    (only, *others) = values
    if only is None or others:
        return pa.array(values, pa.binary())
    offsets = np.array([0, len(only)], np.int32)
    return pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(only)])


def _bytes(text: Value) -> bytes:
    if isinstance(text, RawText):
        if text.encoding != UTF_8:
            msg = f"a text is not valid {text.encoding}"
            raise NotArrowableError(msg)
        return text.raw
    assert isinstance(text, str)  # noqa: S101 - tells the type checker what the array's type says
    return text.encode()


def _values(parts: Parts, places: pa.Array) -> list[Value]:
    found: list[Value] = [None] * len(places)
    for part in parts:
        some = part.take(places)
        texts = pa.types.is_string(some.type)
        for place, value in enumerate((some.cast(pa.binary()) if texts else some).to_pylist()):
            if value is not None:
                found[place] = _text(value) if texts else value
    return found


def _text(raw: bytes) -> str | RawText:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return RawText(raw)


def merged(arrays: Sequence[pa.Array]) -> pa.Array:
    """One array of the parts of a column that have become one type."""
    return arrays[0] if len(arrays) == 1 else pc.coalesce(*arrays)
