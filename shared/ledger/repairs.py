"""What verification found to differ, by chunk, so that those rows alone are copied again and compared."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from shared.ledger.codec import chunk_of, mismatch_of
from shared.ledger.jobs import reopen_for_comparison
from shared.ledger.session import Ledger
from shared.ledger.states import ChunkState
from shared.ledger.tables import chunks, mismatches, tables
from shared.records.work import Chunk, Mismatch

_ARRIVED = (ChunkState.COPIED, ChunkState.VERIFIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """Mismatches of one chunk, as far as they are listed, or of a table as a whole."""

    chunk: Chunk | None
    """None: only the table as a whole showed them."""
    mismatches: tuple[Mismatch, ...]


def count_mismatches(ledger: Ledger, job_id: int) -> int:
    """How many mismatches a job's last comparison found, listed or not."""
    by_chunk = sa.select(sa.func.coalesce(sa.func.sum(chunks.c.mismatches), 0)).where(chunks.c.job_id == job_id)
    by_table = sa.select(sa.func.coalesce(sa.func.sum(tables.c.mismatches), 0)).where(tables.c.job_id == job_id)
    return int(ledger.run(by_chunk)[0][0]) + int(ledger.run(by_table)[0][0])


def differing_chunks(ledger: Ledger, table_id: int) -> tuple[int | None, ...]:
    """The ids of a table's chunks with mismatches, in key order; None last where the table as a whole has some."""
    by_chunk = sa.select(chunks.c.id).where(chunks.c.table_id == table_id, chunks.c.mismatches > 0)
    found = tuple(row.id for row in ledger.run(by_chunk.order_by(chunks.c.number)))
    whole = sa.select(tables.c.id).where(tables.c.id == table_id, tables.c.mismatches > 0)
    return (*found, None) if ledger.run(whole) else found


def hold_differing(ledger: Ledger, table_id: int, chunk_id: int | None) -> Differing:
    """Hold a chunk until the transaction ends, and tell its mismatches; without any where it is copied again.

    Args:
        ledger: A transaction.
        table_id: The table.
        chunk_id: A chunk of it; None: what only the table as a whole showed.
    """
    if chunk_id is None:
        return Differing(chunk=None, mismatches=_listed(ledger, table_id, mismatches.c.chunk_id.is_(None)))
    arrived = (chunks.c.id == chunk_id, chunks.c.state.in_(_ARRIVED), chunks.c.mismatches > 0)
    rows = ledger.run(sa.select(chunks).where(*arrived).with_for_update(key_share=True))
    if not rows:
        return Differing(chunk=None, mismatches=())
    found = _listed(ledger, table_id, mismatches.c.chunk_id == chunk_id)
    return Differing(chunk=chunk_of(rows[0]), mismatches=found)


def _listed(ledger: Ledger, table_id: int, which: sa.ColumnElement[bool]) -> tuple[Mismatch, ...]:
    statement = sa.select(mismatches).where(mismatches.c.table_id == table_id, which).order_by(mismatches.c.id)
    return tuple(mismatch_of(row) for row in ledger.run(statement))


def reopen_differing(ledger: Ledger, table_id: int) -> bool:
    """Let a table's chunks that had mismatches, and the table as a whole, be compared again.

    Returns:
        Whether the table may be compared: not where chunks of it never arrived.
    """
    differed = sa.and_(chunks.c.table_id == table_id, chunks.c.mismatches > 0, chunks.c.state.in_(_ARRIVED))
    unknown = {"compared_at": None, "compare_sent_at": None, "mismatches": 0, "compare_failures": 0, "error": None}
    ledger.run(sa.update(chunks).where(differed).values(state=ChunkState.COPIED, **unknown))
    return reopen_for_comparison(ledger, table_id)
