"""A made-up shop as a SQLite database: the same one for the same seed, written in a few seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from producer.demo_rows import ShopRows
from producer.demo_schema import SHOP_OBJECTS, SHOP_TABLES

DEFAULT_SEED = 20_240_229
# Customers were deleted: the sequence of AUTOINCREMENT is ahead of max(id), and must stay so.
_CUSTOMERS_EVER = 25_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopSummary:
    """What was written."""

    path: Path
    tables: Mapping[str, int]
    """Rows of each table, the search index aside."""
    size_bytes: int

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(self.tables.values())


def write_shop(path: Path, *, seed: int = DEFAULT_SEED) -> ShopSummary:
    """Write the shop to `path`, in place of what may be there.

    Args:
        path: The file; its folder exists.
        seed: What the made-up values follow from.

    Raises:
        OSError: where the file cannot be written.
    """
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft, isolation_level=None)) as database:
        counts = _write(database, ShopRows(seed))
    draft.replace(path)
    return ShopSummary(path=path, tables=counts, size_bytes=path.stat().st_size)


def _write(database: sqlite3.Connection, shop: ShopRows) -> dict[str, int]:
    # A crash while writing loses a draft, nothing more.
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    for statement in _statements(SHOP_TABLES):
        database.execute(statement)
    counts = {name: _fill(database, name, rows) for name, rows in shop.tables()}
    database.execute("INSERT INTO reviews_search (reviews_search) VALUES ('rebuild')")
    database.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'customers'", (_CUSTOMERS_EVER,))
    for statement in _statements(SHOP_OBJECTS):
        database.execute(statement)
    database.execute("COMMIT")
    return counts


def _fill(database: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
    rows = iter(rows)
    first = next(rows)
    insert = f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(first))})'
    database.execute(insert, first)
    return 1 + database.executemany(insert, rows).rowcount


def _statements(script: str) -> Iterable[str]:
    """Cut a script at the ends of statements; `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
