"""What SQLite is told before it reads a file that may have been made to harm (https://sqlite.org/security.html).

Connections are read-only besides, values and names are never put into SQL but quoted, and nobody runs a view or trigger
of the source.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

_CALLS_JSON_HARMLESS: Final = (3, 41, 0)
"""Older ones refuse their own functions for JSON in generated columns, which are common, under `trusted_schema`; what
else that forbids they do not have, or refuse anyway."""
_HEAP_BYTES: Final = 4 * 1024**3
"""Memory of SQLite itself in one process: two values of the largest size that PostgreSQL takes (1 GB) with room."""


def defend(connection: sqlite3.Connection) -> None:
    """Defend a connection of Python's SQLite."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for statement in defending_statements(sqlite3.sqlite_version_info):
        connection.execute(statement).close()


def defending_statements(version: tuple[int, ...]) -> Iterator[str]:
    """The statements that do it on a connection of any driver, by the version of its SQLite."""
    if version >= _CALLS_JSON_HARMLESS:
        yield "PRAGMA trusted_schema = OFF"
    yield "PRAGMA cell_size_check = ON"
    yield "PRAGMA mmap_size = 0"
    yield f"PRAGMA hard_heap_limit = {_HEAP_BYTES}"
