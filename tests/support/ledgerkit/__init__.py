"""A ledger with a made-up job in it, for tests of the ledger's protocol."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import mark_planned, move_job, record_chunks, record_job, record_table
from shared.ledger.states import JobState
from shared.ledger.upgrade import upgrade_ledger
from shared.records.keys import OPEN, KeyRange
from shared.records.plan import JobOptions, TablePlan, TableRead, TargetColumn, TargetType, TypeKind
from shared.records.source import ChunkKey, ChunkKeyKind
from shared.records.work import NewJob, PlannedChunk

BIGINT = TargetType(kind=TypeKind.BIGINT, sql="bigint")


@contextmanager
def open_ledger(url: str) -> Iterator[LedgerStore]:
    """Make the ledger in an empty database and hand it over."""
    store = LedgerStore(lambda: psycopg2.connect(url), pool_size=4)
    try:
        with store.transaction() as ledger:
            upgrade_ledger(ledger.connection)
        yield store
    finally:
        store.close()


def plan_of(name: str) -> TablePlan:
    """The plan of a table with one integer key."""
    key = ChunkKey(kind=ChunkKeyKind.ROWID, columns=("id",))
    return TablePlan(
        read=TableRead(table=name, chunk_key=key, columns=("id",)),
        schema="public",
        name=name,
        columns=(TargetColumn(source="id", name="id", type=BIGINT),),
    )


def record(store: LedgerStore, *, chunks: int, name: str = "t") -> tuple[int, int]:
    """Record a copying job of one planned table with `chunks` chunks; returns the ids of job and table."""
    ends = [OPEN, *((number,) for number in range(1, chunks)), OPEN]
    planned = [
        PlannedChunk(key_range=KeyRange(lower=lower, upper=upper), rows=1, source_bytes=1)
        for lower, upper in itertools.pairwise(ends)
    ]
    with store.transaction() as ledger:
        job_id = record_job(
            ledger,
            NewJob(
                source_url="sqlite:///shop.db",
                snapshot_url="sqlite:///snapshot.db",
                fingerprint="f",
                target_schema="public",
                options=JobOptions(),
            ),
        )
        table_id = record_table(ledger, job_id, 1, plan_of(name))
        record_chunks(ledger, job_id, table_id, 1, planned)
        mark_planned(ledger, table_id)
        move_job(ledger, job_id, JobState.COPYING)
    return job_id, table_id
