"""One small database on both sides: made in SQLite, translated into a real PostgreSQL with the same rows."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import create_engine

from shared.quoting import qualified, quote, quote_list
from shared.records.existing import TargetAbilities
from shared.records.plan import BuildPhase, JobOptions, ObjectGrade, SchemaPlan, TablePlan, TypeKind
from shared.records.source import ObjectKind
from shared.schema.objects import translate
from shared.source.kinds import open_source
from shared.target import ddl
from shared.target.abilities import read_abilities

Rows = list[tuple[Any, ...]]


class Twins:
    """The same schema and rows in SQLite and in PostgreSQL."""

    def __init__(self, script: str, folder: Path, url: str, **options: Any) -> None:
        """Make the source of a script, translate it, and copy its rows."""
        path = folder / "source.db"
        self.source = sqlite3.connect(path, isolation_level=None)
        self.source.executescript(script)
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
        with engine.connect() as connection:
            self.plan = plan_of(path, read_abilities(connection), **options)
        engine.dispose()
        self.refusals: dict[str, str] = {}
        """What PostgreSQL said against an object, by its name in the target."""
        self._target = psycopg2.connect(url)
        self._target.autocommit = True
        self._make()

    def close(self) -> None:
        """Let go of both sides."""
        self.source.close()
        self._target.close()

    def _make(self) -> None:
        tables = self.plan.tables
        self._run(*ddl.objects(self.plan.objects, BuildPhase.BEFORE), *(ddl.create_table(each) for each in tables))
        for table in tables:
            self._copy(table)
            self._run(*ddl.build_keys(table), *ddl.build_search(table))
        for table in tables:
            self._run(*(ddl.foreign_key(table, key, not_valid=False) for key in table.foreign_keys))
        self._run(*ddl.identities(tables))
        for table in tables:
            self._run(*(ddl.continue_identity(table, column) for column in table.columns if column.identity))
        # Statements may run twice.
        for each in (*self.plan.objects, *self.plan.objects):
            if each.phase is BuildPhase.AFTER:
                said = self._target_says("; ".join(each.statements))
                self.refusals |= {each.name: said} if said else {}

    def _run(self, *statements: str) -> None:
        with self._target.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def _copy(self, table: TablePlan) -> None:
        columns = [column for column in table.columns if column.generated is None]
        names = ", ".join('"' + column.source.replace('"', '""') + '"' for column in columns)
        rows = self.source.execute(f"SELECT {names} FROM {quote(table.read.table)}").fetchall()
        places = ", ".join(f"%s::{column.type.sql}" for column in columns)
        insert = f"INSERT INTO {qualified(table.schema, table.name)} ({quote_list(c.name for c in columns)})"
        with self._target.cursor() as cursor:
            for row in rows:
                values = [_bound(value, column.type.kind) for value, column in zip(row, columns, strict=True)]
                cursor.execute(f"{insert} VALUES ({places})", values)

    def both(self, sql: str, target_sql: str = "") -> tuple[Rows, Rows]:
        """Ask both sides; values as they compare across the two."""
        with self._target.cursor() as cursor:
            cursor.execute(target_sql or sql)
            theirs = [tuple(_alike(value) for value in row) for row in cursor.fetchall()]
        ours = [tuple(_alike(value) for value in row) for row in self.source.execute(sql).fetchall()]
        return ours, theirs

    def do(self, sql: str, target_sql: str = "") -> tuple[str, str]:
        """Run a statement on both sides; returns what each said against it, or nothing."""
        return self._source_says(sql), self._target_says(target_sql or sql)

    def _source_says(self, sql: str) -> str:
        try:
            with closing(self.source.execute(sql)):
                return ""
        except sqlite3.Error as error:
            return str(error)

    def _target_says(self, sql: str) -> str:
        try:
            self._run(sql)
        except psycopg2.Error as error:
            return str(error.diag.message_primary)
        return ""

    def grade(self, name: str, kind: ObjectKind | None = None) -> ObjectGrade:
        """The grade of the one object of a name."""
        (found,) = [
            each
            for each in self.plan.grades
            if each.name == name and each.kind in ({kind} if kind else {ObjectKind.VIEW, ObjectKind.TRIGGER})
        ]
        return found


def plan_of(path: Path, abilities: TargetAbilities | None = None, **options: Any) -> SchemaPlan:
    """Translate a file of SQLite."""
    with open_source(str(path), frozen=False) as source:
        catalog = source.catalog()
        profiles = {each.name: source.profile(each) for each in catalog.tables}
    return translate(
        catalog,
        profiles,
        target_schema="public",
        options=JobOptions(**options),
        abilities=abilities or TargetAbilities(),
    )


def _bound(value: Any, kind: TypeKind) -> Any:
    if value is None or kind is TypeKind.BYTEA:
        return value
    return bool(value) if kind is TypeKind.BOOLEAN else str(value)


def _alike(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case Decimal():
            return float(value)
        case memoryview():
            return bytes(value)
        case dt.datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case dt.date():
            return value.isoformat()
    return value
