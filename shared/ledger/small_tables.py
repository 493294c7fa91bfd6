"""Small tables, which one message carries from their first chunk to their end, several at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from shared.ledger.pausing import goes_on
from shared.ledger.prepared import prepared
from shared.ledger.queueing import is_due
from shared.ledger.session import Ledger
from shared.ledger.states import ChunkState, TableState
from shared.ledger.tables import chunks, jobs, tables

SMALL_BYTES: Final = 1024 * 1024
"""Of a table's rows in the source: copied and compared in some 40 ms, as long as a chord's messages and the four
steps behind them take on a busy machine."""
_BUNDLE_BYTES: Final = 8 * SMALL_BYTES
"""A bundle is done within a second or two, so that none is left running long after the others."""
_BUNDLE_TABLES: Final = 20
_SHARES: Final = 16
"""Bundles that a job's small tables are cut into at least, so that all workers get some of them."""
_FEW_CHUNKS: Final = 2
"""One for everything and one for NULL keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallTable:
    """A table that is carried whole."""

    id: int
    source_bytes: int


def take_small_tables(ledger: Ledger, job_id: int) -> tuple[SmallTable, ...]:
    """Mark the untouched small tables of a job, and their chunks, as sent; largest first.

    Untouched: wholly planned, none of its chunks begun or under way, and nobody at the table. A job whose load is
    limited carries its tables chunk by chunk, a paused one none.
    """
    waiting = sa.and_(chunks.c.state == ChunkState.PENDING, chunks.c.enqueued_at.is_(None), is_due())
    touched = sa.exists().where(chunks.c.table_id == tables.c.id, ~waiting)
    count = sa.select(sa.func.count()).where(chunks.c.table_id == tables.c.id).scalar_subquery()
    unlimited = sa.exists().where(jobs.c.id == job_id, jobs.c.max_load.is_(None), jobs.c.in_flight.is_(None))
    picked = (
        sa.select(tables.c.id)
        .where(
            tables.c.job_id == job_id,
            tables.c.state == TableState.PENDING,
            tables.c.planned,
            tables.c.finish_sent_at.is_(None),
            tables.c.bytes_expected <= SMALL_BYTES,
            count <= _FEW_CHUNKS,
            ~touched,
            unlimited,
            goes_on(tables.c.job_id),
        )
        .with_for_update(skip_locked=True, key_share=True)
        .cte("picked")
    )
    # Not waited for: a claim holds its chunk and then wants the table, which is held here.
    free = (
        sa.select(chunks.c.id)
        .join(picked, chunks.c.table_id == picked.c.id)
        .where(waiting)
        .with_for_update(skip_locked=True, key_share=True, of=chunks)
        .cte("free")
    )
    sent = sa.update(chunks).where(chunks.c.id == free.c.id).values(enqueued_at=sa.func.clock_timestamp()).cte("sent")
    statement = (
        sa.update(tables)
        .where(tables.c.id == picked.c.id)
        .values(finish_sent_at=sa.func.clock_timestamp())
        .returning(tables.c.id, tables.c.bytes_expected, tables.c.position)
        .add_cte(sent)
    )
    found = sorted(ledger.run(statement), key=lambda row: (-row.bytes_expected, row.position))
    return tuple(SmallTable(id=row.id, source_bytes=row.bytes_expected) for row in found)


def bundles(found: Sequence[SmallTable]) -> Iterator[tuple[int, ...]]:
    """Cut small tables into bundles for one message each; pure. Yields their ids."""
    most = min(_BUNDLE_TABLES, -(-len(found) // _SHARES))
    waiting = list(found)
    while waiting:
        sizes = itertools.accumulate(table.source_bytes for table in waiting[:most])
        taken = max(1, sum(size <= _BUNDLE_BYTES for size in sizes))
        yield tuple(table.id for table in waiting[:taken])
        del waiting[:taken]


def pending_chunks(ledger: Ledger, table_id: int) -> tuple[int, ...]:
    """The pending, due chunks of a table, whether they have a message or not, in key order."""
    return tuple(row.id for row in ledger.run(_pending(table_id)))


@prepared
def _pending(table_id: int) -> sa.Select[Any]:
    where = (chunks.c.table_id == table_id, chunks.c.state == ChunkState.PENDING, is_due())
    return sa.select(chunks.c.id).where(*where).order_by(chunks.c.number)


def states_of(ledger: Ledger, table_ids: Sequence[int]) -> tuple[tuple[int, TableState], ...]:
    """The job of each of these tables, and where it is."""
    rows = ledger.run(sa.select(tables.c.job_id, tables.c.state).where(tables.c.id.in_(table_ids)))
    return tuple((row.job_id, TableState(row.state)) for row in rows)
