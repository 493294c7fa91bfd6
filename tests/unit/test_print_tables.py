"""The tables of a plan as people read them."""

from __future__ import annotations

import io

from producer.print_tables import columns_view, hidden_tables, tables_view
from producer.printing import console
from producer.views import PlannedTable, PlanView
from shared.records.plan import TargetColumn, TargetType, TypeKind


def planned(source: str, **changed: object) -> PlannedTable:
    """A table of one chunk, without columns."""
    usual = {
        "source": source,
        "target": f"shop.{source.lower()}",
        "rows": 10,
        "bytes": 1000,
        "chunks": 1,
        "creates": True,
        "load": "bare",
        "compare_by": "range",
        "primary_key": ("id",),
        "unique_keys": 0,
        "indexes": 0,
        "foreign_keys": 0,
        "expected_rejects": 0,
        "possible_rejects": 0,
        "columns": (),
    }
    return PlannedTable(**{**usual, **changed})  # type: ignore[arg-type]


def view_of(*tables: PlannedTable) -> PlanView:
    """A plan of these tables and nothing else."""
    return PlanView(
        source="s",
        target=None,
        target_schema="shop",
        versions=(),
        tables=tables,
        rules=(),
        grades=(),
        notes=(),
        sql="",
    )


def printed(*tables: PlannedTable, verbose: bool = False) -> list[str]:
    """The lines of the table."""
    stream = io.StringIO()
    console(stream).print(tables_view(view_of(*tables), verbose=verbose))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_columns_that_would_say_nothing_are_left_out() -> None:
    """Where the job makes every table under its own name and expects no reject, nobody reads so three times over."""
    assert [line.split() for line in printed(planned("a", indexes=2), planned("b"))] == [
        ["table", "rows", "size", "chunks", "keys"],
        ["a", "10", "1.0", "kB", "1", "primary,", "2", "indexes"],
        ["b", "10", "1.0", "kB", "1", "primary"],
        ["2", "tables", "20", "2.0", "kB", "2"],
    ]


def test_what_differs_has_its_column() -> None:
    """New names, tables that are there already, and rejects."""
    lines = printed(
        planned("Big", expected_rejects=1, possible_rejects=2), planned("there", creates=False, load="upsert")
    )
    assert lines[0].split() == ["table", "becomes", "rows", "size", "chunks", "how", "expected", "rejects", "keys"]
    assert "Big       big" in lines[1]
    assert "made, COPY" in lines[1]
    assert "1 to 3" in lines[1]
    assert "was there, upsert" in lines[2]
    assert lines[3].endswith("1 to 3")


def test_of_many_tables_those_are_shown_that_a_person_has_to_look_at() -> None:
    """Rejects first, tables that are there already, then the largest; the sum is of all of them."""
    small = [planned(f"t{n:02}", bytes=n, rows=n) for n in range(30)]
    tables = (planned("lost", bytes=0, expected_rejects=1), planned("there", bytes=0, creates=False), *small)
    lines = printed(*tables)
    assert [line.split()[0] for line in lines[1:-1]] == ["lost", "there", *(f"t{n}" for n in range(12, 30))]
    assert lines[-1].startswith("32 tables")
    assert "435" in lines[-1]
    assert hidden_tables(view_of(*tables), verbose=False) == "… and 12 smaller tables: --verbose"
    assert len(printed(*tables, verbose=True)) == 34
    assert hidden_tables(view_of(*tables), verbose=True) == ""


def test_one_value_does_not_fit() -> None:
    """A number has its own form of the verb."""
    column = TargetColumn(
        source="a",
        name="a",
        type=TargetType(kind=TypeKind.TEXT, sql="text"),
        not_null=False,
        reason="declared TEXT",
        expected_rejects=1,
        possible_rejects=2,
    )
    stream = io.StringIO()
    console(stream).print(columns_view(planned("t", columns=(column,)), "shop", verbose=True))
    assert "declared TEXT; 1 value does not fit; another 2 may not fit" in stream.getvalue()
