"""Grades as people read them."""

from __future__ import annotations

import io

from producer.print_grades import print_grades, print_not_exact
from producer.printing import console
from shared.records.plan import Grade, ObjectGrade
from shared.records.source import ObjectKind
from shared.schema.dialect.aggregates import SUMS
from shared.schema.dialect.arithmetic import OVERFLOW, REAL_RANGE


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
    assert printed(*grades)[3:] == ["refused: 5 indexes (i0 of t, i1 of t, i2 of t and 2 more), each: too long"]
    assert printed(*grades, verbose=True)[3:] == [f"refused: index i{n} of t: too long" for n in range(5)]


def test_a_long_list_says_how_many_differences_it_leaves_out() -> None:
    """A screen of them, and how many lines --verbose would add."""
    grades = [graded(ObjectKind.VIEW, f"v{n}", Grade.REFUSED, f"reason {chr(97 + n)}") for n in range(25)]
    grades += [graded(ObjectKind.CHECK, f"{n}", Grade.APPROXIMATED, "laxer") for n in range(7)]
    assert printed(*grades)[-1] == "… and 6 more differences: --verbose"


def test_nothing_is_said_to_be_nothing() -> None:
    """A source without objects has no table of them."""
    assert printed() == ["objects of the source's schema: none"]


def test_objects_share_each_of_their_differences() -> None:
    """What views have in common is said once, what one of them alone has stays together."""
    lines = printed(
        graded(ObjectKind.VIEW, "v", Grade.APPROXIMATED, f"{SUMS}; one; two"),
        graded(ObjectKind.VIEW, "w", Grade.APPROXIMATED, SUMS),
    )
    assert lines[3:] == [
        f"approximated: 2 views (v of t, w of t), each: {SUMS}",
        "approximated: view v of t: one; two",
    ]


def test_reasons_that_quote_are_never_taken_apart() -> None:
    """A refused trigger's SQL holds semicolons of its own."""
    reason = "recreate it by hand: CREATE TRIGGER t BEGIN SELECT 1; SELECT 2; END"
    assert printed(graded(ObjectKind.TRIGGER, "t", Grade.REFUSED, reason))[3:] == [f"refused: trigger t of t: {reason}"]


def test_what_values_become_comes_before_what_is_made_of_them() -> None:
    """Refused objects, then columns and keys, then views, whatever the order of the plan."""
    lines = printed(
        graded(ObjectKind.INDEX, "i", Grade.APPROXIMATED, "folds"),
        graded(ObjectKind.VIEW, "v", Grade.APPROXIMATED, "sorts"),
        graded(ObjectKind.COLUMN, "c", Grade.APPROXIMATED, "mixed"),
        graded(ObjectKind.VIEW, "w", Grade.REFUSED, "reads"),
    )
    assert [line.split(" of t")[0] for line in lines[5:]] == [
        "refused: view w",
        "approximated: column c",
        "approximated: view v",
        "approximated: index i",
    ]


def test_what_seldom_matters_is_one_line() -> None:
    """Extremes, SQLite's own tables and cut names drown nothing; the report and --verbose say them in full."""
    named = "named t_4bb_d817e79c in the target, since a name of PostgreSQL has at most 63 bytes"
    grades = (
        graded(ObjectKind.SHADOW_TABLE, "s_data", Grade.APPROXIMATED, "it is SQLite's own index"),
        graded(ObjectKind.INDEX, "i", Grade.APPROXIMATED, named),
        graded(ObjectKind.VIEW, "v", Grade.APPROXIMATED, f"{OVERFLOW}; sorts"),
        graded(ObjectKind.VIEW, "w", Grade.APPROXIMATED, f"it reads the view v, which is approximated; {REAL_RANGE}"),
    )
    first, last = printed(*grades)[5:]
    assert first == "approximated: view v of t: sorts"
    assert last == (
        "what seldom matters: numbers, years and JSON at the ends of what they can be (2), views that read such a view"
        " (1), new names of keys and indexes (1), tables that SQLite keeps for searches (1): --verbose"
    )
    assert len(printed(*grades, verbose=True)[5:]) == 4
    report = io.StringIO()
    print_not_exact(console(report), grades, verbose=False)
    assert OVERFLOW in report.getvalue()
    assert named in report.getvalue()


def test_a_table_s_new_name_is_no_trifle() -> None:
    """Queries name tables and columns."""
    grade = graded(ObjectKind.TABLE, "a" * 64, Grade.APPROXIMATED, "named a_1 in the target, since it is long")
    assert printed(grade)[-1].startswith("approximated: table aaa")


def test_verbose_cuts_no_reason() -> None:
    """The SQL of a large view is there in full."""
    reason = "recreate it by hand: " + "x" * 5000
    grade = graded(ObjectKind.VIEW, "v", Grade.REFUSED, reason)
    assert printed(grade, verbose=True)[-1].endswith(reason)
    assert len(printed(grade)[-1]) < 400


def test_objects_that_differ_in_numbers_and_sql_alone_share_a_line() -> None:
    """What is said of the first of them stands for all; --verbose says it of each."""
    grades = [
        graded(ObjectKind.VIEW, f"v{n}", Grade.REFUSED, f"f is unknown; recreate it by hand: CREATE VIEW v{n} AS f()")
        for n in range(80)
    ]
    grades += [
        graded(ObjectKind.COLUMN, f"c{n}", Grade.APPROXIMATED, f"it holds {n} {word}: all become text")
        for n, word in ((1, "integer"), (2, "integers"), (1000, "integers"))
    ]
    grades += [
        graded(ObjectKind.COLUMN, f"d{n}", Grade.APPROXIMATED, f"rule {n} of pgconvoy.toml says so") for n in (1, 2)
    ]
    lines = printed(*grades)[4:]
    assert lines[0] == (
        "refused: 80 views (v0 of t, v1 of t, v2 of t and 77 more), the first: f is unknown;"
        " recreate it by hand: CREATE VIEW v0 AS f()"
    )
    assert lines[1:] == [
        "approximated: 3 columns (c1 of t, c2 of t, c1000 of t), the first: it holds 1 integer: all become text",
        "approximated: column d1 of t: rule 1 of pgconvoy.toml says so",
        "approximated: column d2 of t: rule 2 of pgconvoy.toml says so",
    ]
    assert len(printed(*grades, verbose=True)[4:]) == 85
