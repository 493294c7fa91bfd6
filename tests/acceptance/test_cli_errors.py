"""Bad input gets one clear sentence: what, where, what to do; the right exit code, no traceback, nothing half made."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from producerkit import Producer, make_source

from producer.cli import main

SCRIPT = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace');
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id));
INSERT INTO orders VALUES (1, 1), (2, 2);
CREATE VIEW spenders AS SELECT * FROM customers;
"""
NOBODY_LISTENS = 9  # the port "discard": nothing answers there on a test machine


@dataclass(frozen=True)
class Refusal:
    """How a command ended that was refused."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that says why."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


Run = Callable[..., Refusal]


@pytest.fixture
def run(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run `producer` in this process, with settings beside the test's own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def _run(*arguments: str | Path, **settings: str) -> Refusal:
        for name, value in settings.items():
            monkeypatch.setenv(f"PGCONVOY_{name.upper()}", value)
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Refusal(code=code, out=shown.out, err=shown.err)

    yield _run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small source."""
    return make_source(tmp_path / "source.db", SCRIPT)


@pytest.fixture
def untouched(target_url: str, tmp_path: Path) -> Iterator[None]:
    """Nothing may be left of what was refused: no ledger, no table, no snapshot."""
    yield
    assert relations(target_url) == []
    assert snapshots(tmp_path) == []


def relations(url: str) -> list[str]:
    """Everything that somebody made in a database."""
    query = """
        SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname NOT LIKE 'pg_%' AND n.nspname <> 'information_schema' ORDER BY 1
    """
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


def snapshots(folder: Path) -> list[str]:
    """Snapshots that are there."""
    return sorted(path.name for path in (folder / "snapshots").glob("*"))


