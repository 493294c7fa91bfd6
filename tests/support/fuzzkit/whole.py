"""Whole databases, small and of many shapes: what is then damaged."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

_TABLES = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, born DATE, paid DECIMAL(8, 2));
CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, customer INT REFERENCES customers (id), note TEXT UNIQUE,
    twice INT AS (customer * 2), spelled TEXT AS (upper(note)) STORED, CHECK (customer IS NULL OR customer >= 0));
CREATE TABLE pairs (a TEXT, b INT, c BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE loose (x, y);
CREATE TABLE exact_ones (n INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
CREATE TABLE wide (id TEXT PRIMARY KEY, document TEXT, picture BLOB);
CREATE INDEX by_name ON customers (name, paid DESC);
CREATE INDEX some ON orders (note) WHERE customer > 3;
CREATE VIEW spenders AS SELECT name, count(*) AS n FROM customers JOIN orders ON customer = customers.id GROUP BY name;
CREATE TRIGGER noticed AFTER INSERT ON orders BEGIN UPDATE customers SET paid = paid + 1 WHERE id = NEW.customer; END;
"""
_VIRTUAL = """
CREATE VIRTUAL TABLE search USING fts5 (title, body);
INSERT INTO search VALUES ('one', 'a text'), ('two', 'another');
CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1, +label);
INSERT INTO boxes VALUES (1, 0.5, 1.5, 'first'), (2, -1, 3, NULL);
"""


def make_whole(path: Path, chance: random.Random) -> None:
    """Make a database that is in order: page size, encoding, journal and contents by chance."""
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(f"PRAGMA page_size = {chance.choice([512, 1024, 1024, 4096])}")
        made.execute(f"PRAGMA encoding = '{chance.choice(['UTF-8', 'UTF-8', 'UTF-8', 'UTF-16le', 'UTF-16be'])}'")
        made.execute(f"PRAGMA auto_vacuum = {chance.choice([0, 0, 1, 2])}")
        made.executescript(f"BEGIN; {_TABLES} COMMIT;")
        if chance.random() < 0.3:
            made.executescript(_VIRTUAL)
        _fill(made, chance)
        if chance.random() < 0.3:
            made.execute("DELETE FROM wide WHERE rowid % 3 = 0")  # free pages
            made.execute("DELETE FROM customers WHERE id % 7 = 0")


def _fill(made: sqlite3.Connection, chance: random.Random) -> None:
    made.execute("BEGIN")
    rows = chance.choice([0, 3, 40, 120])
    for number in range(rows):
        made.execute(
            "INSERT INTO customers (name, born, paid) VALUES (?, ?, ?)",
            (f"name {number}", f"2024-01-{number % 28 + 1:02}", number / 4),
        )
        made.execute("INSERT INTO orders (customer, note) VALUES (?, ?)", (number % 9 + 1, f"note {number}"))
        made.execute("INSERT INTO pairs VALUES (?, ?, ?)", (f"k{number % 5}", number, bytes([number % 256]) * number))
        made.execute("INSERT INTO loose VALUES (?, ?)", (chance.choice([number, None, "x", 1.5, b"\0"]), number))
        made.execute("INSERT INTO exact_ones VALUES (?, ?, ?, ?, ?)", (number, number / 3, "täxt", b"\xff", number))
    for number in range(rows // 10):
        made.execute(
            "INSERT INTO wide VALUES (?, ?, ?)", (f"w{number}", f'{{"n": {number}}}' * 1, bytes(3_000 * (number % 3)))
        )
    made.execute("COMMIT")
