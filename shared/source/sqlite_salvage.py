"""Copy of a damaged SQLite file whatever can be read into a new, whole one, and name what cannot.

Works by SQLite's own reading: rows are followed by rowid up to the damage and taken up again behind it. Everything
else (indexes, views, triggers) is made anew from its SQL. What SQLite cannot reach by a key is not looked for in raw
pages.
"""

from __future__ import annotations

import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from shared.errors import SourceError
from shared.quoting import quote_for_sqlite
from shared.records.source import ChunkKeyKind, Generated, SourceTable, Unreadable
from shared.source.sqlite_catalog import read_catalog
from shared.source.sqlite_check import find_damage
from shared.source.sqlite_file import path_of, side_file_bytes, url_of
from shared.source.sqlite_read import exact_text
from shared.source.sqlite_rowid_gaps import Gap, Readable, readable_rows
from shared.source.sqlite_snapshot import snapshot_sqlite

_KEPT_PRAGMAS: Final = ("encoding", "page_size", "auto_vacuum", "user_version", "application_id")
_NO_FUNCTION: Final = re.compile(r"no such function: (\S+)")
_NO_COLLATION: Final = re.compile(r"no such collation sequence: (\S+)")
_HEADER_BYTES: Final = 100
"""https://sqlite.org/fileformat2.html, section 1.3: page size at 16, size in pages at 28."""
_LARGEST_PAGE: Final = 65536
_MOST_FILLED: Final = 1000
"""A header that promises more than so many times what is there is damaged itself. (Filling takes no space on disk.)"""
_STRANGERS: Final = 100
"""Functions and collations of the application that one statement may name before we give up on it."""


def salvage_sqlite(path: Path, folder: Path) -> tuple[str, tuple[Unreadable, ...]]:
    """Copy a database into `folder`; where it is damaged, what can be read of it.

    Returns:
        The copy's URL, and what could not be read.

    Raises:
        SourceError: where not even the schema can be read, or the copy cannot be written.
    """
    copy = _copy(path, folder)
    if not _is_damaged(copy):
        return url_of(copy), ()
    whole = copy.with_name(f"{copy.stem}-salvaged{copy.suffix}")
    try:
        unreadable = salvage(copy, whole)
    except BaseException as error:
        whole.unlink(missing_ok=True)
        if isinstance(error, SourceError):
            raise SourceError(str(error).replace(str(copy), str(path))) from error
        raise
    finally:
        copy.unlink(missing_ok=True)
    return url_of(whole), unreadable


def _copy(path: Path, folder: Path) -> Path:
    """Copy a database; where SQLite cannot even open it, its bytes, as many as the header promises."""
    try:
        return path_of(snapshot_sqlite(path, folder))
    except SourceError:
        if side_file_bytes(path, "-wal") or not folder.is_dir():
            raise
    copy = folder / f"{path.stem}-{secrets.token_hex(4)}.sqlite"
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        header = file.read(_HEADER_BYTES)
        page = int.from_bytes(header[16:18], "big")
        promised = (_LARGEST_PAGE if page == 1 else page) * int.from_bytes(header[28:32], "big")
        if path.stat().st_size < promised <= _MOST_FILLED * path.stat().st_size:
            file.truncate(promised)
    return copy


def _is_damaged(path: Path) -> bool:
    with closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro&immutable=1", uri=True)) as connection:
        try:
            _run(connection, "PRAGMA main.quick_check(1)")  # meets what the check would have to pass over
            return find_damage(connection) is not None
        except sqlite3.DatabaseError:
            return True


