"""The Compose file brings up a convoy that copies a mounted database, as the README says."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fleetkit.compose import Compose, docker_problem

_IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
_WORKERS = 3


@pytest.fixture(scope="module")
def source(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chinook in a folder that the containers' user may read."""
    folder = tmp_path_factory.mktemp("source")
    for above in (folder, folder.parent, folder.parent.parent):
        above.chmod(0o755)
    copy = Path(shutil.copy(datasets / "chinook" / "Chinook_Sqlite.sqlite", folder))
    copy.chmod(0o644)
    return copy


@pytest.fixture(scope="module")
def compose(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """The whole convoy with three workers, healthy."""
    problem = docker_problem()
    if problem is not None and _IN_CI:
        pytest.fail(f"in CI this must be there: {problem}")
    if problem is not None:
        pytest.skip(problem)
    name = f"pgconvoy-test-{os.getpid()}"
    settings = {
        "SOURCE_DIR": str(source.parent),
        "SOURCE_FILE": source.name,
        "POSTGRES_PASSWORD": "p0stgres",
        "REDIS_PASSWORD": "r3dis",
        "FLOWER_PASSWORD": "fl0wer",
        "FLOWER_PORT": "0",
        "WORKER_PROCESSES": "1",
        "PGCONVOY_IMAGE": name,
        "PGCONVOY_CHUNK_MB": "0.125",
    }
    project = Compose(name, tmp_path_factory.mktemp("compose") / "env", settings)
    try:
        project.run("up", "--detach", "--build", "--wait", "--scale", f"worker={_WORKERS}")
        yield project
    finally:
        project.down()


@pytest.fixture(scope="module")
def job(compose: Compose) -> str:
    """The output of the job that the README asks for."""
    return compose.run("run", "--rm", "--no-TTY", "producer", "start", "--tables", "all").stdout


def test_every_row_arrives(compose: Compose, job: str, source: Path) -> None:
    """The target has as many rows of each table as the mounted file."""
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        expected = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
    found = {name: int(compose.ask(f'SELECT count(*) FROM "{name.lower()}"')) for name in expected}
    assert found == expected
    assert sum(expected.values()) == 15_607


def test_every_chunk_was_verified_by_the_fleet(compose: Compose, job: str) -> None:
    """The ledger says that the job is done and that several workers had their part in it."""
    assert compose.ask("SELECT state FROM pgconvoy.jobs") == "completed"
    assert compose.ask("SELECT DISTINCT state FROM pgconvoy.chunks") == "verified"
    assert int(compose.ask("SELECT count(DISTINCT worker) FROM pgconvoy.chunks")) > 1


def test_the_tool_leaves_the_fleet_alone(compose: Compose, job: str) -> None:
    """Running the producer does not scale the workers down to one."""
    shown = compose.run("ps", "--format", "json", "worker").stdout.strip()
    rows = json.loads(shown) if shown.startswith("[") else [json.loads(line) for line in shown.splitlines()]
    assert [row["Health"] for row in rows] == ["healthy"] * _WORKERS


def test_nothing_runs_as_root_and_nothing_can_be_changed(compose: Compose) -> None:
    """The containers of the application run as a plain user on a read-only file system, and so is the source."""
    for service in ("worker", "controller", "flower"):
        asked = "id -u; touch /app/x 2>/dev/null || echo closed"
        assert compose.run("exec", "--no-TTY", service, "sh", "-c", asked).stdout.split() == ["10001", "closed"]
    touched = compose.run("exec", "--no-TTY", "worker", "sh", "-c", "touch /source/x 2>&1 || true").stdout
    assert "Read-only file system" in touched


def test_flower_asks_for_its_password(compose: Compose) -> None:
    """Its pages show every task, so they are closed to strangers."""
    url = "http://" + compose.run("port", "flower", "5555").stdout.strip()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=30)
    refused.value.close()
    assert refused.value.code == 401
    login = b64encode(b"pgconvoy:fl0wer").decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=30) as page:  # noqa: S310 - our own container's page
        assert page.status == 200


def test_no_log_shows_a_password(compose: Compose, job: str) -> None:
    """Neither the producer nor any container prints one."""
    logs = job + compose.run("logs", "--no-color").stdout
    for password in ("p0stgres", "r3dis", "fl0wer"):
        assert password not in logs


def test_without_passwords_compose_says_what_to_set(tmp_path: Path) -> None:
    """A forgotten setting is named before anything starts."""
    if docker_problem() is not None and not _IN_CI:
        pytest.skip(str(docker_problem()))
    bare = Compose("pgconvoy-test-bare", tmp_path / "env", {"PGCONVOY_IMAGE": "pgconvoy-test-bare"})
    refused = bare.run("config", check=False)
    assert refused.returncode != 0
    assert "set it in .env" in refused.stderr
