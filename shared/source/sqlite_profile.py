"""Look at the values of a table: what SQLite can answer in SQL, key range by key range, in several processes.

Every row is looked at, or of a large table a sample: some thousand rows in each of a hundred places, spread evenly over
the rows in key order, the first and the last among them.
"""

from __future__ import annotations

import functools
import multiprocessing
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from shared.records.keys import OPEN, Bound, ChunkRange, KeyRange, NullKeys
from shared.records.source import ChunkKeyKind, SourceTable, StorageClass, TableProfile
from shared.source.sqlite_arrow_look import ArrowLook
from shared.source.sqlite_column_look import ColumnLook
from shared.source.sqlite_file import SqliteFile
from shared.source.sqlite_json import judge_json
from shared.source.sqlite_keys import table_sql, walk, where
from shared.source.sqlite_look import TableLook
from shared.source.sqlite_nulls import count_nulls_in_keys
from shared.source.sqlite_questions import (
    FRACTION_FUNCTION,
    JSON_FUNCTION,
    TEXT_FUNCTION,
    fraction_digits,
    value_questions,
)
from shared.source.sqlite_texts import judge_text
from shared.source.sqlite_utf16 import UTF_8, read_exactly, select_of

_RANGE_ROWS: Final = 50_000
"""Rows a key range: enough that starting a statement costs nothing, few enough that two processes end together."""
_RANGE_VALUES: Final = 250_000
"""Values a key range: its short texts are in memory at once, at most 256 bytes each, 64 MB in all."""
_SAMPLE_ROWS: Final = 2_000
_SAMPLE_PLACES: Final = 100
"""200,000 rows in all."""
_POOLED_RANGES: Final = 6
"""Below so many key ranges a table is done before the processes have started."""
_START_METHOD: Final = "fork" if sys.platform == "linux" else "spawn"
"""A forked child opens connections of its own; a spawned one imports the whole command again, about 1 s."""
_ROW_BYTES: Final = 6
"""Row header and rowid (fileformat2, section 1.6), beside a byte a column."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A key range to look at."""

    key_range: ChunkRange
    rows: int | None = None
    """How many rows it has, where the walk tells. (Where it is wrong, SQL is asked.)"""