def salvage(damaged: Path, whole: Path) -> tuple[Unreadable, ...]:
    """Make a new database `whole` of what can be read of `damaged`, a copy that nobody writes to.

    Returns:
        What could not be read, in the order of the schema.

    Raises:
        SourceError: where not even the schema can be read.
    """
    uri = damaged.absolute().as_uri() + "?mode=ro&immutable=1"
    # One connection looks for damage, another copies: what fails on a connection spoils its open transaction.
    with (
        closing(sqlite3.connect(uri, isolation_level=None, uri=True)) as looking,
        closing(sqlite3.connect(whole, isolation_level=None, uri=True)) as connection,
    ):
        try:
            _begin(connection, looking, uri)
            return tuple(_salvage(connection, looking))
        except sqlite3.DatabaseError as error:
            msg = f"the source {damaged} cannot be salvaged, since its schema cannot be read: {error}"
            raise SourceError(msg) from error


def _begin(connection: sqlite3.Connection, looking: sqlite3.Connection, uri: str) -> None:
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
    for name in _KEPT_PRAGMAS:
        value = looking.execute(f"PRAGMA {name}").fetchone()[0]
        connection.execute(f"PRAGMA {name} = {quote_for_sqlite(value) if isinstance(value, str) else value}")
    connection.execute("ATTACH ? AS damaged", (uri,))


def _salvage(connection: sqlite3.Connection, looking: sqlite3.Connection) -> Iterator[Unreadable]:
    entries = looking.execute("SELECT type, name, tbl_name, rootpage, sql FROM main.sqlite_schema").fetchall()
    yield from _make_tables(connection, entries)
    connection.execute("PRAGMA ignore_check_constraints = ON")  # rows are kept as they are
    for table in read_catalog(connection).tables:
        yield from _copy_table(connection, looking, table)
    yield from _copy_sequences(connection, entries)
    yield from _make_indexes(connection, entries)
    _add_the_rest(connection, entries)


_Entry = tuple[str, str, str, int | None, str | None]


def _is_own_table(entry: _Entry) -> bool:
    """Whether an entry is a table with rows of its own: no virtual table, nothing that SQLite makes by itself."""
    kind, name, _, root, sql = entry
    return kind == "table" and bool(root) and sql is not None and not name.lower().startswith("sqlite_")


def _make_tables(connection: sqlite3.Connection, entries: list[_Entry]) -> Iterator[Unreadable]:
    for entry in entries:
        if _is_own_table(entry):
            try:
                _run(connection, str(entry[4]))
            except sqlite3.Error as error:
                yield Unreadable(table=entry[1], key_range="all rows", reason=f"its CREATE TABLE fails: {error}")


def _run(connection: sqlite3.Connection, sql: str) -> None:
    """Run a statement; what it calls of the application's own is made up, since its results are not needed."""
    for _ in range(_STRANGERS):
        try:
            connection.execute(sql)
        except sqlite3.OperationalError as error:
            function, collation = _NO_FUNCTION.search(str(error)), _NO_COLLATION.search(str(error))
            if function:
                connection.create_function(function[1].removesuffix("()"), -1, lambda *_: None, deterministic=True)
            elif collation:
                connection.create_collation(collation[1], lambda a, b: (a > b) - (a < b))
            else:
                raise
        else:
            return
    msg = f"it names more than {_STRANGERS} functions and collations that are not here"
    raise sqlite3.OperationalError(msg)


def _copy_table(
    connection: sqlite3.Connection, looking: sqlite3.Connection, table: SourceTable
) -> Iterator[Unreadable]:
    columns = [quote_for_sqlite(column.name) for column in table.columns if column.generated is Generated.NO]
    if table.chunk_key.kind is not ChunkKeyKind.ROWID:
        yield from _copy_one_by_one(connection, looking, table, columns)
        return
    key = quote_for_sqlite(table.chunk_key.columns[0]) if table.rowid_column else table.chunk_key.columns[0]
    names = ", ".join(columns if table.rowid_column else [key, *columns])
    for found in readable_rows(looking, f"main.{quote_for_sqlite(table.name)}", key, columns):
        if isinstance(found, Gap):
            yield Unreadable(table=table.name, key_range=str(found), reason=found.reason)
            continue
        name = quote_for_sqlite(table.name)
        sql = f"INTO main.{name} ({names}) SELECT {names} FROM damaged.{name}"
        yield from _insert(connection, table, f"{sql} {found.clause.format(key=key)}", found)


