"""What SQLite itself calls the columns of a view, and why it cannot read one that is broken."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from shared.quoting import quote_for_sqlite
from shared.records.source import SourceCatalog, SourceObject, SourceTable

_CREATES: Final = re.compile(r"\s*CREATE\s+(?:TABLE|VIEW)\b", re.IGNORECASE)
_UNKNOWN_HERE: Final = ("no such function", "no such module", "no such table", "unsafe use of")
"""What the source's application may have and this SQLite has not, or does not trust a schema with; whether a table is
there the catalog knows."""
_TOO_LARGE: Final = "too many references to"
"""What SQLite says of a view that reads, through others, one table more than 65,535 times."""
_WORD: Final = re.compile(r"\w+")
_HARMLESS: Final = re.compile(r"unsafe use of (?:json\w*|->>?)\(\)")
"""SQLite before 3.41 forgot to call its own functions for JSON harmless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewColumns:
    """What SQLite says of one view."""

    names: tuple[str, ...] = ()
    """Empty where it could not be asked."""
    broken: str = ""
    """Why SQLite cannot read the view, in its own words; empty where it can."""


def ask_columns(catalog: SourceCatalog, views: Iterable[SourceObject]) -> Mapping[str, ViewColumns]:
    """Make the schema, without rows, in a database in memory, and ask for the columns of views, by view name."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        for table in catalog.tables:
            _make_table(connection, table)
        asked = list(views)
        for view in asked:
            _make(connection, view.sql)
        return _ask_all(connection, asked)


def _ask_all(connection: sqlite3.Connection, views: Iterable[SourceObject]) -> dict[str, ViewColumns]:
    """Ask in the order of creation. What reads a view that is too large for SQLite is too large itself: finding that
    out anew takes most of a second each time.
    """
    found: dict[str, ViewColumns] = {}
    too_large: dict[str, ViewColumns] = {}
    for view in views:
        reads = [too_large[word] for word in _WORD.findall(view.sql.lower()) if word in too_large]
        found[view.name] = reads[0] if reads else _ask(connection, view.name)
        if _TOO_LARGE in found[view.name].broken:
            too_large[view.name.lower()] = found[view.name]
    return found


def _make_table(connection: sqlite3.Connection, table: SourceTable) -> None:
    if table.virtual is not None or not _make(connection, table.sql):
        columns = ", ".join(f"{quote_for_sqlite(column.name)} {column.declared_type}" for column in table.columns)
        plain = ", ".join(quote_for_sqlite(column.name) for column in table.columns)
        _make(connection, f"CREATE TABLE {quote_for_sqlite(table.name)} ({columns})") or _make(
            connection, f"CREATE TABLE {quote_for_sqlite(table.name)} ({plain})"
        )


def _make(connection: sqlite3.Connection, sql: str) -> bool:
    # What a file holds as its schema is nothing to run unseen.
    if not _CREATES.match(sql):
        return False
    with suppress(sqlite3.Error, sqlite3.Warning, ValueError):
        connection.execute(sql)
        return True
    return False


def _ask(connection: sqlite3.Connection, view: str, *, trusted: bool = False) -> ViewColumns:
    try:
        found = connection.execute(f"PRAGMA main.table_xinfo({quote_for_sqlite(view)})").fetchall()
    except (sqlite3.Error, ValueError) as error:
        said = str(error)
        if _HARMLESS.search(said) and not trusted:
            return _ask_trusting(connection, view)
        return ViewColumns() if any(word in said for word in _UNKNOWN_HERE) else ViewColumns(broken=said)
    return ViewColumns(names=tuple(row[1] for row in found))


def _ask_trusting(connection: sqlite3.Connection, view: str) -> ViewColumns:
    # Columns are asked for; nothing of the view runs.
    connection.execute("PRAGMA trusted_schema = ON")
    try:
        return _ask(connection, view, trusted=True)
    finally:
        connection.execute("PRAGMA trusted_schema = OFF")
