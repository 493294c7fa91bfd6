"""Plans that meet tables which are in the target already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from schemakit import BARE, CITEXT, ICU, column, graded, index, only, reference, table, translated

from shared.errors import OperatorError
from shared.records.existing import ExistingColumn, ExistingTable, RelationKind, TargetAbilities
from shared.records.plan import CompareBy, Grade, JobOptions, KeyPlan, LoadPath, TablePlan, TargetType, TypeKind
from shared.records.source import IndexColumn, ObjectKind
from shared.schema.existing import fit
from shared.schema.fitting import fit_schema

_KEY = KeyPlan(name="album_pkey", columns=("id",))


def _typed(kind: TypeKind) -> TargetType:
    return TargetType(kind=kind, sql=kind.value)


def _there(name: str, kind: TypeKind = TypeKind.BIGINT, **more: Any) -> ExistingColumn:
    return ExistingColumn(name=name, type=_typed(kind), **more)


def _album(*more: ExistingColumn, **facts: Any) -> ExistingTable:
    facts.setdefault("primary_key", _KEY)
    facts.setdefault("kind", RelationKind.TABLE)
    columns = (_there("id", not_null=True), _there("title", TypeKind.TEXT), *more)
    return ExistingTable(schema="public", name="album", columns=facts.pop("columns", columns), **facts)


def _plan() -> TablePlan:
    source = table(
        "Album", column("Id"), column("Title", "TEXT"), primary_key="Id", indexes=(index("by_title", "Title"),)
    )
    return only(translated(source))


def test_nothing_there_is_made() -> None:
    """Without a table of the name the plan stays as it is."""
    assert fit(_plan(), None, JobOptions()).plan == _plan()


def test_table_that_was_there_is_upserted() -> None:
    """Rows go into it by its own primary key; its keys and indexes stay as they are."""
    fitted = fit(_plan(), _album(has_rows=True), JobOptions())
    plan = fitted.plan
    assert (plan.creates, plan.load, plan.match_key, plan.compare_by) == (
        False,
        LoadPath.UPSERT,
        ("id",),
        CompareBy.RANGE,
    )
    assert (plan.primary_key, plan.unique_keys, plan.indexes, plan.foreign_keys) == (None, (), (), ())
    assert [grade.kind for grade in fitted.grades] == [ObjectKind.TABLE]
    assert "rows are matched by (id)" in fitted.grades[0].reason


def test_types_of_the_target_win() -> None:
    """Its columns' types are those of the table; where they differ from the planned ones the grade warns."""
    columns = (_there("id", TypeKind.INTEGER, not_null=True), _there("title", TypeKind.OTHER))
    fitted = fit(_plan(), _album(columns=columns), JobOptions())
    assert [each.type.kind for each in fitted.plan.columns] == [TypeKind.INTEGER, TypeKind.OTHER]
    assert fitted.plan.compare_by is CompareBy.RANGE
    assert [grade.name for grade in fitted.grades if grade.kind is ObjectKind.COLUMN] == ["Id", "Title"]


def test_columns_are_found_by_exact_name_first() -> None:
    """A column with the source's own spelling is the one meant; otherwise the folded name is."""
    columns = (_there("id", not_null=True), _there("title", TypeKind.TEXT), _there("Title", TypeKind.TEXT))
    fitted = fit(_plan(), _album(columns=columns), JobOptions())
    assert [each.name for each in fitted.plan.columns] == ["id", "Title"]


def test_key_of_text_is_compared_by_keys() -> None:
    """Range comparison needs the chunk key itself as the target's integer key."""
    columns = (_there("id", TypeKind.TEXT, not_null=True), _there("title", TypeKind.TEXT))
    assert fit(_plan(), _album(columns=columns), JobOptions()).plan.compare_by is CompareBy.KEYS


def test_other_integer_key_is_compared_by_keys() -> None:
    """A serial key that is not the source's rowid is no range of it."""
    source = table("Album", column("Id"), column("Title", "TEXT"))
    plan = fit(only(translated(source)), _album(), JobOptions()).plan
    assert (plan.match_key, plan.compare_by) == (("id",), CompareBy.KEYS)


def test_unique_key_serves_where_the_primary_key_does_not() -> None:
    """A primary key that the source does not fill is passed over for a unique key of columns that it does."""
    columns = (
        _there("uid", not_null=True, has_default=True),
        _there("id", not_null=True),
        _there("title", TypeKind.TEXT),
    )
    existing = _album(
        columns=columns,
        primary_key=KeyPlan(name="p", columns=("uid",)),
        unique_keys=(KeyPlan(name="t", columns=("title",)), KeyPlan(name="u", columns=("id",))),
        has_rows=True,
    )
    assert fit(_plan(), existing, JobOptions()).plan.match_key == ("id",)


