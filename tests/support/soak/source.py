"""The source of a soak: tables of every kind of key, wide values, and values that no PostgreSQL can hold."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

_SCHEMA: Final = """
    CREATE TABLE people (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE, born DATE, seen TIMESTAMP, ratio REAL,
        active BOOLEAN, note TEXT
    );
    CREATE TABLE places (code TEXT PRIMARY KEY, name TEXT NOT NULL, height INTEGER);
    CREATE TABLE visits (
        person INTEGER NOT NULL REFERENCES people (id), place TEXT NOT NULL REFERENCES places (code),
        day TEXT NOT NULL, points INTEGER, PRIMARY KEY (person, place, day)
    ) WITHOUT ROWID;
    CREATE TABLE lines (level INTEGER, said TEXT);
    CREATE TABLE files (id INTEGER PRIMARY KEY, body BLOB, told TEXT);
    CREATE TABLE dirty (id INTEGER PRIMARY KEY, amount INTEGER, label TEXT);
    CREATE TABLE colours (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE sizes (name TEXT PRIMARY KEY, metres REAL);
    CREATE INDEX people_by_name ON people (name);
    CREATE INDEX lines_by_level ON lines (level);
"""
_LETTERS: Final = "aebcdéöß漢字🙂 '\"\\,;\t\n%{}0123456789xyzXYZ"
_WIDEST: Final = 400_000
"""Bytes: several chunks' worth in one value."""
_DIRTY_ONE_IN: Final = 25


def make_soak_source(path: Path, *, seed: int, share: float = 1.0) -> Path:
    """Write the database; the same seed gives the same rows. At `share` 1 it has some 25 MB."""
    roll = random.Random(f"source {seed}")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        for table, rows in _tables(roll, share).items():
            several = iter(rows)
            first = next(several)
            marks = ", ".join("?" * len(first))
            statement = f"INSERT INTO {table} VALUES ({marks})"
            connection.execute(statement, first)
            connection.executemany(statement, several)
        # Texts that are no UTF-8: only a cast writes them.
        connection.execute("UPDATE dirty SET label = CAST(x'ff41fe' AS TEXT) WHERE id % 401 = 7")
    return path


def _tables(roll: random.Random, share: float) -> dict[str, Iterator[tuple[Any, ...]]]:
    people, places = int(40_000 * share), int(12_000 * share)
    return {
        "people": _people(roll, people),
        "places": _places(roll, places),
        "visits": _visits(roll, int(60_000 * share), people, places),
        "lines": ((roll.randrange(5), _text(roll, 160)) for _ in range(int(30_000 * share))),
        "files": _files(roll, int(300 * share)),
        "dirty": _dirty(roll, int(20_000 * share)),
        "colours": ((number, f"colour {number}") for number in range(1, 60)),
        "sizes": ((f"size {number}", number / 7) for number in range(1, 90)),
    }


def _people(roll: random.Random, number: int) -> Iterator[tuple[Any, ...]]:
    for place in range(1, number + 1):
        seen = datetime(2001, 9, 9, tzinfo=UTC) + timedelta(seconds=roll.randrange(10**9))
        yield (
            place * 3,
            _text(roll, 30) or "nobody",
            None if roll.random() < 0.1 else f"{place}@example.org",
            f"{roll.randrange(1900, 2024)}-{roll.randrange(1, 13):02}-{roll.randrange(1, 29):02}",
            f"{seen:%Y-%m-%d %H:%M:%S}.{roll.randrange(10**6):06}",
            roll.choice((None, roll.uniform(-1, 1) * 10 ** roll.randrange(-300, 300), 0.1, -0.0)),
            roll.choice((None, 0, 1)),
            roll.choice((None, "", _text(roll, 90))),
        )


def _places(roll: random.Random, number: int) -> Iterator[tuple[Any, ...]]:
    return ((_code(place), _text(roll, 80), roll.choice((None, roll.randrange(-500, 9000)))) for place in range(number))


def _visits(roll: random.Random, number: int, people: int, places: int) -> Iterator[tuple[Any, ...]]:
    for place in range(number):
        person = roll.randrange(1, people + 1) * 3
        yield person, _code(roll.randrange(places)), f"day {place}", roll.choice((None, roll.randrange(2**40)))


def _files(roll: random.Random, number: int) -> Iterator[tuple[Any, ...]]:
    for place in range(1, number + 1):
        wide = _WIDEST if place % 97 == 5 else roll.randrange(25_000)
        yield place, roll.randbytes(wide), _text(roll, 200) * roll.randrange(30)


def _dirty(roll: random.Random, number: int) -> Iterator[tuple[Any, ...]]:
    for place in range(1, number + 1):
        text = _text(roll, 60)
        yield place, roll.randrange(-(2**60), 2**60), f"{text}\0{text}" if roll.random() < 1 / _DIRTY_ONE_IN else text


def _code(place: int) -> str:
    return f"{place * 7919 % 99991:05}-{place}"


def _text(roll: random.Random, longest: int) -> str:
    return "".join(roll.choices(_LETTERS, k=roll.randrange(longest)))
