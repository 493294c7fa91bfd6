"""Equal data made up by machine compares equal; a single changed cell is always found."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from comparekit import MemorySource, fill_target, kind_of, make_plan
from fleetkit import TestPostgres
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shared.compare.canonical_source import canonical_source
from shared.compare.canonical_target import canonical_target
from shared.compare.chunks import compare_chunk
from shared.compare.surely_equal import surely_equal
from shared.compare.tables import compare_table
from shared.records.keys import EVERYTHING, Value
from shared.records.plan import CompareBy, TargetType
from shared.records.work import Comparison, MismatchKind


class Cell(NamedTuple):
    """A value of the source, and how the target's text spells the same value."""

    source: Value
    target: str | None


NULL = Cell(None, None)
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
# A day from either end of Python's calendar, so that an offset does not lead out of it.
_MOMENTS = st.datetimes(
    dt.datetime.fromisoformat("0001-01-02"), dt.datetime.fromisoformat("9999-12-30"), timezones=st.just(dt.UTC)
)


def _double(value: float) -> Cell:
    return Cell(value, {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, repr(value)))


def _moment(moment: dt.datetime) -> Cell:
    return Cell(moment.isoformat(" "), moment.isoformat("T"))


def _zoned(moment: dt.datetime, minutes: int) -> Cell:
    there = moment.astimezone(dt.timezone(dt.timedelta(minutes=minutes)))
    return Cell(there.isoformat(" "), moment.isoformat())


def _json(value: Any, *, compact: bool, backwards: bool) -> Cell:
    if backwards and isinstance(value, dict):
        value = dict(reversed(value.items()))
    separators = (",", ":") if compact else None
    return Cell(json.dumps(value, separators=separators), json.dumps(value, sort_keys=True))


_JSON = st.dictionaries(
    _TEXT,
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | _TEXT | st.lists(st.integers()),
    max_size=4,
)
CELLS: dict[str, st.SearchStrategy[Cell]] = {
    "bigint": st.integers(-(2**63), 2**63 - 1).map(lambda n: Cell(n, str(n))),
    "double precision": st.floats(allow_nan=False).map(_double),
    "numeric": st.floats(-1e15, 1e15).map(lambda x: Cell(x, repr(x)))
    | st.decimals(-1000, 1000, places=3).map(lambda d: Cell(str(d), str(d) + "0")),
    "text": _TEXT.map(lambda text: Cell(text, text)),
    "bytea": st.binary(max_size=20).map(lambda raw: Cell(raw, "\\x" + raw.hex())),
    "boolean": st.booleans().map(lambda truth: Cell(int(truth), str(truth))),
    "timestamp without time zone": st.datetimes().map(_moment),
    "timestamp with time zone": st.builds(_zoned, _MOMENTS, st.integers(-900, 900)),
    "date": st.dates().map(lambda day: Cell(day.isoformat(), day.isoformat())),
    "time without time zone": st.times().map(lambda time: Cell(time.isoformat(), time.isoformat())),
    "uuid": st.uuids().map(lambda u: Cell(str(u).upper(), u.hex)) | st.uuids().map(lambda u: Cell(u.bytes, str(u))),
    "json": _JSON.map(lambda value: Cell(json.dumps(value), json.dumps(value))),
    "jsonb": st.builds(_json, _JSON, compact=st.booleans(), backwards=st.booleans()),
}
COLUMNS = {"id": "bigint"} | {f"c{n}": sql for n, sql in enumerate(CELLS)}
_ROW = st.tuples(*(cells | st.just(NULL) for cells in CELLS.values()))
_SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def url(postgres_server: TestPostgres) -> Iterator[str]:
    """A database for the made-up tables."""
    with postgres_server.fresh_database() as url:
        yield url


def _compare(url: str, rows: Sequence[Sequence[Cell]], by: CompareBy) -> Comparison:
    source = MemorySource(COLUMNS, [(n, *(cell.source for cell in row)) for n, row in enumerate(rows)])
    plan = make_plan(COLUMNS, compare_by=by)
    with closing(dbapi.connect(url)) as connection:
        if by is CompareBy.MULTISET:
            return compare_table(source, connection, plan, source_rows=len(rows), rejects=0)
        return compare_chunk(source, connection, plan, EVERYTHING)


def _fill(url: str, rows: Sequence[Sequence[Cell]]) -> None:
    fill_target(url, COLUMNS, [(n, *(cell.target for cell in row)) for n, row in enumerate(rows)], key="id")


@_SETTINGS
@given(rows=st.lists(_ROW, max_size=6), by=st.sampled_from(CompareBy))
def test_equal_tables_compare_equal(url: str, rows: list[tuple[Cell, ...]], by: CompareBy) -> None:
    """Whatever the values are, the same rows on both sides have no mismatch, whichever way they are paired."""
    _fill(url, rows)

    assert _compare(url, rows, by) == Comparison(rows=len(rows))


