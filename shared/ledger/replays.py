"""Rejected rows that are tried again: a chunk's rows, its rejects and its counts change in one transaction."""

from __future__ import annotations

import sqlalchemy as sa

from shared.ledger.attempts import record_rejects
from shared.ledger.codec import chunk_of
from shared.ledger.session import Ledger
from shared.ledger.states import ChunkState
from shared.ledger.tables import chunks, rejects
from shared.records.plan import TablePlan
from shared.records.work import Chunk, CopyResult

_ARRIVED = (ChunkState.COPIED, ChunkState.VERIFIED)


def chunks_with_rejects(ledger: Ledger, table_id: int) -> tuple[int, ...]:
    """The ids of a table's copied chunks that have rejects, in key order."""
    statement = (
        sa.select(chunks.c.id)
        .where(chunks.c.table_id == table_id, chunks.c.rejects > 0, chunks.c.state.in_(_ARRIVED))
        .order_by(chunks.c.number)
    )
    return tuple(row.id for row in ledger.run(statement))


def hold_rejected(ledger: Ledger, chunk_id: int) -> Chunk | None:
    """Hold a copied chunk until the transaction ends; None where it is being copied again, or has no rejects left."""
    statement = (
        sa.select(chunks)
        .where(chunks.c.id == chunk_id, chunks.c.rejects > 0, chunks.c.state.in_(_ARRIVED))
        .with_for_update()
    )
    rows = ledger.run(statement)
    return chunk_of(rows[0]) if rows else None


def record_replay(ledger: Ledger, chunk: Chunk, plan: TablePlan, result: CopyResult) -> None:
    """Add the rows that were written, and keep the rejects that are left; the chunk waits to be compared again."""
    ledger.run(sa.delete(rejects).where(rejects.c.chunk_id == chunk.id))
    record_rejects(ledger, chunk, plan, result.rejects)
    ledger.run(
        sa.update(chunks)
        .where(chunks.c.id == chunk.id)
        .values(
            rows=chunks.c.rows + result.rows,
            rejects=len(result.rejects),
            state=ChunkState.COPIED.value,
            compared_at=None,
            compare_sent_at=None,
        )
    )
