"""The roles of docs/security.md can do the job and no more; a missing right is named with what gives it."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from casekit import inline_workforce
from fleetkit import TestPostgres
from producerkit import differences, ledger_rows, make_source

from producer import starting
from producer.cli import main

_PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text()
_BLOCKS = dict(re.findall(r"^<!-- role: ([\w ]+) -->\n```sql\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL))
_ROLES = ("pgconvoy_copier", "pgconvoy_reader", "app_owner")
_SOURCE = """
CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, CHECK (id > 0));
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace'), (7, 'Edsger');
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers, total NUMERIC DEFAULT 0);
INSERT INTO orders VALUES (1, 1, 9.5), (2, 2, 0), (3, 7, 'many');
CREATE INDEX orders_customer ON orders (customer);
CREATE VIEW spenders AS SELECT name, sum(total) AS spent FROM customers c
  JOIN orders o ON o.customer = c.id GROUP BY name;
CREATE TRIGGER no_refunds BEFORE INSERT ON orders WHEN NEW.total < 0 BEGIN SELECT RAISE(ABORT, 'no refunds'); END;
CREATE TABLE loose (a, b);
INSERT INTO loose VALUES (1, x'00'), ('two', NULL);
"""
_THERE = """
CREATE SCHEMA app AUTHORIZATION app_owner;
SET ROLE app_owner;
CREATE TABLE app.customers (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES app.customers, total text);
INSERT INTO app.customers VALUES (1, 'Ada, once');
RESET ROLE;
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def roles(postgres_server: TestPostgres, target_url: str) -> Iterator[None]:
    """Roles are the server's, not the database's: they go with the test."""
    _execute(target_url, "CREATE ROLE app_owner")
    yield
    for role in _ROLES:
        if ledger_rows(target_url, f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
            _execute(target_url, f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A bit of everything."""
    return make_source(tmp_path / "source.db", _SOURCE)


@pytest.fixture
def run(
    source: Path, target_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run `producer` as a role, its workers in this process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    monkeypatch.setenv("PGCONVOY_SOURCE_URL", str(source))
    monkeypatch.setenv("PGCONVOY_TARGET_SCHEMA", "app")

    def _run(*arguments: str, role: str = "pgconvoy_copier", **settings: str) -> Ended:
        monkeypatch.setenv("PGCONVOY_TARGET_URL", _as(target_url, role))
        for name, value in settings.items():
            monkeypatch.setenv(f"PGCONVOY_{name.upper()}", value)
        capsys.readouterr()
        code = main(arguments)
        shown = capsys.readouterr()
        return Ended(code, shown.out, shown.err)

    yield _run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _as(url: str, role: str) -> str:
    return url.replace("postgres:@", f"{role}:@")


def _execute(url: str, statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statements)


def _grant(url: str, block: str, *, without: str = "") -> None:
    """Run a block of the page on this test's database, after what everybody may was taken away."""
    (database,) = ledger_rows(url, "SELECT current_database()")[0]
    _execute(url, f"REVOKE ALL ON DATABASE {database} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")
    statements = re.sub(r"\bDATABASE shop\b", f"DATABASE {database}", _BLOCKS[block])
    assert without in statements
    if without:
        statements = "\n".join(line for line in statements.splitlines() if without not in line)
    _execute(url, statements)


def _only_failure(ended: Ended) -> str:
    assert ended.code == 2, ended
    (line,) = ended.err.strip().splitlines()
    return line


def test_the_page_holds_the_roles() -> None:
    """The tests below would say nothing if the blocks were written otherwise."""
    assert set(_BLOCKS) == {"into new tables", "into tables that are there", "that only reads"}


def test_the_role_carries_a_whole_job_into_a_schema_of_its_own(run: Run, source: Path, target_url: str) -> None:
    """Tables, keys, views, triggers, ledger: nothing else is needed, and a second start writes into what it made."""
    _grant(target_url, "into new tables")
    assert "trigger no_refunds" in run("plan", "--verbose").out
    started = run("start")
    assert started.code == 0, started
    for table in ("customers", "orders", "loose"):
        assert not differences(source, _in_app(target_url), table=table)
    assert run("start", "--exclude", "loose").code == 0
    assert run("verify").code == 0
    for command in ("status", "jobs", "report", "rejects"):
        assert run(command).code == 0
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        _execute(_as(target_url, "pgconvoy_copier"), "CREATE TABLE public.mine (a int)")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        _execute(_as(target_url, "pgconvoy_copier"), "CREATE SCHEMA mine")


def test_the_role_fills_tables_that_belong_to_another(run: Run, source: Path, target_url: str) -> None:
    """Rows are inserted and updated, ids go on; it may remove nothing and make nothing there."""
    _execute(target_url, _THERE)
    _grant(target_url, "into tables that are there")
    started = run("start", "--data-only", "--tables", "customers,orders")
    assert started.code == 0, started
    for table in ("customers", "orders"):
        assert not differences(source, _in_app(target_url), table=table)
    assert ledger_rows(target_url, "SELECT last_value FROM app.customers_id_seq") == [(7,)]
    for forbidden in ("DELETE FROM app.orders", "CREATE TABLE app.mine (a int)", "TRUNCATE app.orders"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            _execute(_as(target_url, "pgconvoy_copier"), forbidden)


def test_a_job_that_can_be_taken_back_needs_two_rights_more(run: Run, target_url: str) -> None:
    """The first is named before anything is made; with both, what was there before is there again."""
    _execute(target_url, _THERE)
    _grant(target_url, "into tables that are there")
    words = ("start", "--data-only", "--tables", "customers,orders", "--undo-log")
    assert "permission denied for table customers" in _only_failure(run(*words))
    _execute(target_url, "GRANT TRIGGER, DELETE ON app.customers, app.orders TO pgconvoy_copier")
    assert run(*words).code == 0
    ended = run("rollback", "--yes")
    assert ended.code == 0, ended
    assert ledger_rows(target_url, "SELECT * FROM app.customers") == [(1, "Ada, once")]
    assert ledger_rows(target_url, "SELECT * FROM app.orders") == []


def test_rights_on_the_columns_alone_serve(run: Run, target_url: str) -> None:
    """Whoever grants no more than the columns that are written is not asked for more."""
    _execute(target_url, _THERE)
    _grant(target_url, "into tables that are there", without="ON ALL TABLES")
    columns = "(id, name)"
    _execute(target_url, f"GRANT SELECT {columns}, INSERT {columns}, UPDATE (name) ON app.customers TO pgconvoy_copier")
    started = run("start", "--data-only", "--tables", "customers")
    assert started.code == 0, started


def test_a_role_that_only_reads_sees_jobs_and_compares(run: Run, target_url: str) -> None:
    """Status, report and rejects are its to see, rows are read with it, and it can change nothing."""
    _grant(target_url, "into new tables")
    _grant(target_url, "that only reads")
    reader = _as(target_url, "pgconvoy_reader")
    started = run("start", target_replica_url=reader)
    assert started.code == 0, started
    for command in ("status", "jobs", "report", "rejects"):
        assert run(command, role="pgconvoy_reader").code == 0
    refused = _only_failure(run("cancel", role="pgconvoy_reader"))
    assert "permission denied for table" in refused
    assert "docs/security.md" in refused
    for forbidden in (
        "DELETE FROM app.orders",
        "UPDATE pgconvoy.jobs SET state = 'failed'",
        "CREATE TABLE app.x (a int)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            _execute(reader, forbidden)


@pytest.mark.parametrize(
    ("revoked", "named"),
    [
        ("TEMPORARY ON DATABASE {database}", "GRANT TEMPORARY ON DATABASE"),
        ("USAGE ON SCHEMA app", 'GRANT USAGE, CREATE ON SCHEMA "app" TO "pgconvoy_copier"'),
        ("CREATE ON SCHEMA app", 'GRANT USAGE, CREATE ON SCHEMA "app" TO "pgconvoy_copier"'),
        ("CREATE ON SCHEMA pgconvoy", 'GRANT USAGE, CREATE ON SCHEMA "pgconvoy" TO "pgconvoy_copier"'),
    ],
)
def test_a_right_that_is_missing_for_new_tables_is_named(revoked: str, named: str, run: Run, target_url: str) -> None:
    """Before anything is made."""
    _grant(target_url, "into new tables")
    (database,) = ledger_rows(target_url, "SELECT current_database()")[0]
    _execute(target_url, f"REVOKE {revoked.format(database=database)} FROM pgconvoy_copier")
    assert named in _only_failure(run("start"))
    assert ledger_rows(target_url, "SELECT to_regclass('pgconvoy.jobs')::text, to_regclass('app.orders')::text") == [
        (None, None)
    ]
    assert named in run("check").out


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        ("SCHEMA pgconvoy", "GRANT CREATE ON DATABASE"),
        ("AUTHORIZATION pgconvoy_copier;\n", "GRANT CREATE ON DATABASE"),
    ],
)
def test_a_schema_that_is_not_there_needs_a_right(left_out: str, named: str, run: Run, target_url: str) -> None:
    """The ledger's, or the one that rows go into."""
    _grant(
        target_url, "into new tables", without="CREATE SCHEMA pgconvoy" if "pgconvoy" in left_out[:16] else "SCHEMA app"
    )
    assert named in _only_failure(run("start"))


def test_a_role_that_may_not_connect_is_told_so(run: Run, target_url: str) -> None:
    """As any login that is refused: exit code 3."""
    _grant(target_url, "into new tables", without="GRANT CONNECT")
    refused = run("start")
    assert refused.code == 3
    (line,) = refused.err.strip().splitlines()
    assert "permission denied for database" in line
    assert "GRANT CONNECT" in line


@pytest.mark.parametrize(
    ("revoked", "named"),
    [
        ("SELECT ON app.customers", "grant the target's role SELECT on it"),
        ("INSERT ON app.customers", 'GRANT INSERT ON "app"."customers" TO "pgconvoy_copier"'),
        ("UPDATE ON app.customers", 'GRANT UPDATE ON "app"."customers" TO "pgconvoy_copier"'),
        ("INSERT, UPDATE ON app.orders", 'GRANT INSERT, UPDATE ON "app"."orders" TO "pgconvoy_copier"'),
        ("UPDATE ON app.customers_id_seq", "GRANT SELECT, UPDATE ON SEQUENCE app.customers_id_seq"),
        ("USAGE ON SCHEMA app", 'GRANT USAGE, CREATE ON SCHEMA "app" TO "pgconvoy_copier"'),
    ],
)
def test_a_right_that_is_missing_on_tables_that_are_there_is_named(
    revoked: str, named: str, run: Run, target_url: str
) -> None:
    """Before a row is copied, and nothing is left of the job."""
    _execute(target_url, _THERE)
    _grant(target_url, "into tables that are there")
    _execute(target_url, f"REVOKE {revoked} FROM pgconvoy_copier")
    said = _only_failure(run("start", "--data-only", "--tables", "customers,orders"))
    assert named in said
    assert ledger_rows(target_url, "SELECT to_regclass('pgconvoy.jobs')::text") == [(None,)]


def test_replacing_tables_needs_a_right_of_its_own(run: Run, target_url: str) -> None:
    """It is named before the source is frozen."""
    _grant(target_url, "into new tables")
    assert "GRANT CREATE ON DATABASE" in _only_failure(run("start", "--recreate"))


@pytest.mark.parametrize("revoked", ["USAGE ON SCHEMA pgconvoy", "SELECT ON ALL TABLES IN SCHEMA pgconvoy"])
def test_a_reader_without_its_rights_is_told_so(revoked: str, run: Run, target_url: str) -> None:
    """PostgreSQL's word, and where the rights stand."""
    _grant(target_url, "into new tables")
    assert run("start", "--tables", "loose").code == 0
    _grant(target_url, "that only reads")
    _execute(target_url, f"REVOKE {revoked} FROM pgconvoy_reader")
    said = _only_failure(run("status", role="pgconvoy_reader"))
    assert "permission denied for" in said
    assert "docs/security.md" in said


def _in_app(url: str) -> str:
    return f"{url}&options=-csearch_path%3Dapp"
