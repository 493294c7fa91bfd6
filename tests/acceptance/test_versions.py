"""Workers and a ledger of different versions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
from fleetkit import RunningWorker, await_true
from producerkit import Producer, ledger_rows, make_source

WorkerFactory = Callable[..., RunningWorker]


def test_a_worker_leaves_a_newer_ledger_alone(
    tmp_path: Path, producer: Producer, worker_factory: WorkerFactory, target_url: str, environment: dict[str, str]
) -> None:
    """It says which versions meet, claims nothing, and does the work once the versions agree."""
    source = make_source(tmp_path / "s.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    producer("start", "--source", source, "--detach")
    ((version,),) = ledger_rows(target_url, "SELECT version_num FROM pgconvoy.alembic_version")
    set_version(target_url, "9999")
    worker = worker_factory(environment=environment)
    await_true(lambda: "made by a newer pgconvoy" in worker.log_text(lines=400), "the worker refuses the ledger")
    assert ledger_rows(target_url, "SELECT state, attempt FROM pgconvoy.chunks") == [("pending", 0)]
    set_version(target_url, version)
    producer("resume")
    assert ledger_rows(target_url, "SELECT count(*) FROM t") == [(2,)]


def set_version(url: str, version: str) -> None:
    """Pretend that another pgconvoy made the ledger."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("UPDATE pgconvoy.alembic_version SET version_num = %s", (version,))
