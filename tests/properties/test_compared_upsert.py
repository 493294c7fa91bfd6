"""Comparing first, an upsert leaves what the plain one leaves and writes the same rows, whatever both sides hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final, NamedTuple

import psycopg2
import pytest
from fleetkit import TestPostgres
from hypothesis import given, settings
from hypothesis import strategies as st
from targetkit import SESSION, column, plan_of, stored

from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, Value
from shared.records.plan import CompareBy, LoadPath, TablePlan
from shared.target import differing as differing_module
from shared.target.compared_upsert import upsert_compared
from shared.target.connections import connect_arrow
from shared.target.convert import to_target
from shared.target.upsert import upsert


class Kind(NamedTuple):
    """A type, values of the source with how SQL spells the same, and other values that a target may hold."""

    sql: str
    same: Sequence[tuple[Value, str | None]]
    others: Sequence[str] = ()


_NULL: Final = (None, None)
_FIRST, _SECOND = "0a000000-0000-0000-0000-000000000001", "0b000000-0000-0000-0000-000000000002"
KINDS: Final = (
    Kind("smallint", [(1, "1"), (-2, "-2")]),
    Kind("integer", [(1, "1"), (2**31 - 1, "2147483647")]),
    Kind("bigint", [(0, "0"), (-(2**63), "-9223372036854775808")]),
    Kind("real", [(0.0, "0"), (-0.0, "-0"), (1.5, "1.5")], ["NaN", "Infinity"]),
    Kind("double precision", [(0.0, "0"), (-0.0, "-0"), (0.1, "0.1"), (float("inf"), "Infinity")], ["NaN"]),
    Kind("numeric", [(1.1, "1.1"), (2.0, "2"), (1e14, "1e14")], ["1.10", "NaN", "1e60", "0." + "1" * 50, "-Infinity"]),
    Kind("numeric(12,2)", [(1.1, "1.10"), (-0.5, "-0.50")], ["0.01", "NaN"]),
    Kind("text", [("", ""), ("ä \\ \"'", "ä \\ \"'"), ("a", "a")], ["A", "a "]),
    Kind("character varying(9)", [("a", "a"), ("", "")], ["a "]),
    Kind("character(3)", [("a", "a"), ("a ", "a"), ("", "")], ["ab"]),
    Kind("bytea", [(b"", "\\x"), (b"\0\xff", "\\x00ff")], ["\\x00"]),
    Kind("boolean", [(0, "false"), (1, "true")]),
    Kind("timestamp", [("2020-01-01 00:00:00", "2020-01-01"), ("0001-01-01", "0001-01-01")], ["infinity", "-infinity"]),
    Kind("timestamptz", [("2020-01-01T00:00:00+02:00", "2019-12-31 22:00Z")], ["294276-12-31 23:59:59Z", "infinity"]),
    Kind("date", [("2020-02-29", "2020-02-29")], ["infinity", "-infinity", "4713-01-01 BC"]),
    Kind("time", [("00:00:00", "00:00"), ("23:59:59.999999", "23:59:59.999999")], ["24:00"]),
    Kind("uuid", [(_FIRST, _FIRST), (_SECOND.upper(), _SECOND)]),
    Kind("json", [('{"a": 1}', '{"a": 1}'), ("[1,2]", "[1,2]")], ["[1, 2]", '{"a":1}']),
    Kind(
        "jsonb",
        [('{"b":", : ","a":[1, 2]}', '{"b":", : ","a":[1,2]}'), ('{"a":  1}', '{"a":1}'), ('"\\u0041, "', '"A, "')],
        ['{"a": 1.0}', '", "', '",  "', "[]", '"\\", "'],
    ),
)
KEYS: Final = (
    Kind("bigint", [(number, str(number)) for number in (-(2**63), -3, 0, 1, 2, 5, 2**63 - 1)]),
    Kind("integer", [(number, str(number)) for number in range(-3, 9)]),
    Kind("text", [*((text, text) for text in ("", "a", "A", "b", "ä", "a ")), _NULL]),
    Kind("character(3)", [(text, text) for text in ("a", "a ", "b", "")]),
    Kind("bytea", [(b"", "\\x"), (b"\0", "\\x00"), (b"a", "\\x61")]),
    Kind("uuid", [(_FIRST, _FIRST), (_FIRST.upper(), _FIRST), (_SECOND, _SECOND)]),
    Kind("numeric", [(1, "1.0"), (2, "2"), (3, "3")]),
    Kind("double precision", [(0.0, "0"), (-0.0, "-0"), (1.0, "1")], ["NaN"]),
    Kind("date", [("2020-01-01", "2020-01-01"), ("2020-01-02", "2020-01-02"), _NULL]),
)
_INTEGERS: Final = ("bigint", "integer")


class Sides(NamedTuple):
    """A source and a target of one table."""

    plan: TablePlan
    source: list[tuple[Value, ...]]
    held: list[tuple[str | None, ...]]


@st.composite
def sides(draw: Any) -> Sides:
    """Rows of the source, most of which the target holds, some with a value or two changed; and rows of its own."""
    key, kinds = draw(st.sampled_from(KEYS)), draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    columns = [column(kind.sql, f"c{place}") for place, kind in enumerate(kinds)]
    by_range = key.sql in _INTEGERS and draw(st.booleans())
    plan = plan_of(column(key.sql, "k"), *columns, load=LoadPath.UPSERT, match_key=("k",))
    plan = replace(plan, compare_by=CompareBy.RANGE if by_range else CompareBy.KEYS)
    keys = draw(st.lists(st.sampled_from(key.same), unique=True, max_size=8))
    if by_range:
        keys.sort()
    source, held = [], []
    for value, text in keys:
        cells = [draw(st.sampled_from([_NULL, *kind.same])) for kind in kinds]
        source.append((value, *(cell for cell, _ in cells)))
        texts = [spelled for _, spelled in cells]
        for place in draw(st.lists(st.integers(0, len(kinds) - 1), max_size=2)):
            texts[place] = draw(_held(kinds[place]))
        if draw(st.integers(0, 4)):
            held.append((text, *texts))
    own = draw(st.lists(st.sampled_from([*key.others, *(text for _, text in key.same)]), max_size=3))
    held += [(text, *(draw(_held(kind)) for kind in kinds)) for text in own]
    return Sides(plan, source, held)


def _held(kind: Kind) -> st.SearchStrategy[str | None]:
    return st.sampled_from([None, *kind.others, *(text for _, text in kind.same)])


@pytest.fixture(scope="module")
def both_connections(postgres_server: TestPostgres) -> Iterator[tuple[Any, Any]]:
    """An application's and a worker's, to one database for all examples."""
    with (
        postgres_server.fresh_database() as url,
        closing(psycopg2.connect(url)) as rows,
        closing(connect_arrow(url, SESSION)) as arrow,
    ):
        yield rows, arrow


@settings(max_examples=200)
@given(both=sides(), probed=st.sampled_from([1, 3, 2_000]))
def test_comparing_first_makes_no_difference(both: Sides, probed: int, both_connections: tuple[Any, Any]) -> None:
    """Plain and compared: the same table byte for byte, the same rows written, or both refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differing_module, "_PROBED_ROWS", probed)
        patch.setattr(differing_module, "_PROBE_FROM", 2 * probed)
        plain = _after(both_connections, both, compare=False)
        assert _after(both_connections, both, compare=True) == plain


