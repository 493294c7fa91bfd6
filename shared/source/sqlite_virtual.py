"""Virtual tables by their CREATE VIRTUAL TABLE statements: what they were made with and where their rows lie.

Nothing here asks the module itself: it need not be loaded, and its tokenizer may be the application's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.records.source import VirtualModule, VirtualTable
from shared.source.sqlite_tokens import first_token
from shared.source.sqlite_virtual_arguments import read_declaration
from shared.source.sqlite_virtual_fts import ColumnsOf, SearchDeclaration, read_fts3, read_fts5

_SHAPE: Final = "_shape"
"""What geopoly calls the column of its polygons (https://sqlite.org/geopoly.html, section 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How a virtual table keeps rows of its own: what is needed to find its columns in its shadow tables."""

    virtual: VirtualTable
    order: tuple[str, ...] = ()
    """FTS: all columns in the order of the statement. R-tree: the id and the bounds."""
    language_column: str | None = None
    keeps_rows: bool = True
    locales: bool = False

    @property
    def is_partial(self) -> bool:
        """Whether the content table holds some of the columns alone."""
        return self.virtual.contentless


def read_virtual_table(name: str, sql: str, columns_of: ColumnsOf) -> Kept | None:
    """Read what a virtual table was made with; None for a module that is not translated."""
    declared = read_declaration(sql)
    if declared.module not in list(VirtualModule):
        return None
    module = VirtualModule(declared.module)
    match module:
        case VirtualModule.FTS3 | VirtualModule.FTS4:
            found = read_fts3(declared.arguments, columns_of, is_fts4=module is VirtualModule.FTS4)
            return _search(name, sql, module, found)
        case VirtualModule.FTS5:
            return _search(name, sql, module, read_fts5(declared.arguments))
        case _:
            return _tree(name, sql, module, declared.arguments)


def _search(name: str, sql: str, module: VirtualModule, found: SearchDeclaration) -> Kept:
    unindexed = {column.lower() for column in found.unindexed}
    virtual = VirtualTable(
        name=name,
        module=module,
        columns=tuple(column for column in found.columns if column.lower() not in unindexed),
        unindexed=found.unindexed,
        content_table=found.content or None,
        content_rowid=found.content_rowid,
        contentless=found.content == "",
        tokenizer=found.tokenizer,
        compressed=found.compressed,
        sql=sql,
    )
    return Kept(
        virtual=virtual,
        order=found.columns,
        language_column=found.language_column,
        keeps_rows=found.keeps_rows,
        locales=found.locales,
    )


def _tree(name: str, sql: str, module: VirtualModule, arguments: Sequence[str]) -> Kept:
    """Read an R-tree (https://sqlite.org/rtree.html, section 3): the id, the bounds, then ``+auxiliary`` columns."""
    if module is VirtualModule.GEOPOLY:
        named = tuple(first_token(each) for each in arguments)
        return Kept(
            virtual=VirtualTable(name=name, module=module, columns=(_SHAPE,), unindexed=named, sql=sql), order=(_SHAPE,)
        )
    plain = tuple(first_token(each) for each in arguments if not each.startswith("+"))
    auxiliary = tuple(first_token(each[1:]) for each in arguments if each.startswith("+"))
    virtual = VirtualTable(name=name, module=module, columns=plain[1:], unindexed=auxiliary, sql=sql)
    return Kept(virtual=virtual, order=plain)
