"""The events with 0.01 % of values that no binary COPY can take as they are.

Each of them is in a row of its own, and the four kinds take turns: a text with U+0000, a text that is not valid UTF-8,
a day that the calendar does not have, and a truth value that is spelled out. Columns must keep their types, so that
the clean and the dirty table differ in nothing else: the job is told to keep to the declared ones
(``--types declared``). The first three kinds are then rejects, since no value of those types stands for them; the
fourth arrives, by the careful path.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from benchmarks.sources.making import made_once

SEED = 20_260_106
SHARE = 0.0001
"""Of all values."""
COLUMNS = 10
KINDS = (
    "UPDATE events SET note = 'first' || char(0) || 'second' WHERE id = ?",
    "UPDATE events SET note = CAST(x'636166E9' AS TEXT) WHERE id = ?",
    "UPDATE events SET day = '2021-02-30' WHERE id = ?",
    "UPDATE events SET active = 'yes' WHERE id = ?",
)
_REFUSED = 3
"""How many of the kinds are rejects: the first ones."""


def make_dirty(path: Path, clean: Path, *, rows: int, seed: int = SEED) -> Path:
    """Write the table to `path`, from the clean one of so many rows, unless it is there already."""

    def fill(connection: sqlite3.Connection) -> None:
        for place, number in enumerate(dirty_rows(rows, seed=seed)):
            connection.execute(KINDS[place % len(KINDS)], (number,))

    return made_once(path, f"{rows}.{seed}", fill, original=clean)


def dirty_rows(rows: int, *, seed: int = SEED) -> list[int]:
    """The ids of the rows with a value that needs the careful path."""
    return random.Random(seed).sample(range(1, rows + 1), round(rows * COLUMNS * SHARE))


def refused_rows(rows: int, *, seed: int = SEED) -> Iterator[int]:
    """The ids of those that become rejects."""
    return (number for place, number in enumerate(dirty_rows(rows, seed=seed)) if place % len(KINDS) < _REFUSED)
