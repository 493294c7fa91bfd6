"""What a table needs next, and the table of legal moves."""

from __future__ import annotations

import pytest

from shared.ledger.states import (
    CHUNK_MOVES,
    JOB_ENDS,
    JOB_MOVES,
    TABLE_ENDS,
    TABLE_MOVES,
    ChunkState,
    JobState,
    TableState,
    sources_of,
)
from shared.ledger.steps import ChunkCounts, Step, next_step


@pytest.mark.parametrize(
    ("state", "counts", "planned", "step"),
    [
        (TableState.PENDING, ChunkCounts(), False, Step.COPY),
        (TableState.PENDING, ChunkCounts(), True, Step.BUILD),
        (TableState.PENDING, ChunkCounts(total=2, unfinished=1), True, Step.COPY),
        (TableState.COPYING, ChunkCounts(total=2, uncompared=2), False, Step.COPY),
        (TableState.COPYING, ChunkCounts(total=2, uncompared=2), True, Step.BUILD),
        (TableState.COPYING, ChunkCounts(total=2, unfinished=1, failed=1), True, Step.COPY),
        (TableState.COPYING, ChunkCounts(total=2, failed=1, uncompared=1), True, Step.FAIL),
        (TableState.COPYING, ChunkCounts(total=2, cancelled=1, uncompared=1), True, Step.CANCEL),
        (TableState.BUILDING, ChunkCounts(total=2, uncompared=2), True, Step.BUILD),
        (TableState.VERIFYING, ChunkCounts(total=2, uncompared=1), True, Step.COMPARE),
        (TableState.VERIFYING, ChunkCounts(total=2), True, Step.CHECK),
        (TableState.VERIFYING, ChunkCounts(total=2, uncompared=1, incomparable=1), True, Step.FAIL),
        *((end, ChunkCounts(total=1, failed=1), True, Step.NOTHING) for end in sorted(TABLE_ENDS)),
    ],
)
def test_next_step(state: TableState, counts: ChunkCounts, planned: bool, step: Step) -> None:  # noqa: FBT001 - a case's column
    """A table waits for its plan and its chunks, fails with them, and builds before it compares."""
    assert next_step(state, counts, planned=planned) is step


def test_every_state_can_be_reached_and_left() -> None:
    """None is out of reach but where lives begin, and none a dead end but what was rolled back."""
    for moves, kind, first, last in (
        (CHUNK_MOVES, ChunkState, ChunkState.PENDING, None),
        (TABLE_MOVES, TableState, TableState.PENDING, None),
        (JOB_MOVES, JobState, JobState.PLANNED, JobState.ROLLED_BACK),
    ):
        assert set(moves) == set(kind)
        reached = {state for nexts in moves.values() for state in nexts}
        assert reached | {first} == set(kind)
        assert all(moves[state] or state is last for state in kind)


def test_sources_of_is_the_inverse_of_the_moves() -> None:
    """A guarded update may start from exactly the states that may move there."""
    assert set(sources_of(ChunkState.PENDING)) == {"copying", "failed", "cancelled"}
    assert set(sources_of(TableState.BUILDING)) == {"copying", "pending"}
    assert set(sources_of(JobState.COMPLETED)) == {"verifying"}
    assert JobState.COMPLETED in JOB_ENDS
