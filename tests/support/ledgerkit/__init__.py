"""A ledger with a made-up job in it, for tests of the ledger's protocol."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from shared.ledger import upgrade
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import mark_planned, move_job, record_chunks, record_job, record_table
from shared.ledger.states import JobState
from shared.ledger.tables import metadata
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


def make_older(store: LedgerStore, version: str) -> None:
    """Make a ledger what it would be had an older pgconvoy written its rows: at `version`, less what that knew not."""
    with store.transaction() as ledger:
        run = ledger.connection.exec_driver_sql
        names = [table.name for table in metadata.sorted_tables]
        kept = {name: run(f"SELECT json_agg(r) FROM pgconvoy.{name} r").scalar_one() for name in names}
        run("DROP SCHEMA pgconvoy CASCADE")
        config = Config()
        config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
        config.attributes["connection"] = ledger.connection
        command.upgrade(config, version)
        for name in names:
            if kept[name] is None or run(f"SELECT to_regclass('pgconvoy.{name}')").scalar_one() is None:
                continue
            _fill(ledger.connection, name, kept[name])


def _fill(connection: sa.Connection, name: str, rows: list[dict[str, Any]]) -> None:
    """Write rows with their ids; columns that the table has not are passed over."""
    there = {column["name"] for column in sa.inspect(connection).get_columns(name, schema="pgconvoy")}
    columns = ", ".join(column for column in rows[0] if column in there)
    insert = f"INSERT INTO pgconvoy.{name} ({columns}) OVERRIDING SYSTEM VALUE"
    insert += f" SELECT {columns} FROM json_populate_recordset(NULL::pgconvoy.{name}, %s)"
    connection.exec_driver_sql(insert, (json.dumps(rows),))
    if "id" in there:
        to = f"SELECT setval(pg_get_serial_sequence('pgconvoy.{name}', 'id'), max(id)) FROM pgconvoy.{name}"
        connection.exec_driver_sql(to)
