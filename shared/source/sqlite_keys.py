"""Chunk keys of SQLite tables: which one a table has, and key ranges in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from shared.quoting import quote_for_sqlite
from shared.records.keys import EVERYTHING, OPEN, ChunkRange, Key, KeyRange, KeyValue, NullKeys, RawText, Value
from shared.records.source import ChunkKey, ChunkKeyKind, IndexOrigin, SourceColumn, SourceIndex
from shared.source.sqlite_collations import is_built_in

ROWID_NAMES: Final = ("rowid", "_rowid_", "oid")
"""What SQLite calls the rowid, each unless a column has the name (https://sqlite.org/lang_createtable.html#rowid)."""

Select: TypeAlias = Callable[[str], str]
"""Gives the SQL that selects the values of a column by its name."""

NO_CHUNK_KEY: Final = ChunkKey(kind=ChunkKeyKind.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A piece of SQL (empty, or with its keyword) and the values to bind to it, in order."""

    sql: str = ""
    values: tuple[Value, ...] = ()

    def narrowed(self, condition: str) -> Clause:
        """Add a condition to a WHERE clause, empty or not."""
        return Clause(sql=f"{self.sql} AND {condition}" if self.sql else f"WHERE {condition}", values=self.values)


def column_sql(name: str) -> str:
    """Name a column of the table that `table_sql` names; qualified, so that SQLite never takes it for a string."""
    return f"t.{quote_for_sqlite(name)}"


def table_sql(table: str) -> str:
    """Name a table of the file under the alias that `column_sql` uses.

    Without a schema: `sqlite_virtual_rows.lay_open` makes a temporary view of a virtual table's rows under its name.
    """
    return f"{quote_for_sqlite(table)} AS t"


def choose_chunk_key(
    columns: Sequence[SourceColumn],
    indexes: Sequence[SourceIndex],
    *,
    primary_key: tuple[str, ...],
    rowid_column: str | None,
    without_rowid: bool,
) -> ChunkKey:
    """Choose what a table is cut on: the rowid wherever it has a name, since reading in file order is fastest.

    Never a key in the order of a collation that is not here: SQLite would look for its rows in the wrong places.
    """
    indexes = [index for index in indexes if all(is_built_in(column.collation) for column in index.columns)]
    if without_rowid and not any(index.origin is IndexOrigin.PRIMARY_KEY for index in indexes):
        return NO_CHUNK_KEY
    if without_rowid:
        return ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=primary_key)
    taken = {column.name.lower() for column in columns}
    free = next((name for name in ROWID_NAMES if name not in taken), rowid_column)
    if free is not None:
        return ChunkKey(kind=ChunkKeyKind.ROWID, columns=(free,))
    return _unique_key(columns, indexes)


def _unique_key(columns: Sequence[SourceColumn], indexes: Sequence[SourceIndex]) -> ChunkKey:
    never_null = {column.name for column in columns if column.not_null}
    candidates = [
        tuple(column.name for column in index.columns if column.name is not None)
        for index in indexes
        if index.unique and not index.partial and all(column.name is not None for column in index.columns)
    ]
    for names in sorted(candidates, key=len):
        if never_null.issuperset(names):
            return ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=names)
    for names in candidates:
        if len(names) == 1:
            return ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=names, nullable=True)
    return NO_CHUNK_KEY


def order_by(chunk_key: ChunkKey) -> str:
    """Order rows by their chunk key; empty for a table without one."""
    terms = ", ".join(column_sql(name) for name in chunk_key.columns)
    return f"ORDER BY {terms}" if terms else ""


def where(chunk_key: ChunkKey, key_range: ChunkRange) -> Clause:
    """Restrict rows to a key range."""
    terms = [column_sql(name) for name in chunk_key.columns]
    if isinstance(key_range, NullKeys):
        return Clause(sql=f"WHERE {terms[0]} IS NULL")
    if key_range.lower is OPEN and key_range.upper is OPEN:
        return Clause(sql=f"WHERE {terms[0]} IS NOT NULL" if chunk_key.nullable else "")
    return _between(terms, key_range)


def _between(terms: Sequence[str], key_range: KeyRange) -> Clause:
    left = terms[0] if len(terms) == 1 else f"({', '.join(terms)})"
    conditions: list[str] = []
    values: list[Value] = []
    for operator, bound in ((">=", key_range.lower), ("<", key_range.upper)):
        if isinstance(bound, tuple):
            places = ", ".join(_place(value) for value in bound)
            conditions.append(f"{left} {operator} {places if len(terms) == 1 else f'({places})'}")
            values.extend(value for value in bound if not isinstance(value, RawText))
    return Clause(sql="WHERE " + " AND ".join(conditions), values=tuple(values))


def equal_to(chunk_key: ChunkKey, key: Sequence[Value]) -> Clause:
    """Restrict rows to the one of a key without NULL."""
    found = [(column_sql(name), value) for name, value in zip(chunk_key.columns, key, strict=True) if value is not None]
    return Clause(
        sql="WHERE " + " AND ".join(f"{term} = {_place(value)}" for term, value in found),
        values=tuple(value for _, value in found if not isinstance(value, RawText)),
    )


def _place(value: KeyValue) -> str:
    # Written out: a blob that is bound counts as UTF-8 when it is cast, also in a file of UTF-16.
    return f"CAST(x'{value.raw.hex()}' AS TEXT)" if isinstance(value, RawText) else "?"


def walk(
    connection: sqlite3.Connection,
    table: str,
    chunk_key: ChunkKey,
    *,
    step: int,
    within: KeyRange = EVERYTHING,
    select: Select = column_sql,
) -> Iterator[Key]:
    """Yield the key of every `step`-th row of a range in key order, NULL keys aside; `RawText` where a text is none.

    Where an index gives the order, each step is one seek and `step` rows of it.
    Where none does, since the key's index sorts in another direction or collation than its columns do, the
    keys are sorted once.
    """
    if chunk_key.kind is ChunkKeyKind.NONE:
        return
    keys = f"SELECT {', '.join(map(select, chunk_key.columns))} FROM {table_sql(table)}"
    everything = where(chunk_key, within)
    whole = f"{keys} {everything.sql} {order_by(chunk_key)}"
    if _sorts(connection, whole, everything.values):
        rows = enumerate(connection.execute(whole, everything.values))
        yield from (key for place, key in rows if place and place % step == 0)
        return
    clause, before = everything, None
    while True:
        sql = f"{keys} {clause.sql} {order_by(chunk_key)} LIMIT 1 OFFSET {step}"
        key = connection.execute(sql, clause.values).fetchone()
        # A UTF-16 text with U+FFFE comes back as a lower bound below itself: a small step would stand still there.
        if key in (None, before, within.upper):
            return
        yield key
        clause, before = where(chunk_key, KeyRange(lower=key, upper=within.upper)), key


def _sorts(connection: sqlite3.Connection, sql: str, values: Sequence[Value]) -> bool:
    return any("TEMP B-TREE" in row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
