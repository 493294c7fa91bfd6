"""Many small tables, as an application has them that grew for years."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from benchmarks.sources.making import made_once

SEED = 20_260_104
ROWS = 100
"""Of each table."""


def make_many(path: Path, *, tables: int, seed: int = SEED) -> Path:
    """Write the tables to `path`, unless they are there already."""

    def fill(connection: sqlite3.Connection) -> None:
        dice = random.Random(seed)
        for number in range(1, tables + 1):
            name = table_name(number)
            connection.execute(
                f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, label TEXT NOT NULL, price DECIMAL(10, 2), day DATE)"
            )
            rows = [
                (row, f"label {dice.randrange(10**6)}", dice.randrange(10**6) / 100, f"2024-05-{dice.randint(10, 31)}")
                for row in range(1, ROWS + 1)
            ]
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", rows)

    return made_once(path, f"{tables}.{seed}", fill)


def table_name(number: int) -> str:
    """The name of the table with this number, from 1 on."""
    return f"part_{number:03}"
