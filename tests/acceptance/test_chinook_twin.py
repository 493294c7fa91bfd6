"""What becomes of Chinook's SQLite file is held against what its authors themselves wrote for PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from casekit import inline_workforce
from fleetkit import TestPostgres
from psycopg2 import sql
from pydantic import SecretStr

from producer import starting
from producer.records import JobEnd, JobProgress
from producer.starting import start
from shared.records.plan import JobOptions
from shared.settings import Settings

_COLUMNS = """
    SELECT replace(c.relname, '_', ''), replace(a.attname, '_', ''), format_type(a.atttypid, a.atttypmod), a.attnotnull
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum
"""
_KEYS = """
    SELECT contype::text, replace(conrelid::regclass::text, '_', ''), replace(confrelid::regclass::text, '_', ''),
           (SELECT array_agg(replace(attname, '_', '') ORDER BY array_position(conkey, attnum))
              FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)),
           (SELECT array_agg(replace(attname, '_', '') ORDER BY array_position(confkey, attnum))
              FROM pg_attribute WHERE attrelid = confrelid AND attnum = ANY (confkey)),
           confupdtype::text, confdeltype::text, condeferrable, convalidated
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f', 'u', 'c')
"""
_INDEXES = """
    SELECT replace(regexp_replace(indexdef, '^.* ON public\\.', ''), '_', '') FROM pg_indexes
     WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


class _Silent:
    def say(self, text: str) -> None:
        """Hear."""

    def warn(self, text: str) -> None:
        """Hear."""

    def show(self, progress: JobProgress) -> None:
        """See."""


@pytest.fixture
def twin_url(postgres_server: TestPostgres, datasets: Path) -> Iterator[str]:
    """The authors' own database."""
    script = (datasets / "chinook" / "Chinook_PostgreSql.sql").read_text(encoding="utf-8-sig")
    with postgres_server.fresh_database() as url:
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(script.partition("\\c chinook;")[2])
        yield url


def _rows(url: str, query: Any) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _copy(datasets: Path, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, options: JobOptions) -> JobEnd:
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    source = datasets / "chinook" / "Chinook_Sqlite.sqlite"
    settings = Settings(source_url=SecretStr(str(source)), target_url=SecretStr(url), home=folder / "home", workers=1)
    end = start(settings, options, _Silent())
    assert isinstance(end, JobEnd)
    assert (end.progress.state, end.mismatches) == ("completed", ())
    return end


def _contents(url: str) -> dict[str, Counter[tuple[Any, ...]]]:
    found = {}
    for (name,) in _rows(url, _NAMES):
        rows = _rows(url, sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)))
        # The one difference between both files: their SQLite file has a blank after this city.
        spelled = (tuple("Edinburgh" if value == "Edinburgh " else value for value in row) for row in rows)
        found[name.replace("_", "")] = Counter(spelled)
    return found


_NAMES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"


def _widened(sql_type: str) -> str:
    """What differs from the authors' types: SQLite's integers have 64 bits, and it keeps texts to no length."""
    return "text" if sql_type.startswith("character varying") else {"integer": "bigint"}.get(sql_type, sql_type)


def test_our_schema_is_the_authors_own(
    datasets: Path, twin_url: str, target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns, NOT NULL, keys, indexes and rows are theirs; integers are wider, and texts have no length."""
    _copy(datasets, target_url, tmp_path, monkeypatch, JobOptions())
    theirs = [(table, name, _widened(type_), bound) for table, name, type_, bound in _rows(twin_url, _COLUMNS)]
    assert _rows(target_url, _COLUMNS) == theirs
    assert sorted(map(repr, _rows(target_url, _KEYS))) == sorted(map(repr, _rows(twin_url, _KEYS)))
    assert sorted(_rows(target_url, _INDEXES)) == sorted(_rows(twin_url, _INDEXES))
    assert _contents(target_url) == _contents(twin_url)


def test_rows_go_into_the_authors_own_schema(
    datasets: Path, twin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--data-only fills their tables, whose names have underscores, with the rows of their own script."""
    before = _contents(twin_url)
    tables = sql.SQL(", ").join(sql.Identifier(name) for (name,) in _rows(twin_url, _NAMES))
    with closing(psycopg2.connect(twin_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("TRUNCATE {}").format(tables))
    _copy(datasets, twin_url, tmp_path, monkeypatch, JobOptions(data_only=True))
    assert _contents(twin_url) == before
    assert _rows(twin_url, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == [(0,)]
