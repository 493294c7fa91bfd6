"""Both sides of a copy, read by sqlite3 and psycopg2 and brought together by a handful of plain rules.

Neither the copier nor the verification has a hand in this: it is the suite's own witness.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import psycopg2.extras

_TSVECTOR = 3614
"""The type's OID, the same in every PostgreSQL."""


def make_source(path: Path, script: str, rows: dict[str, Iterable[tuple[Any, ...]]] | None = None) -> Path:
    """Make a SQLite file from a script, then insert rows by table."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(script)
        for table, values in (rows or {}).items():
            several = list(values)
            marks = ", ".join("?" * len(several[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", several)
    return path


def source_rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    """All rows of a source table."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f'SELECT * FROM "{table}"').fetchall()


def target_rows(url: str, table: str) -> list[tuple[Any, ...]]:
    """All rows of a target table; json as text, for its digits. What full-text search added is left aside."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        psycopg2.extras.register_default_json(connection, loads=str)
        psycopg2.extras.register_default_jsonb(connection, loads=str)
        psycopg2.extras.register_uuid(conn_or_curs=connection)
        cursor.execute(f'SELECT * FROM "{table}" LIMIT 0')
        names = [column.name for column in cursor.description if column.type_code != _TSVECTOR]
        terms = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        cursor.execute(f'SELECT {terms} FROM "{table}"')
        return cursor.fetchall()


def carried(path: Path, url: str, *, table: str, name: str | None = None) -> bool:
    """Whether a table's rows are the same multiset on both sides."""
    return not differences(path, url, table=table, name=name)


def differences(path: Path, url: str, *, table: str, name: str | None = None) -> Counter[Any]:
    """What one side has more of than the other: positive for the source, negative for the target."""
    target = target_rows(url, name or table.lower())
    source = source_rows(path, table)
    shapes = _shapes(target)
    ours = Counter(tuple(_as(value, shape) for value, shape in zip(row, shapes, strict=True)) for row in source)
    theirs = Counter(tuple(_plain(value) for value in row) for row in target)
    ours.subtract(theirs)
    return Counter({row: count for row, count in ours.items() if count})


def _shapes(rows: list[tuple[Any, ...]]) -> list[type | None]:
    """The Python type that each column of the target came as."""
    width = len(rows[0]) if rows else 0
    return [next((type(row[place]) for row in rows if row[place] is not None), None) for place in range(width)]


def _as(value: Any, shape: type | None) -> Any:  # noqa: PLR0911 - one line a type reads best
    """A source value as the target's column would show it."""
    if value is None or shape is None:
        return value
    if shape is bool:
        return {"0": False, "1": True, "f": False, "t": True, "false": False, "true": True}[str(value).lower()]
    if shape is Decimal:
        return Decimal(repr(value) if isinstance(value, float) else str(value)).normalize()
    if shape is float:
        return float(value)
    if shape is memoryview:
        return value if isinstance(value, bytes) else str(value).encode()
    if shape is UUID:
        return UUID(bytes=value) if isinstance(value, bytes) else UUID(value)
    return _as_moment(value, shape)


def _as_moment(value: Any, shape: type) -> Any:
    if shape is datetime:
        return datetime.fromisoformat(value).timestamp() if _zoned(value) else datetime.fromisoformat(value)
    if shape is date:
        return date.fromisoformat(value)
    if shape is time:
        return time.fromisoformat(value)
    if shape is str and not isinstance(value, str):
        return repr(value)
    return value


def _zoned(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


def _plain(value: Any) -> Any:
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, Decimal):
        return value.normalize()
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.timestamp()
    return value
