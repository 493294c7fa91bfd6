"""Comparisons and builds that were begun and never ended, since their process was: each such step is tried so often.

A copy's attempts are counted when its chunk is claimed. What follows holds a row and counts nothing, and a message
whose process was killed comes back at once: without this, what ends its process would do so for ever.
"""

from __future__ import annotations

import sqlalchemy as sa

from shared.ledger.pausing import give_back_comparison, goes_on
from shared.ledger.prepared import prepared
from shared.ledger.queueing import MAX_COMPARE_FAILURES
from shared.ledger.session import Ledger
from shared.ledger.states import ChunkState, TableState
from shared.ledger.tables import chunks, tables


def begin_comparison(ledger: Ledger, chunk_id: int, *, most: int) -> str | None:
    """Note that a comparison begins; returns why it must not, or None. Whatever it comes to takes the note away.

    A chunk is compared while its table is: a message that comes early, late or twice, or was forged, finds nothing.

    Args:
        ledger: A transaction of its own.
        chunk_id: The chunk; where somebody is at it, nothing is noted.
        most: How many comparisons of one chunk may lose their process. One more, and it counts as incomparable.
    """
    rows = ledger.run(_note_comparison(chunk_id))
    if not rows:
        give_back_comparison(ledger, chunk_id)
        return "nothing to do: compared already, somebody is at it, or its table is not compared now"
    if rows[0].compare_begun <= most:
        return None
    error = f"not compared: its worker was lost in each of {most} comparisons"
    given_up = {"compare_failures": MAX_COMPARE_FAILURES, "compare_begun": 0, "error": error}
    ledger.run(sa.update(chunks).where(chunks.c.id == chunk_id).values(**given_up))
    return error


@prepared
def _note_comparison(chunk_id: int) -> sa.Update:
    free = sa.select(chunks.c.id).where(chunks.c.id == chunk_id, *_is_due()).with_for_update(skip_locked=True)
    noted = sa.update(chunks).where(chunks.c.id == free.scalar_subquery())
    return noted.values(compare_begun=chunks.c.compare_begun + 1).returning(chunks.c.compare_begun)


def _is_due() -> tuple[sa.ColumnElement[bool], ...]:
    verifying = sa.exists().where(tables.c.id == chunks.c.table_id, tables.c.state == TableState.VERIFYING)
    uncompared = (chunks.c.state == ChunkState.COPIED, chunks.c.compared_at.is_(None))
    return (*uncompared, chunks.c.compare_failures < MAX_COMPARE_FAILURES, verifying, goes_on(chunks.c.job_id))


def release_comparison(ledger: Ledger, chunk_id: int) -> None:
    """Take back the note of a comparison whose own process gave it up: stopping workers uses none up."""
    free = sa.select(chunks.c.id).where(chunks.c.id == chunk_id, chunks.c.compare_begun > 0)
    free = free.with_for_update(skip_locked=True)  # whoever holds it has begun since
    noted = sa.update(chunks).where(chunks.c.id == free.scalar_subquery())
    ledger.run(noted.values(compare_begun=chunks.c.compare_begun - 1))


def begin_step(ledger: Ledger, table_id: int, *, most: int) -> str | None:
    """Note that a table is built or looked at as a whole; returns why that must not be, or None.

    Args:
        ledger: The transaction that holds the table's row to see what is to be done.
        table_id: The table.
        most: How many such steps in a row may lose their process.
    """
    begun = ledger.run(_note_step(table_id))[0].step_begun
    if begun <= most:
        return None
    end_step(ledger, table_id)
    return f"its worker was lost each of {most} times when the table as a whole was built or compared"


@prepared
def _note_step(table_id: int) -> sa.Update:
    noted = sa.update(tables).where(tables.c.id == table_id).values(step_begun=tables.c.step_begun + 1)
    return noted.returning(tables.c.step_begun)


def end_step(ledger: Ledger, table_id: int) -> None:
    """Forget that a table's step began, where it ended without moving the table: after its error, above all."""
    _set_begun(ledger, table_id, sa.literal(0))


def release_step(ledger: Ledger, table_id: int) -> None:
    """Take back the note of a table's step whose own process gave it up: stopping workers uses none up."""
    _set_begun(ledger, table_id, tables.c.step_begun - 1)


def _set_begun(ledger: Ledger, table_id: int, number: sa.ColumnElement[int]) -> None:
    """Whoever else holds the table's row is at its step now, maybe for hours: that one's note stays."""
    free = sa.select(tables.c.id).where(tables.c.id == table_id, tables.c.step_begun > 0)
    free = free.with_for_update(skip_locked=True, key_share=True)
    ledger.run(sa.update(tables).where(tables.c.id == free.scalar_subquery()).values(step_begun=number))
