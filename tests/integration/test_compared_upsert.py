from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from targetkit import SESSION, column, plan_of, stored

from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, KeyRange, Value
from shared.records.plan import CompareBy, LoadPath, OnConflict, TablePlan, TargetColumn
from shared.records.work import CopyPath
from shared.target import compared_upsert, differing
from shared.target.compared_upsert import upsert_compared
from shared.target.connections import connect_arrow
from shared.target.convert import to_target
from shared.target.copy_writer import write_bare
from shared.target.upsert import upsert

EACH_KIND: dict[str, list[Value]] = {
    "smallint": [1, -32768],
    "integer": [2**31 - 1, 0],
    "bigint": [2**63 - 1, -(2**63)],
    "real": [-0.0, 1.5],
    "double precision": [0.1, float("-inf")],
    "numeric": [0.1, 123456789.25],
    "numeric(12,2)": [0.5, -7.25],
    "text": ["", "naïve 'quoted' \\ text"],
    "character varying(5)": ["ab", "é"],
    "bytea": [b"", b"\x00\xff"],
    "boolean": [0, 1],
    "timestamp": ["2024-02-29 12:34:56.789012", "0001-01-01"],
    "timestamptz": ["2024-02-29T12:34:56+05:30", "9999-12-31 23:59:59Z"],
    "date": ["1970-01-01", "0004-02-29"],
    "time": ["00:00:00", "23:59:59.999999"],
    "uuid": ["6F9619FF8B86D011B42D00C04FC964FF", "00000000-0000-0000-0000-000000000000"],
    "json": ['{"a" :1}', "[]"],
    "jsonb": ['{"a":1,"b":[1,2, ", :"]}', '"x"'],
}


@pytest.fixture
def rows(target_url: str) -> Iterator[Any]:
    """An application's connection to a fresh database."""
    connection = psycopg2.connect(target_url)
    connection.autocommit = True
    yield connection
    connection.close()


@pytest.fixture
def arrow(target_url: str) -> Iterator[Any]:
    """A worker's connection to it."""
    connection = connect_arrow(target_url, SESSION)
    yield connection
    connection.close()


def _run(connection: Any, statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def _plan(*columns: TargetColumn, **fields: Any) -> TablePlan:
    plan = plan_of(*columns, load=LoadPath.UPSERT, match_key=fields.pop("match_key", ("a",)))
    return replace(plan, **{"compare_by": CompareBy.RANGE} | fields)


_TWO = (column("bigint", "a"), column("text", "b"))


def _write(
    arrow: Any, plan: TablePlan, columns: Sequence[Sequence[Value]], key_range: KeyRange = EVERYTHING
) -> CopyPath:
    count, path = upsert_compared(arrow, to_target(stored(*columns), plan.columns), plan, key_range)
    assert count == len(columns[0])
    arrow.commit()
    return path


def _noted(monkeypatch: pytest.MonkeyPatch) -> list[Value]:
    """The keys of the rows that are upserted from now on."""
    staged: list[Value] = []

    def noting(connection: Any, some: Any, plan: TablePlan) -> int:
        staged.extend(some.column("a").to_pylist())
        return upsert(connection, some, plan)

    monkeypatch.setattr(compared_upsert, "upsert", noting)
    return staged


@pytest.mark.parametrize("key", ["bigint", "text", "uuid"])
def test_equal_values_of_every_kind_are_known_without_writing(rows: Any, arrow: Any, key: str) -> None:
    """What was copied before is told from what differs by reading alone, NULLs too."""
    keys: dict[str, list[Value]] = {
        "bigint": [1, 2, 3],
        "text": ["x", "y", "z"],
        "uuid": [f"{n:032x}" for n in (7, 8, 9)],
    }
    columns = (column(key, "a"), *(column(sql, f"c{place}") for place, sql in enumerate(EACH_KIND)))
    plan = _plan(*columns, compare_by=CompareBy.RANGE if key == "bigint" else CompareBy.KEYS)
    _run(rows, f"CREATE TABLE public.t ({', '.join(f'{each.name} {each.type.sql}' for each in columns)}, UNIQUE (a))")
    values = to_target(stored(keys[key], *([*pair, None] for pair in EACH_KIND.values())), columns)
    write_bare(arrow, values, plan)
    arrow.commit()
    others = differing.differing(arrow, values, plan, EVERYTHING)
    assert others is not None
    assert others.num_rows == 0


@pytest.mark.parametrize("compare_by", [CompareBy.RANGE, CompareBy.KEYS])
def test_only_rows_that_differ_are_staged(
    rows: Any, arrow: Any, monkeypatch: pytest.MonkeyPatch, compare_by: CompareBy
) -> None:
    """Changed and missing rows go through the upsert, equal ones and the target's own do not."""
    staged = _noted(monkeypatch)
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text)")
    _run(rows, "INSERT INTO public.t VALUES (1, 'x'), (2, NULL), (3, 'old'), (4, 'x'), (7, 'eight'), (50, 'mine')")
    path = _write(
        arrow, _plan(*_TWO, compare_by=compare_by), [[1, 2, 3, 4, 5, 8], ["x", None, "new", "x", "five", "eight"]]
    )
    assert (path, staged) == (CopyPath.ARROW_COMPARED, [3, 5, 8])
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [
        (1, "x"),
        (2, None),
        (3, "new"),
        (4, "x"),
        (5, "five"),
        (7, "eight"),
        (8, "eight"),
        (50, "mine"),
    ]


