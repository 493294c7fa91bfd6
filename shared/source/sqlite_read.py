"""Read key ranges of a SQLite table: as Arrow columns, or row by row with each value's own storage class."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager import dbapi

from shared.errors import NotArrowableError
from shared.records.keys import ChunkRange, RawText, SourceRow, Value
from shared.records.plan import TableRead
from shared.records.source import StorageClass
from shared.source.sqlite_keys import Select, column_sql, equal_to, order_by, table_sql, where

BATCH_ROWS_OPTION: Final = "adbc.sqlite.query.batch_rows"
_WANTS_COLLATION: Final = ("no query solution", "no such collation sequence")
"""What SQLite says of a WITHOUT ROWID table whose key has an unknown collation."""
_TAKES_NO_SUCH: Final = "cannot store"
"""What SQLite says of a computed value that is not of the type of its column in a STRICT table."""
_VIRTUAL: Final = 2
"""What PRAGMA table_xinfo says in `hidden` of a VIRTUAL generated column."""
EXACT_DOUBLE: Final = 2**53
_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Texts and blobs of a batch of rows; as Python's objects they are about as large, or twice."""
_CLASSES_PER_QUERY: Final = 400
"""Columns asked at once: four answers each stay below SQLite's limit of 2,000 result columns."""


def exact_text(raw: bytes) -> str | RawText:
    """Decode a stored text, or keep its bytes: the text factory of every connection that reads values."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return RawText(raw)


def read_rows(
    connection: sqlite3.Connection,
    read: TableRead,
    key_range: ChunkRange,
    *,
    batch_rows: int,
    select: Select = column_sql,
) -> Iterator[list[SourceRow]]:
    """Read a chunk in batches, in chunk-key order, on a connection that gives texts as they are stored.

    A batch ends sooner where its rows are wide, so that memory holds a few of them.
    """
    clause = where(read.chunk_key, key_range)
    terms = ", ".join(map(select, (*read.chunk_key.columns, *read.columns)))
    sql = f"SELECT {terms} FROM {table_sql(read.table)} {clause.sql} {order_by(read.chunk_key)}"
    width = len(read.chunk_key.columns)
    cursor = connection.execute(sql, clause.values)
    try:
        held: list[SourceRow] = []
        held_bytes = 0
        for row in cursor:
            held.append(SourceRow(row[:width], row[width:]))
            held_bytes += sum(len(value) for value in row if isinstance(value, str | bytes))
            del row  # before the next one is read, which may be as wide
            if len(held) >= batch_rows or held_bytes >= _BATCH_BYTES:
                yield held
                held, held_bytes = [], 0
        if held:
            yield held
    finally:
        cursor.close()


def read_by_keys(
    connection: sqlite3.Connection, read: TableRead, keys: Iterable[Sequence[Value]], *, select: Select = column_sql
) -> Iterator[SourceRow]:
    """Read single rows by their chunk keys, each value with its own storage class.

    Raises:
        NotArrowableError: where a key is not that of exactly one row, as when a text changed on its way.
    """
    terms = ", ".join(map(select, (*read.chunk_key.columns, *read.columns)))
    for key in keys:
        yield _row_of(connection, read, key, terms)


def _row_of(connection: sqlite3.Connection, read: TableRead, key: Sequence[Value], terms: str) -> SourceRow:
    clause = equal_to(read.chunk_key, key)
    sql = f"SELECT {terms} FROM {table_sql(read.table)} {clause.sql} LIMIT 2"
    rows = connection.execute(sql, clause.values).fetchall()
    if len(rows) != 1:
        msg = f"{len(rows) or 'no'} rows of table {read.table!r} have the key {key!r}"
        raise NotArrowableError(msg)
    width = len(read.chunk_key.columns)
    return SourceRow(rows[0][:width], rows[0][width:])


def storage_classes(
    connection: sqlite3.Connection, read: TableRead, key_range: ChunkRange, columns: Sequence[str]
) -> dict[str, frozenset[StorageClass]]:
    """Ask which storage classes occur in some columns of a chunk, NULL aside."""
    clause = where(read.chunk_key, key_range)
    found: dict[str, frozenset[StorageClass]] = {}
    for first in range(0, len(columns), _CLASSES_PER_QUERY):
        group = columns[first : first + _CLASSES_PER_QUERY]
        questions = ", ".join(_class_counts(column_sql(name)) for name in group)
        row = connection.execute(
            f"SELECT {questions} FROM {table_sql(read.table)} {clause.sql}", clause.values
        ).fetchone()
        found |= {name: _occurring(row[4 * place : 4 * place + 4]) for place, name in enumerate(group)}
    return found


def _class_counts(column: str) -> str:
    return ", ".join(f"sum(typeof({column}) = '{storage_class}')" for storage_class in StorageClass)


def _occurring(counts: Sequence[int | None]) -> frozenset[StorageClass]:
    return frozenset(storage_class for storage_class, count in zip(StorageClass, counts, strict=True) if count)


def are_exact_doubles(
    connection: sqlite3.Connection, read: TableRead, key_range: ChunkRange, columns: Sequence[str]
) -> bool:
    """Whether every integer in some columns of a chunk is a double exactly: of a magnitude up to 2**53."""
    if not columns:
        return True
    beyond = " OR ".join(
        f"(typeof({term}) = 'integer' AND {term} NOT BETWEEN -{EXACT_DOUBLE} AND {EXACT_DOUBLE})"
        for term in map(column_sql, columns)
    )
    clause = where(read.chunk_key, key_range).narrowed(f"({beyond})")
    sql = f"SELECT 1 FROM {table_sql(read.table)} {clause.sql} LIMIT 1"
    return connection.execute(sql, clause.values).fetchone() is None


def read_arrow(connection: dbapi.Connection, read: TableRead, key_range: ChunkRange, *, rows: int) -> pa.Table:
    """Read a chunk into Arrow as ADBC's driver types it, columns named by position.

    Args:
        connection: ADBC's.
        read: The table and its columns.
        key_range: The chunk.
        rows: At least as many as the chunk has: the driver settles each column's type by its first batch.

    Raises:
        NotArrowableError: where a text is not valid UTF-8, or the table's key needs a collation of the application.
    """
    clause = where(read.chunk_key, key_range)
    terms = ", ".join(f'{column_sql(name)} AS "{place}"' for place, name in enumerate(read.columns))
    sql = f"SELECT {terms} FROM {table_sql(read.table)} {clause.sql} {order_by(read.chunk_key)}"
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{BATCH_ROWS_OPTION: str(max(rows, 1))})
        try:
            cursor.execute(sql, clause.values or None)
        except AdbcError as error:
            row_by_row = needs_rows(read, error)
            if row_by_row is None:
                raise
            raise row_by_row from error
        table = cursor.fetch_arrow_table()
    return pa.table(
        [_checked(column, name) for column, name in zip(table.columns, read.columns, strict=True)],
        names=table.column_names,
    )


def needs_rows(read: TableRead, error: AdbcError) -> NotArrowableError | None:
    """Why the driver's SQLite could not read a table that Python's may read; None for any other failure."""
    said = str(error)
    if any(wanted in said for wanted in _WANTS_COLLATION):
        return NotArrowableError(
            f"table {read.table!r} can be read with a collation alone that only its application has"
        )
    if _TAKES_NO_SUCH in said:
        return NotArrowableError(f"versions of SQLite differ in what table {read.table!r} computes: {said}")
    return None


def _checked(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Type a column without values as null, and refuse texts that are none."""
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))])
    if pa.types.is_string(column.type):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            msg = f"column {name!r} holds text that is not valid UTF-8"
            raise NotArrowableError(msg) from error
    return column


