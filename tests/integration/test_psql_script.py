"""`producer plan --sql` is a script that psql runs without error, whatever the source is called and holds."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fleetkit import TestPostgres
from producerkit import ledger_rows
from targetkit import column, plan_of

from producer.planning import plan_only
from shared.records.plan import (
    BuildPhase,
    CheckPlan,
    ForeignKeyPlan,
    GeneratedPlan,
    Grade,
    IndexPlan,
    JobOptions,
    KeyPlan,
    ObjectGrade,
    ObjectPlan,
    SchemaPlan,
    SearchPlan,
)
from shared.records.source import ObjectKind
from shared.settings import load_settings
from shared.target import ddl

Psql = Callable[[str], None]
NAMES = (
    "two words",
    'quo"te',
    "sin'gle",
    "back\\slash",
    "select",
    "Ünïcode",
    "100%",
    ":bind",
    ":'bind'",
    "a;b",
    "--comment",
    "/*c*/",
    "$1",
    "$$",
    "\\q",
    "new\nline",
    "x" * 64,
    "🚚" * 20,
)


class _Silent:
    def say(self, text: str) -> None:
        del text

    def warn(self, text: str) -> None:
        del text

    def show(self, progress: object) -> None:
        del progress


@pytest.fixture
def psql(postgres_server: TestPostgres, target_url: str, tmp_path: Path) -> Psql:
    """Run a script on the test's empty database; any error of it is the test's."""

    def run(script: str) -> None:
        path = tmp_path / "schema.sql"
        path.write_text(script, encoding="utf-8")
        psql = str(postgres_server.programs / "psql")
        command = [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(path), target_url]
        # A terminal of another encoding, as a person's may be.
        done = subprocess.run(
            command, env={**os.environ, "PGCLIENTENCODING": "LATIN1"}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")

    return run


def planned(source: Path, target_url: str, schema: str = "public") -> str:
    """The script of a source."""
    settings = load_settings(source_url=str(source), target_url=target_url, target_schema=schema)
    return plan_only(settings, JobOptions(), _Silent()).sql


def _sources(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.*")) if path.suffix in {".db", ".sqlite", ".sqlite3"}]


def test_every_real_database_has_a_script(
    datasets: Path, postgres_server: TestPostgres, tmp_path: Path, psql: Psql, target_url: str
) -> None:
    """Each into a schema of its own, which the script makes."""
    files = _sources(datasets)
    assert len(files) >= 20
    for number, path in enumerate(files):
        schema = f"{number} {path.name}"
        psql(planned(path, target_url, schema))
        tables = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r'"
        ((made,),) = ledger_rows(target_url, f"{tables} AND nspname = '{schema}'")
        assert made, path


def test_names_and_values_are_no_commands_to_psql(psql: Psql, target_url: str, tmp_path: Path) -> None:
    """Backslashes, colons, dollars, comments and line ends stand for themselves in names, defaults and checks."""
    with closing(sqlite3.connect(tmp_path / "odd.db")) as connection:
        for number, name in enumerate(NAMES):
            quoted = '"' + name.replace('"', '""') + '"'
            text = "'" + name.replace("'", "''") + "'"
            odd = f"{quoted} TEXT DEFAULT {text} CHECK ({quoted} <> {text})"
            connection.execute(f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY, {odd})")
            connection.execute(f'CREATE INDEX "i{number} {name.replace(chr(34), "")}" ON {quoted} ({quoted} DESC)')
            connection.execute(f'CREATE VIEW "v {name.replace(chr(34), "")}" AS SELECT {quoted} FROM {quoted}')
            connection.execute(f"INSERT INTO {quoted} ({quoted}) VALUES ('x')")
        connection.commit()
    psql(planned(tmp_path / "odd.db", target_url, 'sche"ma.x \\ :y %s'))
    ((tables, views),) = ledger_rows(
        target_url,
        "SELECT count(*) FILTER (WHERE relkind = 'r'), count(*) FILTER (WHERE relkind = 'v') FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'sche%'",
    )
    assert (tables, views) == (len(NAMES), len(NAMES))


def test_a_script_makes_every_kind_of_object(psql: Psql, target_url: str) -> None:
    """In an order in which each finds what it needs; what is not exact stands there as comments."""
    function = (
        "CREATE OR REPLACE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $touch$\n"
        "BEGIN\n    NEW.a := 'x;y'; -- here\n    RETURN NEW;\nEND\n$touch$"
    )
    table = replace(
        plan_of(
            column("bigint", "id", identity=True),
            column("text", "a", default="public.half()::text", collation='"public"."mine"'),
            column("text", "g", generated=GeneratedPlan(sql="lower(a)")),
        ),
        primary_key=KeyPlan(name="t_pkey", columns=("id",)),
        indexes=(IndexPlan(name="i", terms=("lower(a) DESC",), unique=True, where="id > 0"),),
        checks=(CheckPlan(name="c", sql="id > 0"),),
        search=(SearchPlan(column="s", expression="to_tsvector('simple', a)", index="s_i"),),
        foreign_keys=(ForeignKeyPlan(name="f", columns=("id",), parent="t", parent_columns=("id",)),),
    )
    objects = (
        ObjectPlan(
            name="touch",
            phase=BuildPhase.AFTER,
            statements=(
                function,
                "CREATE TRIGGER touch BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.touch()",
            ),
        ),
        ObjectPlan(name="v", phase=BuildPhase.AFTER, statements=("CREATE OR REPLACE VIEW public.v AS TABLE public.t",)),
        ObjectPlan(
            name="mine",
            phase=BuildPhase.BEFORE,
            statements=('CREATE COLLATION IF NOT EXISTS "public"."mine" FROM "C"',),
        ),
        ObjectPlan(
            name="half",
            phase=BuildPhase.BEFORE,
            statements=("CREATE OR REPLACE FUNCTION public.half() RETURNS int LANGUAGE sql AS 'SELECT 1 / 2'",),
        ),
    )
    doubts = tuple(
        ObjectGrade(kind=ObjectKind.VIEW, name=str(grade), table=None, grade=grade, reason="\\q; DROP TABLE t\n\\! rm")
        for grade in (Grade.APPROXIMATED, Grade.REFUSED)
    )
    script = ddl.whole_schema(SchemaPlan(tables=(table,), grades=doubts, objects=objects))
    psql(script)
    assert "-- approximated: view approximated: \\q; DROP TABLE t\n-- \\! rm\n" in script
    assert "-- not translated: view refused" in script
    valid = (
        "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 't'::regclass AND contype IN ('c', 'f', 'p')"
    )
    assert dict(ledger_rows(target_url, valid)) == {"c": True, "f": True, "t_pkey": True}
    made = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ('i', 's_i', 'v')"
    assert len(ledger_rows(target_url, made)) == 3
    assert ledger_rows(target_url, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal") == [("touch",)]


def test_the_command_prints_the_script_alone(psql: Psql, target_url: str, tmp_path: Path) -> None:
    """Nothing but SQL on standard output, so that it can be piped."""
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    command = [sys.executable, "-m", "producer", "plan", "--sql", "--source", str(tmp_path / "s.db")]
    environment = {**os.environ, "PGCONVOY_TARGET_URL": target_url, "PYTHONPATH": str(Path(ddl.__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    psql(done.stdout)
    assert ledger_rows(target_url, "SELECT count(*) FROM t") == [(0,)]
