"""The stage of a simulated fleet: a source of tiny rows, a database with a ledger, and a Redis of its own."""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import redis
from pydantic import SecretStr

from benchmarks.server import database
from producer.local_redis import PrivateRedis
from producer.services import Target, connect
from shared.broker import Broker
from shared.dispatch import Dispatcher
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import move_job, record_job, record_table
from shared.ledger.states import JobState
from shared.ledger.upgrade import upgrade_ledger
from shared.records.plan import JobOptions, ProfileMode, TablePlan
from shared.records.work import NewJob
from shared.schema.objects import translate
from shared.settings import Settings
from shared.source.kinds import open_source
from shared.target.ddl import create_table

_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A recorded job of one table whose chunks are not planned yet, and who would do it."""

    source: Path
    plan: TablePlan
    target: Target
    job_id: int
    table_id: int
    broker: Broker
    dispatcher: Dispatcher
    redis: redis.Redis
    server_process: psutil.Process
    """PostgreSQL's first process, the parent of its sessions."""
    log: Path
    """Where simulated workers write."""


def make_source(path: Path, *, chunks: int) -> Path:
    """Write a table of as many rows as there are to be chunks, unless it is there already."""
    if not path.exists():
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE tiny (id INTEGER PRIMARY KEY, n INTEGER)")
            connection.execute(
                "WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count LIMIT ?)"
                " INSERT INTO tiny SELECT n, n FROM count",
                (chunks,),
            )
    return path


@contextmanager
def set_up(source: Path, settings: Settings, server: str) -> Iterator[Stage]:
    """Make a database, a ledger with the job, and a Redis; all of it goes at the end."""
    with database(server, "bench_fleet") as url, _redis() as private:
        known = settings.model_copy(
            update={
                "target_url": SecretStr(url),
                "broker_url": SecretStr(private.broker_url),
                "result_url": SecretStr(private.result_url),
            }
        )
        store = LedgerStore(lambda: connect(known), pool_size=2)
        try:
            target = Target(settings=known, store=store, embedded=False)
            broker = Broker(known)
            plan, (job_id, table_id) = _record(target, source)
            yield Stage(
                source=source,
                plan=plan,
                target=target,
                job_id=job_id,
                table_id=table_id,
                broker=broker,
                dispatcher=Dispatcher(store, broker, known),
                redis=redis.Redis(unix_socket_path=urlsplit(private.broker_url).path),
                server_process=_server_process(target),
                log=source.with_name("fleet.log"),
            )
        finally:
            store.close()


def _record(target: Target, source: Path) -> tuple[TablePlan, tuple[int, int]]:
    options = JobOptions(chunk_bytes=1)  # a chunk a row: an empty chunk's cost is what is asked for
    with open_source(str(source), frozen=True) as reader:
        catalog = reader.catalog()
        (table,) = catalog.tables
        profile = reader.profile(table, mode=ProfileMode.SAMPLE)
        plan = translate(catalog, {table.name: profile}, target_schema="public", options=options).tables[0]
        job = NewJob(
            source_url=str(source),
            snapshot_url=str(source),
            fingerprint=reader.fingerprint(),
            target_schema="public",
            options=options,
        )
    plan = replace(plan, sampled=False)
    with target.ledger("setting the stage") as ledger:
        upgrade_ledger(ledger.connection)
        ledger.connection.exec_driver_sql(create_table(plan))
        job_id = record_job(ledger, job)
        move_job(ledger, job_id, JobState.COPYING)
        return plan, (job_id, record_table(ledger, job_id, 1, plan))


@contextmanager
def _redis() -> Iterator[PrivateRedis]:
    with tempfile.TemporaryDirectory(prefix="pgconvoy-") as folder:
        private = PrivateRedis(Path(folder))
        with subprocess.Popen(private.command(Path(folder) / "redis.log")) as process:
            try:
                while not private.answers():
                    time.sleep(_POLL_S)
                yield private
            finally:
                process.terminate()


def _server_process(target: Target) -> psutil.Process:
    with target.ledger("finding the server's process") as ledger:
        folder = ledger.connection.exec_driver_sql("SHOW data_directory").scalar_one()
    return psutil.Process(int((Path(folder) / "postmaster.pid").read_text().split()[0]))
