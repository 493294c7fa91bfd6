"""Tables of blobs: many of 10 to 100 KB, or a few of 50 MB."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from benchmarks.sources.making import made_once

SEED = 20_260_103
MEDIUM = (10_000, 100_000)
"""Bytes: from, to."""
HUGE = (50_000_000, 50_000_000)


def make_blobs(path: Path, *, rows: int, sizes: tuple[int, int] = MEDIUM, seed: int = SEED) -> Path:
    """Write the table to `path`, unless it is there already."""

    def fill(connection: sqlite3.Connection) -> None:
        dice = random.Random(seed)
        connection.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, content BLOB NOT NULL)")
        connection.executemany(
            "INSERT INTO files VALUES (?, ?, ?)",
            ((number, f"file {number}.bin", dice.randbytes(dice.randint(*sizes))) for number in range(1, rows + 1)),
        )

    return made_once(path, f"{rows}.{sizes[0]}-{sizes[1]}.{seed}", fill)
