"""The suite's own servers and workers do what their names say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from celery import Celery
from fleetkit import Points, RedisServer, RunningWorker, await_true
from fleetkit.forked import start_process
from fleetkit.processes import alive
from producerkit import Producer

from shared.points import Point

_APP = """
import os
from celery import Celery
from shared.points import Point, reach

app = Celery("dummy", broker=os.environ["PGCONVOY_BROKER_URL"], backend=os.environ["PGCONVOY_RESULT_URL"])
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)

@app.task(name="dummy.work")
def work(number):
    reach(Point.CLAIMED, number)
    return number
"""


@pytest.fixture
def dummy_worker(worker_factory: Callable[..., RunningWorker], tmp_path: Path) -> RunningWorker:
    """A worker of an application that does nothing but pass the point 'claimed'."""
    (tmp_path / "dummy_app.py").write_text(_APP)
    return worker_factory(app="dummy_app", environment={"PYTHONPATH": str(tmp_path)})


def _send(redis_server: RedisServer, number: int) -> None:
    app = Celery(broker=redis_server.url, backend=redis_server.result_url)
    app.send_task("dummy.work", args=[number], task_id=f"task-{number}", queue="copy")
    app.close()


def _result(redis_server: RedisServer, number: int) -> object:
    with redis_server.client(db=1) as client:
        stored = client.get(f"celery-task-meta-task-{number}")
    return stored and json.loads(stored)["result"]


def test_each_test_gets_an_empty_database_of_its_own(target_url: str, postgres_url: str) -> None:
    """`target_url` has no table and is not the server's own database."""
    assert target_url != postgres_url
    with closing(psycopg2.connect(target_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)


def test_redis_can_be_stopped_started_and_emptied(redis_server: RedisServer) -> None:
    """Stopping and starting keeps the data, flushing does not."""
    with redis_server.client() as client:
        client.set("a", "1")
    redis_server.stop()
    assert not redis_server.running
    redis_server.start()
    with redis_server.client() as client:
        assert client.get("a") == b"1"
        redis_server.flush()
        assert client.keys() == []


def test_a_worker_stands_at_an_armed_point_until_it_is_cleared(
    dummy_worker: RunningWorker, redis_server: RedisServer, points: Points
) -> None:
    """A task that reaches an armed point waits there, is named by its process, and goes on when cleared."""
    points.stop_at(Point.CLAIMED, 1)
    _send(redis_server, 1)
    pid = points.await_reached(Point.CLAIMED, 1)
    assert pid in dummy_worker.pool_pids()
    assert _result(redis_server, 1) is None
    points.clear(Point.CLAIMED, 1)
    assert await_true(lambda: _result(redis_server, 1), "the task's result") == 1


def test_a_killed_pool_process_is_replaced_and_its_task_runs_again(
    dummy_worker: RunningWorker, redis_server: RedisServer, points: Points
) -> None:
    """SIGKILL of one pool process leaves the main process, which takes another and delivers the task again."""
    points.stop_at(Point.CLAIMED, 2)
    _send(redis_server, 2)
    victim = points.await_reached(Point.CLAIMED, 2)
    dummy_worker.kill_pool(victim)
    points.clear(Point.CLAIMED, 2)
    assert await_true(lambda: _result(redis_server, 2), "the task's result") == 2
    assert not alive(victim)
    assert dummy_worker.running


def test_a_killed_worker_leaves_no_process(dummy_worker: RunningWorker) -> None:
    """SIGKILL of a whole worker takes its pool along."""
    everyone = [dummy_worker.pid, *dummy_worker.pool_pids()]
    assert len(everyone) == 3
    dummy_worker.kill()
    await_true(lambda: not any(map(alive, everyone)), "all processes gone")


def test_a_worker_that_is_asked_to_stop_ends_in_order(dummy_worker: RunningWorker) -> None:
    """SIGTERM ends an idle worker with exit code 0."""
    assert dummy_worker.terminate() == 0


@pytest.mark.parametrize("seconds", ["1", "soon"])
def test_a_command_that_is_forked_off_is_as_one_that_starts_by_itself(seconds: str, tmp_path: Path) -> None:
    """The same words on the same streams and the same exit code, in its own folder and with its own settings."""
    settings = {"PGCONVOY_LOCK_TIMEOUT_S": seconds}
    by_itself, forked = (Producer(settings, tmp_path, by_itself=own) for own in (True, False))
    said = forked("plan", "--source", "absent.db", code=2)
    assert said == by_itself("plan", "--source", "absent.db", code=2)
    assert ("LOCK_TIMEOUT_S" if seconds == "soon" else str(tmp_path)) in said.err


def test_a_process_that_begins_otherwise_starts_by_itself(tmp_path: Path) -> None:
    """What is preloaded into a process, or read while it imports, is not the fork server's."""
    forked, alone = (
        start_process("producer", [sys.executable, "-c", "pass"], env=os.environ | more, cwd=tmp_path)
        for more in ({}, {"PYTHONSAFEPATH": "1"})
    )
    assert (type(forked) is subprocess.Popen, type(alone) is subprocess.Popen) == (False, True)
    forked.kill()
    assert (forked.wait(20), alone.wait(20)) == (-signal.SIGKILL, 0)
