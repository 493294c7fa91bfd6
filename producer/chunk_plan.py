"""Cut a table into chunks along the keys that a walk found; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from shared.records.keys import OPEN, Bound, Key, KeyRange, NullKeys
from shared.records.work import PlannedChunk


def rows_per_chunk(row_bytes: float, chunk_bytes: int) -> int:
    """How many rows make a chunk of about `chunk_bytes` source bytes: at least one."""
    return max(1, int(chunk_bytes / max(1.0, row_bytes)))


_TAIL_CHUNKS: Final = 2
_TAIL_PARTS: Final = 4
"""Of 13 equal chunks a second worker is left without one while the last is copied and compared: a twelfth of the time.
With the last two in quarters it is a quarter of that, for six chunks more, of some 15 ms each."""


def head_rows(rows: int, step: int) -> int:
    """How many of a table's rows are cut into whole chunks, when its last two are cut smaller."""
    return max(0, -(-rows // step) - _TAIL_CHUNKS) * step


def tail_step(step: int) -> int:
    """Rows of the chunks at a table's end."""
    return -(-step // _TAIL_PARTS)


def plan_chunks(
    boundaries: Iterable[Key],
    *,
    rows: int,
    step: int,
    row_bytes: float,
    null_rows: int = 0,
    begin: Bound = OPEN,
    end: Bound = OPEN,
) -> Iterator[PlannedChunk]:
    """Yield the chunks of a table in key order, while the walk still goes on.

    Every key from `begin` to below `end` lies in exactly one of them: the first begins there, each begins where the one
    before ends, the last reaches up to `end`. Rows whose key is NULL sort first and are a chunk of their own. A table
    without rows has no chunk.

    Args:
        boundaries: The keys of the rows at offsets step, 2*step, … in key order, NULL keys aside.
        rows: Rows with a key between them.
        step: Rows a chunk.
        row_bytes: Mean source bytes a row.
        null_rows: Rows whose key is NULL.
        begin: The first key that is wanted; open: the lowest.
        end: The first key that is not wanted any more; open: all are.
    """
    if null_rows:
        yield PlannedChunk(key_range=NullKeys(), rows=null_rows, source_bytes=_bytes(null_rows, row_bytes))
    if rows <= 0:
        return
    left = rows
    lower = begin
    # Boundaries at or above `end` are not asked for: so many lie below it.
    for upper in islice(boundaries, (rows - 1) // step):
        if upper in (lower, end):  # equal keys under a unique index of another collation
            continue
        size = min(step, left)
        yield PlannedChunk(
            key_range=KeyRange(lower=lower, upper=upper), rows=size, source_bytes=_bytes(size, row_bytes)
        )
        left -= size
        lower = upper
    yield PlannedChunk(key_range=KeyRange(lower=lower, upper=end), rows=left, source_bytes=_bytes(left, row_bytes))


def _bytes(rows: int, row_bytes: float) -> int:
    return round(rows * row_bytes)
