"""The order in which tables are made and copied."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from producer.making import largest_first, parents_first
from shared.records.plan import ForeignKeyPlan, TablePlan, TableRead
from shared.records.source import ChunkKey, ChunkKeyKind


def table(name: str, *parents: str) -> TablePlan:
    """A table whose foreign keys name `parents`."""
    keys = tuple(
        ForeignKeyPlan(name=f"{name}_{parent}", columns=("p",), parent=parent, parent_columns=("id",))
        for parent in parents
    )
    read = TableRead(table=name, chunk_key=ChunkKey(kind=ChunkKeyKind.ROWID, columns=("rowid",)), columns=())
    return TablePlan(read=read, schema="public", name=name, columns=(), foreign_keys=keys)


def names(*tables: TablePlan) -> list[str]:
    """Their order."""
    return [each.name for each in parents_first(tables)]


def sized(name: str, rows: int, *, creates: bool = True) -> TablePlan:
    """A table of so many rows."""
    return replace(table(name), rows=rows, creates=creates)


def sent(*tables: TablePlan) -> list[str]:
    """The order in which they are sent."""
    return [each.name for each in largest_first(tables)]


def test_the_largest_tables_are_sent_first() -> None:
    """By bytes, not by rows; equal ones stay in their order."""
    wide = replace(sized("wide", 10), row_bytes=1000.0)
    assert sent(sized("b", 5), sized("a", 5), sized("big", 900), wide) == ["wide", "big", "b", "a"]


def test_a_small_parent_that_was_there_before_goes_as_early_as_its_large_child() -> None:
    """Its foreign key may be enforced while both are loaded; tables that the job makes have none then."""
    there = (sized("parent", 1, creates=False), sized("child", 900, creates=False), sized("last", 2, creates=False))
    assert sent(sized("made", 500), *there, sized("tiny", 3)) == ["parent", "child", "made", "tiny", "last"]


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=9))
def test_tables_that_were_there_before_keep_their_order(drawn: list[tuple[int, bool]]) -> None:
    """Whatever the sizes; those that the job makes come in order of size, and no table is lost."""
    tables = [sized(str(place), rows, creates=creates) for place, (rows, creates) in enumerate(drawn)]
    ordered = largest_first(tables)
    assert sorted(each.name for each in ordered) == sorted(each.name for each in tables)
    assert [each for each in ordered if not each.creates] == [each for each in tables if not each.creates]
    sizes = [each.rows for each in ordered if each.creates]
    assert sizes == sorted(sizes, reverse=True)


def test_parents_come_before_their_children() -> None:
    """Rows of a child can then be looked at as soon as they are there."""
    assert names(table("a_line", "b_order"), table("b_order", "c_customer"), table("c_customer")) == [
        "c_customer",
        "b_order",
        "a_line",
    ]


def test_a_table_that_names_itself_is_no_cycle() -> None:
    """An employee's boss is an employee."""
    assert names(table("employee", "employee"), table("a", "employee")) == ["employee", "a"]


def test_a_cycle_is_broken_by_name() -> None:
    """The same source gives the same order each time."""
    assert names(table("b", "a"), table("a", "b"), table("z")) == ["z", "a", "b"]


def test_a_parent_outside_the_job_is_not_waited_for() -> None:
    """--tables may leave the parent out."""
    assert names(table("child", "elsewhere")) == ["child"]


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_every_table_comes_exactly_once(edges: list[list[int]]) -> None:
    """Whatever the foreign keys, no table is lost and none comes twice."""
    tables = [table(str(child), *map(str, parents)) for child, parents in enumerate(edges)]
    assert sorted(names(*tables)) == sorted(each.name for each in tables)


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_without_cycles_every_parent_comes_first(edges: list[list[int]]) -> None:
    """Where each table names only earlier ones, the order is that of the foreign keys."""
    tables = [
        table(str(child), *(str(parent) for parent in parents if parent < child)) for child, parents in enumerate(edges)
    ]
    order = names(*tables)
    for each in tables:
        assert all(order.index(key.parent) < order.index(each.name) for key in each.foreign_keys)
