"""The schema of a SQLite file as a catalog record.

Tables come from sqlite_schema and the PRAGMAs that every SQLite since 3.26 has; what those leave out comes from the
CREATE TABLE statements. (PRAGMA table_list would need 3.37, and knows shadow tables only of modules that are loaded.)
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.quoting import quote_for_sqlite
from shared.records.keys import RawText
from shared.records.source import (
    Generated,
    IndexColumn,
    IndexOrigin,
    ObjectKind,
    SourceCatalog,
    SourceColumn,
    SourceForeignKey,
    SourceIndex,
    SourceObject,
    SourceTable,
)
from shared.source.sqlite_ddl import Deferral, TableStatement, read_create_table
from shared.source.sqlite_keys import choose_chunk_key
from shared.source.sqlite_shadow import shadows_of
from shared.source.sqlite_versions import read_versions
from shared.source.sqlite_virtual import Kept, read_virtual_table
from shared.source.sqlite_virtual_rows import columns_reader, own_rows

_GENERATED: Final = MappingProxyType({2: Generated.VIRTUAL, 3: Generated.STORED})
"""By `hidden` of PRAGMA table_xinfo (https://sqlite.org/pragma.html#pragma_table_xinfo)."""
_ORIGINS: Final = MappingProxyType({"c": IndexOrigin.CREATED, "u": IndexOrigin.UNIQUE, "pk": IndexOrigin.PRIMARY_KEY})
_INTERNAL: Final = "sqlite_"
"""Names that SQLite keeps for itself: automatic indexes, and these tables."""
_OWN_TABLES: Final = frozenset({"sqlite_sequence", "sqlite_stat1", "sqlite_stat2", "sqlite_stat3", "sqlite_stat4"})
"""https://sqlite.org/fileformat2.html, section 2.6."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One row of sqlite_schema."""

    type: str
    name: str
    table: str
    sql: str

    @property
    def is_virtual(self) -> bool:
        return self.type == "table" and self.sql[:20].upper().split()[1:2] == ["VIRTUAL"]


def read_catalog(connection: sqlite3.Connection) -> SourceCatalog:
    """Read the whole schema.

    Raises:
        sqlite3.Error: where SQLite cannot read it.
    """
    entries = _entries(connection)
    columns_of = columns_reader(connection)
    kept = {
        entry.name: own_rows(connection, found)
        for entry in entries
        if entry.is_virtual and (found := read_virtual_table(entry.name, entry.sql, columns_of))
    }
    shadows = _shadows(entries, [each for each, _ in kept.values()])
    sequences = _sequences(connection)
    statements = {entry.name: entry.sql for entry in entries if entry.type == "index"}
    tables = [
        kept[entry.name][1] if entry.name in kept else _table(connection, entry, statements, sequences.get(entry.name))
        for entry in entries
        if entry.type == "table" and (entry.name in kept or not entry.is_virtual) and entry.name not in shadows
    ]
    return SourceCatalog(
        tables=tuple(table for table in tables if table is not None),
        objects=tuple(_objects(entries, shadows, kept)),
        versions=read_versions(connection, [e.name for e in entries if e.type == "table" and not e.is_virtual]),
    )


def _entries(connection: sqlite3.Connection) -> list[_Entry]:
    """Read sqlite_schema, SQLite's own tables and indexes left out."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_schema").fetchall()
    entries = [_Entry(_named(kind), _named(name), _named(table), _readable(sql)) for kind, name, table, sql in rows]
    for entry in entries:
        _refuse_hidden(entry)
    return [entry for entry in entries if not entry.name.lower().startswith(_INTERNAL)]


def _refuse_hidden(entry: _Entry) -> None:
    """Refuse what only somebody who wrote into the schema himself can have made: it would be left out in silence."""
    name = entry.name.lower()
    if name.startswith(_INTERNAL) and entry.type != "index" and name not in _OWN_TABLES:
        msg = f"its schema was tampered with: it has a {entry.type} {entry.name!r}, a name that SQLite keeps for itself"
        raise sqlite3.DataError(msg)


def _named(name: object) -> str:
    """Refuse a name that no SQL could spell."""
    if not isinstance(name, str | RawText):
        msg = f"its schema was tampered with: it calls something {name!r}, which is no name"
        raise sqlite3.DataError(msg)
    if isinstance(name, RawText):
        msg = f"a name in it is not valid UTF-8 (x'{name.raw.hex()}'): rename that table, column or index first"
        raise sqlite3.DataError(msg)
    return name


def _readable(sql: object) -> str:
    """SQL whose comments or constants are not valid UTF-8 is read all the same."""
    return sql.raw.decode(errors="replace") if isinstance(sql, RawText) else str(sql)


def _shadows(entries: Sequence[_Entry], kept: Sequence[Kept]) -> dict[str, str]:
    """Map each shadow table to its virtual table."""
    tables = [entry.name for entry in entries if entry.type == "table" and not entry.is_virtual]
    return {shadow: each.virtual.name for each in kept for shadow in shadows_of(each, tables)}


def _objects(
    entries: Sequence[_Entry], shadows: dict[str, str], kept: Mapping[str, tuple[Kept, SourceTable | None]]
) -> list[SourceObject]:
    objects: list[SourceObject] = []
    for entry in entries:
        if entry.name in kept:
            objects.append(_virtual_table(*kept[entry.name]))
        elif entry.is_virtual:
            objects.append(SourceObject(kind=ObjectKind.VIRTUAL_TABLE, name=entry.name, sql=entry.sql))
        elif entry.type == "table" and entry.name in shadows:
            owner = shadows[entry.name]
            objects.append(SourceObject(kind=ObjectKind.SHADOW_TABLE, name=entry.name, table=owner, sql=entry.sql))
        elif entry.type == "view":
            objects.append(SourceObject(kind=ObjectKind.VIEW, name=entry.name, sql=entry.sql))
        elif entry.type == "trigger":
            objects.append(SourceObject(kind=ObjectKind.TRIGGER, name=entry.name, table=entry.table, sql=entry.sql))
    return objects


def _virtual_table(kept: Kept, rows: SourceTable | None) -> SourceObject:
    virtual = kept.virtual
    carrier = rows.name if rows else virtual.content_table
    return SourceObject(
        kind=ObjectKind.VIRTUAL_TABLE, name=virtual.name, table=carrier, sql=virtual.sql, virtual=virtual
    )


def _sequences(connection: sqlite3.Connection) -> dict[str, int]:
    if not connection.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return {}
    rows = connection.execute(
        "SELECT name, max(seq) FROM main.sqlite_sequence WHERE typeof(seq) = 'integer' GROUP BY 1"
    )
    return dict(rows.fetchall())


def _table(
    connection: sqlite3.Connection, entry: _Entry, index_sql: dict[str, str], sequence: int | None
) -> SourceTable:
    statement = read_create_table(entry.sql)
    info = connection.execute(f"PRAGMA main.table_xinfo({quote_for_sqlite(entry.name)})").fetchall()
    indexes = _indexes(connection, entry.name, index_sql)
    primary_key = tuple(_named(name) for _, name in sorted((row[5], row[1]) for row in info if row[5]))
    rowid_column = _rowid_column(primary_key, indexes, statement)
    columns = tuple(_column(row, statement, rowid_column) for row in info)
    return SourceTable(
        name=entry.name,
        columns=columns,
        chunk_key=choose_chunk_key(
            columns,
            indexes,
            primary_key=primary_key,
            rowid_column=rowid_column,
            without_rowid=statement.without_rowid,
        ),
        rowid_column=rowid_column,
        primary_key=primary_key,
        without_rowid=statement.without_rowid,
        strict=statement.strict,
        autoincrement_floor=sequence,
        indexes=indexes,
        foreign_keys=_foreign_keys(connection, entry.name, statement.deferrals),
        has_checks=statement.has_checks,
        sql=entry.sql,
    )


def _rowid_column(
    primary_key: tuple[str, ...], indexes: Sequence[SourceIndex], statement: TableStatement
) -> str | None:
    """Find the alias of the rowid: a primary key of one column that needs no index of its own.

    So SQLite itself decides the odd cases: ``INT PRIMARY KEY`` and ``INTEGER PRIMARY KEY DESC`` are no aliases.
    """
    has_index = any(index.origin is IndexOrigin.PRIMARY_KEY for index in indexes)
    if statement.without_rowid or has_index or len(primary_key) != 1:
        return None
    return primary_key[0]


def _column(
    row: tuple[int, str, str, int, str | None, int, int], statement: TableStatement, rowid_column: str | None
) -> SourceColumn:
    _, name, declared_type, not_null, default_sql, position, hidden = row
    # Only in ordinary tables can a primary key hold NULL, for the sake of old files.
    never_null = bool(position) and (statement.without_rowid or statement.strict or name == rowid_column)
    return SourceColumn(
        name=_named(name),
        declared_type=_readable(declared_type or ""),
        not_null=bool(not_null) or never_null,
        default_sql=None if default_sql is None else _readable(default_sql),
        primary_key_position=position or None,
        generated=_GENERATED.get(hidden, Generated.NO),
        generated_sql=statement.generated.get(name) if hidden in _GENERATED else None,
        collation=statement.collations.get(name, "BINARY"),
    )


def _indexes(connection: sqlite3.Connection, table: str, index_sql: dict[str, str]) -> tuple[SourceIndex, ...]:
    rows = connection.execute(f"PRAGMA main.index_list({quote_for_sqlite(table)})").fetchall()
    return tuple(  # newest first, says SQLite; people expect the order of creation
        SourceIndex(
            name=name,
            unique=bool(unique),
            origin=_ORIGINS[origin],
            columns=_index_columns(connection, name),
            partial=bool(partial),
            sql=index_sql.get(name),
        )
        for _, name, unique, origin, partial in reversed(rows)
    )


def _index_columns(connection: sqlite3.Connection, index: str) -> tuple[IndexColumn, ...]:
    rows = connection.execute(f"PRAGMA main.index_xinfo({quote_for_sqlite(index)})").fetchall()
    return tuple(
        IndexColumn(name=name, descending=bool(descending), collation=collation)
        for _, _, name, descending, collation, is_key in rows
        if is_key
    )


def _foreign_keys(
    connection: sqlite3.Connection, table: str, deferrals: Sequence[Deferral]
) -> tuple[SourceForeignKey, ...]:
    rows_by_id = defaultdict(list)
    for row in connection.execute(f"PRAGMA main.foreign_key_list({quote_for_sqlite(table)})"):
        rows_by_id[row[0]].append(row)
    numbers = sorted(rows_by_id, reverse=True)  # the last one of the statement has number 0
    if len(deferrals) != len(numbers):
        deferrals = [Deferral()] * len(numbers)
    return tuple(
        _foreign_key(rows_by_id[number], deferral) for number, deferral in zip(numbers, deferrals, strict=True)
    )


def _foreign_key(
    rows: Sequence[tuple[int, int, str, str, str | None, str, str, str]], deferral: Deferral
) -> SourceForeignKey:
    ordered = sorted(rows, key=lambda row: row[1])
    _, _, parent, _, _, on_update, on_delete, _ = ordered[0]
    return SourceForeignKey(
        columns=tuple(row[3] for row in ordered),
        parent_table=parent,
        parent_columns=tuple(row[4] for row in ordered if row[4] is not None),
        on_update=on_update,
        on_delete=on_delete,
        deferrable=deferral.deferrable,
        initially_deferred=deferral.initially_deferred,
    )