class Profiler:
    """Looks at the tables of one file, on a connection that all of them share: opening one takes as long as a small
    table does. Other processes and Arrow open their own.

    Args:
        file: Where the tables are.
        encoding: The file's, as Python spells it.

    Raises:
        SourceError: where SQLite cannot open the file.
    """

    def __init__(self, file: SqliteFile, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._connection = _connect(file, encoding)

    def close(self) -> None:
        """Close its connection."""
        self._connection.close()

    def profile(self, table: SourceTable, *, processes: int, sample: bool = False) -> TableProfile:
        """Profile a table.

        Args:
            table: The table.
            processes: How many may look at once.
            sample: Whether a sample is enough for a table of more than 200,000 rows. A table that cannot be cut is
                looked at wholly all the same, and so are rows whose chunk key is NULL.

        Raises:
            sqlite3.Error: where the file cannot be read.
        """
        walker, encoding = self._connection, self._encoding
        rows = _sampled_rows(walker, table) if sample else None
        places = list(
            _key_ranges(walker, table, encoding) if rows is None else _spread_ranges(walker, table, rows, encoding)
        )
        hands = [hand for first in range(processes) if (hand := places[first::processes])]
        if len(hands) > 1 and len(places) >= _POOLED_RANGES:
            looks = _see_in_pool(functools.partial(_see_alone, self._file, table, encoding), hands)
        else:
            looks = [_see_all(walker, self._file, table, encoding, places)]
        return _sum_up(walker, table, looks, rows)


def _sampled_rows(walker: sqlite3.Connection, table: SourceTable) -> int | None:
    """Count the rows of a table that is to be sampled; None for one that is small, or cannot be cut."""
    if table.chunk_key.kind is ChunkKeyKind.NONE:
        return None
    rows = int(walker.execute(f"SELECT count(*) FROM {table_sql(table.name)}").fetchone()[0])
    return rows if rows > _SAMPLE_ROWS * _SAMPLE_PLACES else None


def _spread_ranges(walker: sqlite3.Connection, table: SourceTable, rows: int, encoding: str) -> Iterator[_Place]:
    """Yield the key ranges of a sample: every so many, and the two last, one of which may be short."""
    last = (rows - 1) // _SAMPLE_ROWS
    wanted = {last - 1, *(place * last // (_SAMPLE_PLACES - 1) for place in range(_SAMPLE_PLACES))}
    for number, place in enumerate(_key_ranges(walker, table, encoding, step=_SAMPLE_ROWS)):
        if number in wanted or isinstance(place.key_range, NullKeys):
            yield place


def _see_in_pool(see: Callable[[list[_Place]], TableLook], hands: list[list[_Place]]) -> list[TableLook]:
    """Let a process of its own look at each hand of key ranges.

    Threads get in each other's way: SQLite counts its memory under one lock, and two of them took 10.5 s for what
    one did in 9.3 s.
    """
    with ProcessPoolExecutor(len(hands), mp_context=multiprocessing.get_context(_START_METHOD)) as pool:
        return list(pool.map(see, hands))


def _see_alone(file: SqliteFile, table: SourceTable, encoding: str, places: list[_Place]) -> TableLook:
    """Look at some key ranges: what a process of its own does."""
    with closing(_connect(file, encoding)) as connection:
        return _see_all(connection, file, table, encoding, places)


def _see_all(
    connection: sqlite3.Connection, file: SqliteFile, table: SourceTable, encoding: str, places: list[_Place]
) -> TableLook:
    joined = encoding == UTF_8  # else Arrow's driver would make other texts of those that are not valid
    with _giving_bytes(connection), closing(ArrowLook(file.uri, table)) as arrow:
        look = TableLook(table, joined=joined, arrow=arrow if joined else None)
        for place in places:
            look.see(connection, where(table.chunk_key, place.key_range), rows=place.rows)
    return look


@contextmanager
def _giving_bytes(connection: sqlite3.Connection) -> Iterator[None]:
    """Let the only texts that are answered be judged as they are stored."""
    before = connection.text_factory
    connection.text_factory = bytes
    try:
        yield
    finally:
        connection.text_factory = before


def _connect(file: SqliteFile, encoding: str) -> sqlite3.Connection:
    connection = file.connect()
    read_exactly(connection)
    connection.create_function(JSON_FUNCTION, 1, lambda raw: judge_json(raw, encoding), deterministic=True)
    connection.create_function(TEXT_FUNCTION, 1, lambda raw: judge_text(raw, encoding), deterministic=True)
    connection.create_function(FRACTION_FUNCTION, 1, fraction_digits, deterministic=True)
    return connection


def _key_ranges(
    walker: sqlite3.Connection, table: SourceTable, encoding: str, *, step: int | None = None
) -> Iterator[_Place]:
    lower: Bound = OPEN
    rows = step or min(_RANGE_ROWS, max(1, _RANGE_VALUES // len(table.columns)))
    for key in walk(walker, table.name, table.chunk_key, step=rows, select=select_of(encoding)):
        if key != lower:
            yield _Place(KeyRange(lower=lower, upper=key), rows)
            lower = key
    yield _Place(KeyRange(lower=lower))
    if table.chunk_key.nullable:
        yield _Place(NullKeys())


def _sum_up(
    connection: sqlite3.Connection, table: SourceTable, looks: Sequence[TableLook], sampled_from: int | None
) -> TableProfile:
    """Add up what the processes saw; `sampled_from` is the number of all rows where they saw a sample."""
    first, *others = looks
    for other in others:
        first.rows += other.rows
        for name, look in other.columns.items():
            first.columns[name].tally.add(look.tally)
    if table.rowid_column is not None:
        first.columns[table.rowid_column] = _rowid_look(connection, table, first.rows, sampled=sampled_from is not None)
    seen = first.rows * (_ROW_BYTES + len(table.columns))
    seen += sum(look.tally.value_bytes for look in first.columns.values())
    profile = TableProfile(
        rows=first.rows,
        source_bytes=seen,
        columns={
            column.name: first.columns[column.name].tally.profile(first.rows, first.columns[column.name].asked)
            for column in table.columns
        },
    )
    return profile if sampled_from is None else _of_sample(connection, table, profile, sampled_from)


def _of_sample(connection: sqlite3.Connection, table: SourceTable, seen: TableProfile, rows: int) -> TableProfile:
    """Say what a sample stands for. NULLs in keys are counted in all rows: whether one identifies rows hangs on it."""
    nulls = count_nulls_in_keys(connection, table)
    columns = {
        name: replace(column, nulls=nulls[name]) if name in nulls else column for name, column in seen.columns.items()
    }
    return TableProfile(
        rows=rows, source_bytes=seen.source_bytes * rows // seen.rows, columns=columns, sampled_rows=seen.rows
    )


def _rowid_look(connection: sqlite3.Connection, table: SourceTable, rows: int, *, sampled: bool) -> ColumnLook:
    """See the INTEGER PRIMARY KEY from its ends: it holds integers alone and is never NULL."""
    column = next(column for column in table.columns if column.name == table.rowid_column)
    look = ColumnLook(column, strict=True)
    if sampled:
        look.asked = replace(look.asked, epochs=False)  # they would scan the whole table
    look.tally.note_class(StorageClass.INTEGER, rows)
    for question in value_questions(look.sql, [StorageClass.INTEGER], look.asked):
        # Two statements: asked for both ends in one, SQLite scans the table.
        answer = connection.execute(f"SELECT {question.sql} FROM {table_sql(table.name)}").fetchone()[0]
        look.tally.note(question, answer)
    return look
