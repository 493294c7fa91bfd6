from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from targetkit import SESSION, column, plan_of, source_rows, stored

from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, Value
from shared.records.plan import LoadPath, OnConflict, TablePlan
from shared.target.careful_writer import write_carefully
from shared.target.compared_upsert import upsert_compared
from shared.target.connections import connect_arrow, connect_rows
from shared.target.convert import to_target
from shared.target.copy_writer import write_bare
from shared.target.upsert import upsert

Writer = Callable[[TablePlan, Sequence[Sequence[Value]]], int]


@pytest.fixture
def rows(target_url: str) -> Iterator[Any]:
    """A psycopg2 connection to a fresh database."""
    connection = connect_rows(target_url, SESSION)
    yield connection
    connection.close()


@pytest.fixture(params=["arrow", "compared", "careful"])
def write(request: pytest.FixtureRequest, target_url: str) -> Iterator[Writer]:
    """Upserts columns of values through one of the paths, and commits."""
    arrow, careful = connect_arrow(target_url, SESSION), connect_rows(target_url, SESSION)

    def by_arrow(plan: TablePlan, columns: Sequence[Sequence[Value]]) -> int:
        count = upsert(arrow, to_target(stored(*columns), plan.columns), plan)
        arrow.commit()
        return count

    def compared(plan: TablePlan, columns: Sequence[Sequence[Value]]) -> int:
        count, _ = upsert_compared(arrow, to_target(stored(*columns), plan.columns), plan, EVERYTHING)
        arrow.commit()
        return count

    def carefully(plan: TablePlan, columns: Sequence[Sequence[Value]]) -> int:
        result = write_carefully(careful, [source_rows(*columns)], plan)
        assert result.rejects == ()
        careful.commit()
        return result.rows

    yield {"arrow": by_arrow, "compared": compared, "careful": carefully}[request.param]
    arrow.close()
    careful.close()


def _run(connection: Any, statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall() if cursor.description else []
    connection.commit()
    return list(found)


def _plan(*types: str, match_key: tuple[str, ...] = ("a",), on_conflict: OnConflict = OnConflict.UPDATE) -> TablePlan:
    columns = [column(sql, name) for sql, name in zip(types, "abcdefgh", strict=False)]
    return plan_of(*columns, load=LoadPath.UPSERT, match_key=match_key, on_conflict=on_conflict)


def test_changed_rows_are_updated_new_ones_inserted_equal_ones_left_alone(rows: Any, write: Writer) -> None:
    """Only rows that differ are written again: the others keep their xmin."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text, c double precision)")
    _run(rows, "INSERT INTO public.t VALUES (1, 'same', 0.5), (2, 'old', 1), (3, NULL, NULL), (9, 'mine', 9)")
    before = dict(_run(rows, "SELECT a, xmin::text FROM public.t"))
    written = write(
        _plan("bigint", "text", "double precision"), [[1, 2, 3, 4], ["same", "new", None, "4"], [0.5, 1.0, None, 4.0]]
    )
    assert written == 4
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [
        (1, "same", 0.5),
        (2, "new", 1.0),
        (3, None, None),
        (4, "4", 4.0),
        (9, "mine", 9.0),
    ]
    after = dict(_run(rows, "SELECT a, xmin::text FROM public.t"))
    assert {a for a in before if before[a] != after[a]} == {2}


@pytest.mark.parametrize(
    ("sql", "held", "value"),
    [
        ("json", """'{"x": 1}'""", '{"x":1}'),
        ("double precision", "0.0", -0.0),
        ("real", "'-0.0'", 0.0),
        ("numeric(10,2)", "1.10", 1.11),
        ("bytea", "'\\x00'", b"\x01"),
        ("text", "NULL", ""),
    ],
)
def test_every_difference_counts(rows: Any, write: Writer, sql: str, held: str, value: Value) -> None:
    """Values that PostgreSQL calls equal, or cannot compare at all, are told apart when they are not the same."""
    _run(rows, f"CREATE TABLE public.t (a bigint PRIMARY KEY, b {sql})")
    _run(rows, f"INSERT INTO public.t VALUES (1, {held})")
    (before,) = _run(rows, "SELECT xmin::text FROM public.t")
    plan = _plan("bigint", sql)
    write(plan, [[1], [value]])
    (after,) = _run(rows, "SELECT xmin::text FROM public.t")
    assert before != after
    write(plan, [[1], [value]])
    assert _run(rows, "SELECT xmin::text FROM public.t") == [after]


def test_skip_leaves_held_rows_alone(rows: Any, write: Writer) -> None:
    """With skip, rows whose key is there stay as they are and the others are inserted."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text)")
    _run(rows, "INSERT INTO public.t VALUES (1, 'mine')")
    write(_plan("bigint", "text", on_conflict=OnConflict.SKIP), [[1, 2], ["theirs", "new"]])
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [(1, "mine"), (2, "new")]


