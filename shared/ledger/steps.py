"""What a table needs next, decided from the ledger alone; pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from shared.ledger.states import TABLE_ENDS, TableState


class Step(enum.Enum):
    """The next thing to do for a table."""

    COPY = "copy"
    """Chunks are pending or on their way, or not all are planned: see that each has a message."""
    BUILD = "build"
    """All rows are there: build keys and indexes, or see what their builds came to."""
    INDEX = "index"
    """Builds of keys and indexes are pending or on their way: see that each has a message."""
    COMPARE = "compare"
    """Keys are there: see that each chunk that wasn't compared has a message."""
    CHECK = "check"
    """All chunks are compared: look at the table as a whole and end it."""
    FAIL = "fail"
    """A chunk failed for good, or could not be compared."""
    CANCEL = "cancel"
    """Chunks were cancelled."""
    NOTHING = "nothing"
    """The table has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkCounts:
    """How many of a table's chunks are where."""

    total: int = 0
    unfinished: int = 0
    """Pending or copying."""
    failed: int = 0
    cancelled: int = 0
    uncompared: int = 0
    """Copied and not yet compared."""
    incomparable: int = 0
    """Of those, chunks whose comparison failed too often."""
    rejects: int = 0
    """Rows that were rejected, not chunks."""
    mismatches: int = 0
    """That comparing chunks found, listed or not."""
    open_builds: int = 0
    """Builds of keys and indexes that are pending or on their way."""


def next_step(state: TableState, counts: ChunkCounts, *, planned: bool) -> Step:
    """Decide what a table in `state` with these chunks needs next."""
    if state in TABLE_ENDS:
        return Step.NOTHING
    if state is TableState.BUILDING:
        return Step.INDEX if counts.open_builds else Step.BUILD
    if state is TableState.VERIFYING:
        return _step_of_comparison(counts)
    return Step.COPY if counts.unfinished or not planned else _step_after_copy(counts)


def _step_after_copy(counts: ChunkCounts) -> Step:
    if counts.failed:
        return Step.FAIL
    return Step.CANCEL if counts.cancelled else Step.BUILD


def _step_of_comparison(counts: ChunkCounts) -> Step:
    if counts.incomparable:
        return Step.FAIL
    return Step.COMPARE if counts.uncompared else Step.CHECK