def test_where_most_rows_differ_all_are_upserted(rows: Any, arrow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows decide; the rest of the target is not read then."""
    monkeypatch.setattr(differing, "_PROBED_ROWS", 10)
    monkeypatch.setattr(differing, "_PROBE_FROM", 40)
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text)")
    _run(rows, "INSERT INTO public.t SELECT n, n::text FROM generate_series(1, 100) AS n")
    keys: list[Value] = list(range(1, 101))
    changed: list[Value] = [f"{n}" if n % 3 == 0 else f"new {n}" for n in range(1, 101)]
    assert _write(arrow, _plan(*_TWO), [keys, changed]) is CopyPath.ARROW_UPSERT
    changed[0] = changed[-1] = "again"
    staged = _noted(monkeypatch)
    assert _write(arrow, _plan(*_TWO), [keys, changed]) is CopyPath.ARROW_COMPARED
    assert staged == [1, 100]
    assert [text for (text,) in _run(rows, "SELECT b FROM public.t ORDER BY a")] == changed


@pytest.mark.parametrize("compare_by", [CompareBy.RANGE, CompareBy.KEYS])
def test_an_application_writes_between_reading_and_writing(
    rows: Any, arrow: Any, monkeypatch: pytest.MonkeyPatch, compare_by: CompareBy
) -> None:
    """Its change of an equal row comes after the copy; a row that differs ends as the source has it."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text)")
    _run(rows, "INSERT INTO public.t SELECT n, 'same' FROM generate_series(1, 6) AS n")
    _run(rows, "UPDATE public.t SET b = 'old' WHERE a IN (4, 5)")

    def interrupted(*arguments: Any) -> Any:
        others = differing.differing(*arguments)
        _run(rows, "UPDATE public.t SET b = 'theirs' WHERE a IN (1, 4)")
        _run(rows, "DELETE FROM public.t WHERE a IN (2, 5)")
        _run(rows, "INSERT INTO public.t VALUES (7, 'theirs'), (8, 'same')")
        return others

    monkeypatch.setattr(compared_upsert, "differing", interrupted)
    _write(arrow, _plan(*_TWO, compare_by=compare_by), [[1, 2, 3, 4, 5, 6, 7, 8], ["same"] * 8])
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [
        (1, "theirs"),
        *((n, "same") for n in (3, 4, 5, 6, 7, 8)),
    ]


def test_equal_rows_are_not_locked(rows: Any, arrow: Any, target_url: str) -> None:
    """An application that holds a row makes no chunk wait that has nothing to write there, nor is it made to wait."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text)")
    _run(rows, "INSERT INTO public.t VALUES (1, 'x'), (2, 'x')")
    holder = psycopg2.connect(target_url)
    _run(holder, "SELECT FROM public.t WHERE a = 1 FOR UPDATE")
    assert _write(arrow, _plan(*_TWO), [[1, 2], ["x", "x"]]) is CopyPath.ARROW_COMPARED
    holder.close()
    assert _run(rows, "SELECT xmax::text FROM public.t WHERE a = 2") == [("0",)]


@pytest.mark.parametrize("on_conflict", [OnConflict.SKIP, OnConflict.FAIL])
def test_nothing_is_read_where_equality_does_not_matter(rows: Any, arrow: Any, on_conflict: OnConflict) -> None:
    """With skip and fail the key alone decides, as before."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text)")
    plan = _plan(*_TWO, on_conflict=on_conflict)
    assert _write(arrow, plan, [[1, 2], ["x", "y"]]) is CopyPath.ARROW_UPSERT
    if on_conflict is OnConflict.FAIL:
        with pytest.raises(NotArrowableError, match="duplicate key"):
            _write(arrow, plan, [[1, 2], ["x", "y"]])
        return
    assert _write(arrow, plan, [[1, 3], ["other", "z"]]) is CopyPath.ARROW_UPSERT
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [(1, "x"), (2, "y"), (3, "z")]


