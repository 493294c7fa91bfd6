"""Shadow tables: ordinary-looking tables in which a virtual table keeps its data.

They are told by name, so that tables of modules that this SQLite was built without are recognised too. For an
unknown module nothing is taken for a shadow: a table too many is copied, none is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from shared.records.source import VirtualModule
from shared.source.sqlite_virtual import Kept

CONTENT: Final = "content"
_FTS3: Final = (CONTENT, "segments", "segdir", "docsize", "stat")
_RTREE: Final = ("node", "rowid", "parent")
_SUFFIXES: Final = MappingProxyType(
    {
        VirtualModule.FTS3: _FTS3,  # https://sqlite.org/fts3.html#shadow_tables
        VirtualModule.FTS4: _FTS3,
        VirtualModule.FTS5: ("data", "idx", CONTENT, "docsize", "config"),  # https://sqlite.org/fts5.html, section 9
        VirtualModule.RTREE: _RTREE,  # https://sqlite.org/rtree.html, section 3.1
        VirtualModule.RTREE_I32: _RTREE,
        VirtualModule.GEOPOLY: _RTREE,
    }
)


def shadows_of(kept: Kept, tables: Iterable[str]) -> list[str]:
    """Find the shadow tables of one virtual table among the names of all tables that could be shadows."""
    suffixes = set(_SUFFIXES[kept.virtual.module])
    if not kept.keeps_rows:  # the text lies in a table of the user's own, whatever its name
        suffixes.discard(CONTENT)
    shadows = {shadow_name(kept, suffix).lower() for suffix in suffixes}
    return [table for table in tables if table.lower() in shadows]


def shadow_name(kept: Kept, suffix: str) -> str:
    """Name a shadow table of a virtual table."""
    return f"{kept.virtual.name}_{suffix}"
