from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, KeyRange, RawText, Value
from shared.records.plan import TableRead
from shared.source.sqlite import SqliteReader, open_sqlite

VALID = [
    "",
    "plain",
    "é",
    "券",
    "𝄞𝄞",
    "a\0b",
    "\ufeffmark",
    "\ufdd0pgconvoy:61",
    "\ufdd0pgconvoy:x",
    "\uffff\ufffe",
    "z" * 200,
]
UNITS = [["d834"], ["d834", "0061"], ["dd1e"], ["0061", "d834"], ["dd1e", "d834"], ["0000", "d834"]]


def _invalid(encoding: str) -> list[bytes]:
    """Halves of surrogate pairs in every position."""
    order = slice(None, None, -1 if encoding == "utf-16le" else 1)
    return [b"".join(bytes.fromhex(unit)[order] for unit in units) for units in UNITS]


def _make(path: Path, encoding: str, values: list[str | bytes], ddl: str) -> None:
    """Texts as they are given, bytes as texts of those bytes."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA encoding = '{encoding}'; {ddl};")
        for number, value in enumerate(values):
            raw = value if isinstance(value, bytes) else value.encode(encoding)
            connection.execute(f"INSERT INTO t(v, n) VALUES (CAST(x'{raw.hex()}' AS TEXT), ?)", (number,))
        connection.commit()


def _read(reader: SqliteReader) -> TableRead:
    (table,) = reader.catalog().tables
    return TableRead(table="t", chunk_key=table.chunk_key, columns=("v", "n"))


def _rows(reader: SqliteReader, key_range: KeyRange = EVERYTHING) -> list[tuple[Value, ...]]:
    batches = reader.read_rows(_read(reader), key_range, batch_rows=3)
    return [row.values for batch in batches for row in batch]


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
def test_valid_texts_come_by_columns_and_by_rows(tmp_path: Path, encoding: str) -> None:
    """The same texts as went in, U+0000, marks and all, whatever stands beside them."""
    _make(tmp_path / "u.db", encoding, VALID, "CREATE TABLE t(v, n)")
    with open_sqlite("u.db") as reader:
        read = _read(reader)
        assert _rows(reader) == [(value, n) for n, value in enumerate(VALID)]
        columns = reader.read_arrow(read, EVERYTHING)
        assert columns.column(0).to_pylist() == VALID
        profile = reader.profile(reader.catalog().tables[0])
    found = profile.columns["v"]
    assert (found.texts, found.invalid_texts, found.nul_texts, found.empty_texts) == (len(VALID), 0, 1, 1)
    assert found.longest_text == 400


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
def test_invalid_texts_keep_their_bytes(tmp_path: Path, encoding: str) -> None:
    """SQLite would make other texts of them without a word; columns refuse them, rows and the profile tell them."""
    invalid = _invalid(encoding)
    _make(tmp_path / "u.db", encoding, [*VALID, *invalid, b""], "CREATE TABLE t(v, n)")
    with closing(sqlite3.connect("u.db")) as connection:
        connection.execute("UPDATE t SET v = x'0061d8' WHERE n = ?", (len(VALID) + len(invalid),))  # a blob is a blob
        connection.commit()
    with open_sqlite("u.db") as reader:
        expected = [*VALID, *map(RawText, invalid), b"\x00\x61\xd8"]
        assert _rows(reader) == [(value, n) for n, value in enumerate(expected)]
        with pytest.raises(NotArrowableError, match=r"not valid UTF-16 in .* of table .t."):
            reader.read_arrow(_read(reader), EVERYTHING)
        found = reader.profile(reader.catalog().tables[0]).columns["v"]
    assert (found.texts, found.invalid_texts, found.nul_texts) == (len(VALID) + len(invalid), len(invalid), 2)


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
def test_invalid_texts_bound_chunks(tmp_path: Path, encoding: str) -> None:
    """As keys they are bound as they are stored: each row is in one chunk."""
    values = [value for value in VALID if "\uffff" not in value] + _invalid(encoding)
    _make(tmp_path / "u.db", encoding, values, "CREATE TABLE t(v TEXT PRIMARY KEY, n) WITHOUT ROWID")
    with open_sqlite("u.db") as reader:
        (table,) = reader.catalog().tables
        whole = _rows(reader)
        assert {n for _, n in whole} == set(range(len(values)))
        keys = list(reader.walk_keys("t", table.chunk_key, step=1))
        assert [key[0] for key in keys] == [value for value, _ in whole[1:]]
        bounds = [KeyRange(upper=keys[0])]
        bounds += [KeyRange(lower=low, upper=high) for low, high in itertools.pairwise(keys)]
        bounds.append(KeyRange(lower=keys[-1]))
        assert [row for key_range in bounds for row in _rows(reader, key_range)] == whole
