"""Which rows of a damaged table can be read: ranges of rowids, and the gaps between them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_PATIENT_PROBES: Final = 10_000
"""Rowids that are tried one by one behind damage, so that no page of rows between two broken ones is missed (a probe
takes some 20 µs); then the steps double, so that the end of 64 bits is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Rowids between which nothing can be read; whether there were rows at all of them, nobody knows."""

    first: int
    last: int | None
    """None: to the table's end."""
    reason: str

    def __str__(self) -> str:
        first = "the beginning" if self.first == _LEAST else str(self.first)
        return f"rowid {first} to {'the end' if self.last is None else self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """Rows that follow each other undamaged. To read beyond them by a single step would meet the damage."""

    first: int
    """The rowid to begin at."""
    rows: int
    backwards: bool = False
    """Whether they are reached from the end of the table alone, in descending order."""

    @property
    def clause(self) -> str:
        """Select them, with the key's name for ``{key}``."""
        if self.backwards:
            return f"ORDER BY {{key}} DESC LIMIT {self.rows}"
        return f"WHERE {{key}} >= {self.first} ORDER BY {{key}} LIMIT {self.rows}"


class _Table:
    """A damaged table that is read by rowid."""

    def __init__(self, connection: sqlite3.Connection, table: str, key: str, columns: Sequence[str]) -> None:
        self._connection = connection
        # Every column is named: a row whose overflow pages are gone has a rowid that can be read all the same.
        self._select = f"SELECT {', '.join([key, *columns])} FROM {table} WHERE {key}"
        self._key = key

    def follow(self, first: int, *, backwards: bool = False) -> tuple[int, int, str | None]:
        """Read on from a rowid, or from the end down to it; returns the last one that was reached (`first` where there
        was none), how many rows came, and what stopped them.
        """
        last, rows = first, 0
        try:
            for row in self._rows(f"{self._select} >= ? ORDER BY {self._key}{' DESC' if backwards else ''}", first):
                last, rows = row[0], rows + 1
        except sqlite3.DatabaseError as error:
            return last, rows, str(error)
        return last, rows, None

    def next_readable(self, first: int) -> int | None:
        """Find a rowid from `first` on that can be read; None where none is found, be it that none is there."""
        step, probes, place = 1, 0, first
        while place <= _MOST:
            found = self.probe(place)
            if found is not None:
                return found
            probes += 1
            step = step if probes < _PATIENT_PROBES else step * 2
            place += step
        return None

    def probe(self, place: int) -> int | None:
        """Read the first row from a rowid on; its rowid, or None where it cannot be read or there is none."""
        try:
            row = next(self._rows(f"{self._select} >= ? ORDER BY {self._key} LIMIT 1", place), None)
        except sqlite3.DatabaseError:
            return None
        return None if row is None else int(row[0])

    def _rows(self, sql: str, value: int) -> Iterator[Any]:
        cursor = self._connection.cursor()
        self._connection.text_factory = bytes  # nothing is decoded here
        try:
            yield from cursor.execute(sql, (value,))
        finally:
            cursor.close()
            self._connection.text_factory = str


def readable_rows(
    connection: sqlite3.Connection, table: str, key: str, columns: Sequence[str]
) -> Iterator[Readable | Gap]:
    """Yield the rows that can be read, and the gaps between them, in order.

    Args:
        connection: To the damaged database, or one that has it attached.
        table: The table's name, quoted and qualified.
        key: A name of its rowid, quoted where needed.
        columns: Its stored columns, quoted.
    """
    rows = _Table(connection, table, key, columns)
    first, alone = _LEAST, False
    while True:
        last, count, error = rows.follow(first)
        if alone:
            # It was read a moment ago. Python's sqlite3 steps ahead: an error behind a row takes the row along.
            last, count = max(last, first), max(count, 1)
        if count:
            yield Readable(first=first, rows=count)
        if error is None:
            return
        lost = last + 1 if count else first
        alone = True
        at_once = rows.probe(lost)
        if at_once is not None:
            first = at_once
            continue
        found = rows.next_readable(lost + 1)
        if found is None:
            lowest, count, _ = rows.follow(lost, backwards=True)
            yield Gap(first=lost, last=lowest - 1 if count else None, reason=error)
            if count:
                yield Readable(first=lowest, rows=count, backwards=True)
            return
        yield Gap(first=lost, last=found - 1, reason=error)
        first = found