def execute(url: str, statement: str) -> None:
    """Run a statement on the target."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()


def _missing(folder: Path) -> Path:
    return folder / "nowhere.db"


def _folder(folder: Path) -> Path:
    return folder


def _not_a_database(folder: Path) -> Path:
    path = folder / "letter.db"
    path.write_text("Dear customer,\n" * 500)
    return path


def _encrypted(folder: Path) -> Path:
    path = folder / "secret.db"
    path.write_bytes(random.Random(1).randbytes(64 * 1024))
    return path


def _empty(folder: Path) -> Path:
    path = folder / "empty.db"
    path.touch()
    return path


def _damaged(folder: Path) -> Path:
    path = make_source(folder / "damaged.db", SCRIPT, {"customers": [(n, "x" * 900) for n in range(3, 400)]})
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 4096 * 40)
    return path


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_missing, "does not exist"),
        (_folder, "is a folder"),
        (_not_a_database, "is not a SQLite database"),
        (_encrypted, "encrypted"),
        (_empty, "is an empty file"),
        (_damaged, "is damaged"),
    ],
)
@pytest.mark.parametrize("command", ["start", "plan"])
def test_a_bad_source_is_named(command: str, make: Callable[[Path], Path], said: str, run: Run, tmp_path: Path) -> None:
    """A missing, unreadable, foreign, encrypted, empty or damaged source: exit 2, the file and the finding."""
    path = make(tmp_path)
    refused = run(command, "--source", path)
    assert refused.code == 2
    assert str(path) in refused.sentence
    assert said in refused.sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.usefixtures("untouched")
def test_a_source_without_permission_is_named(run: Run, source: Path) -> None:
    """An unreadable source: exit 2."""
    source.chmod(0)
    refused = run("start", "--source", source)
    assert refused.code == 2
    assert "may not be read" in refused.sentence


@pytest.mark.usefixtures("untouched")
def test_no_source_at_all_says_how_to_name_one(run: Run) -> None:
    """Exit 2, the option and the variable."""
    refused = run("start")
    assert refused.code == 2
    assert "--source" in refused.sentence
    assert "PGCONVOY_SOURCE_URL" in refused.sentence


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("tables", "said"), [("custmers", "customers"), ("spenders", "view"), ("zzz", "no such table")]
)
def test_an_unknown_table_is_named_with_what_comes_close(tables: str, said: str, run: Run, source: Path) -> None:
    """--tables with a typo, a view, or nothing like it: exit 2."""
    refused = run("start", "--source", source, "--tables", tables)
    assert refused.code == 2
    assert tables in refused.err
    assert said in refused.err.splitlines()[-1]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("option", ["--tables", "--exclude"])
def test_an_unknown_table_is_refused_wherever_it_is_named(option: str, run: Run, source: Path) -> None:
    """A name that --exclude does not find would copy what was to be left out."""
    assert run("start", "--source", source, option, "nothing_like_it").code == 2


@pytest.mark.usefixtures("untouched")
def test_a_target_that_refuses_the_login_is_unreachable(run: Run, source: Path, target_url: str) -> None:
    """Exit 3; the password is not shown."""
    url = target_url.replace("postgres:@", "nobody:hunter2secret@")
    refused = run("start", "--source", source, target_url=url)
    assert refused.code == 3
    assert "nobody" in refused.sentence
    assert "hunter2secret" not in refused.err + refused.out


@pytest.mark.usefixtures("untouched")
def test_a_target_that_does_not_answer_is_unreachable(run: Run, source: Path) -> None:
    """Exit 3, and where it was looked for."""
    refused = run("start", "--source", source, target_url=f"postgresql://a:b@127.0.0.1:{NOBODY_LISTENS}/x")
    assert refused.code == 3
    assert f"127.0.0.1:{NOBODY_LISTENS}" in refused.sentence


@pytest.mark.usefixtures("untouched")
def test_a_role_without_create_learns_the_grant(run: Run, source: Path, target_url: str) -> None:
    """Exit 2, and the statement that mends it."""
    execute(target_url, "DROP ROLE IF EXISTS visitor")
    execute(target_url, "CREATE ROLE visitor LOGIN")
    execute(target_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    refused = run("start", "--source", source, target_url=target_url.replace("postgres:@", "visitor:@"))
    assert refused.code == 2
    assert "visitor" in refused.sentence
    assert "GRANT" in refused.sentence
    execute(target_url, "DROP ROLE visitor")


@pytest.mark.usefixtures("untouched")
def test_a_broker_that_is_down_is_unreachable(run: Run, source: Path) -> None:
    """Exit 3, redacted, and nothing was made before it was looked at."""
    refused = run("start", "--source", source, broker_url=f"redis://:hunter2secret@127.0.0.1:{NOBODY_LISTENS}/0")
    assert refused.code == 3
    assert f"127.0.0.1:{NOBODY_LISTENS}" in refused.sentence
    assert "hunter2secret" not in refused.err + refused.out


def test_a_job_that_does_not_exist_is_named(run: Run, source: Path) -> None:
    """Exit 2 for every command that takes a job."""
    assert run("start", "--source", source, "--detach").code == 0
    for command in ("status", "requeue", "resume", "pause", "unpause", "cancel", "verify", "rejects", "report"):
        refused = run(command, "99")
        assert refused.code == 2
        assert "job 99" in refused.sentence


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "command", ["status", "jobs", "requeue", "resume", "pause", "unpause", "cancel", "verify", "rejects", "report"]
)
def test_before_the_first_job_there_is_no_ledger(command: str, run: Run) -> None:
    """Exit 2 and what makes one; looking makes nothing."""
    refused = run(command)
    assert refused.code == 2
    assert "producer start" in refused.sentence


def test_a_second_start_of_the_same_tables_is_refused(run: Run, source: Path, target_url: str, tmp_path: Path) -> None:
    """Exit 2: names the job that runs and how to wait for it or end it; other tables may start."""
    assert run("start", "--source", source, "--detach", "--tables", "customers").code == 0
    before = (relations(target_url), snapshots(tmp_path))
    refused = run("start", "--source", source, "--tables", "customers")
    last = refused.err.strip().splitlines()[-1]
    assert refused.code == 2
    assert "job 1" in last
    assert "producer resume 1" in last
    assert (relations(target_url), snapshots(tmp_path)) == before
    assert run("start", "--source", source, "--detach", "--tables", "orders").code == 0


@pytest.mark.usefixtures("untouched")
def test_a_table_in_the_way_of_another_shape_is_refused(run: Run, source: Path, target_url: str) -> None:
    """Exit 2: a table of the target that lacks columns is not half filled."""
    execute(target_url, "CREATE TABLE public.customers (something integer)")
    refused = run("start", "--source", source)
    assert refused.code == 2
    assert "customers" in refused.err
    assert relations(target_url) == ["public.customers"]
    execute(target_url, "DROP TABLE public.customers")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("start", "--schema-only", "--data-only"), "--schema-only"),
        (("start", "--data-only", "--recreate"), "--recreate"),
        (("start", "--dry-run", "--detach"), "--detach"),
        (("plan", "--sql", "--json"), "--json"),
    ],
)
def test_contradictory_options_are_named(arguments: tuple[str, ...], said: str, run: Run, source: Path) -> None:
    """Exit 2, before anything is looked at."""
    refused = run(*arguments, "--source", source)
    assert refused.code == 2
    assert said in refused.sentence


@pytest.mark.usefixtures("untouched")
def test_a_wrong_setting_is_named_by_its_variable(run: Run, source: Path) -> None:
    """Exit 2: each wrong setting by the name that the operator set."""
    refused = run("start", "--source", source, workers="many", target_url="mysql://u:hunter2secret@h/d")
    assert refused.code == 2
    assert "PGCONVOY_WORKERS" in refused.sentence
    assert "PGCONVOY_TARGET_URL" in refused.sentence
    assert "hunter2secret" not in refused.err


@pytest.mark.usefixtures("untouched")
def test_a_source_of_another_kind_is_named(run: Run) -> None:
    """Exit 2: what pgconvoy can read."""
    refused = run("start", "--source", "mysql://u:hunter2secret@h/d")
    assert refused.code == 2
    assert "SQLite" in refused.sentence
    assert "hunter2secret" not in refused.err


def test_a_broker_without_a_target_is_refused(
    run: Run, source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit 2: workers elsewhere cannot know an embedded server, and none is made."""
    monkeypatch.delenv("PGCONVOY_TARGET_URL")
    refused = run("start", "--source", source)
    assert refused.code == 2
    assert "PGCONVOY_TARGET_URL" in refused.sentence
    assert not (tmp_path / "home").exists()


