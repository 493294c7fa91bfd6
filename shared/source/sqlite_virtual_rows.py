"""The rows that virtual tables keep, laid open: a temporary view under each one's name selects them.

So every reader finds them as it finds an ordinary table's rows, by the same SQL: a name without a schema means the
temporary view first. SQLite reads through such a view by its key as fast as in the table below it, and the file is
not touched. Texts are read from the shadow table that holds them, so neither the full-text module nor its tokenizer
is needed; the numbers of an R-tree lie in nodes that its module alone can read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.quoting import quote_for_sqlite
from shared.records.source import (
    ChunkKey,
    ChunkKeyKind,
    SourceColumn,
    SourceTable,
    VirtualModule,
)
from shared.source.sqlite_keys import ROWID_NAMES
from shared.source.sqlite_shadow import CONTENT, shadow_name
from shared.source.sqlite_virtual import Kept, read_virtual_table

_COORDINATES: Final = {VirtualModule.RTREE: "REAL", VirtualModule.RTREE_I32: "INTEGER"}
_LONGEST_FINDING: Final = 200
"""Characters; of a damaged tree SQLite finds something in every node."""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    sql: str
    """Where its values are, in terms of `_Rows.source`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """How the rows of a virtual table are read."""

    columns: tuple[_Column, ...]
    """The key first: one integer, never NULL."""
    source: str
    """What stands after FROM."""


class _UnreadableError(Exception):
    """The rows cannot be read; the text says why, in a clause."""


def lay_open(connection: sqlite3.Connection) -> None:
    """Make the temporary views on a connection. A schema that cannot be read is left to whoever reads it next."""
    try:
        for statement in opening_statements(connection):
            connection.execute(statement)
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return


