"""Names and contents made to harm, through every command: nothing but what was asked for is done, shown or made."""

from __future__ import annotations

import csv
import json
import signal
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from fleetkit import RunningWorker, TestPostgres
from oraclekit import problems_of
from producerkit import ledger_rows

from producer import cli
from producer.print_sql import sql_for_terminal

_DROP = "DROP TABLE canary; DROP SCHEMA pgconvoy CASCADE"
NAMES = (
    f'x"; {_DROP}; --',
    f"x'; {_DROP}; --",
    f"x\\'; {_DROP}; --",
    f"$$; {_DROP}; $$",
    f"$fn$; {_DROP}; $fn$",
    f"*/ {_DROP}; /*",
    f"two\nlines\r\n{_DROP};\n\\! touch pwned\n",
    "%s %(name)s %% {} {0} {name!r} :name ?1 $1 :'name'",
    "\x1b[2J\x1b]0;title\x07\x9b31m\b\x7f",
    "rtl\u202eabc\u2066 zero\u200bwidth\ufeff\u00ad\u2028",
    "[red]not red[/red] [link=https://example.org]x[/link] :smile:",
    "<script>alert('x')</script>&amp;<!--",
    "=1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "-2+3",
    'a,b "c", d',
    "all",
    "n" * 63,
    "n" * 64,
    "n" * 200,
    "ü" * 40,
    "ü" * 41,
    "SELECT",
    "pg_class",
    "Pgconvoy.Jobs",
    "ctid",
    "😀👩‍👩‍👧",
    "*",
    "[a-z]?",
    "ä",
    "Ä",
    "null",
    "../../etc/passwd",
)
_FEW = 4
"""Some things are done with every so many of them, for the sake of time."""


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _statements(number: int, text: str) -> Iterator[str]:
    """A table whose every name, constant and value is one hostile text, and what can belong to a table."""
    name, value = _name(text), _text(text)
    yield (
        f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {name} TEXT DEFAULT {value} COLLATE NOCASE, v TEXT UNIQUE,"
        f" p INT REFERENCES {name} (id), g TEXT AS (v || {value}), CONSTRAINT {name} CHECK (v <> {value}))"
    )
    # A second row holds what no text of PostgreSQL can: a reject with hostile names and values in it.
    yield f"INSERT INTO {name} (id, {name}, v, p) VALUES (1, {value}, {value} || '.', 1)"
    yield f"INSERT INTO {name} (id, {name}, v, p) VALUES (2, {value}, x'610062' || '', 1)"
    yield f"CREATE INDEX {_name('i' + text)} ON {name} ({name}) WHERE v <> {value}"
    yield f"CREATE VIEW {_name('v' + text)} AS SELECT {name} AS {_name('c' + text)}, {value} AS lit FROM {name}"
    yield (
        f"CREATE TRIGGER {_name('t' + text)} BEFORE INSERT ON {name} WHEN NEW.v = {value}"
        f" BEGIN SELECT RAISE(ABORT, {value}); END"
    )
    if number % _FEW == 0:
        yield f"CREATE TABLE {_name(f'{number}' + text)} ({name} TEXT COLLATE {name}, {_name('ä' + text)} {name})"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of hostile names."""
    path = tmp_path_factory.mktemp("hostile") / "x' ; --%s{}.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        for number, text in enumerate(NAMES):
            connection.create_collation(text, lambda a, b: (a > b) - (a < b))
            for statement in _statements(number, text):
                connection.execute(statement)
    return path


@dataclass(frozen=True)
class Shown:
    """What a command ended with."""

    code: int
    out: str
    err: str


Run = Callable[..., Shown]


@pytest.fixture
def run(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run a command in this process and look at all that it prints."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def _run(*arguments: str | Path, code: int) -> Shown:
        capsys.readouterr()
        ended = cli.main([str(argument) for argument in arguments])
        shown = Shown(ended, *capsys.readouterr())
        assert ended == code, shown
        for stream in (shown.out, shown.err):
            assert "Traceback" not in stream
            assert "fault of pgconvoy" not in stream
            if "--sql" not in arguments:
                assert _steering(stream) == [], arguments
        return shown

    yield _run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _steering(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"} and c != "\n"]


def _execute(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def _is_unharmed(url: str) -> None:
    assert ledger_rows(url, "SELECT v FROM canary") == [("sings",)]
    assert not Path("pwned").exists()


def test_hostile_names_and_contents_do_no_harm_in_any_command(
    hostile: Path, run: Run, worker: RunningWorker, target_url: str, postgres_server: TestPostgres
) -> None:
    """Each is carried, shown by its codes and quoted everywhere; rows are what they mean, and nothing else happens."""
    _execute(target_url, "CREATE TABLE canary (v text); INSERT INTO canary VALUES ('sings')")
    schema = 'into "; DROP TABLE canary; -- %s\x1b[2J'
    where = ("--source", hostile, "--schema", schema)
    every = len(NAMES) + len(NAMES[::_FEW])
    run("check", *where, code=0)
    run("plan", *where, "--verbose", code=0)
    planned = json.loads(run("plan", *where, "--json", code=0).out)
    assert {table["source"] for table in planned["tables"]} >= set(NAMES)
    assert len({table["target"] for table in planned["tables"]}) == every

    script = run("plan", *where, "--sql", code=0).out
    _means_the_same_on_a_terminal(script, postgres_server)
    ended = json.loads(run("start", *where, "--json", code=1).out)
    assert ended["progress"]["state"] == "completed_with_rejects"
    assert {table["name"] for table in ended["progress"]["tables"]} >= set(NAMES)
    assert ended["progress"]["rejects"] == len(NAMES)
    assert problems_of(target_url, hostile, ended["progress"]["job"]) == []
    run("status", code=0)
    run("jobs", code=0)
    run("report", "--verbose", code=0)
    report = json.loads(run("report", "--json", code=0).out)
    assert {table["source"] for table in report["tables"]} >= set(NAMES)
    run("rejects", code=0)
    rejects = json.loads(run("rejects", "--limit", "500", "--json", code=0).out)
    assert {reject["table"] for reject in rejects} == set(NAMES)
    run("verify", code=1)
    for text in NAMES[:9:_FEW]:
        run("requeue", "--table", text, code=2)
    _is_exported(run, hostile)
    _is_unharmed(target_url)


def _is_exported(run: Run, hostile: Path) -> None:
    run("rejects", "--export", "rejects.csv", code=0)
    with Path("rejects.csv").open(newline="", encoding="utf-8") as file:
        cells = list(csv.reader(file))
    assert not [cell for row in cells for cell in row if cell[:1] in set("=+-@\t\r\n")]
    assert {row[0].removeprefix("'") for row in cells[1:]} == {name.removeprefix("'") for name in NAMES}
    run("rejects", "--export", "rejects.sqlite", code=0)
    with closing(sqlite3.connect("rejects.sqlite")) as kept, closing(sqlite3.connect(hostile)) as source:
        for text in NAMES:
            columns = f"id, {_name(text)}, v, p"
            query = f"SELECT {columns} FROM {_name(text)} WHERE id = 2"
            assert kept.execute(query).fetchall() == source.execute(query).fetchall()


_MADE = """
    SELECT c.relkind::text, c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid), pg_get_viewdef(c.oid),
           (SELECT array_agg(conname || pg_get_constraintdef(k.oid) ORDER BY conname) FROM pg_constraint k
             WHERE k.conrelid = c.oid),
           (SELECT array_agg(tgname || pg_get_triggerdef(pg_trigger.oid) ORDER BY tgname) FROM pg_trigger
             WHERE tgrelid = c.oid AND NOT tgisinternal)
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
     ORDER BY 1, 2, 3
