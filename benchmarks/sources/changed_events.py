"""The events with one value of every row changed: what a second job finds when nothing stayed as it was."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.sources.making import made_once


def make_changed(path: Path, original: Path, *, rows: int) -> Path:
    """Write the table to `path`, from the unchanged one of so many rows, unless it is there already."""

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE events SET account_id = account_id + 1")

    return made_once(path, str(rows), fill, original=original)
