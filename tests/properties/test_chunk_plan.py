from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from producer.chunk_plan import plan_chunks, rows_per_chunk
from producer.survey import chunks_of
from shared.errors import NotArrowableError
from shared.records.keys import OPEN, ChunkRange, KeyRange, NullKeys, RawText
from shared.records.plan import TablePlan, TableRead
from shared.records.source import ChunkKeyKind
from shared.source.sqlite import SqliteReader, open_sqlite
from workers.split_chunk import parts_along

# --- pure --------------------------------------------------------------------------------------------------------


@given(
    keys=st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=60).map(sorted),
    step=st.integers(1, 70),
    null_rows=st.integers(0, 3),
    limit=st.none() | st.integers(0, 70),
)
def test_every_key_lies_in_exactly_one_chunk(keys: list[int], step: int, null_rows: int, limit: int | None) -> None:
    """Chunks cover the wanted keys once and in order, whatever the keys, the step and the limit."""
    wanted = keys if limit is None else keys[:limit]
    end = OPEN if len(wanted) == len(keys) else (keys[len(wanted)],)
    boundaries = [(key,) for key in keys[step::step]]
    chunks = list(plan_chunks(boundaries, rows=len(wanted), step=step, row_bytes=10, null_rows=null_rows, end=end))
    ranges = [chunk.key_range for chunk in chunks]
    assert [key for key_range in ranges for key in keys if _holds(key_range, key)] == wanted
    assert (NullKeys() in ranges) == (null_rows > 0)
    assert sum(chunk.rows for chunk in chunks) == len(wanted) + null_rows
    assert all(chunk.rows <= step for chunk in chunks if chunk.key_range != NullKeys())
    for chunk in chunks:
        if chunk.key_range != NullKeys():
            assert sum(_holds(chunk.key_range, key) for key in wanted) == chunk.rows


def _holds(key_range: ChunkRange, key: int) -> bool:
    if isinstance(key_range, NullKeys):
        return False
    above = key_range.lower is OPEN or key_range.lower <= (key,)
    return above and (key_range.upper is OPEN or (key,) < key_range.upper)


def test_a_table_without_rows_has_no_chunk() -> None:
    """An empty table is done before it begins."""
    assert list(plan_chunks([], rows=0, step=10, row_bytes=1)) == []


def test_the_plan_streams() -> None:
    """The first chunk is there before the walk goes on, and no boundary is asked for that is not needed."""

    def walk() -> Any:
        yield (10,)
        yield (20,)
        pytest.fail("the walk went too far")

    chunks = plan_chunks(walk(), rows=25, step=10, row_bytes=1)
    assert next(chunks).key_range == KeyRange(upper=(10,))
    assert [chunk.rows for chunk in chunks] == [10, 5]


@given(row_bytes=st.floats(0, 1e9), chunk_bytes=st.integers(1, 2**40))
def test_a_chunk_holds_at_least_one_row_and_about_its_bytes(row_bytes: float, chunk_bytes: int) -> None:
    """Rows larger than a chunk get a chunk each; others fill it."""
    rows = rows_per_chunk(row_bytes, chunk_bytes)
    assert rows == 1 or rows * max(1.0, row_bytes) <= chunk_bytes * 1.000001
    assert (rows + 1) * max(1.0, row_bytes) >= chunk_bytes * 0.999999


# --- on real tables ----------------------------------------------------------------------------------------------

_TEXTS = st.text(st.sampled_from("aAbBß \0é\U0001f600"), max_size=3)
_INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)
_BLOBS = st.binary(max_size=3)
_MIXED = st.one_of(
    _INTEGERS, st.floats(allow_nan=False), _TEXTS, _BLOBS, st.sampled_from([RawText(b"\xff"), RawText(b"a\xc3")])
)


@dataclass(frozen=True)
class Shape:
    """A way to key a table, and what its keys are made of."""

    name: str
    ddl: str
    key: st.SearchStrategy[tuple[Any, ...]]
    encoding: str = "UTF-8"


