"""The events with one value of every row changed: what a second job finds when nothing stayed as it was."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.events_table import make_events
from benchmarks.sources.making import made_once


def make_changed(path: Path, *, rows: int) -> Path:
    """Write the table to `path`, unless it is there already; the unchanged one is made beside it."""

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE events SET account_id = account_id + 1")

    original = make_events(path.with_name("events.sqlite"), rows=rows)
    return made_once(path, str(rows), fill, original=original)
