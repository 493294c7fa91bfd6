"""Columns of which PostgreSQL refuses some rows: those are named, all others arrive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from targetkit import SESSION, column, plan_of

from shared.errors import NotArrowableError
from shared.records.plan import TablePlan
from shared.target import split_writer
from shared.target.connections import begin, commit, connect_arrow
from shared.target.split_writer import SplitWriter

ODD_NAME = 'COPY a, line 7 "é" %s'
BAD = [0, 5, 6, 30, 99]


@pytest.fixture
def arrow(target_url: str) -> Iterator[Any]:
    """A connection in a transaction in which savepoints serve."""
    with closing(connect_arrow(target_url, SESSION)) as connection:
        begin(connection)
        yield connection


def _make(target_url: str, script: str) -> None:
    with closing(psycopg2.connect(target_url)) as connection, connection.cursor() as cursor:
        cursor.execute(script)
        connection.commit()


def _held(target_url: str, plan: TablePlan) -> list[int]:
    with closing(psycopg2.connect(target_url)) as connection, connection.cursor() as cursor:
        quoted = plan.name.replace('"', '""').replace("%", "%%")
        cursor.execute(f'SELECT v FROM public."{quoted}" ORDER BY v', ())
        return [value for (value,) in cursor.fetchall()]


@pytest.mark.parametrize("name", ["t", ODD_NAME])
@pytest.mark.parametrize(
    "refusal",
    [
        "ALTER TABLE {0} ADD CHECK (v NOT IN (0, 5, 6, 30, 99))",
        """CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN IF NEW.v IN (0, 5, 6, 30, 99) THEN RAISE check_violation; END IF; RETURN NEW; END $$;
           CREATE TRIGGER no BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION public.no()""",
        """CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN IF NEW.v IN (0, 5, 6, 30, 99) THEN RAISE check_violation; END IF; RETURN NEW; END $$;
           CREATE TRIGGER no AFTER INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION public.no()""",
    ],
    ids=["check", "trigger before", "trigger after, which names no line"],
)
def test_refused_rows_are_named_and_all_others_arrive(
    monkeypatch: pytest.MonkeyPatch, target_url: str, arrow: Any, name: str, refusal: str
) -> None:
    """By the line that PostgreSQL names, and by halving where it names none or a name could be taken for one."""
    monkeypatch.setattr(split_writer, "_ROWS_AFTER_REFUSAL", 16)
    table = 'public."' + name.replace('"', '""') + '"'
    _make(target_url, f"CREATE TABLE {table} (v integer); {refusal.format(table)}")
    plan = plan_of(column("integer"), name=name)
    writer = SplitWriter(arrow, plan)
    assert writer.write(pa.table({"v": pa.array(range(100), pa.int32())})) == BAD
    commit(arrow)
    assert writer.written == 95
    assert _held(target_url, plan) == [value for value in range(100) if value not in BAD]


def test_a_line_that_a_value_spells_is_not_taken_for_one(target_url: str, arrow: Any) -> None:
    """PostgreSQL shows what it could not read before it names the line."""
    _make(target_url, "CREATE TABLE public.t (v json)")
    writer = SplitWriter(arrow, plan_of(column("json")))
    values = ["1", "COPY t, line 99", "2", "COPY t, line 1", "3"]
    assert {1, 3} <= set(writer.write(pa.table({"v": pa.array(values)})))


def test_a_chunk_full_of_refused_rows_is_given_up_early(
    monkeypatch: pytest.MonkeyPatch, target_url: str, arrow: Any
) -> None:
    """After so many refusals it is left to the careful path as a whole."""
    monkeypatch.setattr(split_writer, "_MOST_REFUSALS", 10)
    _make(target_url, "CREATE TABLE public.t (v integer CHECK (v > 1000))")
    writer = SplitWriter(arrow, plan_of(column("integer")))
    with pytest.raises(NotArrowableError, match="refused 11 rows of one chunk, the last one because new row"):
        writer.write(pa.table({"v": pa.array(range(100), pa.int32())}))


def test_rows_that_want_one_unique_value_are_not_written_by_columns(target_url: str, arrow: Any) -> None:
    """Which one comes in would depend on the order, which columns and single rows do not keep together."""
    _make(target_url, "CREATE TABLE public.t (v integer UNIQUE)")
    with pytest.raises(NotArrowableError, match="23505"):
        SplitWriter(arrow, plan_of(column("integer"))).write(pa.table({"v": pa.array([1, 1], pa.int32())}))
