"""The benchmark's source: one SQLite table of 10 typed columns, 2,000,000 rows, about 410 MB, the same for a seed."""

from __future__ import annotations

import random
import sqlite3
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.sources.making import made_once, places

ROWS = 2_000_000
SEED = 20_260_101
_BATCH = 10_000
_DDL = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    amount DECIMAL(12, 2),
    ratio REAL,
    code VARCHAR(16) NOT NULL,
    note TEXT,
    active BOOLEAN NOT NULL,
    created_at DATETIME NOT NULL,
    day DATE,
    payload BLOB
)
"""
_WORDS = ("délai", "order", "paid", "Straße", "returned", "warehouse", "customer", "наклейка", "late", "shipped", "券")
_FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)


def make_events(path: Path, *, rows: int = ROWS, seed: int = SEED) -> Path:
    """Write the table to `path`, unless a finished one of this size is there already."""

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute(_DDL)
        connection.executemany(f"INSERT INTO events VALUES ({places(10)})", _rows(rows, random.Random(seed)))

    return made_once(path, f"{rows}.{seed}", fill)


def events_in(work: Path, rows: int) -> Path:
    """The table of this size in the benchmark's folder, which all works share."""
    return make_events(work / "sources" / f"events_{rows}.sqlite", rows=rows)


def _rows(count: int, dice: random.Random) -> Iterator[tuple[object, ...]]:
    notes = [" ".join(dice.choices(_WORDS, k=dice.randint(4, 14))) for _ in range(_BATCH)]
    codes = ["".join(dice.choices(string.ascii_uppercase + string.digits, k=12)) for _ in range(_BATCH)]
    for number in range(1, count + 1):
        moment = _FIRST_DAY + timedelta(seconds=dice.randrange(300_000_000), microseconds=dice.randrange(1_000_000))
        yield (
            number,
            dice.randrange(1, 50_000),
            None if number % 17 == 0 else dice.randrange(1, 10_000_000) / 100,
            dice.random() * 1e6,
            codes[dice.randrange(_BATCH)],
            None if number % 11 == 0 else notes[dice.randrange(_BATCH)],
            dice.randrange(2),
            moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
            None if number % 13 == 0 else moment.strftime("%Y-%m-%d"),
            dice.randbytes(40),
        )
