"""Where the time of a job's chunks went: one query, whatever their number."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from shared.ledger.session import Ledger
from shared.ledger.states import ChunkState
from shared.ledger.tables import chunks
from shared.records.work import NO_TIMES, TimeSums

_ARRIVED = chunks.c.state.in_([ChunkState.COPIED, ChunkState.VERIFIED])


def read_times(ledger: Ledger, job_id: int) -> tuple[TimeSums, dict[int, TimeSums]]:
    """Read the sums of a job, and of each of its tables that has some, by table id.

    The commits of workers that were lost right after them are not known, and count nothing.
    """
    statement = (
        sa.select(
            chunks.c.table_id,
            sa.func.count().label("chunks"),
            sa.func.count(sa.distinct(chunks.c.worker)).label("workers"),
            *(_sum(chunks.c[name]).label(name) for name in _STORED),
            _sum(_rest()).label("rest_s"),
        )
        .where(chunks.c.job_id == job_id, _ARRIVED, chunks.c.read_s.is_not(None))
        .group_by(sa.func.grouping_sets(sa.tuple_(), sa.tuple_(chunks.c.table_id)))
    )
    found = {row.table_id: _sums_of(row) for row in ledger.run(statement)}
    return found.pop(None, NO_TIMES), found


_STORED = ("wait_s", "read_s", "convert_s", "write_s", "commit_s", "compare_s")


def _sum(seconds: sa.ColumnElement[Any]) -> Any:
    return sa.func.coalesce(sa.func.sum(seconds), sa.literal(0.0, sa.Double))


def _rest() -> Any:
    """From the claim to the word `copied`, less what is known; stages that ran side by side may leave nothing."""
    taken = sa.cast(sa.extract("epoch", chunks.c.copied_at - chunks.c.started_at), sa.Double)
    known = chunks.c.read_s + chunks.c.convert_s + chunks.c.write_s
    return sa.func.greatest(taken - known, sa.literal(0.0, sa.Double))


def _sums_of(row: Any) -> TimeSums:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    del values["table_id"]
    return TimeSums(**values)