_SHADOWED = "rowid, _rowid_, OID"
SHAPES = [
    Shape("rowid", "CREATE TABLE t(v, k)", st.tuples(_MIXED)),
    Shape("integer key", "CREATE TABLE t(v, k INTEGER PRIMARY KEY)", st.tuples(_INTEGERS)),
    Shape("shadowed rowid", "CREATE TABLE t(v, k INTEGER PRIMARY KEY, RowId)", st.tuples(_INTEGERS)),
    Shape("text key", "CREATE TABLE t(v, k TEXT PRIMARY KEY) WITHOUT ROWID", st.tuples(_TEXTS)),
    Shape("blob key", "CREATE TABLE t(v, k BLOB PRIMARY KEY) WITHOUT ROWID", st.tuples(_BLOBS)),
    Shape("any key", "CREATE TABLE t(v, k PRIMARY KEY) WITHOUT ROWID", st.tuples(_MIXED)),
    Shape("numeric key", "CREATE TABLE t(v, k NUMERIC PRIMARY KEY) WITHOUT ROWID", st.tuples(_MIXED)),
    Shape("composite", "CREATE TABLE t(v, a, b, PRIMARY KEY(b, a)) WITHOUT ROWID", st.tuples(_MIXED, _MIXED)),
    Shape("nocase", "CREATE TABLE t(v, k TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID", st.tuples(_TEXTS)),
    Shape(
        "key finer than column",
        "CREATE TABLE t(v, k TEXT COLLATE NOCASE, PRIMARY KEY(k COLLATE BINARY)) WITHOUT ROWID",
        st.tuples(_TEXTS),
    ),
    Shape(
        "key coarser than column",
        "CREATE TABLE t(v, k TEXT, PRIMARY KEY(k COLLATE NOCASE)) WITHOUT ROWID",
        st.tuples(_TEXTS),
    ),
    Shape(
        "directions",
        "CREATE TABLE t(v, a, b, PRIMARY KEY(a DESC, b)) WITHOUT ROWID",
        st.tuples(_INTEGERS, _MIXED),
    ),
    Shape("unique, maybe NULL", f"CREATE TABLE t(v, k UNIQUE, {_SHADOWED})", st.tuples(st.none() | _MIXED)),
    Shape("unique, not NULL", f"CREATE TABLE t(v, a, b NOT NULL UNIQUE, {_SHADOWED})", st.tuples(_MIXED, _MIXED)),
    Shape("no key", f"CREATE TABLE t(v, k, {_SHADOWED})", st.tuples(_MIXED)),
    Shape("UTF-16", "CREATE TABLE t(v, k TEXT PRIMARY KEY) WITHOUT ROWID", st.tuples(_TEXTS), "UTF-16le"),
    Shape(
        "big-endian", "CREATE TABLE t(v, a, b, PRIMARY KEY(a, b)) WITHOUT ROWID", st.tuples(_TEXTS, _BLOBS), "UTF-16be"
    ),
]


