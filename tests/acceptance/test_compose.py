"""The Compose file brings up a convoy that copies a mounted database, as the README says."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fleetkit.compose import Compose, docker_problem

_IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
_WORKERS = 3
_PASSWORDS = {"postgres": "p0stgres/@ %:'x", "redis": "r3dis $& #%y", "flower": "fl0wer-p4ss"}
"""Of the characters that URLs, shells and Redis's own settings would cut at."""


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
    secrets = tmp_path_factory.mktemp("secrets")
    for service, password in _PASSWORDS.items():
        (secrets / service).write_text(f"{password}\n")
        (secrets / service).chmod(0o644)
    settings = {
        "SOURCE_DIR": str(source.parent),
        "SOURCE_FILE": source.name,
        "SECRETS_DIR": str(secrets),
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


def _ids(compose: Compose, *more: str) -> list[str]:
    return compose.run("ps", "--quiet", *more).stdout.split()


def _inspected(compose: Compose) -> list[dict[str, Any]]:
    shown = subprocess.run(["docker", "inspect", *_ids(compose)], capture_output=True, text=True, check=True).stdout
    found: list[dict[str, Any]] = json.loads(shown)
    return found


def test_a_fleet_that_is_stopped_and_scaled_in_the_middle_of_a_job_does_it(compose: Compose, job: str) -> None:
    """One worker of three is stopped, then all, then there are three again: every chunk arrives, nobody was killed."""
    producer = ("run", "--rm", "--no-TTY", "producer")
    slow = ("--max-load", "3kB/s")  # so that the job is in the middle for as long as the containers take to stop
    compose.run(*producer, "start", "--tables", "all", "--recreate", "--detach", *slow)
    compose.run("up", "--detach", "--no-recreate", "--scale", "worker=2", "worker")
    stopped = _ids(compose, "worker")
    compose.run("stop", "worker")
    states = "SELECT count(*) FILTER (WHERE state = 'pending') > 0 FROM pgconvoy.chunks WHERE job_id = 2"
    assert compose.ask(states) == "t"
    shown = ["docker", "inspect", "--format", "{{.State.ExitCode}}", *stopped]
    codes = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split()
    assert codes
    assert "137" not in codes
    compose.run("up", "--detach", "--no-recreate", "--wait", "--scale", f"worker={_WORKERS}", "worker")
    compose.run(*producer, "throttle", "2", "--off")
    compose.run(*producer, "resume", "2")
    assert compose.ask("SELECT state FROM pgconvoy.jobs WHERE id = 2") == "completed"
    assert compose.ask("SELECT DISTINCT state FROM pgconvoy.chunks WHERE job_id = 2") == "verified"


def test_nothing_runs_as_root_and_nothing_can_be_changed(compose: Compose) -> None:
    """Every service runs as a plain user on a read-only file system, and the source is read-only, too."""
    for service in ("worker", "controller", "flower", "redis"):
        asked = "id -u; touch /app/x /usr/x 2>/dev/null || echo closed"
        user, closed = compose.run("exec", "--no-TTY", service, "sh", "-c", asked).stdout.split()
        assert user != "0", service
        assert closed == "closed"
    touched = compose.run("exec", "--no-TTY", "worker", "sh", "-c", "touch /source/x 2>&1 || true").stdout
    assert "Read-only file system" in touched
    for container in _ids(compose):
        listed = subprocess.run(
            ["docker", "top", container, "-eo", "pid,user,comm"], capture_output=True, text=True, check=True
        )
        running = [line.split(None, 2)[1:] for line in listed.stdout.splitlines()[1:]]
        assert [command for user, command in running if user == "root" and "init" not in command] == []


def test_no_container_has_or_can_gain_a_right_that_it_does_not_need(compose: Compose) -> None:
    """Capabilities are dropped, new privileges refused; PostgreSQL's entrypoint alone has what makes its folder."""
    for container in _inspected(compose):
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert not host["Privileged"]
        added = {name.removeprefix("CAP_") for name in host["CapAdd"] or ()}
        is_postgres = container["Config"]["Labels"]["com.docker.compose.service"] == "postgres"
        assert added == ({"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"} if is_postgres else set())


def test_redis_refuses_strangers_and_what_is_dangerous(compose: Compose, job: str) -> None:
    """Without the password nothing is answered, and with it nobody can empty, reconfigure, listen or stop."""
    login = 'export REDISCLI_AUTH="$(cat /run/secrets/redis_password)"; '

    def ask(*words: str, logged_in: bool = True) -> str:
        user = f"{login} redis-cli --user pgconvoy" if logged_in else "redis-cli"
        asked = f"{user} {' '.join(words)} 2>&1"
        return compose.run("exec", "--no-TTY", "redis", "sh", "-c", asked).stdout

    assert "NOAUTH" in ask("LLEN", "copy", logged_in=False)
    assert ask("LLEN", "copy").strip() == "0"
    for words in (
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "'*'"),
        ("DEBUG", "SLEEP", "0"),
        ("KEYS", "'*'"),
        ("MONITOR",),
        ("SHUTDOWN", "NOSAVE"),
        ("ACL", "LIST"),
        ("REPLICAOF", "evil", "6379"),
        ("MODULE", "LIST"),
        ("EVAL", "\"return redis.call('FLUSHALL')\"", "0"),
    ):
        assert re.search("NOPERM|not allowed|can't run|ACL failure", ask(*words)), words


