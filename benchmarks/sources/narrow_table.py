"""A long, narrow table: for planning, where only the keys count, and for chunks of one row."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from benchmarks.sources.making import made_once

SEED = 20_260_105


def make_narrow(path: Path, *, rows: int, seed: int = SEED) -> Path:
    """Write the table to `path`, unless it is there already. Its keys have gaps, as where rows were deleted."""

    def fill(connection: sqlite3.Connection) -> None:
        dice = random.Random(seed)
        connection.execute("CREATE TABLE readings (id INTEGER PRIMARY KEY, sensor INTEGER NOT NULL, value REAL)")
        connection.executemany(
            "INSERT INTO readings VALUES (?, ?, ?)",
            ((number * 3, dice.randrange(1000), dice.random()) for number in range(1, rows + 1)),
        )

    return made_once(path, f"{rows}.{seed}", fill)
