"""Messages that pgconvoy did not send: whoever can write to the broker can put anything into a queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleetkit import RedisServer, RunningWorker, await_true
from messagekit import Message
from messagekit.forged import FORGED, UNREADABLE
from producerkit import Producer, carried, ledger_rows, make_source

from shared.messages import BUILD_INDEX, CARRY_TABLES, FINISH_JOB, FINISH_TABLE, VERIFY_CHUNK

NOBODYS = 2**62
_OTHERS = (BUILD_INDEX, CARRY_TABLES, FINISH_JOB, FINISH_TABLE, VERIFY_CHUNK)
WorkerFactory = Callable[..., RunningWorker]


def test_forged_messages_do_nothing_but_a_line_in_the_log(
    producer: Producer,
    redis_server: RedisServer,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Each is dropped with one line; the worker goes on with the same processes, and a job among them ends verified."""
    source = make_source(
        tmp_path / "shop.db",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)",
        {"item": [(number, f"item {number}") for number in range(1, 2001)]},
    )
    producer("start", "--source", source, "--chunk-mb", "0.01", "--detach")
    worker = worker_factory(environment=environment, concurrency=1)
    processes = sorted(worker.pool_pids())
    with redis_server.client() as client:
        client.lpush("copy", *UNREADABLE.values(), *(forged.entry() for forged in FORGED.values()))
        # Well formed, and of no row of the ledger: the tasks find nothing to do.
        client.lpush("verify", *(Message(task=task, args=(NOBODYS,)).entry("verify") for task in _OTHERS))
        client.publish("/0.celery.pidbox", b"{}")
        client.publish("/0.celery.pidbox", b"\xff not JSON")
    producer("resume")
    dropped = len(FORGED) + len(UNREADABLE) + 1
    await_true(lambda: worker.log.read_text().count(" was dropped: ") >= dropped, "each forged message is dropped")
    log = worker.log.read_text()
    assert log.count(" was dropped: ") == dropped
    assert log.count("a message that is not pgconvoy's was dropped: ") == len(FORGED)
    assert "Traceback (most recent call last)" not in log
    assert not [line for line in log.splitlines() if line.startswith("2026-01-01")], "a forged line of the log"
    assert worker.running
    assert sorted(worker.pool_pids()) == processes
    assert carried(source, target_url, table="item")
    assert ledger_rows(target_url, "SELECT state FROM pgconvoy.jobs") == [("completed",)]
    with redis_server.client() as client:
        assert client.hlen("unacked") == 0