def test_rows_without_a_key_are_refused() -> None:
    """Rows that nothing tells apart cannot be matched, and the message says what to do."""
    with pytest.raises(OperatorError, match=r"public\.album of the target holds rows .* --recreate"):
        fit(_plan(), _album(primary_key=None, has_rows=True), JobOptions())


def test_empty_table_without_a_key_is_loaded_bare() -> None:
    """Nothing is there to be matched."""
    plan = fit(_plan(), _album(primary_key=None), JobOptions()).plan
    assert (plan.creates, plan.load, plan.compare_by) == (False, LoadPath.BARE, CompareBy.MULTISET)


def test_missing_columns_are_named() -> None:
    """A column of the source that the table lacks would be lost."""
    with pytest.raises(OperatorError, match="lacks columns of the source: Title"):
        fit(_plan(), _album(columns=(_there("id", not_null=True),)), JobOptions())


def test_unfilled_columns_are_named() -> None:
    """A NOT NULL column without default that the source lacks would refuse every row."""
    extra = (_there("a", not_null=True), _there("b", not_null=True, has_default=True), _there("c"))
    with pytest.raises(OperatorError, match="does not fill: a;"):
        fit(_plan(), _album(*extra), JobOptions())


def test_generated_column_is_left_to_the_target() -> None:
    """What the target computes is neither written nor compared."""
    columns = (_there("id", not_null=True), _there("title", TypeKind.TEXT, generated=True))
    fitted = fit(_plan(), _album(columns=columns), JobOptions())
    assert fitted.plan.read.columns == ("Id",)
    assert "computes this column itself" in fitted.grades[1].reason


def test_an_identity_that_nobody_may_update_is_graded() -> None:
    """Outside the match key it is written when a row is new and never after; within it nothing is updated anyway."""
    always = {"not_null": True, "has_default": True, "identity_always": True, "has_sequence": True}
    columns = (_there("id", **always), _there("title", TypeKind.TEXT, not_null=True))
    by_title = KeyPlan(name="t", columns=("title",))
    fitted = fit(_plan(), _album(columns=columns, primary_key=by_title), JobOptions())
    assert [column.insert_only for column in fitted.plan.columns] == [True, False]
    assert "rows that are there keep theirs" in fitted.grades[1].reason
    assert [grade.kind for grade in fit(_plan(), _album(columns=columns), JobOptions()).grades] == [ObjectKind.TABLE]


def test_sequences_follow_the_rows() -> None:
    """A column with a sequence continues after the copy, a plain one does not."""
    columns = (_there("id", not_null=True, has_sequence=True), _there("title", TypeKind.TEXT))
    assert [c.identity for c in fit(_plan(), _album(columns=columns), JobOptions()).plan.columns] == [True, False]
    assert [c.identity for c in fit(_plan(), _album(), JobOptions()).plan.columns] == [False, False]


@pytest.mark.parametrize("kind", [RelationKind.VIEW, RelationKind.SEQUENCE, RelationKind.FOREIGN_TABLE])
@pytest.mark.parametrize("recreate", [True, False])
def test_other_relations_are_in_the_way(kind: RelationKind, recreate: bool) -> None:  # noqa: FBT001 - a parameter
    """No rows go into a view, and --recreate does not drop one."""
    existing = ExistingTable(schema="public", name="album", kind=kind)
    with pytest.raises(OperatorError, match=f"public.album is a {kind} in the target"):
        fit(_plan(), existing, JobOptions(recreate=recreate))


def test_recreate_makes_the_table_anew() -> None:
    """With --recreate what was there does not matter."""
    existing = _album(primary_key=None, has_rows=True, columns=())
    assert fit(_plan(), existing, JobOptions(recreate=True)).plan == _plan()


def test_data_only_makes_nothing() -> None:
    """With --data-only a missing table is the operator's to make."""
    with pytest.raises(OperatorError, match=r"public\.album is not in the target and --data-only makes none"):
        fit(_plan(), None, JobOptions(data_only=True))


def _two_tables() -> Any:
    return translated(
        table("Album", column("Id"), column("Title", "TEXT"), primary_key="Id", indexes=(index("i", "Title"),)),
        table(
            "Track",
            column("Id"),
            column("Album", default_sql="1"),
            primary_key="Id",
            foreign_keys=(reference("Album", "Album"),),
            indexes=(index("by_album", "Album"),),
        ),
    )


def test_foreign_key_to_a_parent_that_was_there() -> None:
    """A new table refers to the parent's own column names."""
    columns = (_there("Id", not_null=True), _there("title", TypeKind.TEXT))
    parent = _album(columns=columns, primary_key=KeyPlan(name="p", columns=("Id",)))
    fitted = fit_schema(_two_tables(), (parent,), JobOptions())
    assert fitted.tables[1].foreign_keys[0].parent_columns == ("Id",)
    assert graded(fitted, ObjectKind.FOREIGN_KEY).grade is Grade.EXACT