"""


def _means_the_same_on_a_terminal(script: str, server: TestPostgres) -> None:
    """The plan's SQL runs, as it is piped and as a terminal shows it, and makes the same."""
    shown = sql_for_terminal(script)
    assert _steering(shown.replace("\t", "")) == []
    made = []
    for each in (script, shown):
        with server.fresh_database() as url:
            _execute(url, "CREATE TABLE canary (v text); INSERT INTO canary VALUES ('sings')")
            _execute(url, each)
            _is_unharmed(url)
            made.append(ledger_rows(url, _MADE))
    assert made[0] == made[1]
    assert len(made[0]) > len(NAMES)


def _toml(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08X}" for character in text) + '"'


def test_hostile_rules_settings_and_options_do_no_harm(
    hostile: Path, run: Run, target_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names in rules, patterns, options and variables are compared and quoted, never run; types must be types."""
    _execute(target_url, "CREATE TABLE canary (v text); INSERT INTO canary VALUES ('sings')")
    quoted = ",".join(_name(text) for text in NAMES)
    planned = json.loads(run("plan", "--source", hostile, "--tables", quoted, "--json", code=0).out)
    assert {table["source"] for table in planned["tables"]} == set(NAMES)
    run("plan", "--source", hostile, "--exclude", quoted, code=0)
    for text in NAMES[::_FEW]:
        run("plan", "--source", hostile, "--tables", _name(f"no such {text}"), code=2)
        run("plan", "--source", f"nowhere/{text}.db", code=2)
    for text in NAMES[::_FEW]:
        rule = f"[[rules]]\ntable = {_toml(f'no such {text}')}\ntype = {_toml(text)}\n"
        Path("pgconvoy.toml").write_text(rule, encoding="utf-8")
        run("plan", "--source", hostile, code=2)
    Path("pgconvoy.toml").write_text('[[rules]]\ntable = "*"\ntype = "text); DROP TABLE canary; --"\n')
    run("plan", "--source", hostile, code=2)
    Path("pgconvoy.toml").write_text(_toml("=x\x1b[2J") + " = 1\n")
    run("plan", "--source", hostile, code=2)
    Path("pgconvoy.toml").write_text("x = " + "[" * 5_000 + "]" * 5_000)
    run("plan", "--source", hostile, code=2)
    Path("pgconvoy.toml").unlink()
    for variable in ("PGCONVOY_TARGET_URL", "PGCONVOY_CHUNK_MB", "PGCONVOY_BROKER_URL", "PGCONVOY_SOURCE_URL"):
        with monkeypatch.context() as patched:
            patched.setenv(variable, f"postgresqlx://\x1b[2J'; {_DROP} --\n")
            run("plan", code=2)
    _is_unharmed(target_url)