def refuse_computed_texts(connection: sqlite3.Connection, read: TableRead, rows: pa.Table) -> None:
    """Make sure that no text of a chunk was computed by whoever read it.

    A VIRTUAL column is computed by the SQLite that reads it, and ADBC's is another than Python's: of a real, 3.40 makes
    a text of 15 digits and 3.53 one of 17. Row by row, Python's alone is asked.

    Raises:
        NotArrowableError: where a VIRTUAL column holds texts.
    """
    texts = {name for name, column in zip(read.columns, rows.columns, strict=True) if pa.types.is_string(column.type)}
    for name in computed_columns(connection, read) if texts else ():
        if name in texts:
            raise computed_text(read, name)


def computed_columns(connection: sqlite3.Connection, read: TableRead) -> list[str]:
    """The columns whose values whoever reads them computes."""
    columns = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = ?", (read.table, _VIRTUAL))
    return [name for (name,) in columns if name in read.columns]


def computed_text(read: TableRead, name: str) -> NotArrowableError:
    """Say why a column of texts is read row by row."""
    return NotArrowableError(
        f"column {name!r} of table {read.table!r} is computed when it is read, and versions of SQLite differ"
    )


def could_be_mixed(column: pa.ChunkedArray) -> bool:
    """Whether the driver may have widened other storage classes into this column's type.

    It widens integer to double to string to binary, so a column that came as integers, or empty, holds nothing else.
    """
    kind: Any = column.type
    return not (pa.types.is_null(kind) or pa.types.is_integer(kind))


def holds_exact_numbers(column: pa.ChunkedArray) -> bool:
    """Whether a column came as doubles that are exact, be they reals or integers that the driver widened.

    It came as doubles, so it holds integers and reals alone; below 2**53 no two integers share a double.
    """
    if not pa.types.is_floating(column.type):
        return False
    finite = column.filter(pc.is_finite(column))
    largest = pc.max(pc.abs(finite)).as_py()
    return largest is None or bool(largest < EXACT_DOUBLE)