def _insert(connection: sqlite3.Connection, table: SourceTable, sql: str, found: Readable) -> Iterator[Unreadable]:
    try:
        connection.execute(f"INSERT {sql}")
    except sqlite3.IntegrityError as error:
        # Damage may show a row twice, or a NULL where none can be.
        taken = connection.execute(f"INSERT OR IGNORE {sql}").rowcount
        where = f"{found.rows - taken} of {found.rows} rows from rowid {found.first} on"
        yield Unreadable(table=table.name, key_range=where, reason=str(error))


def _copy_one_by_one(
    connection: sqlite3.Connection, looking: sqlite3.Connection, table: SourceTable, columns: list[str]
) -> Iterator[Unreadable]:
    """Copy a table that has no rowid to go on by: from its beginning to the damage, and from its end to the damage."""
    order = [quote_for_sqlite(name) for name in table.primary_key]
    select = f"SELECT {', '.join(columns)} FROM main.{quote_for_sqlite(table.name)}"
    places = ", ".join("?" for _ in columns)
    insert = f"INSERT OR IGNORE INTO main.{quote_for_sqlite(table.name)} ({', '.join(columns)}) VALUES ({places})"
    errors: list[str] = []
    for direction in ("", " DESC") if order else ("",):
        by = " ORDER BY " + ", ".join(name + direction for name in order) if order else ""
        connection.executemany(insert, _rows_until_damage(looking, select + by, errors))
        if not errors:
            return
    where = "rows in the middle of its key" if order else "rows after the first that could be read"
    yield Unreadable(table=table.name, key_range=where, reason=errors[0])


def _rows_until_damage(looking: sqlite3.Connection, select: str, errors: list[str]) -> Iterator[list[Any]]:
    """Yield rows; what stops them is added to `errors`."""
    looking.text_factory = exact_text
    try:
        for row in looking.execute(select):
            yield [getattr(value, "raw", value) for value in row]
    except sqlite3.DatabaseError as error:
        errors.append(str(error))
    finally:
        looking.text_factory = str


def _copy_sequences(connection: sqlite3.Connection, entries: list[_Entry]) -> Iterator[Unreadable]:
    """Let AUTOINCREMENT go on where it was; SQLite made the table of its own when it was needed."""
    if not any(name == "sqlite_sequence" for _, name, *_ in entries):
        return
    if not connection.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return
    try:
        connection.execute("DELETE FROM main.sqlite_sequence")
        connection.execute("INSERT INTO main.sqlite_sequence SELECT * FROM damaged.sqlite_sequence")
    except sqlite3.DatabaseError as error:
        yield Unreadable(table="sqlite_sequence", key_range="the highest ids ever given out", reason=str(error))


def _make_indexes(connection: sqlite3.Connection, entries: list[_Entry]) -> Iterator[Unreadable]:
    for kind, name, table, _, sql in entries:
        if kind == "index" and sql is not None:
            try:
                _run(connection, sql)
            except sqlite3.Error as error:
                yield Unreadable(table=table, key_range=f"index {name}", reason=str(error))


def _add_the_rest(connection: sqlite3.Connection, entries: list[_Entry]) -> None:
    """Enter views, triggers and virtual tables as they are written: no module or function has to be here for that."""
    rest: list[tuple[Any, ...]] = [
        (kind, name, table, sql)
        for kind, name, table, root, sql in entries
        if kind in {"view", "trigger"} or (kind == "table" and not root)
    ]
    connection.execute("PRAGMA writable_schema = ON")
    connection.executemany(
        "INSERT INTO main.sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)", rest
    )
    connection.execute("PRAGMA writable_schema = OFF")
