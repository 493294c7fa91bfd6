"""Both copy paths, on a real PostgreSQL, for values of every type as a source could hold them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from fleetkit import TestPostgres
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targetkit import SESSION, column, expected, normal, plan_of, readable, source_rows, stored
from targetkit.cases import DOES_NOT_FIT, FITS, FITS_CAREFULLY

from shared.errors import NotArrowableError
from shared.records.keys import Value
from shared.records.plan import TargetColumn, TypeKind
from shared.records.work import Reject
from shared.target.careful_writer import write_carefully
from shared.target.connections import connect_arrow, connect_rows
from shared.target.convert import to_target
from shared.target.copy_writer import write_bare

_INTEGERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 3),
    st.builds(lambda power, step: 2**power + step, st.integers(7, 62), st.integers(-1, 1)),
)
_REALS = st.one_of(
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32),
    st.integers(-(10**6), 10**6).map(lambda cents: cents / 100),
    st.integers(-(10**4), 10**4).map(float),
)
_TEXTS = st.text(max_size=12)
_BLOBS = st.binary(max_size=20)
_DAYS = st.dates().map(str)
_TIMES = st.one_of(
    st.times().map(str), st.times().map(lambda t: f"{t:%H:%M}"), st.times().map(lambda t: f"{t:%H:%M:%S}")
)
_MOMENTS = st.builds("{}{}{}".format, _DAYS, st.sampled_from(" T"), _TIMES)
_OFFSETS = st.one_of(st.just("Z"), st.from_regex(r"[+-](0[0-9]|1[0-5]):[0-5][0-9]", fullmatch=True))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
).map(json.dumps)

_TYPICAL: dict[str, list[st.SearchStrategy[Any]]] = {
    "smallint": [st.integers(-(2**15), 2**15 - 1)],
    "integer": [st.integers(-(2**31), 2**31 - 1)],
    "bigint": [_INTEGERS],
    "real": [st.floats(allow_nan=False, width=32), st.integers(-(2**24), 2**24)],
    "double precision": [_REALS],
    "numeric": [_REALS, _INTEGERS],
    "numeric(9,3)": [_REALS, _INTEGERS],
    "text": [_TEXTS, _REALS, _INTEGERS],
    "character varying(5)": [st.text(max_size=6)],
    "bytea": [_BLOBS, _TEXTS, _REALS],
    "boolean": [st.integers(0, 1), st.sampled_from(["true", "F", "yes", "off", "1", "maybe"])],
    "timestamp without time zone": [_MOMENTS, _DAYS],
    "timestamp(2) without time zone": [_MOMENTS],
    "timestamp with time zone": [st.builds("{}{}".format, _MOMENTS, _OFFSETS)],
    "date": [_DAYS],
    "time without time zone": [_TIMES],
    "uuid": [st.uuids().map(str), st.uuids().map(lambda u: u.hex), st.uuids().map(lambda u: u.bytes)],
    "json": [_JSON, _REALS, _TEXTS],
    "jsonb": [_JSON, _INTEGERS, _TEXTS],
}
_ANYTHING = [_INTEGERS, _REALS, _TEXTS, _BLOBS]


@dataclass(frozen=True)
class Target:
    """A connection of each kind to one database."""

    arrow: Any
    rows: Any


@pytest.fixture(scope="module")
def target(postgres_server: TestPostgres) -> Iterator[Target]:
    """A database with a table for each type, ``public.t0``, ``public.t1`` and so on; every test rolls back."""
    with postgres_server.fresh_database() as url:
        arrow, rows = connect_arrow(url, SESSION), connect_rows(url, SESSION)
        with rows.cursor() as cursor:
            for place, sql in enumerate(_TYPICAL):
                cursor.execute(f"CREATE TABLE public.t{place} (row_number serial, v {sql})")
        rows.commit()
        yield Target(arrow=arrow, rows=rows)
        arrow.close()
        rows.close()


def _table_of(sql: str) -> str:
    return f"t{list(_TYPICAL).index(sql)}"


@st.composite
def _columns(draw: st.DrawFn) -> tuple[str, list[Value]]:
    """A type, and values of one storage class: mostly such as belong into it, sometimes any."""
    sql = draw(st.sampled_from(list(_TYPICAL)))
    usual, any_at_all = st.sampled_from(_TYPICAL[sql]), st.sampled_from(_ANYTHING)
    values = draw(usual if draw(st.integers(0, 4)) else any_at_all)
    return sql, draw(st.lists(st.none() | values, min_size=1, max_size=8))


def _copied_by_arrow(target: Target, values: Sequence[Value], column: TargetColumn, table: str) -> list[Any] | None:
    """What the target holds after the fast path, in order; None where that path declines."""
    plan = plan_of(column, name=table)
    try:
        taken = write_bare(target.arrow, to_target(stored(values), [column]), plan)
        assert taken == len(values)
        target.arrow.commit()
        return _read(target, column, table)
    except NotArrowableError:
        target.arrow.rollback()
        return None


def _copied_carefully(
    target: Target, values: Sequence[Value], column: TargetColumn, table: str
) -> tuple[list[Any], tuple[Reject, ...]]:
    result = write_carefully(target.rows, [source_rows(values)], plan_of(column, name=table))
    held = _read(target, column, table)
    assert result.rows == len(held)
    return held, result.rejects


def _read(target: Target, column: TargetColumn, table: str) -> list[Any]:
    with target.rows.cursor() as cursor:
        cursor.execute(f"SELECT {readable(column.type.kind)} FROM public.{table} ORDER BY row_number")
        held = [normal(value, column.type.kind) for (value,) in cursor.fetchall()]
        cursor.execute(f"DELETE FROM public.{table}")
    target.rows.commit()
    return held


def _assert_both_paths_are_exact(target: Target, sql: str, values: list[Value]) -> tuple[Reject, ...]:
    typed = column(sql)
    fast = _copied_by_arrow(target, values, typed, _table_of(sql))
    careful, rejects = _copied_carefully(target, values, typed, _table_of(sql))

    rejected = {reject.key[0]: reject for reject in rejects}
    kept = [value for number, value in enumerate(values, start=1) if number not in rejected]
    assert careful == [expected(value, typed.type.kind) for value in kept]
    for number, reject in rejected.items():
        assert reject.values == (values[number - 1],)  # type: ignore[operator]
        assert reject.reason
    if fast is not None:
        assert fast == careful
        assert not rejects
    return rejects


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_columns())
def test_both_paths_carry_values_exactly_or_not_at_all(target: Target, drawn: tuple[str, list[Value]]) -> None:
    """The fast path stores a column exactly or declines; the careful path then stores each value or keeps it whole."""
    _assert_both_paths_are_exact(target, *drawn)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(_TYPICAL)), st.lists(st.none() | st.one_of(*_ANYTHING, _DAYS, _MOMENTS, _JSON), max_size=6))
def test_mixed_columns_lose_nothing(target: Target, sql: str, values: list[Value]) -> None:
    """Where storage classes are mixed, each value is stored exactly by the careful path or kept whole."""
    typed = column(sql)
    held, rejects = _copied_carefully(target, values, typed, _table_of(sql))
    rejected = {reject.key[0] for reject in rejects}
    kept = [value for number, value in enumerate(values, start=1) if number not in rejected]
    assert held == [expected(value, typed.type.kind) for value in kept]


@pytest.mark.parametrize(("sql", "value"), [case for case in FITS if case[0] in _TYPICAL])
def test_what_fits_arrives_on_both_paths(target: Target, sql: str, value: Value) -> None:
    """The listed values that fit arrive exactly, and neither path refuses them."""
    assert not _assert_both_paths_are_exact(target, sql, [value])
    assert _copied_by_arrow(target, [value], column(sql), _table_of(sql)) == [expected(value, column(sql).type.kind)]


@pytest.mark.parametrize(("sql", "value"), [case for case in FITS_CAREFULLY if case[0] in _TYPICAL])
def test_numbers_in_texts_arrive(target: Target, sql: str, value: Value) -> None:
    """A text that spells a number arrives as that number, and the fast path leaves it to the careful one."""
    assert not _assert_both_paths_are_exact(target, sql, [value, None])
    assert _copied_by_arrow(target, [value], column(sql), _table_of(sql)) is None


@pytest.mark.parametrize(("sql", "value"), [case for case in DOES_NOT_FIT if case[0] in _TYPICAL])
def test_what_does_not_fit_is_kept_whole(target: Target, sql: str, value: Value) -> None:
    """The listed values that don't fit become rejects, and their NULL neighbours arrive."""
    rejects = _assert_both_paths_are_exact(target, sql, [None, value])
    assert [(reject.key, reject.values, reject.column) for reject in rejects] == [((2,), (value,), "V")]


def test_every_type_is_drawn() -> None:
    """The made-up columns cover every type but OTHER, which has no rules of its own."""
    assert {column(sql).type.kind for sql in _TYPICAL} == set(TypeKind) - {TypeKind.OTHER}
