"""A chunk that would take too long, or cost several workers their lives, is split and its parts copied instead.

A chunk is cut by bytes, and bytes say little of the time that rows take: on the careful path, through many indexes, or
over a slow line. What its neighbours took says more.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Final

from shared.errors import ConvoyError
from shared.ledger.attempts import hold_if_current
from shared.ledger.splitting import expected_seconds, replace_if_current
from shared.points import Point, reach
from shared.records.keys import Bound, Key, KeyRange
from shared.records.plan import TablePlan
from shared.records.source import ChunkKeyKind
from shared.records.work import Chunk, Job, PlannedChunk
from workers.context import WorkerContext

log = logging.getLogger(__name__)
_LOST: Final = 2
"""A worker that is lost once may have been stopped; twice with the same chunk, or at the task's time limit (which
counts twice), it is the chunk."""
_PARTS_OF_LOST: Final = 4
"""So one row that ends workers is alone in its chunk after ten splits of a million rows."""
_MOST_PARTS: Final = 64
"""What was expected may be wrong by far; parts are split again where they take long too."""


def split_if_long(context: WorkerContext, job: Job, chunk: Chunk, plan: TablePlan) -> int | None:
    """Split a chunk that this attempt has claimed, if it would take too long.

    Returns:
        The first part, pending as the others are; None where the chunk is to be copied as it is.
    """
    number = _parts_of(context, chunk)
    if number < 2 or plan.read.chunk_key.kind is ChunkKeyKind.NONE or not isinstance(chunk.key_range, KeyRange):
        return None
    try:
        first = _split(context, job, chunk, chunk.key_range, plan, number)
    except ConvoyError as error:  # what stands in the way of reading is said, and tried again, by the attempt itself
        log.info("chunk %s stays whole: %s", chunk.id, error)
        return None
    if first is not None:
        log.info("table %s, chunk %s %s is split", plan.read.table, chunk.number, chunk.key_range)
        context.dispatcher.send_next(job.id)
    return first


def _parts_of(context: WorkerContext, chunk: Chunk) -> int:
    """How many parts a chunk should become; 1: it stays whole."""
    if chunk.rows_expected < 2:
        return 1
    if chunk.lost >= _LOST:
        return _PARTS_OF_LOST
    with context.store.transaction() as ledger:
        expected = expected_seconds(ledger, chunk)
    return 1 if expected is None else min(_MOST_PARTS, math.ceil(expected / context.settings.chunk_seconds))


def _split(
    context: WorkerContext, job: Job, chunk: Chunk, key_range: KeyRange, plan: TablePlan, number: int
) -> int | None:
    step = max(1, math.ceil(chunk.rows_expected / number))
    with context.source(job) as reader, context.store.transaction() as ledger:
        # Held while the keys are walked: a chunk that nobody holds counts as lost after a few seconds.
        if not hold_if_current(ledger, chunk):
            return None
        keys = reader.walk_keys(plan.read.table, plan.read.chunk_key, step=step, within=key_range)
        parts = parts_along(key_range, keys, rows=chunk.rows_expected, step=step, source_bytes=chunk.source_bytes)
        context.refuse_changed(reader, job)
        first = replace_if_current(ledger, chunk, parts) if len(parts) > 1 else None
        reach(Point.SPLIT_NOT_COMMITTED, chunk.id)
        return first


def parts_along(
    key_range: KeyRange, keys: Iterable[Key], *, rows: int, step: int, source_bytes: int
) -> Sequence[PlannedChunk]:
    """Cut a key range at keys inside it; pure. Each of its keys lies in exactly one part, parts in order.

    Args:
        key_range: What is cut.
        keys: The keys of the rows at offsets step, 2*step, … inside it.
        rows: Rows expected in it.
        step: Rows a part.
        source_bytes: Of the whole.
    """
    cuts: list[Bound] = [key_range.lower]
    for key in keys:
        if key not in (cuts[-1], key_range.upper):  # equal keys under a unique index of another collation
            cuts.append(key)
    uppers = [*cuts[1:], key_range.upper]
    sizes = [min(step, max(0, rows - place * step)) for place in range(len(uppers))]
    sizes[-1] += max(0, rows - sum(sizes))
    return [
        PlannedChunk(
            key_range=KeyRange(lower=lower, upper=upper),
            rows=size,
            source_bytes=round(source_bytes * size / max(rows, 1)),
        )
        for lower, upper, size in zip(cuts, uppers, sizes, strict=True)
    ]
