"""Collations that only the application has: without a stand-in SQLite refuses what merely touches their columns.

Counting the rows of a table is refused where SQLite would count through an index that is sorted by such a collation,
and a WITHOUT ROWID table with one in its key cannot be read at all. Nothing is ever compared by a stand-in: no key
range is cut by such a column (`choose_chunk_key`).
"""

from __future__ import annotations

import re
import sqlite3
from typing import Final

BUILT_IN: Final = frozenset({"BINARY", "NOCASE", "RTRIM"})
"""SQLite's own (https://sqlite.org/datatype3.html#collating_sequences)."""
_NAMED: Final = re.compile(
    r"""\bCOLLATE(?:\s|/\*.*?\*/|--[^\n]*\n)*("(?:[^"]|"")*"|'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|[^\s,();"'`\[\]]+)""",
    re.IGNORECASE | re.DOTALL,
)


def is_built_in(collation: str) -> bool:
    """Whether SQLite itself knows a collation."""
    return collation.upper() in BUILT_IN


def stand_in(connection: sqlite3.Connection) -> None:
    """Register something for each collation that the schema names. A schema that cannot be read is left alone."""
    try:
        rows = connection.execute("SELECT sql FROM main.sqlite_schema WHERE sql LIKE '%collate%'").fetchall()
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return
    for name in sorted({_plain(found[1]) for (sql,) in rows for found in _NAMED.finditer(str(sql))}):
        if name and not is_built_in(name):
            connection.create_collation(name, _by_characters)


def has_stand_ins(connection: sqlite3.Connection) -> bool:
    """Whether a collation is registered that SQLite does not have of its own."""
    return not all(is_built_in(name) for _, name in connection.execute("PRAGMA collation_list"))


def _by_characters(left: str, right: str) -> int:
    return (left > right) - (left < right)


def _plain(name: str) -> str:
    if name[0] == "[":
        return name[1:-1]
    return name[1:-1].replace(name[0] * 2, name[0]) if name[0] in "\"'`" else name
