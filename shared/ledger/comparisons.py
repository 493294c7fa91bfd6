"""What verification says of a chunk or a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from shared.ledger.codec import chunk_of, mismatch_of, reject_of
from shared.ledger.intervals import seconds
from shared.ledger.pausing import give_back_comparison, goes_on
from shared.ledger.prepared import prepared
from shared.ledger.session import Ledger
from shared.ledger.states import ChunkState
from shared.ledger.tables import chunks, mismatches, rejects, tables
from shared.records.keys import encode_value
from shared.records.work import Chunk, Comparison, Mismatch, Reject

_ERROR_LENGTH: Final = 1000
_LONGEST_DELAY_S: Final = 300.0
"""Past five minutes a retry helps nobody who waits."""


def hold_uncompared(ledger: Ledger, chunk_id: int) -> Chunk | None:
    """Lock a copied chunk that wasn't compared yet; None where there is none or somebody else is at it.

    None as well where its job has ended or is paused: a paused job's comparison is asked for again.
    """
    rows = ledger.run(_hold(chunk_id))
    if rows:
        return chunk_of(rows[0])
    give_back_comparison(ledger, chunk_id)
    return None


@prepared
def _hold(chunk_id: int) -> sa.Select[Any]:
    uncompared = (chunks.c.id == chunk_id, chunks.c.state == ChunkState.COPIED, chunks.c.compared_at.is_(None))
    return sa.select(chunks).where(*uncompared, goes_on(chunks.c.job_id)).with_for_update(skip_locked=True)


def rejects_of(ledger: Ledger, chunk_id: int) -> tuple[Reject, ...]:
    """The rejected rows of a chunk."""
    rows = ledger.run(sa.select(rejects).where(rejects.c.chunk_id == chunk_id).order_by(rejects.c.id))
    return tuple(reject_of(row) for row in rows)


def rejects_of_table(ledger: Ledger, table_id: int) -> tuple[Reject, ...]:
    """The rejected rows of a table."""
    rows = ledger.run(sa.select(rejects).where(rejects.c.table_id == table_id).order_by(rejects.c.id))
    return tuple(reject_of(row) for row in rows)


def mismatches_of_chunks(ledger: Ledger, table_id: int) -> tuple[Mismatch, ...]:
    """What comparing a table's chunks found, as far as it is listed."""
    found = sa.select(mismatches).where(mismatches.c.table_id == table_id, mismatches.c.chunk_id.is_not(None))
    return tuple(mismatch_of(row) for row in ledger.run(found.order_by(mismatches.c.id)))


def record_comparison(ledger: Ledger, chunk: Chunk, comparison: Comparison) -> None:
    """Say `verified`, or keep `copied` with the mismatches, in the transaction that holds the chunk."""
    state = ChunkState.COPIED if comparison.found else ChunkState.VERIFIED
    ledger.run(_forget_mismatches(chunk.id, of_table=False))
    _insert(ledger, comparison.mismatches, job_id=chunk.job_id, table_id=chunk.table_id, chunk_id=chunk.id)
    ledger.run(_note_comparison(chunk.id, state, comparison.found, comparison.seconds))


@prepared
def _note_comparison(chunk_id: int, state: ChunkState, found: int, compare_s: float | None) -> sa.Update:
    return (
        sa.update(chunks)
        .where(chunks.c.id == chunk_id, chunks.c.state == ChunkState.COPIED)
        .values(
            state=state,
            compared_at=sa.func.clock_timestamp(),
            compare_begun=0,
            mismatches=found,
            not_before=None,
            error=None,
            compare_s=compare_s,
        )
    )


@prepared
def _forget_mismatches(number: int, *, of_table: bool) -> sa.Delete:
    """Of one chunk, or those that only a table as a whole showed."""
    whole = sa.and_(mismatches.c.table_id == number, mismatches.c.chunk_id.is_(None))
    return sa.delete(mismatches).where(whole if of_table else mismatches.c.chunk_id == number)


def record_compare_failure(ledger: Ledger, chunk_id: int, error: str, *, delay_s: float) -> None:
    """Note that a chunk could not be compared; it is asked for again until its attempts are used up.

    Args:
        ledger: A transaction of its own.
        chunk_id: The chunk.
        error: One sentence, redacted.
        delay_s: Seconds before its second comparison; doubles with each one. 0: waiting would not help.
    """
    wait = sa.func.least(delay_s * sa.func.power(2.0, chunks.c.compare_failures), _LONGEST_DELAY_S)
    ledger.run(
        sa.update(chunks)
        .where(chunks.c.id == chunk_id, chunks.c.state == ChunkState.COPIED, chunks.c.compared_at.is_(None))
        .values(
            compare_failures=chunks.c.compare_failures + 1,
            compare_begun=0,
            compare_sent_at=None,
            not_before=sa.func.clock_timestamp() + seconds(wait),
            error=error[:_ERROR_LENGTH],
        )
    )


def why_not_compared(ledger: Ledger, table_id: int) -> str | None:
    """Read why the first chunk that could not be compared was not; None where no reason was recorded."""
    rows = ledger.run(
        sa.select(chunks.c.error)
        .where(
            chunks.c.table_id == table_id,
            chunks.c.state == ChunkState.COPIED,
            chunks.c.compared_at.is_(None),
            chunks.c.error.is_not(None),
        )
        .order_by(chunks.c.number)
        .limit(1)
    )
    return str(rows[0].error) if rows else None


def record_table_comparison(ledger: Ledger, job_id: int, table_id: int, comparison: Comparison) -> None:
    """Record what only the table as a whole shows."""
    ledger.run(_forget_mismatches(table_id, of_table=True))
    _insert(ledger, comparison.mismatches, job_id=job_id, table_id=table_id, chunk_id=None)
    ledger.run(_note_table_comparison(table_id, comparison.found))


@prepared
def _note_table_comparison(table_id: int, found: int) -> sa.Update:
    return sa.update(tables).where(tables.c.id == table_id).values(mismatches=found)


def _insert(ledger: Ledger, found: Sequence[Mismatch], *, job_id: int, table_id: int, chunk_id: int | None) -> None:
    if not found:
        return
    rows = [
        {
            "job_id": job_id,
            "table_id": table_id,
            "chunk_id": chunk_id,
            "kind": mismatch.kind,
            "key_columns": list(mismatch.key_columns),
            "key": [encode_value(value) for value in mismatch.key],
            "column_name": mismatch.column,
            "source_value": _without_nul(mismatch.source),
            "target_value": _without_nul(mismatch.target),
        }
        for mismatch in found
    ]
    ledger.run(sa.insert(mismatches).values(rows))


def _without_nul(text: str | None) -> str | None:
    return None if text is None else text.replace("\0", "\\0")
