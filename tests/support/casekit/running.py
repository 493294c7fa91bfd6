"""Running a case: plan, copy, verify, and look at both sides without our own code."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from pydantic import SecretStr

from casekit.case import Case
from producer.planning import plan_only
from producer.records import JobEnd, JobProgress
from producer.services import open_ledger
from producer.starting import start
from shared.errors import ConvoyError
from shared.ledger.jobs import read_job
from shared.records.plan import JobOptions, ObjectGrade
from shared.settings import Settings

_LONGEST = 500
_MOST_ROWS = 30
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY c.relname, a.attnum
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a case, as data."""

    found: dict[str, Any]
    """In the form of expected.json."""
    broken: tuple[str, ...]
    """What must hold for every case and does not."""


class Silent:
    """Hears what a job tells."""

    def say(self, text: str) -> None:
        """Hear."""

    def warn(self, text: str) -> None:
        """Hear."""

    def show(self, progress: JobProgress) -> None:
        """See."""


def run_case(case: Case, *, folder: Path, target_url: str, schema: str) -> Result:
    """Make the source, run the jobs of a case into a schema of its own, and say what came of it."""
    source = folder / "source.db"
    case.make_source(source)
    settings = Settings(
        source_url=SecretStr(str(source)),
        target_url=SecretStr(target_url),
        target_schema=schema,
        home=folder / "home",
        workers=1,
        retry_delay_s=0.1,
    )
    with closing(psycopg2.connect(target_url)) as connection:
        connection.autocommit = True
        _run(connection, sql.SQL("CREATE SCHEMA {0}; SET search_path TO {0}").format(sql.Identifier(schema)))
        if case.target_sql:
            _run(connection, case.target_sql)
        before = source.read_bytes()
        try:
            found, broken = _jobs(case, settings)
        except ConvoyError as error:
            found, broken = {"error": _plain(str(error), folder, schema)}, []
        if source.read_bytes() != before:
            broken.append("the source was written to")
        found |= _target(connection, case, schema)
    return Result(found=found, broken=tuple(broken))


def _jobs(case: Case, settings: Settings) -> tuple[dict[str, Any], list[str]]:
    broken: list[str] = []
    found: dict[str, Any] = {}
    for options in case.runs:
        planned = plan_only(settings, options, Silent())
        ended = start(settings, options, Silent())
        assert isinstance(ended, JobEnd)
        broken += _what_is_broken(ended, options)
        found = _end(settings, planned.grades, ended)
    return found, broken


def _end(settings: Settings, planned: Sequence[ObjectGrade], end: JobEnd) -> dict[str, Any]:
    grades = _grades(settings, end)
    return {
        "state": str(end.progress.state),
        "tables": {
            table.name: {"state": str(table.state), "rows": table.rows, "rejects": table.rejects}
            for table in end.progress.tables
        },
        "rejects": _rejects(settings),
        "grades": sorted(_grade(grade, settings.target_schema) for grade in grades),
        "unforeseen": _unforeseen(planned, grades),
    }


def _what_is_broken(end: JobEnd, options: JobOptions) -> list[str]:
    broken = [
        f"{table.name}: {table.rows_expected} source rows, {table.rows} target rows and {table.rejects} rejects"
        for table in end.progress.tables
        if table.rows + table.rejects != table.rows_expected and not options.schema_only
    ]
    if end.progress.mismatches:
        broken.append(f"{end.progress.mismatches} mismatches: {end.mismatches}")
    if end.progress.failed:
        broken.append(f"{end.progress.failed} chunks failed: {end.failures}")
    return broken


def _unforeseen(planned: Sequence[ObjectGrade], ended: Sequence[ObjectGrade]) -> list[list[str]]:
    """Grades that the dry run gave otherwise than the job's end: the rows may have a say in keys and constraints."""
    before = {(str(grade.kind), grade.table or "", grade.name): str(grade.grade) for grade in planned}
    after = {(str(grade.kind), grade.table or "", grade.name): str(grade.grade) for grade in ended}
    return [
        [*key, before.get(key, "absent"), after.get(key, "absent")]
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _grades(settings: Settings, end: JobEnd) -> tuple[ObjectGrade, ...]:
    with open_ledger(settings) as target, target.ledger("reading the grades") as ledger:
        return read_job(ledger, end.progress.job).grades


def _grade(grade: ObjectGrade, schema: str) -> list[str]:
    of = "" if grade.table is None else grade.table
    return [of, str(grade.kind), grade.name, str(grade.grade), grade.reason.replace(schema, "SCHEMA")]


def _rejects(settings: Settings) -> list[list[Any]]:
    sql_text = """SELECT t.source_name, r.key::text, r.column_name, r.reason FROM pgconvoy.rejects r
                    JOIN pgconvoy.tables t ON t.id = r.table_id
                   WHERE r.job_id = (SELECT max(job_id) FROM pgconvoy.tables WHERE target_schema = %s)
                   ORDER BY t.source_name, r.id"""
    with closing(psycopg2.connect(settings.target)) as connection, connection.cursor() as cursor:
        cursor.execute(sql_text, (settings.target_schema,))
        return [list(row) for row in cursor.fetchall()]


def _target(connection: Any, case: Case, schema: str) -> dict[str, Any]:
    """Say what the target holds, each value as PostgreSQL writes it, NULL as COPY does."""
    columns: dict[str, dict[str, str]] = {}
    quoted = sql.Identifier(schema).as_string(connection)
    for relation, name, type_ in _rows(connection, _COLUMNS, (quoted,)):
        columns.setdefault(relation, {})[name] = type_.replace(f"{quoted}.", "")
    found: dict[str, Any] = {"columns": columns, "rows": {}}
    for relation, types in columns.items():
        found["rows"][relation] = _whole(connection, relation, types)
    if case.queries:
        found["queries"] = [[text, _answer(connection, text)] for text in case.queries]
    if case.refused:
        found["refused"] = [[text, _refusal(connection, text)] for text in case.refused]
    return found


def _whole(connection: Any, relation: str, columns: dict[str, str]) -> list[list[str]]:
    terms = sql.SQL(", ").join(sql.SQL("coalesce({}::text, '\\N')").format(sql.Identifier(name)) for name in columns)
    query = sql.SQL("SELECT {} FROM {}").format(terms, sql.Identifier(relation))
    rows = _rows(connection, query.as_string(connection).replace("%", "%%"), ())
    found = sorted([_shortened(value) for value in row] for row in rows)
    return found if len(found) <= _MOST_ROWS else [[f"{len(found)} rows, SHA-256 {_digest(repr(found))}"]]


def _shortened(text: str) -> str:
    """Stand for a long text by its length and digest."""
    if len(text) <= _LONGEST:
        return text
    return f"{len(text)} characters, SHA-256 {_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _answer(connection: Any, text: str) -> list[list[str]]:
    try:
        return [["\\N" if value is None else str(value) for value in row] for row in _rows(connection, text, None)]
    except psycopg2.Error as error:
        return [[str(error.pgcode), str(error).splitlines()[0]]]


def _refusal(connection: Any, text: str) -> str:
    try:
        _run(connection, text)
    except psycopg2.Error as error:
        return str(error.pgcode)
    return "taken"


def _rows(connection: Any, text: str, values: tuple[Any, ...] | None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return list(cursor.fetchall())


def _run(connection: Any, text: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)


def _plain(text: str, folder: Path, schema: str) -> str:
    return text.replace(str(folder), "FOLDER").replace(schema, "SCHEMA")