def opening_statements(connection: sqlite3.Connection) -> list[str]:
    """The statements that make the temporary views, for connections of any driver.

    Raises:
        sqlite3.Error: where the schema cannot be read.
    """
    entries = connection.execute(
        "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    columns_of = columns_reader(connection)
    declared = (read_virtual_table(name, sql, columns_of) for name, sql in entries if isinstance(sql, str))
    return [_view(kept, rows) for kept in declared if kept and (rows := _readable(connection, kept))]


def columns_reader(connection: sqlite3.Connection) -> Callable[[str], Sequence[str]]:
    """Read the columns of any table or view by its name; none where it is not there."""

    def columns_of(table: str) -> list[str]:
        try:
            return [row[1] for row in connection.execute(f"PRAGMA main.table_info({quote_for_sqlite(table)})")]
        except sqlite3.OperationalError:  # a view of something that is not there
            return []

    return columns_of


def own_rows(connection: sqlite3.Connection, kept: Kept) -> tuple[Kept, SourceTable | None]:
    """Describe the rows that a virtual table keeps as a table of that name; None, with the reason, where there is none.

    Raises:
        sqlite3.Error: where the file cannot be read.
    """
    try:
        rows = _rows(connection, kept)
        if kept.virtual.module in _COORDINATES:
            _refuse_broken_tree(connection, kept.virtual.name)
    except _UnreadableError as error:
        return replace(kept, virtual=replace(kept.virtual, unreadable=str(error))), None
    return kept, None if rows is None else _table(kept, rows)


def _readable(connection: sqlite3.Connection, kept: Kept) -> _Rows | None:
    try:
        return _rows(connection, kept)
    except _UnreadableError:
        return None


def _rows(connection: sqlite3.Connection, kept: Kept) -> _Rows | None:
    if not kept.keeps_rows:
        return None
    if kept.virtual.module.is_search:
        return _texts(connection, kept)
    if kept.virtual.module is VirtualModule.GEOPOLY:
        return _shapes(connection, kept)
    return _bounds(connection, kept)


def _texts(connection: sqlite3.Connection, kept: Kept) -> _Rows:
    shadow = shadow_name(kept, CONTENT)
    stored = _stored(connection, shadow)
    if kept.virtual.module is VirtualModule.FTS5:
        columns = list(_fts5_columns(kept, stored))
    else:
        columns = list(_fts3_columns(kept, shadow, stored))
    wanted = "rowid" if kept.virtual.module is VirtualModule.FTS5 else "docid"
    return _Rows(
        columns=(_key(wanted, columns, stored[0]), *columns), source=f"main.{quote_for_sqlite(shadow)} AS kept"
    )


def _fts5_columns(kept: Kept, stored: Sequence[str]) -> Iterator[_Column]:
    """FTS5 names them c0, c1 …, and their locales l0, l1 …; a contentless table stores some of them alone."""
    for place, name in enumerate(kept.order):
        if f"c{place}" in stored:
            yield _Column(name, "", f"kept.c{place}")
        elif not kept.is_partial:
            msg = f"its content table has no column for {name}"
            raise _UnreadableError(msg)
    taken = {name.lower() for name in kept.order}
    for place, name in enumerate(kept.order):
        if kept.locales and f"l{place}" in stored:
            yield _Column(_beside(f"{name}_locale", taken), "", f"kept.l{place}")


def _beside(wanted: str, taken: set[str]) -> str:
    name = wanted
    while name.lower() in taken:
        name += "_"
    taken.add(name.lower())
    return name


def _fts3_columns(kept: Kept, shadow: str, stored: Sequence[str]) -> Iterator[_Column]:
    """FTS3 names them after the columns, so their places are surer; a language's column stands last."""
    language = [] if kept.language_column is None else [kept.language_column]
    if len(stored) != 1 + len(kept.order) + len(language):
        expected = 1 + len(kept.order) + len(language)
        msg = f"its shadow table {shadow} has {len(stored)} columns, where its declaration makes {expected}"
        raise _UnreadableError(msg)
    for name, column in zip(kept.order, stored[1:], strict=False):
        yield _Column(name, "", f"kept.{quote_for_sqlite(column)}")
    for name in language:
        yield _Column(name, "INTEGER", f"kept.{quote_for_sqlite(stored[-1])}")


def _bounds(connection: sqlite3.Connection, kept: Kept) -> _Rows:
    """Take the key and auxiliary columns from the shadow that is sorted by id, and look the bounds up by it."""
    virtual = kept.virtual
    shadow = shadow_name(kept, "rowid")
    stored = _stored(connection, shadow)
    _refuse_unopened(connection, virtual.name)
    bounds = [_Column(name, _COORDINATES[virtual.module], f"tree.{quote_for_sqlite(name)}") for name in virtual.columns]
    auxiliary = _auxiliary(kept, stored, kept.virtual.unindexed)
    return _Rows(
        columns=(_Column(kept.order[0], "INTEGER", "kept.rowid"), *bounds, *auxiliary),
        # CROSS JOIN keeps the order of the two tables: by id, then one look-up in the tree a row.
        source=f"main.{quote_for_sqlite(shadow)} AS kept CROSS JOIN main.{quote_for_sqlite(virtual.name)} AS tree"
        f" ON tree.{quote_for_sqlite(kept.order[0])} = kept.rowid",
    )


def _shapes(connection: sqlite3.Connection, kept: Kept) -> _Rows:
    """Take polygons, in geopoly's binary form, and auxiliary columns from the shadow that holds them."""
    shadow = shadow_name(kept, "rowid")
    stored = _stored(connection, shadow)
    columns = _auxiliary(kept, stored, (*kept.order, *kept.virtual.unindexed))
    return _Rows(columns=(_key("rowid", columns, "rowid"), *columns), source=f"main.{quote_for_sqlite(shadow)} AS kept")


def _auxiliary(kept: Kept, stored: Sequence[str], names: Sequence[str]) -> tuple[_Column, ...]:
    """R-trees and geopoly name them a0, a1 and so on."""
    columns = tuple(_Column(name, "", f"kept.a{place}") for place, name in enumerate(names))
    if missing := [place for place, _ in enumerate(names) if f"a{place}" not in stored]:
        msg = f"its shadow table {shadow_name(kept, 'rowid')} has no column a{missing[0]}"
        raise _UnreadableError(msg)
    return columns


def _stored(connection: sqlite3.Connection, shadow: str) -> list[str]:
    columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({quote_for_sqlite(shadow)})")]
    if not columns:
        msg = f"its shadow table {shadow} is not there"
        raise _UnreadableError(msg)
    return columns


def _refuse_unopened(connection: sqlite3.Connection, name: str) -> None:
    try:
        connection.execute(f"SELECT 1 FROM main.{quote_for_sqlite(name)} LIMIT 0").close()
    except sqlite3.DatabaseError as error:
        msg = f"SQLite here cannot open it ({error})"
        raise _UnreadableError(msg) from error


def _refuse_broken_tree(connection: sqlite3.Connection, name: str) -> None:
    """Rows that a damaged tree does not lead to would be left out in silence: the check of a file is not about them."""
    try:
        (found,) = connection.execute("SELECT rtreecheck('main', ?)", (name,)).fetchone()
    except sqlite3.OperationalError:  # this SQLite has no such function
        return
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        msg = f"its tree is damaged ({' '.join(str(found).split())[:_LONGEST_FINDING]})"
        raise _UnreadableError(msg)


def _key(wanted: str, columns: Iterable[_Column], stored: str) -> _Column:
    """Name the key as SQLite's own queries do; a column of that name goes before it."""
    taken = {column.name.lower() for column in columns}
    name = next((name for name in (wanted, *ROWID_NAMES) if name not in taken), wanted)
    return _Column(name, "INTEGER", f"kept.{quote_for_sqlite(stored)}")


def _view(kept: Kept, rows: _Rows) -> str:
    names = ", ".join(quote_for_sqlite(column.name) for column in rows.columns)
    terms = ", ".join(column.sql for column in rows.columns)
    return f"CREATE TEMP VIEW {quote_for_sqlite(kept.virtual.name)} ({names}) AS SELECT {terms} FROM {rows.source}"


def _table(kept: Kept, rows: _Rows) -> SourceTable:
    key = rows.columns[0]
    own = SourceColumn(name=key.name, declared_type=key.type, not_null=True, primary_key_position=1)
    others = (SourceColumn(name=column.name, declared_type=column.type) for column in rows.columns[1:])
    return SourceTable(
        name=kept.virtual.name,
        columns=(own, *others),
        chunk_key=ChunkKey(kind=ChunkKeyKind.ROWID, columns=(key.name,)),
        rowid_column=key.name,
        primary_key=(key.name,),
        virtual=kept.virtual,
    )
