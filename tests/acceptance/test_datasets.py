"""Real databases arrive whole: every table, every value, and each object with the grade that the committed table says.

Where a change of the program changes a grade, PGCONVOY_WRITE_GRADES=1 writes dataset_grades.json anew: read the diff
before you believe it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from casekit import inline_workforce
from fleetkit import RunningWorker, TestPostgres
from oraclekit import problems_of
from producerkit import Producer, differences, ledger_rows
from pydantic import SecretStr

from producer import starting
from producer.planning import plan_only
from producer.records import JobEnd, JobProgress
from producer.services import open_ledger
from producer.starting import start
from shared.ledger.jobs import read_job
from shared.records.plan import JobOptions, ObjectGrade
from shared.settings import Settings
from shared.source.kinds import open_source

FILES = {
    "chinook": "chinook/Chinook_Sqlite.sqlite",
    "datasette": "datasette/fixtures.db",
    "northwind": "northwind/northwind.sqlite",
    "wagtail": "wagtail/wagtail.sqlite3",
}
_TABLE = Path(__file__).parent / "dataset_grades.json"
_WRITES = os.environ.get("PGCONVOY_WRITE_GRADES") == "1"
_KNOWN: dict[str, Any] = json.loads(_TABLE.read_text())
_SUFFIXES = {".db", ".sqlite", ".sqlite3"}


class _Silent:
    def say(self, text: str) -> None:
        """Hear."""

    def warn(self, text: str) -> None:
        """Hear."""

    def show(self, progress: JobProgress) -> None:
        """See."""


@pytest.fixture(scope="module")
def shared_target(postgres_server: TestPostgres) -> Iterator[str]:
    """One database for all files, each in a schema of its own."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done in the test's own process."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)


def files_of(folder: Path) -> list[str]:
    """Every database of the folder, by its path below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in _SUFFIXES)


def test_every_file_has_its_grades(datasets: Path) -> None:
    """A file that comes to the folder, or goes, has to come to the table, or go from it."""
    if _WRITES:
        _write({name: _KNOWN.get(name, {}) for name in files_of(datasets)})
    assert sorted(json.loads(_TABLE.read_text())) == files_of(datasets)


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("name", sorted(_KNOWN))
def test_file_arrives_whole(name: str, datasets: Path, shared_target: str, tmp_path: Path) -> None:
    """All tables, every value or a reject, verified; grades as the dry run foretold and the committed table says."""
    source = datasets / name
    schema = f"of {name}"
    settings = Settings(
        source_url=SecretStr(str(source)),
        target_url=SecretStr(shared_target),
        target_schema=schema,
        home=tmp_path / "home",
        workers=1,
    )
    with closing(psycopg2.connect(shared_target)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{schema}"')
    planned = plan_only(settings, JobOptions(), _Silent())
    end = start(settings, JobOptions(), _Silent())
    assert isinstance(end, JobEnd)
    assert (end.mismatches, end.failures) == ((), ())
    assert sorted(table.name for table in end.progress.tables) == sorted(tables_of(source))
    assert problems_of(shared_target, source, end.progress.job) == []
    found = _found(shared_target, settings, planned.grades, end)
    if _WRITES:
        _write(json.loads(_TABLE.read_text()) | {name: found})
    assert json.loads(_TABLE.read_text())[name] == found


def _found(url: str, settings: Settings, planned: Sequence[ObjectGrade], end: JobEnd) -> dict[str, Any]:
    with open_ledger(settings) as target, target.ledger("reading the grades") as ledger:
        grades = read_job(ledger, end.progress.job).grades
    before, after = _by_object(planned, settings.target_schema), _by_object(grades, settings.target_schema)
    return {
        "job": str(end.progress.state),
        "tables": {table.name: f"{table.rows} rows, {table.rejects} rejects" for table in end.progress.tables},
        "types": _types(url, end.progress.job),
        "grades": after,
        "foretold otherwise": {each: before.get(each, "nothing") for each in after if before.get(each) != after[each]},
    }


def _by_object(grades: Sequence[ObjectGrade], schema: str) -> dict[str, str]:
    """What became of each object, by its name for people."""
    found = {}
    for grade in grades:
        of = "" if grade.table in {None, grade.name} else f" of {grade.table}"
        said = f"{grade.grade}: {grade.reason}" if grade.reason else str(grade.grade)
        found[f"{grade.kind} {grade.name}{of}"] = said.replace(schema, "SCHEMA")
    return dict(sorted(found.items()))


def _types(url: str, job: int) -> dict[str, str]:
    planned = ledger_rows(
        url, f"SELECT target_name, plan -> 'columns' FROM pgconvoy.tables WHERE job_id = {job} ORDER BY target_name"
    )
    return {name: ", ".join(f"{each['name']} {each['type']['sql']}" for each in columns) for name, columns in planned}


def _write(table: dict[str, Any]) -> None:
    _TABLE.write_text(json.dumps(dict(sorted(table.items())), indent=1, ensure_ascii=False) + "\n")


def tables_of(path: Path) -> list[str]:
    """The tables of a file that hold rows to copy."""
    with open_source(str(path), frozen=False) as reader:
        return [table.name for table in reader.catalog().tables]


@pytest.mark.parametrize("name", FILES)
def test_every_value_of_a_real_database_arrives(
    name: str, datasets: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """All tables, all rows, all values, through the command and real workers; the source is never written to."""
    source = datasets / FILES[name]
    before = source.read_bytes()
    outcome = producer("start", "--tables", "all", "--source", source, "--json")
    assert outcome.json["progress"]["state"] == "completed", outcome
    names = dict(ledger_rows(target_url, "SELECT source_name, target_name FROM pgconvoy.tables"))
    assert sorted(names) == sorted(tables_of(source))
    for table, target in names.items():
        assert not differences(source, target_url, table=table, name=target), table
    assert source.read_bytes() == before, "the source is never written to"


def test_chinook_has_its_keys(datasets: Path, producer: Producer, worker: RunningWorker, target_url: str) -> None:
    """11 tables, 15,607 rows, a primary key each, all 11 foreign keys validated, identities that go on."""
    source = datasets / FILES["chinook"]
    producer("start", "--source", source)
    (total,) = ledger_rows(target_url, "SELECT sum(rows) FROM pgconvoy.chunks WHERE state = 'verified'")[0]
    assert total == 15_607
    kinds = dict(
        ledger_rows(
            target_url,
            """SELECT contype::text, count(*) FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f') AND convalidated GROUP BY 1""",
        )
    )
    with closing(sqlite3.connect(source)) as connection:
        keys = sum(
            len({row[0] for row in connection.execute(f'PRAGMA foreign_key_list("{table}")')})
            for table in tables_of(source)
        )
    assert kinds == {"p": 11, "f": keys}
    ((next_id,),) = ledger_rows(target_url, "INSERT INTO artist (name) VALUES ('new') RETURNING artistid")
    assert next_id == 276
