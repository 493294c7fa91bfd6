"""States of chunks, builds, tables and jobs, each with how it is reached and what a crash leaves, and the legal moves.

chunk:  pending -> copying -> copied -> verified
            ^         |          ^         |        verify again: verified -> copied
            +---------+          +---------+        rescue, retry: copying -> pending
        failed <- copying, cancelled <- pending; requeue: failed, cancelled -> pending
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import Final


class ChunkState(enum.StrEnum):
    """The life of a chunk."""

    PENDING = "pending"
    """Planned, put back by a retry, rescue or requeue. A crash leaves it here; rescue queues it again."""
    COPYING = "copying"
    """Claimed by an attempt that holds the chunk's row. A crash frees the row and rescue puts it back."""
    COPIED = "copied"
    """Its rows and this word were committed together. Compared and different chunks stay here."""
    VERIFIED = "verified"
    """Compared value by value after the keys were built, and equal."""
    FAILED = "failed"
    """Its attempts are used up or the error is permanent; none of its rows is in the target."""
    CANCELLED = "cancelled"
    """Never begun, since the job was cancelled."""


class BuildState(enum.StrEnum):
    """The life of a key's or index's build that is a task of its own."""

    PENDING = "pending"
    """Recorded, or put back by a retry or rescue. A crash leaves it here; rescue queues it again."""
    BUILDING = "building"
    """Claimed by an attempt that holds the build's row. A crash frees the row and rescue puts it back."""
    BUILT = "built"
    """The index and this word were committed together; the grade says where it is less than planned."""
    LEFT_OUT = "left_out"
    """PostgreSQL refused it, and the grade says why; the table goes on without it."""
    FAILED = "failed"
    """Rows violate the key, or its attempts are used up: the table fails."""


class TableState(enum.StrEnum):
    """The life of a table in a job."""

    PENDING = "pending"
    """Recorded; its chunks are being planned or wait."""
    COPYING = "copying"
    """Chunks are on their way."""
    BUILDING = "building"
    """All rows are there; keys and indexes are built: of a large table each in a task of its own, of others in one
    transaction. A crash rolls the open ones back; rescue repeats them."""
    VERIFYING = "verifying"
    """Keys are there; chunks are compared."""
    COMPLETED = "completed"
    """Done, and verified unless the job was told not to."""
    FAILED = "failed"
    """A chunk failed, a key could not be built, or values differ."""
    CANCELLED = "cancelled"
    """The job was cancelled before the table was done."""


class JobState(enum.StrEnum):
    """The life of a job."""

    PLANNED = "planned"
    """Recorded; chunks are still being planned."""
    COPYING = "copying"
    """Tables are on their way."""
    VERIFYING = "verifying"
    """All rows are there; what is left is comparing and foreign keys."""
    COMPLETED = "completed"
    """Everything arrived, and was verified unless the job was told not to."""
    COMPLETED_WITH_REJECTS = "completed_with_rejects"
    """Everything arrived but the rows in `rejects`, which are kept whole."""
    FAILED = "failed"
    """At least one table failed; the others are complete."""
    CANCELLED = "cancelled"
    """The operator ended it; chunks that were copied stay."""
    ROLLED_BACK = "rolled_back"
    """What it made is gone again. Nothing follows but a new job."""


CHUNK_MOVES: Final = MappingProxyType(
    {
        ChunkState.PENDING: frozenset({ChunkState.COPYING, ChunkState.CANCELLED}),
        ChunkState.COPYING: frozenset({ChunkState.COPIED, ChunkState.PENDING, ChunkState.FAILED, ChunkState.CANCELLED}),
        ChunkState.COPIED: frozenset({ChunkState.VERIFIED}),
        ChunkState.VERIFIED: frozenset({ChunkState.COPIED}),
        ChunkState.FAILED: frozenset({ChunkState.PENDING}),
        ChunkState.CANCELLED: frozenset({ChunkState.PENDING}),
    }
)

BUILD_MOVES: Final = MappingProxyType(
    {
        BuildState.PENDING: frozenset({BuildState.BUILDING}),
        BuildState.BUILDING: frozenset({BuildState.BUILT, BuildState.LEFT_OUT, BuildState.FAILED, BuildState.PENDING}),
    }
)
"""What has ended stays so: a table that is built again, after a requeue, gets new builds."""

TABLE_MOVES: Final = MappingProxyType(
    {
        # A table without rows is built at once.
        TableState.PENDING: frozenset({TableState.COPYING, TableState.BUILDING, TableState.CANCELLED}),
        TableState.COPYING: frozenset({TableState.BUILDING, TableState.FAILED, TableState.CANCELLED}),
        TableState.BUILDING: frozenset(
            {TableState.VERIFYING, TableState.COMPLETED, TableState.FAILED, TableState.CANCELLED}
        ),
        TableState.VERIFYING: frozenset({TableState.COMPLETED, TableState.FAILED, TableState.CANCELLED}),
        TableState.COMPLETED: frozenset({TableState.VERIFYING}),
        # Neither goes straight to comparing: its keys may be missing.
        TableState.FAILED: frozenset({TableState.COPYING}),
        TableState.CANCELLED: frozenset({TableState.COPYING}),
    }
)

JOB_MOVES: Final = MappingProxyType(
    {
        JobState.PLANNED: frozenset({JobState.COPYING, JobState.FAILED, JobState.CANCELLED}),
        JobState.COPYING: frozenset({JobState.VERIFYING, JobState.FAILED, JobState.CANCELLED}),
        JobState.VERIFYING: frozenset(
            {JobState.COMPLETED, JobState.COMPLETED_WITH_REJECTS, JobState.FAILED, JobState.CANCELLED}
        ),
        JobState.COMPLETED: frozenset({JobState.VERIFYING, JobState.ROLLED_BACK}),
        JobState.COMPLETED_WITH_REJECTS: frozenset({JobState.VERIFYING, JobState.COPYING, JobState.ROLLED_BACK}),
        JobState.FAILED: frozenset({JobState.COPYING, JobState.VERIFYING, JobState.ROLLED_BACK}),
        JobState.CANCELLED: frozenset({JobState.COPYING, JobState.VERIFYING, JobState.ROLLED_BACK}),
        JobState.ROLLED_BACK: frozenset(),
    }
)

TABLE_ENDS: Final = frozenset({TableState.COMPLETED, TableState.FAILED, TableState.CANCELLED})
BUILD_ENDS: Final = frozenset({BuildState.BUILT, BuildState.LEFT_OUT, BuildState.FAILED})
JOB_ENDS: Final = frozenset(
    {
        JobState.COMPLETED,
        JobState.COMPLETED_WITH_REJECTS,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.ROLLED_BACK,
    }
)


def sources_of(target: ChunkState | TableState | JobState) -> tuple[str, ...]:
    """The states from which `target` may be reached, for the WHERE of a guarded update."""
    match target:
        case ChunkState():
            return tuple(sorted(state for state, nexts in CHUNK_MOVES.items() if target in nexts))
        case TableState():
            return tuple(sorted(state for state, nexts in TABLE_MOVES.items() if target in nexts))
        case JobState():
            return tuple(sorted(state for state, nexts in JOB_MOVES.items() if target in nexts))
