"""Verification may read both sides from copies: a physical replica of the target, a copy of the source."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest
import sqlalchemy as sa
from fleetkit import RunningWorker, TestPostgres, await_true
from ledgerkit import open_ledger, record
from producerkit import Producer, ledger_rows, make_source

from shared.ledger.jobs import read_job
from shared.ledger.load import adjust, set_max_load
from shared.ledger.tables import jobs
from shared.records.load import MaxLoad

SCRIPT = "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')"
WorkerFactory = Callable[..., RunningWorker]


@pytest.fixture
def replica_url(postgres_server: TestPostgres, target_url: str) -> Iterator[str]:
    """A streaming replica of the suite's PostgreSQL; the URL of the test's database on it."""
    programs = postgres_server.programs
    sockets = parse_qs(urlsplit(target_url).query)["host"][0]
    user = Path(sockets).owner()
    folder = Path(tempfile.mkdtemp(prefix="pgc-replica-", dir="/tmp"))  # a short path, for its socket
    shutil.chown(folder, user)
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        with (folder / "run.log").open("ab") as log:
            subprocess.run(
                [str(programs / program), *arguments],
                check=True,
                user=user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    run(
        "pg_basebackup",
        "--host",
        sockets,
        "--username",
        "postgres",
        "--pgdata",
        str(data),
        "--write-recovery-conf",
        "--checkpoint",
        "fast",
    )
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c hot_standby=on"
    run("pg_ctl", "--pgdata", str(data), "--log", str(folder / "log"), "--options", options, "--wait", "start")
    try:
        yield urlsplit(target_url)._replace(query=f"host={folder}").geturl()
    finally:
        run("pg_ctl", "--pgdata", str(data), "--mode", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def execute(url: str, statement: str) -> None:
    """Run one statement."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def test_verification_waits_for_a_replica_that_lags(
    tmp_path: Path,
    producer: Producer,
    replica_url: str,
    target_url: str,
    worker_factory: WorkerFactory,
    environment: dict[str, str],
) -> None:
    """A replica whose replay stands still is waited for, not compared as it is; then the job is completed."""
    source = make_source(tmp_path / "s.db", SCRIPT)
    execute(replica_url, "SELECT pg_wal_replay_pause()")
    worker_factory(environment=environment | {"PGCONVOY_TARGET_REPLICA_URL": replica_url})
    waiting = producer.start("start", "--source", source)
    comparing = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'pgconvoy verify chunk%'"
    await_true(lambda: ledger_rows(replica_url, comparing) == [(True,)], "a worker asks the replica")
    execute(replica_url, "SELECT pg_wal_replay_resume()")
    out, err = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, out + err
    chunks = "SELECT state, mismatches, compare_failures FROM pgconvoy.chunks"
    assert ledger_rows(target_url, chunks) == [("verified", 0, 0)]


def test_a_copy_of_the_source_that_differs_is_refused(
    tmp_path: Path, producer: Producer, environment: dict[str, str]
) -> None:
    """Planning reads from the copy only where it is the same, byte for byte."""
    source = make_source(tmp_path / "s.db", SCRIPT)
    other = make_source(tmp_path / "other.db", SCRIPT + "; DELETE FROM t WHERE id = 2")
    reading = Producer(environment | {"PGCONVOY_SOURCE_REPLICA_URL": str(other)}, tmp_path)
    assert "differs from the source" in reading("plan", "--source", source, code=2).err
    shutil.copy(source, other)
    reading("plan", "--source", source)


def test_a_job_is_paused_while_a_replica_lags(target_url: str, replica_url: str) -> None:
    """A replica whose replay stands still lags more and more: no chunk begins until it has caught up."""
    with open_ledger(target_url) as store:
        job_id, _ = record(store, chunks=3)

        def decided() -> tuple[int | None, float]:
            with store.transaction() as ledger:
                ledger.run(sa.update(jobs).values(load=None))
                adjust(ledger, job_id)
                job = read_job(ledger, job_id)
            assert job.load is not None
            assert job.load.replicas == 1
            return job.in_flight, job.load.lag_s

        with store.transaction() as ledger:
            assert set_max_load(ledger, job_id, MaxLoad(lag_s=0.5))
        execute(replica_url, "SELECT pg_wal_replay_pause()")

        def is_paused() -> bool:
            execute(target_url, "SELECT pg_logical_emit_message(true, 'test', 'a commit to replay')")
            in_flight, lag_s = decided()
            return in_flight == 0 and lag_s > 0.5

        await_true(is_paused, "the job is paused")
        execute(replica_url, "SELECT pg_wal_replay_resume()")
        await_true(lambda: decided()[0], "a chunk may begin again")
