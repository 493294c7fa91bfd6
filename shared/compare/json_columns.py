"""Columns of JSON texts that differ from jsonb's spelling by nothing but blanks after commas and colons."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shared.compare.text_bytes import Mask, equal_mask, text_bytes

_QUOTE, _BACKSLASH, _BLANK = ord('"'), ord("\\"), ord(" ")


def equal_but_for_blanks(left: pa.Array, right: pa.Array) -> Mask:
    """Where both texts are the same once blanks after structural commas and colons are gone.

    Nothing inside of strings is touched, so texts that are found equal mean equal values. jsonb keeps no name
    twice, so a source that repeats one is never found equal. Texts with backslashes are left to the parser.
    """
    same = equal_mask(left, right)
    rest = np.flatnonzero(~same)
    if len(rest):
        compact_left, compact_right = _compact(left.take(pa.array(rest))), _compact(right.take(pa.array(rest)))
        if compact_left is not None and compact_right is not None:
            same[rest] = equal_mask(compact_left, compact_right)
    return same


def _compact(array: pa.Array) -> pa.Array | None:
    """The texts without those blanks; NULL for texts with a backslash; None where quotes do not pair."""
    texts = text_bytes(array)
    begin = int(texts.starts[0])
    data, starts = texts.data[begin : int(texts.starts[-1])], texts.starts - begin
    if not len(data):
        return array
    quoted = np.bitwise_xor.accumulate(data == _QUOTE)
    if quoted[starts[1:][starts[1:] > 0] - 1].any():
        return None
    after = (data[:-1] == ord(",")) | (data[:-1] == ord(":"))
    kept = np.ones(len(data), np.bool_)
    kept[1:] = ~(after & (data[1:] == _BLANK) & ~quoted[1:])
    kept_before = np.concatenate([np.zeros(1, np.int32), np.cumsum(kept, dtype=np.int32)])
    escaped = np.concatenate([np.zeros(1, np.int32), np.cumsum(data == _BACKSLASH, dtype=np.int32)])
    unreadable = (np.diff(escaped[starts]) > 0) | ~np.asarray(array.is_valid())
    compact = pa.Array.from_buffers(
        pa.binary(), len(array), [None, pa.py_buffer(kept_before[starts]), pa.py_buffer(data[kept])]
    )
    return pa.array(compact) if not unreadable.any() else _with_nulls(compact, unreadable)


def _with_nulls(array: pa.Array, nulls: Mask) -> pa.Array:
    bits = pa.py_buffer(np.packbits(~nulls, bitorder="little"))
    return pa.Array.from_buffers(array.type, len(array), [bits, *array.buffers()[1:]])
