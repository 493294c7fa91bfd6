"""Shadow tables: ordinary-looking tables in which a virtual table keeps its data.

They are told by name, so that tables of modules that this SQLite was built without are recognised too. For an
unknown module nothing is taken for a shadow: a table too many is copied, none is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from shared.source.sqlite_ddl import has_module_option, module_of

_FTS3: Final = ("content", "segments", "segdir", "docsize", "stat")
_RTREE: Final = ("node", "rowid", "parent")
_SUFFIXES: Final = MappingProxyType(
    {
        "fts3": _FTS3,  # https://sqlite.org/fts3.html#shadow_tables
        "fts4": _FTS3,
        "fts5": ("data", "idx", "content", "docsize", "config"),  # https://sqlite.org/fts5.html, section 9
        "rtree": _RTREE,  # https://sqlite.org/rtree.html, section 3.1
        "rtree_i32": _RTREE,
        "geopoly": _RTREE,
        "spellfix1": ("vocab",),  # https://sqlite.org/spellfix1.html
    }
)


def shadows_of(name: str, sql: str, tables: Iterable[str]) -> list[str]:
    """Find the shadow tables of one virtual table.

    Args:
        name: The virtual table.
        sql: Its CREATE VIRTUAL TABLE statement.
        tables: Names of all tables that could be shadows.
    """
    suffixes = set(_SUFFIXES.get(module_of(sql), ()))
    if has_module_option(sql, "content"):  # the text lies in a table of the user's own, whatever its name
        suffixes.discard("content")
    shadows = {f"{name}_{suffix}".lower() for suffix in suffixes}
    return [table for table in tables if table.lower() in shadows]
