"""NULLs in a table's keys, counted in all rows, where the profile saw a sample alone."""

from __future__ import annotations

import sqlite3

from shared.records.source import SourceTable
from shared.source.sqlite_keys import column_sql, table_sql


def count_nulls_in_keys(connection: sqlite3.Connection, table: SourceTable) -> dict[str, int]:
    """Count the NULLs in each column of a primary or unique key that may hold some.

    SQLite reads the key's own index for it, not the table.
    """
    indexed = {
        column.name
        for index in table.indexes
        if index.unique and not index.partial
        for column in index.columns
        if column.name is not None
    }
    doubtful = [
        column.name
        for column in table.columns
        if not column.not_null and (column.name in indexed or column.primary_key_position is not None)
    ]
    return {name: _count_nulls(connection, table, name) for name in doubtful}


def _count_nulls(connection: sqlite3.Connection, table: SourceTable, column: str) -> int:
    sql = f"SELECT count(*) FROM {table_sql(table.name)} WHERE {column_sql(column)} IS NULL"
    return int(connection.execute(sql).fetchone()[0])
