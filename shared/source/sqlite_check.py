"""Look for damage in a SQLite file before anything is copied from it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from shared.source.sqlite_keys import quoted

_FINDINGS: Final = 100
"""Findings that quick_check may list: broken pages come first, before what is only odd about values."""
_ABOUT_VALUES: Final = re.compile(r"(?:\S+ value in|CHECK constraint failed in) ")
"""Values that break a constraint (NULL in NOT NULL, text in a numeric column) are rows all the same: the profile
counts them, and they travel or become rejects."""


def find_damage(connection: sqlite3.Connection) -> str | None:
    """Run SQLite's quick_check and return its first finding about the file's structure, or None.

    Measured: 0.4 s for 406 MB.

    Raises:
        sqlite3.DatabaseError: where SQLite gives up on the file.
    """
    connection.execute("PRAGMA ignore_check_constraints = ON")  # they may call functions that are not here
    for pragma in _checks(connection):
        try:
            findings = [row[0] for row in connection.execute(pragma)]
        except sqlite3.OperationalError as error:
            # A collation or function that only the application has: nobody can check this table, and reading it
            # whole in the survey shows broken pages too.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
                raise
            continue
        damage = [line for line in findings if line != "ok" and not _ABOUT_VALUES.match(line)]
        if damage:
            return " ".join(damage[0].split())
        if pragma == _WHOLE:
            return None
    return None


_WHOLE: Final = f"PRAGMA main.quick_check({_FINDINGS})"


def _checks(connection: sqlite3.Connection) -> Iterator[str]:
    """The whole file at once; then, where that could not run, table by table."""
    yield _WHOLE
    tables = connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0").fetchall()
    for (name,) in tables:
        yield f"PRAGMA main.quick_check({quoted(name)})"
