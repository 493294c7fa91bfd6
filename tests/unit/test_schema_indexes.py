"""Indexes, partial, of expressions and collated ones, and keys that no constraint can be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from schemakit import BARE, CITEXT, ICU, column, graded, index, integers, only, table, texts, translated, unique

from shared.records.plan import Grade, IndexPlan, KeyPlan, ObjectGrade, SchemaPlan, TablePlan
from shared.records.source import IndexColumn, IndexOrigin, ObjectKind, SourceIndex

_BY_NOCASE = IndexColumn(name="a", collation="NOCASE")
_A_FOLDED = 'lower("a" COLLATE "C")'


def _planned(*indexes: SourceIndex, **more: object) -> tuple[TablePlan, tuple[ObjectGrade, ...]]:
    source = table("t", column("a", "TEXT"), column("b"), column("j", "JSON"), indexes=indexes)
    plan = translated(source, profiles={"t.j": texts("json")}, **more)  # type: ignore[arg-type]
    return only(plan), plan.grades


def _graded(grades: tuple[ObjectGrade, ...], name: str) -> ObjectGrade:
    (found,) = [each for each in grades if each.name == name and each.kind is not ObjectKind.COLUMN]
    return found


def test_plain_index() -> None:
    """A plain index keeps its columns and directions, and is exact."""
    plan, grades = _planned(index("i", "b", IndexColumn(name="a", descending=True)))
    assert plan.indexes == (IndexPlan(name="i", columns=("b", "a"), descending=(False, True)),)
    assert _graded(grades, "i").grade is Grade.EXACT


def test_partial_index() -> None:
    """The condition of a partial index is translated with it."""
    sql = "CREATE INDEX i ON t(b) WHERE a IS NOT NULL -- those alone"
    plan, grades = _planned(index("i", "b", partial=True, sql=sql))
    assert plan.indexes == (IndexPlan(name="i", columns=("b",), descending=(False,), where='"a" IS NOT NULL'),)
    assert _graded(grades, "i").grade is Grade.EXACT


def test_unique_partial_index_identifies_no_row() -> None:
    """A unique index of some rows is built as such, and neither matches rows nor serves as a key."""
    sql = "CREATE UNIQUE INDEX u ON t(b) WHERE a IS NOT NULL"
    plan, grades = _planned(index("u", "b", unique=True, partial=True, sql=sql))
    (made,) = plan.indexes
    assert (made.unique, made.where) == (True, '"a" IS NOT NULL')
    assert (plan.unique_keys, plan.match_key) == ((), ())
    assert _graded(grades, "u").kind is ObjectKind.UNIQUE_KEY


def test_expression_index() -> None:
    """Terms of an index are translated one by one, with collation and direction."""
    descending = IndexColumn(name=None, collation="rtrim", descending=True)
    sql = "CREATE UNIQUE INDEX u ON t(b + 1, a || 'x' COLLATE RTRIM DESC, [b])"
    plan, _ = _planned(index("u", None, descending, "b", unique=True, sql=sql))
    (made,) = plan.indexes
    assert made.unique
    assert made.columns == ()
    assert made.terms[1] == "rtrim((\"a\" || 'x') COLLATE \"C\", ' ') DESC"
    assert made.terms[2] == '"b"'
    assert plan.match_key == ()


@pytest.mark.parametrize(
    ("refused", "clause"),
    [
        (index("i", None, sql="CREATE INDEX i ON t(no_such_function(a))"), "no_such_function"),
        (index("i", None, sql="CREATE INDEX i ON t(a, b)"), "cannot be taken apart"),
        (index("i", "a", partial=True, sql="CREATE INDEX i ON t(a)"), "cannot be taken apart"),
        (index("i", *["a"] * 33), "at most 32"),
        (index("i", "j"), "json in the target, which PostgreSQL cannot index"),
        (index("i", "gone"), "which the job leaves out"),
        (index("i", "gone", unique=True), "which the job leaves out"),
    ],
)
def test_refused_indexes_say_why_and_how(refused: SourceIndex, clause: str) -> None:
    """What PostgreSQL cannot index is refused with its reason and statement, and never identifies rows."""
    plan, grades = _planned(refused)
    grade = _graded(grades, "i")
    assert grade.grade is Grade.REFUSED
    assert clause in grade.reason
    assert "by hand: CREATE" in grade.reason or refused.unique
    assert (plan.indexes, plan.unique_keys, plan.match_key) == ((), (), ())


def test_long_values_are_told_beforehand() -> None:
    """Keys and indexes of values that may not fit into a B-tree's row say so in their grades; shorter ones do not."""
    source = table("t", column("a", "TEXT"), column("b", "TEXT"), indexes=(unique("a"), index("i", "a", "b")))
    long = translated(source, profiles={"t.a": texts(longest_text=2_000), "t.b": texts(longest_text=701)})
    assert graded(long, ObjectKind.UNIQUE_KEY).grade is Grade.EXACT
    assert "up to 2,701 bytes" in graded(long, ObjectKind.INDEX).reason
    assert only(long).indexes[0].graded_as.doubt  # type: ignore[union-attr]