@_SETTINGS
@given(data=st.data(), rows=st.lists(_ROW, min_size=1, max_size=6), by=st.sampled_from(CompareBy))
def test_a_changed_cell_is_found(url: str, data: st.DataObject, rows: list[tuple[Cell, ...]], by: CompareBy) -> None:
    """One cell with another value is one mismatch that names row and column, and nothing else is one."""
    place = data.draw(st.integers(0, len(CELLS) - 1), "column")
    number = data.draw(st.integers(0, len(rows) - 1), "row")
    sql = list(CELLS)[place]
    other = data.draw(CELLS[sql] | st.just(NULL), "other value")
    type_ = TargetType(kind=kind_of(sql), sql=sql)
    assume(canonical_source(other.source, type_) != canonical_source(rows[number][place].source, type_))
    changed = [tuple(row) for row in rows]
    changed[number] = (*changed[number][:place], other, *changed[number][place + 1 :])
    _fill(url, changed)

    found = _compare(url, rows, by)

    assert found.found == 1
    (mismatch,) = found.mismatches
    assert mismatch.kind is MismatchKind.DIFFERENT
    assert mismatch.column == f"c{place}"
    assert mismatch.key == ((number,) if by is not CompareBy.MULTISET else ())
    assert mismatch.source != mismatch.target


_NUMBER_TEXTS = [
    "0",
    "-0",
    "1",
    "1.0",
    "1.10",
    "1.1",
    "NaN",
    "Infinity",
    "0.1",
    "0.30000000000000004",
    "123456789012345678",
]
_NEAR_TEXTS = st.sampled_from([*_NUMBER_TEXTS, "1e0", "", "a", " 1"])


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 2**53, 2**53 + 1])),
    st.sampled_from(["bigint", "double precision", "numeric", "boolean", "text"]),
    st.data(),
)
def test_shortcuts_for_integers_are_never_wrong(values: list[int], sql: str, data: st.DataObject) -> None:
    """Where whole columns are found equal, the canonical forms are equal too."""
    _check_shortcut(values, pa.int64(), sql, data)


@given(
    st.lists(st.floats(allow_nan=False)), st.sampled_from(["double precision", "numeric", "real", "bigint"]), st.data()
)
def test_shortcuts_for_reals_are_never_wrong(values: list[float], sql: str, data: st.DataObject) -> None:
    """The same for reals."""
    _check_shortcut(values, pa.float64(), sql, data)


@given(st.lists(_NEAR_TEXTS | _TEXT), st.sampled_from(["text", "numeric", "bytea", "json"]), st.data())
def test_shortcuts_for_texts_are_never_wrong(values: list[str], sql: str, data: st.DataObject) -> None:
    """The same for texts."""
    _check_shortcut(values, pa.string(), sql, data)


@pytest.mark.parametrize(
    ("source", "arrow", "target", "sql"),
    [
        (2**53 + 1, pa.int64(), 2.0**53, "double precision"),
        (2**53 + 1, pa.int64(), str(2**53), "numeric"),
        (2.0**53, pa.float64(), 2**53 + 1, "bigint"),
        (-3.4028235677973366e38, pa.float64(), -math.inf, "real"),
        (1e-50, pa.float64(), 0.0, "real"),
        (-0.0, pa.float64(), 0.0, "double precision"),
        (1.1, pa.float64(), "1.1000000000000000001", "numeric"),
        (2, pa.int64(), True, "boolean"),
        ("1e0", pa.string(), "10", "numeric"),
    ],
)
def test_shortcuts_hold_at_the_edges(source: Value, arrow: pa.DataType, target: object, sql: str) -> None:
    """Values that round to each other are not the same."""
    type_ = TargetType(kind=kind_of(sql), sql=sql)

    assert not surely_equal(pa.array([source], arrow), pa.array([target], _TARGETS[sql][0]), type_)[0]
    assert canonical_source(source, type_) != canonical_target(
        pa.array([target], _TARGETS[sql][0])[0].as_py(), type_.kind
    )


_TARGETS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "bigint": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "double precision": (pa.float64(), st.floats()),
    "real": (pa.float32(), st.floats(width=32)),
    "numeric": (pa.string(), st.sampled_from(_NUMBER_TEXTS)),
    "boolean": (pa.bool_(), st.booleans()),
    "text": (pa.string(), _TEXT),
    "json": (pa.string(), _TEXT),
    "bytea": (pa.binary(), st.binary(max_size=5)),
}


def _check_shortcut(values: Sequence[Value], arrow: pa.DataType, sql: str, data: st.DataObject) -> None:
    type_ = TargetType(kind=kind_of(sql), sql=sql)
    target_type, strategy = _TARGETS[sql]
    near = [_near(value, sql) for value in values]
    targets = [data.draw(strategy | st.none() | (st.just(close) if close is not None else st.none())) for close in near]
    sources = [None if data.draw(st.booleans()) and n % 5 == 0 else value for n, value in enumerate(values)]

    same = surely_equal(pa.array(sources, arrow), pa.array(targets, target_type), type_)

    for source, target, equal in zip(sources, pa.array(targets, target_type).to_pylist(), same.tolist(), strict=True):
        if equal:
            assert canonical_source(source, type_) == canonical_target(target, type_.kind)


def _near(value: Any, sql: str) -> Any:
    """The target's spelling of a value, or one that is nearly it."""
    if sql in {"double precision", "real"}:
        return float(value) if abs(float(value)) < 3e38 else None
    if sql == "numeric":
        return None if isinstance(value, str) or not math.isfinite(value) else repr(value)
    if sql == "bigint":
        return int(value) if abs(value) < 2**63 else None
    if sql == "boolean":
        return bool(value)
    return str(value).encode() if sql == "bytea" else str(value)
