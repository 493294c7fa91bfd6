"""Jobs that are taken back, run in the test's process: settings, a source and a target, and what is in this."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from casekit import Silent, inline_workforce
from pydantic import SecretStr

from producer import starting
from producer.records import JobEnd
from producer.starting import start
from shared.records.plan import JobOptions
from shared.settings import Settings

LOGGED = JobOptions(undo_log=True)


def ask(settings: Settings, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in the target; the rows of the last."""
    with closing(psycopg2.connect(settings.target)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()
        return list(cursor.fetchall()) if cursor.description else []


class Maker:
    """Makes a source, and what is in the target before; called with both as SQL."""

    def __init__(self, folder: Path, target_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._target_url = folder, target_url
        monkeypatch.setattr(starting, "open_workforce", inline_workforce)

    def __call__(self, source: str, target: str = "") -> Settings:
        """Make both; returns the settings of their jobs."""
        path = self._folder / "source.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(source)
            connection.commit()
        settings = Settings(
            source_url=SecretStr(str(path)),
            target_url=SecretStr(self._target_url),
            home=self._folder / "home",
            workers=1,
            max_attempts=1,
        )
        if target:
            ask(settings, target)
        return settings


def change_source(settings: Settings, script: str) -> None:
    """Change the source that a maker made."""
    assert settings.source_url is not None
    with closing(sqlite3.connect(settings.source_url.get_secret_value())) as connection:
        connection.executescript(script)
        connection.commit()


def ended(settings: Settings, options: JobOptions = LOGGED) -> JobEnd:
    """Run a job to its end."""
    end = start(settings, options, Silent())
    assert isinstance(end, JobEnd)
    return end


CATALOG = """
    SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgconvoy', 'pg_toast') AND n.nspname !~ '^pg_'
    UNION ALL SELECT n.nspname, p.proname, 'function' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'public' OR p.proname LIKE 'undo%'
    UNION ALL SELECT relname, tgname, tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE NOT tgisinternal
    UNION ALL SELECT relname, conname, pg_get_constraintdef(k.oid) || convalidated
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT nspname, '', 'schema' FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'pgconvoy'
     ORDER BY 1, 2, 3
"""


def dump(settings: Settings) -> dict[str, Any]:
    """All rows of the target's own tables, and all that is there besides."""
    tables = """SELECT c.oid::regclass::text FROM pg_class c
                 WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"""
    found = {name: ask(settings, f"SELECT t::text FROM {name} AS t ORDER BY 1") for (name,) in ask(settings, tables)}
    return found | {"objects": ask(settings, CATALOG)}
