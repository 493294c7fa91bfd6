"""Whether what was timed did the work: rows and one sum of each table, on both sides."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import one, rows_of


class WrongResultError(Exception):
    """A program did not bring over what was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is asked of one table on both sides."""

    table: str
    total: str
    """An expression that SQLite and PostgreSQL both understand and that is an integer: ``account_id``."""

    @property
    def question(self) -> str:
        """Rows and sum."""
        return f"SELECT count(*), coalesce(sum({self.total}), 0) FROM {self.table}"


def expected(source: Path, checks: Sequence[Check]) -> dict[str, tuple[int, int]]:
    """Ask the source: rows and sum by table."""
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as connection:
        return {check.table: connection.execute(check.question).fetchone() for check in checks}


def check_target(url: str, checks: Sequence[Check], wanted: Mapping[str, tuple[int, int]]) -> None:
    """Compare the target with what the source said.

    Raises:
        WrongResultError: names the table and what was found.
    """
    for check in checks:
        ((rows, total),) = rows_of(url, check.question)
        if (int(str(rows)), int(str(total))) != tuple(wanted[check.table]):
            msg = f"table {check.table}: {rows} rows with the sum {total} arrived, not {wanted[check.table]}"
            raise WrongResultError(msg)


def check_rows(url: str, rows: int, table: str = "events") -> None:
    """Compare the rows of one table alone.

    Raises:
        WrongResultError: says what arrived.
    """
    found = one(url, f"SELECT count(*) FROM {table}")
    if found != rows:
        msg = f"{found:,} rows of {table} arrived, not {rows:,}"
        raise WrongResultError(msg)
