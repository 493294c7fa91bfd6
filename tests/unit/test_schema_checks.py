"""What becomes of CHECK constraints."""

from __future__ import annotations

import pytest
from schemakit import blobs, column, graded, integers, only, table, texts, translated

from shared.records.plan import CheckPlan, Grade, GradedAs, SchemaPlan
from shared.records.source import ColumnProfile, ObjectKind
from shared.schema.written import WrittenCheck, read_checks


def _checked(constraints: str, profiles: dict[str, ColumnProfile] | None = None, **options: bool) -> SchemaPlan:
    sql = f"CREATE TABLE t (a INTEGER, name TEXT, flag BOOLEAN, doc JSON, raw BLOB, {constraints})"
    columns = (
        column("a"),
        column("name", "TEXT"),
        column("flag", "BOOLEAN"),
        column("doc", "JSON"),
        column("raw", "BLOB"),
    )
    found = {"t.flag": integers(0, 1), "t.doc": texts("json", "jsonb"), "t.raw": blobs()} | (profiles or {})
    return translated(table("t", *columns, has_checks=True, sql=sql), profiles=found, **options)


def _sql(plan: SchemaPlan) -> list[str]:
    return [each.sql for each in only(plan).checks]


def test_checks_are_found_one_by_one() -> None:
    """Each CHECK is taken as written, with its name, not what looks like one in names, texts or comments."""
    sql = """CREATE TABLE t (a CHECK(a > 0), "check" INT, c TEXT DEFAULT 'check (1)' /* CHECK (2) */,
             CONSTRAINT "x y" CHECK (c IN ('(', ')')))"""
    assert read_checks(sql) == (
        WrittenCheck(written="CHECK(a > 0)", condition="a > 0"),
        WrittenCheck(written="CHECK (c IN ('(', ')'))", condition="c IN ('(', ')')", name="x y"),
    )


@pytest.mark.parametrize(
    ("check", "sql"),
    [
        ("a > 0 AND a < 10", '("a" > 0) AND ("a" < 10)'),
        ("name IN ('x', \"y\")", "\"name\" IN ('x', 'y')"),
        ("length(name) BETWEEN 1 AND 5", '(length("name") >= 1) AND (length("name") <= 5)'),
        ("flag IN (0, 1)", '"flag" IN (false, true)'),
        ("flag = 1 OR NOT flag", '("flag" = true) OR (NOT "flag")'),
        ("a", '"a" <> 0'),
        ("T.a IS NOT NULL", '"a" IS NOT NULL'),
        ("name > 'A'", '"name" COLLATE "C" > \'A\' COLLATE "C"'),
        ("name LIKE 'A%'", 'lower("name" COLLATE "C") LIKE \'a%\''),
        ("name GLOB '[A-Z]*'", '"name" COLLATE "C" ~ \'^[A-Z].*$\''),
        ("typeof(a) = 'integer'", "(CASE WHEN \"a\" IS NULL THEN 'null' ELSE 'integer' END) = 'integer'"),
        (
            "json_valid(doc) OR doc IS NULL",
            '(CASE WHEN "doc" IS NOT NULL THEN true END) OR ("doc" IS NULL)',
        ),
        ("a = '5'", '"a" = 5'),
        ("raw <> x''", "\"raw\" <> '\\x'::bytea"),
    ],
)
def test_checks_are_translated(check: str, sql: str) -> None:
    """A CHECK becomes the condition that is true of the same rows, and says no more than exact."""
    plan = _checked(f"CHECK ({check})")
    assert _sql(plan) == [sql]
    assert graded(plan, ObjectKind.CHECK).grade is Grade.EXACT


def test_checks_keep_their_names() -> None:
    """A constraint is named as in the source, or after the table, each one once."""
    plan = _checked(
        "CHECK (a > 0), CONSTRAINT Positive CHECK (a > 1), CONSTRAINT positive CHECK (a > 2), CHECK (a > 3)"
    )
    assert [each.name for each in only(plan).checks] == ["t_check", "positive", "positive_2", "t_check_2"]
    assert [each.name for each in plan.grades if each.kind is ObjectKind.CHECK] == ["1", "Positive", "3", "4"]
    assert only(plan).checks[0] == CheckPlan(
        name="t_check", sql='"a" > 0', graded_as=GradedAs(kind=ObjectKind.CHECK, name="1")
    )


def test_a_doubt_is_said() -> None:
    """A CHECK that may differ for some values is made, and its grade says how."""
    plan = _checked("CHECK (a + 1 > 0)")
    grade = graded(plan, ObjectKind.CHECK)
    assert (grade.grade, len(_sql(plan))) == (Grade.APPROXIMATED, 1)
    assert "64 bits" in grade.reason
    assert only(plan).checks[0].graded_as is not None
    assert only(plan).checks[0].graded_as.doubt == grade.reason


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("name REGEXP 'x'", "REGEXP is a function that the application gives SQLite"),
        ("mine(a)", "mine is no function that is translated"),
        ("a = name", "is a text that SQLite reads as a number"),
        ("raw", "where a condition is asked for"),
        ("gone > 1", "no column gone"),
    ],
)
def test_what_has_no_translation_is_refused(check: str, reason: str) -> None:
    """A CHECK without translation is refused with its reason and its text."""
    plan = _checked(f"CHECK ({check})")
    grade = graded(plan, ObjectKind.CHECK)
    assert (grade.grade, _sql(plan)) == (Grade.REFUSED, [])
    assert reason in grade.reason
    assert grade.reason.endswith(f"recreate it by hand: CHECK ({check})")


def test_a_column_of_several_classes_is_not_compared() -> None:
    """What the source compares by storage class, the target, which kept one type, cannot."""
    mixed = ColumnProfile(integers=3, texts=3, integer_min=1, integer_max=3)
    plan = _checked("CHECK (name <> '5')", {"t.name": mixed})
    assert "several storage classes" in graded(plan, ObjectKind.CHECK).reason
