"""Arrow arrays seen by numpy: the values without the NULLs, and the NULLs put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Int64s: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Rows: TypeAlias = Int64s | slice


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Strings without NULLs: where each one starts in one run of bytes, and how long it is."""

    data: Bytes
    starts: Int64s
    lengths: Int64s

    def groups(self, widths: Int64s) -> Iterator[tuple[int, Rows]]:
        """Yield each width that occurs with the texts that have it, so that they can be read by position."""
        distinct = np.unique(widths).tolist()
        if len(distinct) == 1:
            yield distinct[0], slice(None)
            return
        for width in distinct:
            yield width, np.flatnonzero(widths == width)

    def cut(self, rows: Rows, width: int) -> Bytes:
        """Take the first `width` bytes of some texts, a matrix with a row for each."""
        if isinstance(rows, slice) and len(self.lengths) and (self.lengths == self.lengths[0]).all():
            length, first = int(self.lengths[0]), int(self.starts[0])
            run = self.data[first : first + len(self.lengths) * length]
            if int(self.starts[-1]) - first == (len(self.lengths) - 1) * length:
                return run.reshape(len(self.lengths), length)[:, :width]
        cut: Bytes = self.data[self.starts[rows][:, None] + np.arange(width)]
        return cut


def texts_of(array: pa.Array) -> Texts:
    """See the values of a string or binary array that are not NULL."""
    kept = array.drop_null() if array.null_count else array
    _, offset_buffer, data_buffer = kept.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[kept.offset : kept.offset + len(kept) + 1].astype(np.int64)
    data = np.frombuffer(data_buffer or b"", np.uint8)
    return Texts(data=data, starts=offsets[:-1], lengths=np.diff(offsets))


def with_nulls(values: npt.NDArray[Any], like: pa.Array) -> npt.NDArray[Any]:
    """Spread values over the places where `like` is not NULL; the other places hold zeros."""
    if not like.null_count:
        return values
    spread = np.zeros((len(like), *values.shape[1:]), values.dtype)
    spread[like.is_valid().to_numpy(zero_copy_only=False)] = values
    return spread


def array_of(values: npt.NDArray[Any], like: pa.Array, wire_type: pa.DataType) -> pa.Array:
    """Make an array of fixed-width values with the NULLs of `like`; `values` holds none for them."""
    spread = np.ascontiguousarray(with_nulls(values, like))
    # Made anew: a slice's own bits may begin in the middle of a byte.
    validity = pa.array(like.is_valid().to_numpy(zero_copy_only=False)).buffers()[1] if like.null_count else None
    return pa.Array.from_buffers(wire_type, len(like), [validity, pa.py_buffer(spread)], like.null_count)