def _fill(path: Path, shape: Shape, keys: list[tuple[Any, ...]]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"PRAGMA encoding = '{shape.encoding}'; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
        )
        connection.execute(shape.ddl)
        names = [row[1] for row in connection.execute("PRAGMA table_info(t)")][: 1 + len(keys[0]) if keys else 1]
        for number, key in enumerate(keys):
            places = ", ".join("CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in key)
            values = [value.raw if isinstance(value, RawText) else value for value in key]
            connection.execute(f"INSERT OR IGNORE INTO t({', '.join(names)}) VALUES (?, {places})", [number, *values])
        connection.commit()


def _plan(reader: SqliteReader, chunk_rows: int, limit: int | None) -> tuple[TablePlan, int]:
    (table,) = reader.catalog().tables
    rows = reader.profile(table).rows
    read = TableRead(table="t", chunk_key=table.chunk_key, columns=("v",))
    wanted = rows if limit is None else min(rows, limit)
    plan = TablePlan(read=read, schema="public", name="t", columns=(), rows=wanted, row_bytes=10, row_limit=limit)
    return plan, 10 * chunk_rows


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_row_of_a_real_table_is_read_in_exactly_one_chunk(shape: Shape) -> None:
    """Whatever a table's key is made of, its chunks hold each row once, row by row as well as by columns."""

    @settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
    @given(keys=st.lists(shape.key, max_size=30), chunk_rows=st.integers(1, 9), small_tail=st.booleans())
    @example(keys=[], chunk_rows=3, small_tail=True)
    def check(keys: list[tuple[Any, ...]], chunk_rows: int, *, small_tail: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.db"
            _fill(path, shape, keys)
            with closing(sqlite3.connect(path)) as connection:
                stored = [row[0] for row in connection.execute("SELECT v FROM t ORDER BY v")]
            with open_sqlite(str(path), frozen=True) as reader:
                plan, chunk_bytes = _plan(reader, chunk_rows, None)
                cut = chunks_of(reader, plan, chunk_bytes, small_tail=small_tail)
                ranges = [chunk.key_range for chunk in cut]
                assert sorted(_by_rows(reader, plan, ranges)) == stored
                assert sorted(_by_columns(reader, plan, ranges)) == stored
                assert bool(ranges) == bool(stored)
                for key_range in ranges:
                    assert _by_rows(reader, plan, [key_range]) == _by_columns(reader, plan, [key_range])

    check()


_ODD_TEXTS = st.text(st.sampled_from("ab\ufffe\uffff\ufeff"), max_size=3)
_ODD = [
    Shape("odd UTF-16", "CREATE TABLE t(v, k TEXT PRIMARY KEY) WITHOUT ROWID", st.tuples(_ODD_TEXTS), "UTF-16le"),
    Shape("odd UTF-8", "CREATE TABLE t(v, a, b, PRIMARY KEY(a, b)) WITHOUT ROWID", st.tuples(_ODD_TEXTS, _ODD_TEXTS)),
]


@pytest.mark.parametrize("shape", [*SHAPES, *_ODD], ids=lambda shape: shape.name)
def test_the_parts_of_a_split_chunk_hold_its_rows_exactly_once(shape: Shape) -> None:
    """Whatever a table's key is made of, also where parts are split again."""

    @settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
    @given(keys=st.lists(shape.key, max_size=30), step=st.integers(1, 9))
    def check(keys: list[tuple[Any, ...]], step: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.db"
            _fill(path, shape, keys)
            with open_sqlite(str(path), frozen=True) as reader:
                plan, _ = _plan(reader, 1, None)
                ranges = [KeyRange()]
                for size in (step, max(1, step // 2)):
                    ranges = [part for each in ranges for part in _split(reader, plan, each, size)]
                    assert Counter(_by_rows(reader, plan, ranges)) == Counter(_by_rows(reader, plan, [KeyRange()]))

    check()


def _split(reader: SqliteReader, plan: TablePlan, key_range: KeyRange, step: int) -> list[KeyRange]:
    keys = reader.walk_keys("t", plan.read.chunk_key, step=step, within=key_range)
    parts = parts_along(key_range, keys, rows=plan.rows, step=step, source_bytes=1)
    return [part.key_range for part in parts if isinstance(part.key_range, KeyRange)]


def _by_rows(reader: SqliteReader, plan: TablePlan, ranges: list[ChunkRange]) -> list[int]:
    return [
        row.values[0]
        for key_range in ranges
        for batch in reader.read_rows(plan.read, key_range, batch_rows=4)
        for row in batch
    ]


def _by_columns(reader: SqliteReader, plan: TablePlan, ranges: list[ChunkRange]) -> list[int]:
    return [value for key_range in ranges for value in reader.read_arrow(plan.read, key_range)["0"].to_pylist()]


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(rows=st.integers(1, 200), chunk_rows=st.integers(1, 40))
def test_the_last_chunks_of_a_table_are_quarters(rows: int, chunk_rows: int) -> None:
    """All but the last two chunks' worth of rows is cut whole; no chunk is empty."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        _fill(path, Shape("", "CREATE TABLE t(v, k)", st.nothing()), [(number,) for number in range(rows)])
        with open_sqlite(str(path), frozen=True) as reader:
            plan, chunk_bytes = _plan(reader, chunk_rows, None)
            sizes = [chunk.rows for chunk in chunks_of(reader, plan, chunk_bytes, small_tail=True)]
    whole = max(0, -(-rows // chunk_rows) - 2)
    quarter = -(-chunk_rows // 4)
    assert sizes[:whole] == [chunk_rows] * whole
    assert sizes[whole:-1] == [quarter] * (len(sizes) - whole - 1)
    assert 1 <= sizes[-1] <= quarter
    assert sum(sizes) == rows


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.name != "no key"], ids=lambda shape: shape.name)
def test_a_limit_takes_the_first_rows_by_key(shape: Shape) -> None:
    """--limit reads at most so many rows: the first by chunk key, as SQLite sorts."""

    @settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
    @given(
        keys=st.lists(shape.key, max_size=30),
        chunk_rows=st.integers(1, 9),
        limit=st.integers(1, 35),
        small_tail=st.booleans(),
    )
    def check(keys: list[tuple[Any, ...]], chunk_rows: int, limit: int, *, small_tail: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.db"
            _fill(path, shape, keys)
            with open_sqlite(str(path), frozen=True) as reader:
                plan, chunk_bytes = _plan(reader, chunk_rows, limit)
                names = ", ".join(f'"{name}"' for name in plan.read.chunk_key.columns)
                with closing(sqlite3.connect(path)) as connection:
                    nulls = 0
                    if plan.read.chunk_key.nullable:
                        nulls = connection.execute(f"SELECT count(*) FROM t WHERE {names} IS NULL").fetchone()[0]
                    first = connection.execute(f"SELECT v FROM t ORDER BY {names} LIMIT {limit}").fetchall()
                if nulls > limit:
                    return  # refused: see test_sqlite_survey
                cut = chunks_of(reader, plan, chunk_bytes, small_tail=small_tail)
                ranges = [chunk.key_range for chunk in cut]
                read = Counter(_by_rows(reader, plan, ranges))
                assert read <= Counter(row[0] for row in first)
                if shape.name != "key finer than column":  # ties there may end the limit early
                    assert read.total() == len(first)

    check()


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(values=st.lists(st.none() | _MIXED, max_size=12))
def test_arrow_carries_exactly_what_rows_do_or_refuses(values: list[Any]) -> None:
    """A column that Arrow carries has the very values and classes; mixed classes and bad UTF-8 are refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        shape = Shape("", "CREATE TABLE t(v, k)", st.nothing())
        _fill(path, shape, [(value,) for value in values])
        with open_sqlite(str(path), frozen=True) as reader:
            (table,) = reader.catalog().tables
            assert table.chunk_key.kind is ChunkKeyKind.ROWID
            read = TableRead(table="t", chunk_key=table.chunk_key, columns=("k",))
            rows = [row.values[0] for batch in reader.read_rows(read, KeyRange(), batch_rows=5) for row in batch]
            assert rows == values
            kinds = {type(value) for value in values if value is not None}
            if len(kinds) > 1 or RawText in kinds:
                with pytest.raises(NotArrowableError):
                    reader.read_arrow(read, KeyRange())
            else:
                carried = reader.read_arrow(read, KeyRange())["0"].to_pylist()
                assert [(type(v), v) for v in carried] == [(type(v), v) for v in values]
