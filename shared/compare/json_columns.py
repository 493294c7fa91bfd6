"""Columns of JSON texts that differ from jsonb's spelling by nothing but blanks after commas and colons."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.compare.text_bytes import Bytes, Mask, equal_mask, mask, text_bytes

_QUOTE, _BACKSLASH, _BLANK = ord('"'), ord("\\"), ord(" ")


def equal_but_for_blanks(left: pa.Array, right: pa.Array) -> Mask:
    """Where both texts are the same once blanks after structural commas and colons are gone.

    Nothing inside of strings is touched, so texts that are found equal mean equal values. jsonb keeps no name
    twice, so a source that repeats one is never found equal. Texts with backslashes are left to the parser.
    """
    same = equal_mask(left, right)
    rest = np.flatnonzero(~same)
    if len(rest):
        same[rest] = equal_mask(_compact(left.take(pa.array(rest))), _compact(right.take(pa.array(rest))))
    return same


def _compact(array: pa.Array) -> pa.Array:
    """The texts without those blanks; NULL for texts with a backslash or with quotes that do not pair."""
    texts = text_bytes(array)
    begin = int(texts.starts[0])
    data, starts = texts.data[begin : int(texts.starts[-1])], texts.starts - begin
    quoted, unpaired = _quoted(data, starts)
    after = (data[:-1] == ord(",")) | (data[:-1] == ord(":"))
    kept = np.ones(len(data), np.bool_)
    kept[1:] = ~(after & (data[1:] == _BLANK) & ~quoted[1:])
    unreadable = unpaired | (np.diff(_so_far(data == _BACKSLASH)[starts]) > 0) | mask(array.is_null())
    ends = _so_far(kept)[starts]
    bits = np.packbits(~unreadable, bitorder="little")
    return pa.Array.from_buffers(pa.binary(), len(array), [pa.py_buffer(part) for part in (bits, ends, data[kept])])


def _quoted(data: Bytes, starts: npt.NDArray[np.int32]) -> tuple[Mask, Mask]:
    """Which bytes lie inside of strings, and which rows have quotes that do not pair."""
    quotes = _so_far(data == _QUOTE)
    at_start = (quotes[starts[:-1]] % 2).astype(np.bool_)
    inside = (quotes[1:] % 2).astype(np.bool_)
    if at_start.any():  # an earlier row's quotes do not pair: each row begins anew
        inside ^= np.repeat(at_start, np.diff(starts))
    return inside, np.diff(quotes[starts]) % 2 == 1


def _so_far(marks: Mask) -> npt.NDArray[np.int32]:
    """How many marks there are before each place, and before the end."""
    return np.concatenate([np.zeros(1, np.int32), np.cumsum(marks, dtype=np.int32)])