def test_looking_does_not_make_an_embedded_server(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit 2 where there is neither a target nor an embedded server."""
    monkeypatch.delenv("PGCONVOY_TARGET_URL")
    refused = run("status")
    assert refused.code == 2
    assert "producer start" in refused.sentence
    assert not (tmp_path / "home").exists()


def test_a_fault_of_our_own_is_one_sentence_with_its_traceback_in_a_file(
    run: Run, source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit 1, no traceback on the terminal, and no password in the file either."""

    def broken(*_: object, **__: object) -> None:
        msg = "postgresql://u:hunter2secret@h/d"
        raise ZeroDivisionError(msg)

    monkeypatch.setattr("producer.starting.check_source", broken)
    refused = run("start", "--source", source)
    assert refused.code == 1
    assert "ZeroDivisionError" in refused.sentence
    (log,) = (tmp_path / "home" / "logs").glob("failure-*.log")
    assert str(log) in refused.sentence
    assert "Traceback" in log.read_text()
    assert "hunter2secret" not in log.read_text() + refused.err


def test_debug_shows_the_traceback_without_passwords(run: Run, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--debug` is for whoever mends it."""
    monkeypatch.setenv("PGCONVOY_DEBUG", "0")
    refused = run("--debug", "start", "--source", source, target_url="postgresql://u:hunter2secret@127.0.0.1:9/d")
    assert refused.code == 3
    assert "Traceback" in refused.err
    assert "hunter2secret" not in refused.err


def test_the_command_itself_ends_as_its_function_does(producer: Producer, tmp_path: Path) -> None:
    """The installed program gives the same sentence and exit code to a shell."""
    outcome = producer("start", "--source", tmp_path / "nowhere.db", code=2)
    assert outcome.out == ""
    assert outcome.err.startswith("producer: the source ")
    assert len(outcome.err.splitlines()) == 1
    with closing(sqlite3.connect(":memory:")):
        assert "Traceback" not in outcome.err