def test_fail_asks_for_the_careful_path_which_rejects_the_row(rows: Any, target_url: str) -> None:
    """With fail, a key that is there is refused: the rows around it are written, the row itself is kept."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b text)")
    _run(rows, "INSERT INTO public.t VALUES (2, 'mine')")
    plan = _plan("bigint", "text", on_conflict=OnConflict.FAIL)
    columns: list[list[Value]] = [[1, 2, 3], ["x", "y", "z"]]
    arrow = connect_arrow(target_url, SESSION)
    with pytest.raises(NotArrowableError, match="duplicate key"):
        upsert(arrow, to_target(stored(*columns), plan.columns), plan)
    arrow.close()
    result = write_carefully(rows, [source_rows(*columns)], plan)
    rows.commit()
    assert [(reject.key, reject.values, reject.column) for reject in result.rejects] == [((2,), (2, "y"), None)]
    assert "duplicate key" in result.rejects[0].reason
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [(1, "x"), (2, "mine"), (3, "z")]


def test_a_table_of_key_columns_alone(rows: Any, write: Writer) -> None:
    """Where every column belongs to the key there is nothing to update."""
    _run(rows, "CREATE TABLE public.t (a bigint, b bigint, PRIMARY KEY (b, a))")
    _run(rows, "INSERT INTO public.t VALUES (1, 1)")
    write(_plan("bigint", "bigint", match_key=("b", "a")), [[1, 1], [1, 2]])
    assert _run(rows, "SELECT * FROM public.t ORDER BY b") == [(1, 1), (1, 2)]


def test_without_a_key_rows_are_inserted(rows: Any, write: Writer) -> None:
    """An empty table without a key just gets the rows, equal ones as often as they come."""
    _run(rows, "CREATE TABLE public.t (a bigint)")
    write(_plan("bigint", match_key=()), [[1, 1, 2]])
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [(1,), (1,), (2,)]


def test_identities_take_the_sources_values(rows: Any, write: Writer) -> None:
    """A GENERATED ALWAYS identity gets the id that the source has, and generated columns are left alone."""
    _run(
        rows,
        "CREATE TABLE public.t (a bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b text,"
        " z text GENERATED ALWAYS AS (b || '!') STORED)",
    )
    write(_plan("bigint", "text"), [[41, 42], ["x", "y"]])
    write(_plan("bigint", "text"), [[42], ["Y"]])
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [(41, "x", "x!"), (42, "Y", "Y!")]


def test_odd_names(rows: Any, write: Writer) -> None:
    """Percent signs, quotes and names like those of our own aliases don't matter."""
    _run(rows, 'CREATE TABLE public."excluded" ("held" bigint PRIMARY KEY, "a %s ""b""" text)')
    columns = (column("bigint", "held"), column("text", 'a %s "b"'))
    plan = plan_of(*columns, name="excluded", load=LoadPath.UPSERT, match_key=("held",))
    for text in ("100%", "%s"):
        write(plan, [[1], [text]])
    assert _run(rows, 'SELECT * FROM public."excluded"') == [(1, "%s")]


def test_two_upserts_fit_into_one_transaction(rows: Any, target_url: str) -> None:
    """Each call has a temporary table of its own, which is gone after the commit."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY)")
    arrow, plan = connect_arrow(target_url, SESSION), _plan("bigint")
    for value in (1, 2):
        upsert(arrow, to_target(stored([value]), plan.columns), plan)
    assert _run(rows, "SELECT * FROM public.t") == []
    arrow.commit()
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [(1,), (2,)]
    assert _run(rows, "SELECT relname FROM pg_class WHERE relname LIKE 'pgconvoy%'") == []
    arrow.close()


def test_jsonb_that_would_lose_a_member_takes_the_careful_path(rows: Any, target_url: str) -> None:
    """A table that was there may have jsonb where the source has one name twice: nothing is dropped silently."""
    _run(rows, "CREATE TABLE public.t (a bigint PRIMARY KEY, b jsonb)")
    plan = _plan("bigint", "jsonb")
    columns: list[list[Value]] = [[1, 2], ['{"x": 1, "x": 2}', '{"x": 1}']]
    arrow = connect_arrow(target_url, SESSION)
    with pytest.raises(NotArrowableError, match='column "B": a value has an object with the same name twice'):
        upsert(arrow, to_target(stored(*columns), plan.columns), plan)
    arrow.close()
    result = write_carefully(rows, [source_rows(*columns)], plan)
    assert [(reject.key, reject.column) for reject in result.rejects] == [((1,), "B")]


def test_a_key_that_comes_twice_is_not_overwritten_in_silence(rows: Any, target_url: str) -> None:
    """Of two source rows for one row of the target the first is written, whichever batch it is in, the other kept."""
    _run(rows, "CREATE TABLE public.t (a bigint UNIQUE, b text)")
    plan = _plan("bigint", "text")
    columns: list[list[Value]] = [[1, None, 1, None], ["x", "n", "y", "n"]]
    arrow = connect_arrow(target_url, SESSION)
    with pytest.raises(NotArrowableError, match="second time"):
        upsert(arrow, to_target(stored(*columns), plan.columns), plan)
    arrow.close()
    result = write_carefully(rows, [[row] for row in source_rows(*columns)], plan)
    assert [(reject.key, reject.values) for reject in result.rejects] == [((3,), (1, "y"))]
    assert 'the same key "a"' in result.rejects[0].reason
    assert _run(rows, "SELECT * FROM public.t ORDER BY a") == [(1, "x"), (None, "n"), (None, "n")]


def test_an_empty_table_that_was_there_loses_no_json_either(rows: Any, target_url: str) -> None:
    """Also where rows go bare into a table without a key that the job did not make."""
    _run(rows, "CREATE TABLE public.t (a jsonb)")
    plan = replace(plan_of(column("jsonb", "a")), creates=False)
    arrow = connect_arrow(target_url, SESSION)
    with pytest.raises(NotArrowableError, match="same name twice"):
        write_bare(arrow, to_target(stored(['{"x": 1, "x": 2}']), plan.columns), plan)
    arrow.close()
