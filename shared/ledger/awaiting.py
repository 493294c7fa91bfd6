"""What waits for a message: one look at all tables of a job, whatever their number."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from shared.ledger.pausing import goes_on
from shared.ledger.queueing import MAX_COMPARE_FAILURES, is_due
from shared.ledger.session import Ledger
from shared.ledger.states import TABLE_ENDS, ChunkState, TableState
from shared.ledger.tables import chunks, tables

_LOADING = (TableState.PENDING, TableState.COPYING)


def unsent_tables(ledger: Ledger, job_id: int) -> tuple[int, ...]:
    """The open tables of a job for which something may have to be sent, in the order of enqueueing.

    Left out are those whose messages are all under way, so that a look at a job of a thousand tables, once in a few
    seconds, costs one statement; of a paused job, all.
    """
    unfinished = chunks.c.state.in_([ChunkState.PENDING, ChunkState.COPYING])
    uncompared = sa.and_(chunks.c.state == ChunkState.COPIED, chunks.c.compared_at.is_(None))
    unsent = sa.and_(chunks.c.state == ChunkState.PENDING, chunks.c.enqueued_at.is_(None), is_due())
    unsent_comparison = sa.and_(uncompared, chunks.c.compare_sent_at.is_(None), is_due())
    incomparable = sa.and_(uncompared, chunks.c.compare_failures >= MAX_COMPARE_FAILURES)
    loads = sa.and_(tables.c.state.in_(_LOADING), sa.or_(~tables.c.planned, _any(unfinished)))
    compares = sa.and_(tables.c.state == TableState.VERIFYING, _any(uncompared), ~_any(incomparable))
    needs = sa.case(
        (tables.c.state == TableState.BUILDING, sa.true()),
        (loads, _any(unsent)),
        (compares, _any(unsent_comparison)),
        else_=tables.c.finish_sent_at.is_(None),
    )
    statement = (
        sa.select(tables.c.id)
        .where(tables.c.job_id == job_id, tables.c.state.not_in(TABLE_ENDS), goes_on(tables.c.job_id), needs)
        .order_by(tables.c.position)
    )
    return tuple(row.id for row in ledger.run(statement))


def _any(condition: Any) -> sa.ColumnElement[bool]:
    return sa.exists().where(chunks.c.table_id == tables.c.id, condition)