def test_mixed_directions_of_a_unique_index_are_kept() -> None:
    """A constraint has no directions, so such a unique index is an index, and matches rows like a key."""
    pair = (IndexColumn(name="a"), IndexColumn(name="b", descending=True))
    plan, grades = _planned(index("u", *pair, unique=True))
    assert plan.indexes == (IndexPlan(name="u", columns=("a", "b"), descending=(False, True), unique=True),)
    assert (plan.unique_keys, plan.match_key) == ((), ("a", "b"))
    assert _graded(grades, "u").grade is Grade.EXACT


def _collated(collation: str, abilities: object, *indexes: SourceIndex, **more: object) -> SchemaPlan:
    source = table("t", column("a", "TEXT", collation=collation), column("b", "TEXT"), indexes=indexes)
    return translated(source, abilities=abilities, **more)  # type: ignore[arg-type]


def test_nocase_by_icu() -> None:
    """PostgreSQL 18 with ICU compares the column by a collation that is made first; its keys are plain and doubtful."""
    plan = _collated("nocase", ICU, unique(_BY_NOCASE), schema="app")
    made = only(plan)
    assert made.columns[0].collation == '"app"."nocase"'
    assert made.unique_keys == (KeyPlan(name="t_a_key", columns=("a",)),)
    assert "É and é" in made.unique_keys[0].graded_as.doubt  # type: ignore[union-attr]
    (collation,) = plan.objects
    assert collation.statements[0].startswith('CREATE COLLATION IF NOT EXISTS "app"."nocase" (provider = icu')
    assert graded(plan, ObjectKind.COLLATION).grade is Grade.APPROXIMATED


def test_nocase_by_citext() -> None:
    """Below 18, where LIKE does not take such a collation, the column is citext, by its full name."""
    plan = _collated("NOCASE", CITEXT, unique(_BY_NOCASE), schema="app")
    made = only(plan)
    assert (made.columns[0].type.sql, made.columns[0].collation) == ('"app".citext', None)
    assert plan.objects[0].statements == ('CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA "app"',)
    elsewhere = _collated("NOCASE", replace(CITEXT, citext_schema="ext"))
    assert only(elsewhere).columns[0].type.sql == '"ext".citext'


def test_nocase_where_the_server_has_neither() -> None:
    """The column stays as it is; a unique index folds as NOCASE does, besides a key of the plain column."""
    plan = _collated("NOCASE", BARE, unique(_BY_NOCASE), index("i", _BY_NOCASE))
    made = only(plan)
    assert (made.columns[0].type.sql, made.columns[0].collation, plan.objects) == ("text", None, ())
    assert made.unique_keys == (KeyPlan(name="t_a_key", columns=("a",)),)
    assert made.indexes == (
        IndexPlan(name="t_a_key_collated", terms=(_A_FOLDED,), unique=True),
        IndexPlan(name="i", terms=(_A_FOLDED,)),
    )
    assert made.match_key == ("a",)
    assert _A_FOLDED in graded(plan, ObjectKind.COLLATION).reason
    assert _A_FOLDED in graded(plan, ObjectKind.UNIQUE_KEY).reason