def test_flower_asks_for_its_password(compose: Compose) -> None:
    """Its pages show every task, so they are closed to strangers."""
    url = "http://" + compose.run("port", "flower", "5555").stdout.strip()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=30)
    refused.value.close()
    assert refused.value.code == 401
    login = b64encode(f"pgconvoy:{_PASSWORDS['flower']}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=30) as page:  # noqa: S310 - our own container's page
        assert page.status == 200
    worker = compose.run("logs", "--no-log-prefix", "controller").stdout
    assert "ready" in worker
    for path in ("pool/shutdown", "shutdown"):
        order = urllib.request.Request(  # noqa: S310 - the same
            f"{url}/api/worker/{path}/anyone", method="POST", headers={"Authorization": f"Basic {login}"}
        )
        with pytest.raises(urllib.error.HTTPError) as read_only:
            urllib.request.urlopen(order, timeout=30)  # noqa: S310 - the same
        read_only.value.close()
        assert read_only.value.code in (403, 404)


def _is_in(text: str) -> list[str]:
    """Which passwords stand in a text, as they are, percent-encoded or escaped for JSON."""
    forms = {form for each in _PASSWORDS.values() for form in (each, quote(each, safe=""), json.dumps(each)[1:-1])}
    return [form for form in forms if form in text]


def test_no_log_no_process_and_no_inspection_shows_a_password(compose: Compose, job: str) -> None:
    """Neither what the producer and the containers print, nor `ps`, nor `docker inspect` or `docker compose config`."""
    assert _is_in(job + compose.run("logs", "--no-color").stdout) == []
    assert _is_in(json.dumps(_inspected(compose)) + compose.run("config").stdout) == []
    listed = [
        subprocess.run(
            ["docker", "top", container, "-eo", "pid,args"], capture_output=True, text=True, check=True
        ).stdout
        for container in _ids(compose)
    ]
    assert _is_in("".join(listed)) == []


def test_a_password_of_any_characters_serves(compose: Compose) -> None:
    """What URLs, shells and Redis's settings would cut at stands in the files as it is, and nothing else opens."""
    refused = compose.run(
        "run", "--rm", "--no-TTY", "--env", "PGCONVOY_TARGET_PASSWORD=wrong", "producer", "status", check=False
    )
    assert refused.returncode == 3
    assert "password authentication failed" in refused.stderr
    assert _is_in(refused.stdout + refused.stderr) == []
    tables = compose.run("exec", "--no-TTY", "postgres", "cat", "/var/lib/postgresql/data/pg_hba.conf").stdout
    assert re.search(r"^host +all +all +all +scram-sha-256", tables, re.MULTILINE)


def test_without_a_source_compose_says_what_to_set(tmp_path: Path) -> None:
    """A forgotten setting is named before anything starts."""
    if docker_problem() is not None and not _IN_CI:
        pytest.skip(str(docker_problem()))
    bare = Compose("pgconvoy-test-bare", tmp_path / "env", {"PGCONVOY_IMAGE": "pgconvoy-test-bare"})
    refused = bare.run("config", check=False)
    assert refused.returncode != 0
    assert "set it in .env" in refused.stderr


def test_passwords_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    """`make secrets` closes the folder, writes long passwords, and never replaces one."""
    make = shutil.which("make")
    assert make is not None, "the suite itself is run by make"
    root = Path(__file__).resolve().parents[2]
    command = [make, "--no-print-directory", "secrets", f"SECRETS={tmp_path / 'secrets'}"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(_PASSWORDS)
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in made.values())
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == made
