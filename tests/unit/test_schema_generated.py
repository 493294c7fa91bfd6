"""What becomes of generated columns."""

from __future__ import annotations

from typing import Any

import pytest
from schemakit import column, graded, index, integers, only, reals, table, texts

from shared.records.existing import TargetAbilities
from shared.records.plan import GeneratedPlan, Grade, JobOptions, SchemaPlan, TypeKind
from shared.records.rules import NulPolicy, Rule
from shared.records.source import (
    ColumnProfile,
    Generated,
    ObjectKind,
    SourceCatalog,
    SourceColumn,
    SourceTable,
    TableProfile,
)
from shared.schema.objects import translate


def _computed(name: str, sql: str, declared: str = "INTEGER", *, stored: bool = True) -> SourceColumn:
    kind = Generated.STORED if stored else Generated.VIRTUAL
    return column(name, declared, generated=kind, generated_sql=sql)


def _plan(*columns: SourceColumn, version: int = 160000, profiles: dict[str, ColumnProfile] | None = None, **more: Any):  # noqa: ANN202 - SchemaPlan
    made = table("t", column("a"), column("b"), column("name", "TEXT"), column("r", "REAL"), *columns, **more)
    return _translated(made, version, {"r": reals()} | (profiles or {}))


def _translated(made: SourceTable, version: int, known: dict[str, ColumnProfile], **options: Any) -> SchemaPlan:
    profiles = {
        each.name: known.get(each.name, integers() if each.declared_type == "INTEGER" else texts())
        for each in made.columns
    }
    return translate(
        SourceCatalog(tables=(made,)),
        {"t": TableProfile(rows=9, source_bytes=900, columns=profiles)},
        target_schema="public",
        options=JobOptions(**options),
        abilities=TargetAbilities(version=version),
    )


def _generated(plan: SchemaPlan, name: str) -> GeneratedPlan | None:
    return next(each.generated for each in only(plan).columns if each.name == name)


@pytest.mark.parametrize(
    ("sql", "declared", "expected"),
    [
        ("upper(name)", "TEXT", 'upper("name" COLLATE "C")'),
        ("a > 5", "INTEGER", '("a" > 5)::integer::bigint'),
        ("coalesce(name, '-')", "TEXT", "coalesce(\"name\", '-')"),
        ("length(name)", "INTEGER", 'length("name")::bigint'),
        ("a || '-' || b", "TEXT", '("a"::text || \'-\') || "b"::text'),
        ("abs(r)", "REAL", 'abs("r")'),
    ],
)
def test_what_is_exact_is_computed_by_the_target(sql: str, declared: str, expected: str) -> None:
    """A generated column whose expression means the same for every value is generated in the target, too."""
    profiles = {"g": {"TEXT": texts(), "REAL": reals()}.get(declared, integers())}
    plan = _plan(_computed("g", sql, declared), profiles=profiles)
    assert _generated(plan, "g") == GeneratedPlan(sql=expected)
    assert graded(plan, ObjectKind.GENERATED_COLUMN).grade is Grade.EXACT


def test_what_postgresql_refuses_instead_is_computed_with_its_doubt() -> None:
    """Where an error stands for a value beyond a type's range, what is computed is equal, and the grade says it."""
    plan = _plan(_computed("g", "a * b"))
    assert _generated(plan, "g") == GeneratedPlan(sql='"a" * "b"')
    assert "64 bits" in graded(plan, ObjectKind.GENERATED_COLUMN).reason


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("round(r, 2)", "two roundings"),
        ("r || ''", "15 digits"),
        ("mine(a)", "no function that is translated"),
        ("hex(name)", "depends on more"),
        ("date(name)", "another shape"),
    ],
)
def test_what_may_differ_is_copied(sql: str, reason: str) -> None:
    """A generated column that the target may compute otherwise is an ordinary one, and the reason says why."""
    plan = _plan(_computed("g", sql, "TEXT"))
    assert _generated(plan, "g") is None
    grade = graded(plan, ObjectKind.GENERATED_COLUMN)
    assert grade.grade is Grade.APPROXIMATED
    assert reason in grade.reason
    assert grade.reason.endswith(f"the target computes no new ones: AS ({sql})")


def test_an_overflow_that_happened_is_copied() -> None:
    """Where integers have overflowed into reals in the source, the target cannot compute them."""
    both = ColumnProfile(integers=5, reals=4, integer_min=1, integer_max=9, infinities=0)
    plan = _plan(_computed("g", "a * b"), profiles={"g": both})
    assert _generated(plan, "g") is None


def test_virtual_columns_are_virtual_where_the_target_has_them() -> None:
    """VIRTUAL stays so from PostgreSQL 18 on; before, and in keys and indexes, it is stored and said to be."""
    virtual = _computed("g", "upper(name)", "TEXT", stored=False)
    assert _generated(_plan(virtual, version=180000), "g") == GeneratedPlan(
        sql='upper("name" COLLATE "C")', stored=False
    )
    before = _plan(virtual, version=170000)
    assert _generated(before, "g") == GeneratedPlan(sql='upper("name" COLLATE "C")')
    assert "stored in the target" in graded(before, ObjectKind.GENERATED_COLUMN).reason
    indexed = _plan(virtual, version=180000, indexes=(index("i", "g"),))
    assert _generated(indexed, "g") == GeneratedPlan(sql='upper("name" COLLATE "C")')


def test_generated_columns_that_name_each_other_are_inlined() -> None:
    """PostgreSQL lets no generated column name another, so what the other is computed from stands there."""
    plan = _plan(_computed("second", "length(first)"), _computed("first", "upper(name)", "TEXT"))
    assert _generated(plan, "second") == GeneratedPlan(sql='length((upper("name" COLLATE "C")))::bigint')


def test_a_column_that_names_a_copied_one_names_it() -> None:
    """A generated column that is copied is an ordinary column for the others."""
    plan = _plan(_computed("second", "length(first)"), _computed("first", "mine(name)", "TEXT"))
    assert _generated(plan, "first") is None
    assert _generated(plan, "second") == GeneratedPlan(sql='length("first")::bigint')


def test_columns_whose_values_a_rule_changes_are_copied() -> None:
    """What is computed from values that change on their way would differ from what the source computed."""
    made = table("t", column("name", "TEXT"), _computed("g", "upper(name)", "TEXT"))
    rule = Rule(table="t", column="name", nul=NulPolicy.STRIP)
    plan = _translated(made, 160000, {}, rules=(rule,))
    assert _generated(plan, "g") is None
    assert "a rule changes the values of name" in graded(plan, ObjectKind.GENERATED_COLUMN).reason


def test_the_type_of_the_column_is_kept() -> None:
    """A generated column of truths is computed as the type that its values had."""
    plan = _plan(_computed("g", "a > b", "BOOLEAN"), profiles={"g": integers(0, 1)})
    assert only(plan).columns[-1].type.kind is TypeKind.BOOLEAN
    assert _generated(plan, "g") == GeneratedPlan(sql='"a" > "b"')
