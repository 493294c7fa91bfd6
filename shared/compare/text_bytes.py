"""The bytes of Arrow's text and binary columns as numpy sees them, without copying them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask: TypeAlias = npt.NDArray[np.bool_]
Rows: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]

_ROWS_A_BLOCK = 65_536
"""Gathering texts of one length needs eight bytes of index a byte: 14 MB a block for texts of 27 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBytes:
    """All texts of a column behind each other, and where each begins."""

    data: Bytes
    starts: npt.NDArray[np.int32]
    """One more than there are rows: a row ends where the next begins."""

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Bytes in each row; those of NULLs mean nothing."""
        return np.diff(self.starts)

    def of_length(self, length: int) -> Iterator[tuple[Rows, Bytes]]:
        """Yield the rows whose texts have `length` bytes, with a matrix: one line a byte's place, one column a row."""
        rows = np.flatnonzero(self.lengths == length)
        for first in range(0, len(rows), _ROWS_A_BLOCK):
            block = rows[first : first + _ROWS_A_BLOCK]
            yield block, np.ascontiguousarray(self._gather(block, length).T)

    def _gather(self, rows: Rows, length: int) -> Bytes:
        begin, end = int(self.starts[rows[0]]), int(self.starts[rows[-1] + 1])
        if end - begin == len(rows) * length and rows[-1] - rows[0] + 1 == len(rows):
            return self.data[begin:end].reshape(len(rows), length)
        places: Rows = self.starts[rows][:, None].astype(np.int64) + np.arange(length)
        return self.data[places]


def text_bytes(array: pa.Array) -> TextBytes:
    """Look into a string or binary array."""
    _, starts, data = array.buffers()
    return TextBytes(
        data=np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8),
        starts=np.frombuffer(starts, np.int32)[array.offset : array.offset + len(array) + 1]
        if starts is not None and starts.size
        else np.zeros(len(array) + 1, np.int32),
    )


def wire_integers(array: pa.Array, width: int) -> npt.NDArray[np.int64]:
    """Read PostgreSQL's wire form of integers of `width` bytes; 0 where there is NULL."""
    valid = mask(array.is_valid())
    dense = text_bytes(array if valid.all() else array.filter(array.is_valid()))
    numbers = np.zeros(len(array), np.int64)
    numbers[valid] = np.frombuffer(dense.data[dense.starts[0] : dense.starts[-1]].tobytes(), f">i{width}")
    return numbers


def mask(array: pa.Array | pa.ChunkedArray) -> Mask:
    """A boolean Arrow array as numpy's; False where there is NULL."""
    return pc.fill_null(array, fill_value=False).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def equal_mask(left: pa.Array, right: pa.Array) -> Mask:
    """Where both have the same value; False where either is NULL."""
    return mask(pc.equal(left, right))
