"""A table of 60 columns: integers, decimals, reals, texts, dates and truth values."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.sources.making import made_once, places

COLUMNS = 60
SEED = 20_260_102
_POOL = 5_000
_WORDS = ("north", "süd", "east", "west", "alpha", "brown", "καλό", "delta", "small", "large")


def make_wide(path: Path, *, rows: int, seed: int = SEED) -> Path:
    """Write the table to `path`, unless it is there already."""

    def fill(connection: sqlite3.Connection) -> None:
        columns = ", ".join(f"c{number:02} {_declared(number)}" for number in range(1, COLUMNS))
        connection.execute(f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {columns})")
        connection.executemany(f"INSERT INTO wide VALUES ({places(COLUMNS)})", _rows(rows, random.Random(seed)))

    return made_once(path, f"{rows}.{seed}", fill)


def _declared(number: int) -> str:
    return list(_VALUES)[number % len(_VALUES)]


def _rows(count: int, dice: random.Random) -> Iterator[tuple[object, ...]]:
    """Join two halves, each out of a pool: drawing 60 values a row would take minutes."""
    middle = COLUMNS // 2
    left = [tuple(_value(_declared(n), dice) for n in range(1, middle)) for _ in range(_POOL)]
    right = [tuple(_value(_declared(n), dice) for n in range(middle, COLUMNS)) for _ in range(_POOL)]
    for number in range(1, count + 1):
        yield (number, *left[dice.randrange(_POOL)], *right[dice.randrange(_POOL)])


def _value(declared: str, dice: random.Random) -> object:
    return None if dice.random() < 0.05 else _VALUES[declared](dice)


_VALUES: dict[str, Callable[[random.Random], object]] = {
    "INTEGER": lambda dice: dice.randrange(-1_000_000, 1_000_000),
    "DECIMAL(12, 2)": lambda dice: dice.randrange(1, 10_000_000) / 100,
    "REAL": lambda dice: dice.random() * 1e6,
    "VARCHAR(20)": lambda dice: " ".join(dice.choices(_WORDS, k=2)),
    "DATE": lambda dice: f"{dice.randrange(1990, 2030)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}",
    "BOOLEAN": lambda dice: dice.randrange(2),
}