@pytest.mark.parametrize(
    "existing",
    [
        _album(primary_key=None),
        _album(columns=(_there("id", TypeKind.TEXT, not_null=True), _there("title", TypeKind.TEXT))),
    ],
)
def test_foreign_key_that_the_parent_does_not_suit(existing: ExistingTable) -> None:
    """Without such a key, or with types that do not compare, the foreign key is refused instead of failing."""
    fitted = fit_schema(_two_tables(), (existing,), JobOptions())
    assert fitted.tables[1].foreign_keys == ()
    assert graded(fitted, ObjectKind.FOREIGN_KEY).grade is Grade.REFUSED


def test_grades_follow_the_fit() -> None:
    """What is not built on a table that was there before is no longer called exact."""
    there = replace(_album(), name="track", columns=(_there("id", not_null=True), _there("album")))
    fitted = fit_schema(_two_tables(), (there,), JobOptions())
    kinds = {(each.kind, each.grade) for each in fitted.grades if "Track" in {each.table, each.name}}
    assert {grade for _, grade in kinds} == {Grade.APPROXIMATED}
    assert {kind for kind, _ in kinds} == {
        ObjectKind.TABLE,
        ObjectKind.DEFAULT,
        ObjectKind.PRIMARY_KEY,
        ObjectKind.INDEX,
        ObjectKind.FOREIGN_KEY,
    }


def test_names_that_are_taken_in_the_target_are_avoided() -> None:
    """Keys and indexes of new tables get out of the way of what the schema holds."""
    fitted = fit_schema(_two_tables(), (), JobOptions(), taken={"album_pkey", "i"})
    album = fitted.tables[0]
    assert album.primary_key == KeyPlan(name="album_pkey_2", columns=("id",))
    assert album.indexes[0].name == "i_2"
    grade = graded(fitted, ObjectKind.INDEX, "i")
    assert (grade.grade, grade.reason) == (Grade.APPROXIMATED, "named i_2, since i is taken in the target")
    assert album.indexes[0].graded_as.doubt == grade.reason  # type: ignore[union-attr]
    assert graded(fitted, ObjectKind.INDEX, "by_album").grade is Grade.EXACT
    assert all(each.grade is Grade.EXACT for each in fitted.grades if each.kind is ObjectKind.PRIMARY_KEY)


def test_what_a_table_needs_goes_with_it() -> None:
    """Collations are made for new tables alone; a table that was there keeps its types, and what is new is left out."""
    source = table(
        "Album",
        column("Id"),
        column("Title", "TEXT", collation="NOCASE"),
        primary_key="Id",
        indexes=(
            index("i", IndexColumn(name="Title", collation="NOCASE"), unique=True),
            index("j", None, sql="CREATE INDEX j ON Album (Id + 1)"),
        ),
    )
    planned = translated(source, abilities=ICU)
    fresh = fit_schema(planned, (), JobOptions())
    assert fresh.objects == planned.objects != ()
    fitted = fit_schema(planned, (_album(),), JobOptions())
    made = fitted.tables[0]
    assert (fitted.objects, made.unique_keys, made.indexes, made.checks, made.search) == ((), (), (), (), ())
    assert [each.collation for each in made.columns] == [None, None]
    left = [each for each in fitted.grades if each.kind in {ObjectKind.INDEX, ObjectKind.UNIQUE_KEY}]
    assert [each.grade for each in left] == [Grade.APPROXIMATED] * 2
    assert "left as it is" in left[0].reason


@pytest.mark.parametrize(
    ("abilities", "there", "made"), [(CITEXT, "text", 1), (CITEXT, "ext.citext", 1), (BARE, "public.citext", 0)]
)
def test_foreign_key_to_a_column_that_folds(abilities: TargetAbilities, there: str, made: int) -> None:
    """A parent of citext that was there takes no child of text, which PostgreSQL does not compare with it."""
    parent = table("p", column("a", "TEXT", collation="NOCASE"), primary_key="a")
    child = table("c", column("a", "TEXT"), foreign_keys=(reference("a", "p"),))
    planned = translated(parent, child, abilities=abilities)
    existing = ExistingTable(
        schema="public",
        name="p",
        kind=RelationKind.TABLE,
        columns=(ExistingColumn(name="a", type=TargetType(kind=TypeKind.TEXT, sql=there), not_null=True),),
        primary_key=KeyPlan(name="p_pkey", columns=("a",)),
    )
    fitted = fit_schema(planned, (existing,), JobOptions())
    assert len(fitted.tables[1].foreign_keys) == made
