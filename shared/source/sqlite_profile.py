"""Look at every value of a table: what SQLite can answer in SQL, key range by key range, in several processes."""

from __future__ import annotations

import functools
import multiprocessing
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from typing import Final

from shared.records.keys import OPEN, Bound, ChunkRange, KeyRange, NullKeys
from shared.records.source import SourceTable, StorageClass, TableProfile
from shared.source.sqlite_file import SqliteFile
from shared.source.sqlite_json import judge_json
from shared.source.sqlite_keys import table_sql, walk, where
from shared.source.sqlite_look import ColumnLook, TableLook
from shared.source.sqlite_questions import FRACTION_FUNCTION, JSON_FUNCTION, fraction_digits, value_questions
from shared.source.sqlite_read import exact_text

_RANGE_ROWS: Final = 50_000
"""Rows a key range: enough that starting a statement costs nothing, few enough that two processes end together."""
_POOLED_RANGES: Final = 6
"""Below so many key ranges a table is done before the processes have started."""
_START_METHOD: Final = "fork" if sys.platform == "linux" else "spawn"
"""A forked child opens connections of its own; a spawned one imports the whole command again, about 1 s."""
_ROW_BYTES: Final = 6
"""Row header and rowid (fileformat2, section 1.6), beside a byte a column."""


def profile_table(file: SqliteFile, table: SourceTable, *, processes: int, encoding: str) -> TableProfile:
    """Profile a table on connections of its own.

    Raises:
        sqlite3.Error: where the file cannot be read.
    """
    with closing(_connect(file, encoding)) as walker:
        ranges = list(_key_ranges(walker, table))
        hands = [hand for first in range(processes) if (hand := ranges[first::processes])]
        see = functools.partial(_see_all, file, table, encoding)
        pooled = len(hands) > 1 and len(ranges) >= _POOLED_RANGES
        return _sum_up(walker, table, _see_in_pool(see, hands) if pooled else [see(hand) for hand in hands])


def _see_in_pool(see: Callable[[list[ChunkRange]], TableLook], hands: list[list[ChunkRange]]) -> list[TableLook]:
    """Let a process of its own look at each hand of key ranges.

    Threads get in each other's way: SQLite counts its memory under one lock, and two of them took 10.5 s for what
    one did in 9.3 s.
    """
    with ProcessPoolExecutor(len(hands), mp_context=multiprocessing.get_context(_START_METHOD)) as pool:
        return list(pool.map(see, hands))


def _see_all(file: SqliteFile, table: SourceTable, encoding: str, ranges: list[ChunkRange]) -> TableLook:
    """Look at some key ranges: what one process does."""
    look = TableLook(table)
    with closing(_connect(file, encoding)) as connection:
        for key_range in ranges:
            look.see(connection, where(table.chunk_key, key_range))
    return look


def _connect(file: SqliteFile, encoding: str) -> sqlite3.Connection:
    connection = file.connect()
    connection.text_factory = exact_text
    connection.create_function(JSON_FUNCTION, 1, lambda raw: judge_json(raw, encoding), deterministic=True)
    connection.create_function(FRACTION_FUNCTION, 1, fraction_digits, deterministic=True)
    return connection


def _key_ranges(walker: sqlite3.Connection, table: SourceTable) -> Iterator[ChunkRange]:
    lower: Bound = OPEN
    for key in walk(walker, table.name, table.chunk_key, step=_RANGE_ROWS):
        if key != lower:
            yield KeyRange(lower=lower, upper=key)
            lower = key
    yield KeyRange(lower=lower)
    if table.chunk_key.nullable:
        yield NullKeys()


def _sum_up(connection: sqlite3.Connection, table: SourceTable, looks: Sequence[TableLook]) -> TableProfile:
    first, *others = looks
    for other in others:
        first.rows += other.rows
        for name, look in other.columns.items():
            first.columns[name].tally.add(look.tally)
    if table.rowid_column is not None:
        first.columns[table.rowid_column] = _rowid_look(connection, table, first.rows)
    return TableProfile(
        rows=first.rows,
        source_bytes=first.rows * (_ROW_BYTES + len(table.columns))
        + sum(look.tally.value_bytes for look in first.columns.values()),
        columns={
            column.name: first.columns[column.name].tally.profile(first.rows, first.columns[column.name].asked)
            for column in table.columns
        },
    )


def _rowid_look(connection: sqlite3.Connection, table: SourceTable, rows: int) -> ColumnLook:
    """See the INTEGER PRIMARY KEY from its ends: it holds integers alone and is never NULL."""
    column = next(column for column in table.columns if column.name == table.rowid_column)
    look = ColumnLook(column, strict=True)
    look.tally.note_class(StorageClass.INTEGER, rows)
    for question in value_questions(look.sql, [StorageClass.INTEGER], look.asked):
        # Two statements: asked for both ends in one, SQLite scans the table.
        answer = connection.execute(f"SELECT {question.sql} FROM {table_sql(table.name)}").fetchone()[0]
        look.tally.note(question, answer)
    return look
