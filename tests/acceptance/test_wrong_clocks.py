"""Workers whose clocks are off by an hour: nothing is decided by them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fleetkit import Points, RedisServer, RunningWorker, await_true
from fleetkit.clocks import library, wrong_clock
from producerkit import Producer, carried, chunk_ids, ledger_rows, make_source

from shared.broker import Broker
from shared.points import Point
from shared.settings import load_settings

WorkerFactory = Callable[..., RunningWorker]


@pytest.mark.skipif(
    library() is None and not os.environ.get("CI"), reason="no libfaketime: it comes with the extra dev"
)
def test_clocks_that_are_off_by_an_hour_change_nothing(
    producer: Producer,
    points: Points,
    redis_server: RedisServer,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """One worker an hour slow, which also beats, the other an hour fast, which rescues: a job that nobody waits for and
    whose messages are lost ends verified, both answer a probe, and every moment in the ledger is PostgreSQL's.
    """
    rows = ((number, f"name {number}") for number in range(1, 20_001))
    source = make_source(tmp_path / "big.db", "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT)", {"big": rows})
    environment["PGCONVOY_RESCUE_INTERVAL_S"] = "1"
    producer("start", "--source", source, "--chunk-mb", "0.05", "--detach")
    victim = chunk_ids(target_url, "big")[2]
    points.stop_at(Point.HELD, victim)
    slow = {"options": ["--beat"], "queues": ("copy", "verify"), "concurrency": 1}
    workers = [
        worker_factory(environment=environment | wrong_clock(-1), **slow),
        worker_factory(environment=environment | wrong_clock(+1), concurrency=1),
    ]
    points.await_reached(Point.HELD, victim)
    urls = {name.removeprefix("PGCONVOY_").lower(): value for name, value in environment.items() if "URL" in name}
    answers = Broker(load_settings(**urls)).probe({"url": ""}, timeout_s=5)
    assert {answer["target"] for answer in answers.values()} == {"ok"}
    assert len(answers) == len(workers)
    redis_server.flush()
    points.clear_all()

    ended = "SELECT 1 FROM pgconvoy.jobs WHERE ended_at IS NOT NULL"
    await_true(lambda: ledger_rows(target_url, ended), f"the job ends\n{workers[1].log_text()}", seconds=90)
    assert ledger_rows(target_url, "SELECT state FROM pgconvoy.jobs") == [("completed",)]
    assert carried(source, target_url, table="big")
    names = {name for (name,) in ledger_rows(target_url, "SELECT DISTINCT worker FROM pgconvoy.chunks")}
    assert len(names) == len(workers), "both copied"
    moments = ("enqueued_at", "started_at", "copied_at", "compare_sent_at", "compared_at")
    off = " OR ".join(f"abs(extract(epoch FROM clock_timestamp() - {moment})) > 1800" for moment in moments)
    assert ledger_rows(target_url, f"SELECT id FROM pgconvoy.chunks WHERE {off}") == []