def test_nocase_primary_key_where_the_server_has_neither() -> None:
    """A primary key cannot be of an expression: it is of the bytes, and an index folds besides."""
    source = table("t", column("a", "TEXT", collation="NOCASE"), primary_key="a")
    made = only(translated(source))
    assert made.primary_key == KeyPlan(name="t_pkey", columns=("a",))
    assert made.indexes == (IndexPlan(name="t_pkey_collated", terms=(_A_FOLDED,), unique=True),)


def test_rtrim() -> None:
    """Keys by RTRIM are of the texts without the spaces at their end, whatever the server."""
    key = IndexColumn(name="a", collation="RTRIM")
    plan = _collated("RTRIM", ICU, unique(key))
    assert only(plan).columns[0].collation is None
    assert only(plan).indexes[0].terms == ('rtrim("a" COLLATE "C", \' \')',)
    assert graded(plan, ObjectKind.COLLATION).grade is Grade.APPROXIMATED


@pytest.mark.parametrize(
    ("abilities", "bytewise"), [(ICU, '("a" COLLATE "C")'), (CITEXT, '("a"::text COLLATE "C")'), (BARE, None)]
)
def test_binary_index_on_a_nocase_column(abilities: object, bytewise: str | None) -> None:
    """An index that compares bytes does so on a column that folds, too, and is no key then."""
    plan = only(_collated("NOCASE", abilities, index("u", "a", unique=True)))
    if bytewise is None:
        assert plan.unique_keys == (KeyPlan(name="u", columns=("a",)),)
    else:
        assert plan.indexes == (IndexPlan(name="u", terms=(bytewise,), unique=True),)
        assert (plan.unique_keys, plan.match_key) == ((), ())


def test_nocase_index_on_a_binary_column() -> None:
    """A collation of an index alone is an expression, and the index alone, since no key of SQLite's is like it."""
    plan = only(_collated("BINARY", ICU, index("u", _BY_NOCASE, "b", unique=True)))
    assert plan.indexes == (IndexPlan(name="u", terms=(_A_FOLDED, '"b"'), unique=True),)
    assert (plan.unique_keys, plan.match_key) == ((), ())


def test_collations_of_an_application() -> None:
    """What an application's own collation does nobody knows: keys and indexes are of the texts, and say so."""
    own = IndexColumn(name="a", collation="localized")
    plan = _collated("LOCALIZED", ICU, unique(own), index("i", own))
    assert only(plan).unique_keys == (KeyPlan(name="t_a_key", columns=("a",)),)
    assert graded(plan, ObjectKind.COLLATION).grade is Grade.REFUSED
    assert "laxer" in graded(plan, ObjectKind.UNIQUE_KEY).reason
    assert "collation of the application" in graded(plan, ObjectKind.INDEX).reason


def test_a_collation_means_nothing_on_numbers() -> None:
    """Numbers compare alike whatever their column's collation."""
    plan = translated(
        table("t", column("a", collation="NOCASE"), indexes=(unique(_BY_NOCASE), index("i", _BY_NOCASE))),
        profiles={"t.a": integers()},
        abilities=ICU,
    )
    assert {each.grade for each in plan.grades} == {Grade.EXACT}
    assert only(plan).indexes == (IndexPlan(name="i", columns=("a",), descending=(False,)),)


def test_constraints_keep_their_names() -> None:
    """Names of constraints, which SQLite's catalogue forgets, come from the statement."""
    sql = "CREATE TABLE t (a TEXT CONSTRAINT Only_A UNIQUE, b INTEGER, CONSTRAINT [the key] PRIMARY KEY (b))"
    source = table("t", column("a", "TEXT"), column("b"), primary_key="b", indexes=(unique("a"),), sql=sql)
    made = only(translated(source))
    assert made.primary_key == KeyPlan(name="the key", columns=("b",))
    assert made.unique_keys == (KeyPlan(name="only_a", columns=("a",)),)


def test_primary_key_index_is_no_second_index() -> None:
    """The index that SQLite made for a primary key is the primary key."""
    own = index("sqlite_autoindex_t_1", "a", unique=True, origin=IndexOrigin.PRIMARY_KEY, sql=None)
    made = only(translated(table("t", column("a", "TEXT"), primary_key="a", indexes=(own,))))
    assert (made.unique_keys, made.indexes) == ((), ())