def _after(both_connections: tuple[Any, Any], both: Sides, *, compare: bool) -> list[Any] | str:
    """The target's rows after the upsert, each with whether it was written; or that it was refused."""
    rows, arrow = both_connections
    with rows.cursor() as cursor:
        cursor.execute(_table_of(cursor, both))
        cursor.execute("SELECT pg_current_xact_id()::text")
        (before,) = cursor.fetchone()
        rows.commit()
        try:
            _upsert(arrow, both, compare=compare)
        except NotArrowableError:
            return "refused"
        finally:
            arrow.rollback()
        cursor.execute("SELECT t::text, xmin::text <> %s FROM public.t ORDER BY 1, 2", (before,))
        found = list(cursor.fetchall())
        rows.commit()
    return found


def _table_of(cursor: Any, both: Sides) -> str:
    """The statements that make the target's table and its rows."""
    columns = ", ".join(f"{each.name} {each.type.sql}" for each in both.plan.columns)
    made = f"DROP TABLE IF EXISTS public.t; CREATE TABLE public.t ({columns}, UNIQUE (k));"
    template = f"INSERT INTO public.t VALUES ({', '.join(['%s'] * len(both.plan.columns))}) ON CONFLICT DO NOTHING;"
    return made + "".join(cursor.mogrify(template, row).decode() for row in both.held)


def _upsert(arrow: Any, both: Sides, *, compare: bool) -> None:
    if not both.source:
        return
    plan, rows = both.plan, to_target(stored(*zip(*both.source, strict=True)), both.plan.columns)
    count = upsert_compared(arrow, rows, plan, EVERYTHING)[0] if compare else upsert(arrow, rows, plan)
    assert count == rows.num_rows
    arrow.commit()
