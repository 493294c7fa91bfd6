"""Grades as people read them."""

from __future__ import annotations

import io

from producer.print_grades import print_grades
from producer.printing import console
from shared.records.plan import Grade, ObjectGrade
from shared.records.source import ObjectKind


def graded(kind: ObjectKind, name: str, grade: Grade = Grade.EXACT, reason: str = "") -> ObjectGrade:
    """A grade of an object of table t."""
    return ObjectGrade(kind=kind, name=name, table="t", grade=grade, reason=reason)


def printed(*grades: ObjectGrade, verbose: bool = False) -> list[str]:
    """The lines that are printed."""
    stream = io.StringIO()
    print_grades(console(stream), grades, verbose=verbose)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_objects_are_counted_by_kind_and_grade() -> None:
    """One row a kind, in the order in which the plan comes to them."""
    lines = printed(
        graded(ObjectKind.TABLE, "t"),
        graded(ObjectKind.INDEX, "i"),
        graded(ObjectKind.INDEX, "j", Grade.REFUSED, "too long"),
        graded(ObjectKind.CHECK, "1", Grade.APPROXIMATED, "laxer"),
    )
    assert lines[0] == "objects of the source's schema: 2 exact, 1 approximated, 1 refused"
    assert [line.split() for line in lines[1:5]] == [
        ["kind", "exact", "approximated", "refused"],
        ["table", "1"],
        ["index", "1", "1"],
        ["check", "1"],
    ]
    assert lines[5:] == ["refused: index j of t: too long", "approximated: check 1 of t: laxer"]


def test_objects_of_one_reason_share_a_line() -> None:
    """Three are named and the rest counted; --verbose names each."""
    grades = [graded(ObjectKind.INDEX, f"i{n}", Grade.REFUSED, "too long") for n in range(5)]
    assert printed(*grades)[3:] == ["refused: 5 indexes (i0 of t, i1 of t, i2 of t and 2 more): too long"]
    assert printed(*grades, verbose=True)[3:] == [f"refused: index i{n} of t: too long" for n in range(5)]


def test_a_long_list_says_how_many_objects_it_leaves_out() -> None:
    """Objects are counted, not lines."""
    grades = [graded(ObjectKind.VIEW, f"v{n}", Grade.REFUSED, f"reason {n}") for n in range(25)]
    grades += [graded(ObjectKind.CHECK, f"{n}", Grade.APPROXIMATED, "laxer") for n in range(7)]
    assert printed(*grades)[-1] == "… and 12 more: --verbose"


def test_nothing_is_said_to_be_nothing() -> None:
    """A source without objects has no table of them."""
    assert printed() == ["objects of the source's schema: none"]
