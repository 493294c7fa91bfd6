"""A chunk that is split: its parts cover each key of its range exactly once, whatever the keys and the range."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from shared.records.keys import OPEN, Bound, Key, KeyRange
from shared.records.source import ChunkKey, ChunkKeyKind
from shared.source.sqlite_keys import order_by, walk, where
from workers.split_chunk import parts_along

INTEGERS = st.one_of(st.integers(-5, 40), st.integers(-(2**63), 2**63 - 1))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
MIXED = st.one_of(INTEGERS, st.floats(allow_nan=False), TEXTS, st.binary(max_size=3))


def _bound(keys: st.SearchStrategy[Key]) -> st.SearchStrategy[Bound]:
    return st.one_of(st.just(OPEN), keys)


def _range(connection: sqlite3.Connection, lower: Bound, upper: Bound) -> KeyRange:
    """A range of two bounds in either order; open where SQLite takes them for one key."""
    if isinstance(lower, tuple) and isinstance(upper, tuple):
        marks = "(" + ", ".join("?" * len(lower)) + ")"
        sql = f"SELECT {marks} < {marks}, {marks} = {marks}"
        below, same = connection.execute(sql, (*lower, *upper, *lower, *upper)).fetchone()
        if same or lower == upper:
            return KeyRange(lower=lower)
        if not below:
            lower, upper = upper, lower
    return KeyRange(lower=lower, upper=upper)


def _check(connection: sqlite3.Connection, chunk_key: ChunkKey, key_range: KeyRange, number: int) -> None:
    def keys_in(part: KeyRange) -> list[Key]:
        clause = where(chunk_key, part)
        names = ", ".join(f"t.{name}" for name in chunk_key.columns)
        sql = f"SELECT {names} FROM t AS t {clause.sql} {order_by(chunk_key)}"
        return connection.execute(sql, clause.values).fetchall()

    whole = keys_in(key_range)
    rows = max(len(whole), 2)
    step = -(-rows // number)
    keys = walk(connection, "t", chunk_key, step=step, within=key_range)
    parts = parts_along(key_range, keys, rows=len(whole), step=step, source_bytes=1000)
    ranges = [part.key_range for part in parts]
    assert all(isinstance(each, KeyRange) for each in ranges)
    found = [keys_in(each) for each in ranges if isinstance(each, KeyRange)]
    assert [key for part in found for key in part] == whole
    assert [part.rows for part in parts] == [len(part) for part in found]
    assert len(parts) == max(1, -(-len(whole) // step)) <= number
    assert sum(part.source_bytes for part in parts) in range(1000 - len(parts), 1001 + len(parts)) or not whole


@given(
    keys=st.sets(INTEGERS, max_size=60),
    lower=_bound(st.tuples(INTEGERS)),
    upper=_bound(st.tuples(INTEGERS)),
    number=st.integers(2, 9),
)
def test_any_range_of_rowids_is_cut_into_parts_that_cover_it_once(
    keys: set[int], lower: Bound, upper: Bound, number: int
) -> None:
    """Outliers, negative and giant rowids, bounds where no row is: no key is lost and none comes twice."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO t VALUES (?)", [(key,) for key in keys])
    chunk_key = ChunkKey(kind=ChunkKeyKind.ROWID, columns=("id",))
    _check(connection, chunk_key, _range(connection, lower, upper), number)
    connection.close()


@given(
    keys=st.lists(st.tuples(MIXED, TEXTS), max_size=40),
    lower=_bound(st.tuples(MIXED, TEXTS)),
    upper=_bound(st.tuples(MIXED, TEXTS)),
    number=st.integers(2, 9),
)
def test_any_range_of_composite_keys_is_cut_into_parts_that_cover_it_once(
    keys: list[Key], lower: Bound, upper: Bound, number: int
) -> None:
    """Keys of several columns and storage classes are compared as SQLite does, in the walk and in the parts."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID")
    connection.executemany("INSERT OR IGNORE INTO t VALUES (?, ?)", keys)
    chunk_key = ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=("a", "b"))
    _check(connection, chunk_key, _range(connection, lower, upper), number)
    connection.close()
