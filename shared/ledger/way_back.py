"""What the ledger knows of the way back: which tables are a job's own, since when, what it made, what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from shared.ledger.session import Ledger, SqlAlchemyLedger
from shared.ledger.states import JOB_ENDS, ChunkState, JobState
from shared.ledger.tables import chunks, jobs, made, tables, undo
from shared.records.way_back import MadeObject

_ARRIVED: Final = (ChunkState.COPIED, ChunkState.VERIFIED)
_NAMED: Final = sa.func.to_regclass(sa.func.format("%I.%I", tables.c.plan["schema"].astext, tables.c.target_name))
_XID: Final = sa.cast(sa.cast(sa.func.pg_current_xact_id(), sa.Text), sa.BigInteger)
_XIDS: Final = 2**32
"""PostgreSQL counts transactions in 64 bits and keeps 32 of them with each row."""


@dataclass(frozen=True, slots=True)
class LaterJob:
    """A job that came after another into the same table."""

    id: int
    state: str
    table: str


def note_places(ledger: Ledger, job_id: int) -> None:
    """Note PostgreSQL's numbers of a job's tables: under its name, another table may stand one day."""
    number = sa.cast(sa.cast(_NAMED, sa.dialects.postgresql.OID), sa.BigInteger)
    ledger.run(sa.update(tables).where(tables.c.job_id == job_id).values(oid=number))


def settle(ledger: SqlAlchemyLedger, table_id: int, *, nested: bool) -> None:
    """Say that all rows of a table, which this job made, are there: rows of younger transactions are others'.

    Args:
        ledger: A transaction.
        table_id: The table.
        nested: Whether rows may have been written in savepoints of this transaction, whose numbers are higher.
    """
    here = sa.update(tables).where(tables.c.id == table_id)
    ledger.run(here.values(settled_xid=_XID))
    if nested:
        own = sa.literal_column("xmin::text::bigint", sa.BigInteger)
        with ledger.connection.begin_nested():
            low = ledger.run(here.values(settled_xid=tables.c.settled_xid).returning(own))[0][0]
        beyond = (sa.literal(low, sa.BigInteger) - tables.c.settled_xid % _XIDS + _XIDS) % _XIDS
        ledger.run(here.values(settled_xid=tables.c.settled_xid + beyond))


def record_made(ledger: Ledger, job_id: int, objects: Sequence[MadeObject]) -> None:
    """Keep what a job made besides its tables."""
    rows = [
        {"job_id": job_id, "kind": each.kind, "oid": each.oid, "name": each.name, "definition": each.definition}
        for each in objects
    ]
    if rows:
        ledger.run(sa.insert(made).values(rows))


def made_by(ledger: Ledger, job_id: int) -> tuple[MadeObject, ...]:
    """What a job made besides its tables, in the order of making."""
    rows = ledger.run(sa.select(made).where(made.c.job_id == job_id).order_by(made.c.id))
    return tuple(MadeObject(kind=row.kind, oid=row.oid, name=row.name, definition=row.definition) for row in rows)


def rows_arrived(ledger: Ledger, job_id: int) -> dict[int, int]:
    """How many rows of each table are in the target by the ledger, by table id."""
    statement = (
        sa.select(chunks.c.table_id, sa.func.sum(chunks.c.rows))
        .where(chunks.c.job_id == job_id, chunks.c.state.in_(_ARRIVED))
        .group_by(chunks.c.table_id)
    )
    return {table: int(rows) for table, rows in ledger.run(statement)}


def later_jobs(ledger: Ledger, job_id: int) -> tuple[LaterJob, ...]:
    """Jobs that came after one into tables of it, and were not rolled back."""
    other = tables.alias("other")
    wrote = sa.exists().where(chunks.c.table_id == other.c.id, chunks.c.state.in_(_ARRIVED), chunks.c.rows > 0)
    statement = (
        sa.select(jobs.c.id, jobs.c.state, other.c.target_name)
        .join(other, other.c.job_id == jobs.c.id)
        .join(tables, sa.and_(tables.c.oid == other.c.oid, tables.c.job_id == job_id))
        .where(
            jobs.c.id > job_id,
            jobs.c.state != JobState.ROLLED_BACK,
            sa.or_(jobs.c.state.not_in(JOB_ENDS), wrote),
        )
        .order_by(jobs.c.id, other.c.target_name)
    )
    return tuple(LaterJob(*row) for row in ledger.run(statement))


def settled_elsewhere(ledger: Ledger, oid: int) -> tuple[tuple[int, int], ...]:
    """The tables, by id, as which jobs made a table of the target, each with its `settled_xid`."""
    statement = sa.select(tables.c.id, tables.c.settled_xid).where(
        tables.c.oid == oid, tables.c.settled_xid.is_not(None)
    )
    return tuple((row.id, row.settled_xid) for row in ledger.run(statement))


def forget_undo(ledger: Ledger, job_id: int, undone: Mapping[str, Any]) -> None:
    """Keep what a rolled back job's undoing came to, and no longer what it was undone by."""
    ledger.run(sa.delete(undo).where(undo.c.job_id == job_id))
    ledger.run(sa.delete(made).where(made.c.job_id == job_id))
    ledger.run(sa.update(jobs).where(jobs.c.id == job_id).values(undone=dict(undone)))