def test_rows_of_partitions_are_the_tables_and_those_of_children_are_not(rows: Any, arrow: Any) -> None:
    """A child's row under the same key does not stand for the table's own, which ON CONFLICT does not see either."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text) PARTITION BY RANGE (a)")
    _run(rows, "CREATE TABLE public.low PARTITION OF public.t FOR VALUES FROM (0) TO (10)")
    _run(rows, "CREATE TABLE public.high PARTITION OF public.t FOR VALUES FROM (10) TO (99)")
    _run(rows, "INSERT INTO public.t VALUES (1, 'x'), (20, 'x')")
    assert _write(arrow, _plan(*_TWO), [[1, 20], ["x", "x"]]) is CopyPath.ARROW_COMPARED
    _run(rows, "CREATE TABLE public.parent (a bigint PRIMARY KEY, b text)")
    _run(rows, "CREATE TABLE public.child () INHERITS (public.parent)")
    _run(rows, "INSERT INTO public.child VALUES (1, 'x')")
    _run(rows, "INSERT INTO public.parent VALUES (2, 'x'), (3, 'x')")
    assert _write(arrow, _plan(*_TWO, name="parent"), [[1, 2, 3], ["x"] * 3]) is CopyPath.ARROW_COMPARED
    assert _run(rows, "SELECT * FROM ONLY public.parent ORDER BY a") == [(1, "x"), (2, "x"), (3, "x")]


def test_columns_that_nobody_may_update_are_no_difference(rows: Any, arrow: Any) -> None:
    """Generated columns are not looked at, nor identities that are GENERATED ALWAYS."""
    _run(
        rows,
        "CREATE TABLE public.t (a bigint PRIMARY KEY, b text, z text GENERATED ALWAYS AS (b || '!') STORED,"
        " n bigint GENERATED ALWAYS AS IDENTITY)",
    )
    _run(rows, "INSERT INTO public.t (a, b) VALUES (1, 'x'), (2, 'y')")
    plan = _plan(*_TWO, column("bigint", "n", insert_only=True))
    assert _write(arrow, plan, [[1, 2], ["x", "y"], [70, 80]]) is CopyPath.ARROW_COMPARED
    assert _run(rows, "SELECT a, n FROM public.t ORDER BY a") == [(1, 1), (2, 2)]


def test_values_in_domains_and_odd_names(rows: Any, arrow: Any) -> None:
    """A domain's values are read as what it is made of; names like those of our own make no difference."""
    _run(rows, "CREATE DOMAIN public.short AS text CHECK (length(VALUE) < 9)")
    _run(rows, 'CREATE TABLE public."t k" ("place" public.short PRIMARY KEY, "a %s ""b""" public.short)')
    plan = _plan(
        column("text", "place"),
        column("text", 'a %s "b"'),
        name="t k",
        match_key=("place",),
        compare_by=CompareBy.KEYS,
    )
    for path in (CopyPath.ARROW_UPSERT, CopyPath.ARROW_COMPARED):
        assert _write(arrow, plan, [["1", "2"], ["%", None]]) is path


def test_what_the_target_cannot_hold_is_refused_as_before(rows: Any, arrow: Any) -> None:
    """Equal rows around it do not hide a value that only the careful path can take."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b jsonb)")
    plan = _plan(column("bigint", "a"), column("jsonb", "b"))
    _write(arrow, plan, [[1, 2, 3], ['{"x": 1}'] * 3])
    _run(rows, "UPDATE public.t SET b = '12' WHERE a = 3")
    for bad in ('{"x": 2, "x": 1}', "{", "1 2"):
        with pytest.raises(NotArrowableError):
            _write(arrow, plan, [[1, 2, 3], ['{"x": 1}', '{"x": 1}', bad]])
        arrow.rollback()


def test_two_rows_for_one_key_are_left_to_the_upsert(rows: Any, arrow: Any) -> None:
    """One may be equal to what is there and the other not: neither is dropped in silence."""
    _run(rows, "CREATE TABLE public.t (a uuid PRIMARY KEY, b text)")
    plan = _plan(column("uuid", "a"), column("text", "b"), compare_by=CompareBy.KEYS)

    def keys(last: str) -> list[Value]:
        return ["0" * 31 + "a", "0" * 31 + last, "0" * 32]

    assert _write(arrow, plan, [keys("b"), ["x", "y", "z"]]) is CopyPath.ARROW_UPSERT
    with pytest.raises(NotArrowableError, match="second time"):
        _write(arrow, plan, [keys("A"), ["new", "x", "z"]])


def test_keys_that_are_equal_but_for_blanks_are_left_to_the_upsert(rows: Any, arrow: Any) -> None:
    """Two texts of the source may be one character(3): the second is not taken for what the first one changes."""
    _run(rows, "CREATE TABLE public.t (a character(3) PRIMARY KEY, b text)")
    _run(rows, "INSERT INTO public.t VALUES ('a', 'x'), ('b', 'x')")
    plan = _plan(column("character(3)", "a"), column("text", "b"), compare_by=CompareBy.KEYS)
    with pytest.raises(NotArrowableError, match="second time"):
        _write(arrow, plan, [["a", "a ", "b"], ["new", "x", "x"]])


def test_rows_in_another_order_are_told_by_their_keys(rows: Any, arrow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is equal is found even where a chunk should not come in the order of its keys."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text)")
    _run(rows, "INSERT INTO public.t SELECT n, 'x' FROM generate_series(1, 4) AS n")
    staged = _noted(monkeypatch)
    assert _write(arrow, _plan(*_TWO), [[3, 1, 4, 2], ["x", "x", "x", "new"]]) is CopyPath.ARROW_COMPARED
    assert staged == [2]
