"""What is done to a whole database: bytes of its header and pages, its length, its -wal, and the schema in it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from fuzzkit.whole import make_whole

_HEADER_BYTES: Final = 100
_FIELDS: Final = (16, 18, 19, 20, 21, 22, 23, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 92, 96)
"""Where the fields of the header begin (https://sqlite.org/fileformat2.html, section 1.3)."""
_BYTES: Final = (0, 1, 2, 5, 10, 13, 0x7F, 0x80, 0x81, 0xFE, 0xFF)
_NAMES: Final = ("customers", "orders", "pairs", "loose", "exact_ones", "wide", "spenders", "noticed", "by_name")
_STATEMENTS: Final = (
    "CREATE TABLE loose (x, y, z)",
    "CREATE TABLE loose (x)",
    "CREATE TABLE loose (x INTEGER PRIMARY KEY, y)",
    "CREATE TABLE loose (x PRIMARY KEY, y) WITHOUT ROWID",
    "CREATE TABLE loose (x, y, g AS (x || g2), g2 AS (g))",
    "CREATE TABLE loose (x, y, g AS (hex(zeroblob(99999))))",
    "CREATE TABLE loose (x, y, g AS (strange(x)))",
    "CREATE TABLE loose (x, y, g AS (load_extension('/tmp/none')))",
    "CREATE TABLE loose (x, y, CHECK (" + "(" * 90 + "1" + ")" * 90 + "))",
    "CREATE TABLE loose (x DEFAULT (randomblob(10)), y DEFAULT 'it''s', CHECK (x IN (1, 2) OR y LIKE '%''%'))",
    "CREATE TABLE other (x, y)",
    "CREATE VIEW loose AS SELECT * FROM loose",
    "CREATE VIEW spenders AS SELECT * FROM spenders",
    "CREATE VIEW spenders AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    "CREATE VIEW spenders AS SELECT * FROM pragma_database_list, sqlite_schema",
    "CREATE TRIGGER noticed AFTER INSERT ON orders BEGIN INSERT INTO orders DEFAULT VALUES; END",
    "CREATE TRIGGER noticed AFTER DELETE ON nothing BEGIN SELECT load_extension('x'); END",
    "CREATE VIRTUAL TABLE loose USING fts5 (x, content='', tokenize='strange')",
    "CREATE VIRTUAL TABLE loose USING dbstat",
    "CREATE VIRTUAL TABLE loose USING rtree (id, x, y)",
    "CREATE INDEX by_name ON loose (y COLLATE strange)",
    "CREATE TABLE loose AS SELECT 1",
    "CREATE TABLE loose (x, y, y2 AS (json_extract(x, '$.a')))",
    "ATTACH 'elsewhere.db' AS elsewhere",
    "not SQL",
    "",
)


def damaged_file(folder: Path, seed: int) -> Path:
    """Make the file that `seed` stands for in `folder`."""
    chance = random.Random(seed)
    path = folder / f"fuzzed{seed}.db"
    make_whole(path, chance)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        chance.choices(_WOUNDS, weights=[weight for weight, _ in _KINDS])[0](path, chance)
    return path


def _header(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = chance.choice(_FIELDS) + chance.choice([0, 0, 1, 2, 3])
    if at < len(content):
        content[min(at, _HEADER_BYTES - 1)] = chance.choice(_BYTES)
    path.write_bytes(content)


def _page(path: Path, chance: random.Random) -> None:
    """Change bytes of one page: its head, the places of its cells, or anything."""
    content = bytearray(path.read_bytes())
    size = _page_size(content)
    page = chance.randrange(max(1, len(content) // size))
    start = page * size + (_HEADER_BYTES if page == 0 else 0)
    place = chance.choice([chance.randrange(8), chance.randrange(8, 40), chance.randrange(size), size - 50])
    for at in range(start + place, start + place + chance.choice([1, 1, 2, 4])):
        if at < len(content):
            content[at] = chance.choice(_BYTES) if chance.random() < 0.6 else chance.randrange(256)
    path.write_bytes(content)


def _swapped(path: Path, chance: random.Random) -> None:
    """Put one page over another."""
    content = bytearray(path.read_bytes())
    size = _page_size(content)
    pages = len(content) // size
    if pages > 2:
        one, two = (chance.randrange(1, pages) * size for _ in range(2))
        content[one : one + size] = content[two : two + size] if chance.random() < 0.6 else bytes(size)
        path.write_bytes(content)


def _length(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    cut = chance.choice([chance.randrange(len(content)), len(content) - 1, len(content) // 2, 600])
    path.write_bytes(content[:cut] if chance.random() < 0.7 else content + chance.randbytes(cut))


def _log(path: Path, chance: random.Random) -> None:
    """Lay something beside it that looks like its -wal or its journal."""
    name = path.name + chance.choice(["-wal", "-wal", "-journal"])
    head = chance.choice([b"\x37\x7f\x06\x82\x00\x2d\xe2\x18", b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", b""])
    path.with_name(name).write_bytes(head + chance.randbytes(chance.choice([0, 24, 600, 5_000])))


def _schema(path: Path, chance: random.Random) -> None:
    """Write into the schema what SQLite would not."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.execute("PRAGMA writable_schema = ON")
        name = chance.choice(_NAMES)
        sql = chance.choice(_STATEMENTS)
        match chance.randrange(7):
            case 0:
                opened.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))
            case 1:
                opened.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'loose'", (sql,))
            case 2:
                roots = [row[0] for row in opened.execute("SELECT rootpage FROM sqlite_schema")]
                root = chance.choice([*roots, 0, 1, -1, 2**31, 99, None, "x"])
                opened.execute("UPDATE sqlite_schema SET rootpage = ? WHERE name = ?", (root, name))
            case 3:
                other = chance.choice([*_NAMES, "sqlite_hidden", "", None, 7, b"\xff\xfe", "x" * 200])
                opened.execute("UPDATE sqlite_schema SET name = ? WHERE name = ?", (other, name))
            case 4:
                kind = chance.choice(["table", "view", "index", "trigger", "strange", None, 5])
                opened.execute("UPDATE sqlite_schema SET type = ? WHERE name = ?", (kind, name))
            case 5:
                entry = (
                    chance.choice(["table", "view", "trigger", "index"]),
                    name,
                    name,
                    chance.choice([0, 2, 3]),
                    sql,
                )
                opened.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", entry)
            case _:
                opened.execute("DELETE FROM sqlite_schema WHERE name = ?", (name,))
        opened.execute("PRAGMA schema_version = 4711")


def _page_size(content: bytes) -> int:
    size = int.from_bytes(content[16:18], "big")
    return size if size in {512, 1024, 2048, 4096} else 1024


_Wound = Callable[[Path, random.Random], None]
_KINDS: Final[tuple[tuple[int, _Wound], ...]] = (
    (4, _header),
    (8, _page),
    (2, _swapped),
    (2, _length),
    (1, _log),
    (7, _schema),
)
_WOUNDS: Final = [wound for _, wound in _KINDS]
