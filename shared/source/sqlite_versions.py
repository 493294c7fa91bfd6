"""Which version of its schema a database says it has: SQLite's own numbers, and the tables of well-known tools.

A table of such a name counts only where it has the tool's columns; what cannot be read of it is passed over, since
versions are for people and nothing is decided by them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.quoting import quote_for_sqlite
from shared.records.source import SourceVersion

_LONGEST: Final = 200
"""Characters of a version that are kept."""
_MOST_ROWS: Final = 200
"""Django's apps, or heads of Alembic's branches, that are read."""


@dataclass(frozen=True, slots=True)
class _Tool:
    """A table that a tool keeps its version in."""

    name: str
    table: str
    columns: tuple[str, ...]
    query: str
    """Gives one row for each version: its value, and before it what the name ends with where there are several."""


def _latest(name: str, table: str, column: str, order: str, condition: str = "1") -> _Tool:
    """The value in the row that comes last."""
    query = f"SELECT {column} FROM {{table}} WHERE {condition} ORDER BY {order} DESC LIMIT 1"
    return _Tool(name, table, tuple(dict.fromkeys((column, order))), query)


_TOOLS: Final = (
    _Tool(
        "alembic",
        "alembic_version",
        ("version_num",),
        "SELECT group_concat(version_num, ', ') FROM (SELECT version_num FROM {table} ORDER BY 1)",
    ),
    _Tool("django", "django_migrations", ("id", "app", "name"), "SELECT app, name, max(id) FROM {table} GROUP BY app"),
    _Tool(
        "schema_migrations",  # golang-migrate
        "schema_migrations",
        ("version", "dirty"),
        "SELECT version || CASE WHEN dirty THEN ' (dirty)' ELSE '' END FROM {table} ORDER BY version DESC LIMIT 1",
    ),
    _latest("schema_migrations", "schema_migrations", "version", "version"),  # Rails, dbmate
    _latest("goose", "goose_db_version", "version_id", "id", "is_applied"),
    _latest("Entity Framework", "__EFMigrationsHistory", "MigrationId", "MigrationId"),
    _Tool(
        "migration_log",  # Grafana, xorm
        "migration_log",
        ("id", "migration_id"),
        "SELECT migration_id || ' (' || (SELECT count(*) FROM {table}) || ' in all)' FROM {table}"
        " ORDER BY id DESC LIMIT 1",
    ),
    _latest("schema_changes", "schema_changes", "schema_version", "change_id"),  # Home Assistant
    _latest("knex", "knex_migrations", "name", "id"),
    _latest("flyway", "flyway_schema_history", "version", "installed_rank", "version IS NOT NULL AND success"),
    _latest("room", "room_master_table", "identity_hash", "id"),
    _latest("sequelize", "SequelizeMeta", "name", "name"),
    _latest("prisma", "_prisma_migrations", "migration_name", "started_at", "finished_at IS NOT NULL"),
    _latest("diesel", "__diesel_schema_migrations", "version", "version"),
    _latest("sqlx", "_sqlx_migrations", "version", "version", "success"),
    _latest("grdb", "grdb_migrations", "identifier", "rowid"),
    _Tool(
        "laravel", "migrations", ("id", "migration", "batch"), "SELECT migration FROM {table} ORDER BY id DESC LIMIT 1"
    ),
    _Tool("chromium", "meta", ("key", "value"), "SELECT value FROM {table} WHERE key = 'version' LIMIT 1"),
)


def read_versions(connection: sqlite3.Connection, tables: Collection[str]) -> tuple[SourceVersion, ...]:
    """Read what a database says of its schema's version; nothing in it makes this fail.

    `tables` are the names of its ordinary tables: a view of a tool's name is not asked.
    """
    names = {name.lower() for name in tables}
    tools = [tool for tool in _TOOLS if tool.table.lower() in names]
    return (*_of_header(connection), *_of_tools(connection, tools))


def _of_header(connection: sqlite3.Connection) -> Iterator[SourceVersion]:
    for name in ("user_version", "application_id"):
        try:
            number = int(connection.execute(f"PRAGMA main.{name}").fetchone()[0])
        except sqlite3.Error:
            continue
        if number:
            letters = _letters(number) if name == "application_id" else ""
            yield SourceVersion(name=name, value=f"{number}{letters}")


def _letters(application_id: int) -> str:
    """An application_id is often four letters (https://sqlite.org/src/file/magic.txt): GPKG is a GeoPackage's."""
    raw = application_id.to_bytes(4, signed=True)
    text = raw.decode("ascii", "replace")
    return f" ({text})" if text.isascii() and text.isprintable() else ""


def _of_tools(connection: sqlite3.Connection, tools: Sequence[_Tool]) -> Iterator[SourceVersion]:
    found: set[str] = set()
    for tool in tools:
        try:
            versions = list(_versions(connection, tool))
        except (sqlite3.Error, TypeError, ValueError):
            continue
        yield from (version for version in versions if version.name not in found)
        found.update(version.name for version in versions)


def _versions(connection: sqlite3.Connection, tool: _Tool) -> Iterator[SourceVersion]:
    columns = {
        str(row[1]).lower() for row in connection.execute(f"PRAGMA main.table_info({quote_for_sqlite(tool.table)})")
    }
    if not columns.issuperset(name.lower() for name in tool.columns if name != "rowid"):
        return
    rows = connection.execute(tool.query.format(table=f"main.{quote_for_sqlite(tool.table)}")).fetchmany(_MOST_ROWS)
    for row in rows:
        name, value = (f"{tool.name} {row[0]}", row[1]) if tool.name == "django" else (tool.name, row[0])
        if shown := _shown(value):
            yield SourceVersion(name=_one_line(name), value=shown)


def _shown(value: Any) -> str:
    """A version is a number or a text; anything else is none."""
    return _one_line(str(value)) if isinstance(value, int | float | str) else ""


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST].strip()
