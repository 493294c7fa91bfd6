"""Counts of a job for status, progress and reports: one query, whatever the number of chunks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from shared.ledger.builds import count_builds
from shared.ledger.codec import chunk_of, mismatch_of, reject_of
from shared.ledger.session import Ledger
from shared.ledger.states import BUILD_ENDS, ChunkState
from shared.ledger.tables import builds, chunks, mismatches, rejects, tables
from shared.records.work import Chunk, Mismatch, Reject, TableProgress

_ARRIVED = chunks.c.state.in_([ChunkState.COPIED, ChunkState.VERIFIED])


def read_progress(ledger: Ledger, job_id: int) -> tuple[TableProgress, ...]:
    """Read the counts of a job's tables, in the order of enqueueing."""
    return _read(ledger, tables.c.job_id == job_id)


def read_table_progress(ledger: Ledger, table_id: int) -> TableProgress:
    """Read the counts of one table."""
    return _read(ledger, tables.c.id == table_id)[0]


def _read(ledger: Ledger, where: sa.ColumnElement[bool]) -> tuple[TableProgress, ...]:
    statement = (
        sa.select(
            tables.c.id.label("table_id"),
            tables.c.source_name.label("name"),
            tables.c.state,
            tables.c.planned,
            tables.c.rows_expected,
            tables.c.bytes_expected,
            tables.c.started_at,
            tables.c.ended_at,
            tables.c.error,
            sa.func.count(chunks.c.id).label("chunks"),
            *(_count(chunks.c.state == state).label(state.value) for state in _COUNTED),
            _count(_ARRIVED).label("copied"),
            _sum(chunks.c.rows, _ARRIVED).label("rows_copied"),
            _sum(chunks.c.rows, chunks.c.state == ChunkState.VERIFIED).label("rows_verified"),
            _sum(chunks.c.rejects, _ARRIVED).label("rejects"),
            (tables.c.mismatches + _sum(chunks.c.mismatches, _ARRIVED)).label("mismatches"),
            _sum(chunks.c.source_bytes, _ARRIVED).label("bytes_copied"),
            sa.func.array_agg(sa.distinct(chunks.c.path)).label("paths"),
            count_builds(tables.c.id).label("builds"),
            count_builds(tables.c.id, builds.c.state.in_(BUILD_ENDS)).label("builds_ended"),
        )
        .outerjoin(chunks, chunks.c.table_id == tables.c.id)
        .where(where)
        .group_by(tables.c.id)
        .order_by(tables.c.position)
    )
    return tuple(_progress_of(row) for row in ledger.run(statement))


_COUNTED = (ChunkState.PENDING, ChunkState.COPYING, ChunkState.VERIFIED, ChunkState.FAILED, ChunkState.CANCELLED)


def _count(condition: sa.ColumnElement[bool]) -> Any:
    return sa.func.count().filter(condition)


def _sum(column: sa.Column[Any], condition: sa.ColumnElement[bool]) -> Any:
    return sa.cast(sa.func.coalesce(sa.func.sum(column).filter(condition), 0), sa.BigInteger)


def _progress_of(row: Any) -> TableProgress:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    values["paths"] = tuple(sorted(path for path in values["paths"] if path is not None))
    return TableProgress(**values)


def read_failures(ledger: Ledger, job_id: int, *, limit: int) -> Sequence[tuple[str, Chunk]]:
    """Read failed chunks with the name of their source table, in order, at most `limit`."""
    statement = (
        sa.select(tables.c.source_name, chunks)
        .join(tables, tables.c.id == chunks.c.table_id)
        .where(chunks.c.job_id == job_id, chunks.c.state == ChunkState.FAILED)
        .order_by(tables.c.position, chunks.c.number)
        .limit(limit)
    )
    return [(row.source_name, chunk_of(row)) for row in ledger.run(statement)]


def read_retries(ledger: Ledger, job_id: int, *, limit: int) -> Sequence[str]:
    """Read why chunks wait for another attempt: the errors of the latest, at most `limit`."""
    waiting = (chunks.c.job_id == job_id, chunks.c.state == ChunkState.PENDING, chunks.c.not_before.is_not(None))
    statement = sa.select(chunks.c.error).where(*waiting).order_by(chunks.c.not_before.desc()).limit(limit)
    return [row.error for row in ledger.run(statement)]


def read_mismatches(ledger: Ledger, job_id: int, *, limit: int) -> Sequence[tuple[str, Mismatch]]:
    """Read mismatches with the name of their source table, in order, at most `limit`."""
    statement = (
        sa.select(tables.c.source_name, mismatches)
        .join(tables, tables.c.id == mismatches.c.table_id)
        .where(mismatches.c.job_id == job_id)
        .order_by(tables.c.position, mismatches.c.id)
        .limit(limit)
    )
    return [(row.source_name, mismatch_of(row)) for row in ledger.run(statement)]


def read_rejects(ledger: Ledger, job_id: int, *, limit: int | None) -> Sequence[tuple[str, Reject]]:
    """Read rejects with the name of their source table, in order, at most `limit`."""
    statement = (
        sa.select(tables.c.source_name, rejects)
        .join(tables, tables.c.id == rejects.c.table_id)
        .where(rejects.c.job_id == job_id)
        .order_by(tables.c.position, rejects.c.id)
        .limit(limit)
    )
    return [(row.source_name, reject_of(row)) for row in ledger.run(statement)]


def read_copy_ends(ledger: Ledger, job_id: int) -> tuple[datetime, dict[int, datetime]]:
    """Read the ledger's clock, and when each table's latest chunk arrived, by table id."""
    latest = sa.func.max(chunks.c.copied_at)
    statement = sa.select(chunks.c.table_id, latest).where(chunks.c.job_id == job_id, _ARRIVED)
    ends = {row[0]: row[1] for row in ledger.run(statement.group_by(chunks.c.table_id))}
    return ledger.run(sa.select(sa.func.clock_timestamp()))[0][0], ends


def read_paths(ledger: Ledger, job_id: int) -> dict[int, dict[str, int]]:
    """Count each table's chunks by the copy path that they took, by table id."""
    statement = (
        sa.select(chunks.c.table_id, chunks.c.path, sa.func.count())
        .where(chunks.c.job_id == job_id, _ARRIVED)
        .group_by(chunks.c.table_id, chunks.c.path)
        .order_by(chunks.c.table_id, chunks.c.path)
    )
    found: dict[int, dict[str, int]] = {}
    for table_id, path, count in ledger.run(statement):
        found.setdefault(table_id, {})[path] = count
    return found


def read_job_sizes(ledger: Ledger) -> dict[int, tuple[int, int]]:
    """Count each job's tables and expected rows, by job id."""
    statement = sa.select(
        tables.c.job_id, sa.func.count(), sa.cast(sa.func.sum(tables.c.rows_expected), sa.BigInteger)
    ).group_by(tables.c.job_id)
    return {row[0]: (row[1], row[2]) for row in ledger.run(statement)}


def read_last_copies(ledger: Ledger) -> dict[int, datetime]:
    """Read when the latest rows of each job arrived, by job id; a later verification does not move it."""
    statement = sa.select(chunks.c.job_id, sa.func.max(chunks.c.copied_at)).where(_ARRIVED).group_by(chunks.c.job_id)
    return {row[0]: row[1] for row in ledger.run(statement)}
