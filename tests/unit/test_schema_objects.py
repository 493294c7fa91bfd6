"""What becomes of tables, keys, indexes, foreign keys and everything else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from schemakit import (
    NOTHING,
    blobs,
    column,
    graded,
    index,
    integers,
    only,
    reference,
    table,
    texts,
    translated,
    unique,
)

from shared.errors import OperatorError
from shared.records.plan import CompareBy, ForeignKeyPlan, Grade, KeyPlan, LoadPath, OnConflict
from shared.records.source import ChunkKey, ChunkKeyKind, Generated, ObjectKind, SourceObject


def test_integer_primary_key() -> None:
    """SQLite's INTEGER PRIMARY KEY is a bigint primary key, continues as an identity, and is compared by range."""
    plan = translated(table("Album", column("Id"), column("Title", "TEXT"), primary_key="Id", autoincrement_floor=42))
    album = only(plan)
    assert (album.name, album.schema, album.creates, album.load) == ("album", "public", True, LoadPath.BARE)
    assert album.primary_key == KeyPlan(name="album_pkey", columns=("id",))
    assert (album.match_key, album.compare_by, album.identity_floor) == (("id",), CompareBy.RANGE, 42)
    assert [(c.source, c.name, c.type.sql, c.not_null, c.identity) for c in album.columns] == [
        ("Id", "id", "bigint", True, True),
        ("Title", "title", "text", False, False),
    ]
    assert album.read.columns == ("Id", "Title")
    assert {grade.grade for grade in plan.grades} == {Grade.EXACT}


def test_limit_and_conflicts_are_in_the_plan() -> None:
    """--limit and --on-conflict reach every table."""
    plan = only(translated(table("t", column("a")), rows=100, limit=7, on_conflict=OnConflict.SKIP))
    assert (plan.rows, plan.row_limit, plan.row_bytes, plan.on_conflict) == (7, 7, 100.0, OnConflict.SKIP)


def test_table_without_a_key() -> None:
    """Without any key rows are compared as a multiset."""
    plan = only(translated(table("t", column("a"))))
    assert (plan.primary_key, plan.match_key, plan.compare_by) == (None, (), CompareBy.MULTISET)


def test_composite_primary_key() -> None:
    """Another primary key is a key to match by, read by its list of keys."""
    plan = only(translated(table("t", column("a"), column("b", "TEXT"), primary_key="b a")))
    assert plan.primary_key == KeyPlan(name="t_pkey", columns=("b", "a"))
    assert (plan.match_key, plan.compare_by) == (("b", "a"), CompareBy.KEYS)
    assert not any(c.identity for c in plan.columns)


def test_without_rowid_by_one_integer() -> None:
    """A WITHOUT ROWID table of one integer key is compared by range, and is no identity."""
    plan = only(translated(table("t", column("a"), primary_key="a", without_rowid=True)))
    assert plan.compare_by is CompareBy.RANGE
    assert not plan.columns[0].identity


def test_chunk_key_that_may_be_null_is_no_range() -> None:
    """A nullable chunk key cannot be read by range on both sides."""
    key = ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=("a",), nullable=True)
    plan = only(translated(table("t", column("a"), indexes=(unique("a"),), chunk_key=key)))
    assert (plan.match_key, plan.compare_by) == (("a",), CompareBy.KEYS)


def test_primary_key_with_nulls_becomes_a_unique_key() -> None:
    """SQLite allows NULL in a primary key; the target gets a unique key, and the grade says so."""
    plan = translated(table("t", column("a", "TEXT"), primary_key="a"), profiles={"t.a": texts(nulls=2)})
    made = only(plan)
    assert (made.primary_key, made.match_key) == (None, ())
    assert made.unique_keys == (KeyPlan(name="t_a_key", columns=("a",)),)
    assert not made.columns[0].not_null
    grade = graded(plan, ObjectKind.PRIMARY_KEY)
    assert grade.grade is Grade.APPROXIMATED
    assert "2 values in it are NULL" in grade.reason


def test_unique_key_without_nulls_identifies_rows() -> None:
    """Where there is no primary key, a unique key that has no NULL serves; one that has does not."""
    source = table("t", column("a"), column("b"), indexes=(unique("a"), unique("b")))
    assert only(translated(source, profiles={"t.a": integers(nulls=1)})).match_key == ("b",)


def test_exact_unique_key_is_preferred() -> None:
    """Of two unique keys the one that compares alike on both sides identifies rows."""
    source = table("t", column("a", "UUID"), column("b"), indexes=(unique("a"), unique("b")))
    assert only(translated(source, profiles={"t.a": texts("uuid")})).match_key == ("b",)


@pytest.mark.parametrize(
    ("declared", "profile", "clause"),
    [
        ("UUID", texts("uuid"), "two texts that spell one uuid become equal"),
        ("DATETIME", texts("timestamp"), "two texts that spell one timestamp"),
        ("", replace(texts(), integers=1), "a number and the text of its digits become equal"),
    ],
)
def test_key_whose_type_changes_equality_is_approximated(declared: str, profile: object, clause: str) -> None:
    """A key is not exact where its target type takes for equal what SQLite tells apart."""
    plan = translated(table("t", column("a", declared), primary_key="a"), profiles={"t.a": profile})  # type: ignore[dict-item]
    grade = graded(plan, ObjectKind.PRIMARY_KEY)
    assert grade.grade is Grade.APPROXIMATED
    assert clause in grade.reason


def test_uuid_blobs_in_a_key_are_exact() -> None:
    """16 bytes are one UUID."""
    plan = translated(table("t", column("a", "BINARY(16)"), primary_key="a"), profiles={"t.a": blobs(uuid_blobs=9)})
    assert graded(plan, ObjectKind.PRIMARY_KEY).grade is Grade.EXACT


def test_json_in_a_key_is_text() -> None:
    """A key column of JSON is text, since PostgreSQL's json has no equality."""
    source = table("t", column("a", "JSON"), primary_key="a")
    assert only(translated(source, profiles={"t.a": texts("json")})).columns[0].type.sql == "text"


def test_unique_index_becomes_a_unique_key_of_its_name() -> None:
    """CREATE UNIQUE INDEX keeps its name, and a column that is named twice counts once."""
    plan = only(translated(table("t", column("a"), column("b"), indexes=(index("U", "a", "b", "a", unique=True),))))
    assert plan.unique_keys == (KeyPlan(name="u", columns=("a", "b")),)


def test_names_are_unique_in_the_schema() -> None:
    """Tables, keys and indexes share one namespace; what has to give way is reported."""
    plan = translated(
        table("t_pkey", column("a"), indexes=(index("same", "a"),)),
        table("t", column("a"), primary_key="a", indexes=(index("Same", "a"), index("t", "a"))),
    )
    first, second = plan.tables
    assert (first.name, second.name) == ("t_pkey", "t")
    assert second.primary_key == KeyPlan(name="t_pkey_2", columns=("a",))
    assert [each.name for each in second.indexes] == ["same_2", "t_2"]
    assert graded(plan, ObjectKind.INDEX, "Same").grade is Grade.APPROXIMATED


def test_doubtful_columns_are_graded() -> None:
    """Each column that needs a thought has one grade with all there is to say."""
    plan = translated(
        table("t", column("XMIN", "TEXT", not_null=True), column("b")),
        profiles={"t.XMIN": texts(nulls=3, nul_texts=1)},
    )
    grade = graded(plan, ObjectKind.COLUMN)
    assert grade.name == "XMIN"
    assert "named xmin_2" in grade.reason
    assert "1 text holds U+0000" in grade.reason
    assert "3 rows hold NULL" in grade.reason
    assert not only(plan).columns[0].not_null


def test_declared_not_null_is_kept() -> None:
    """NOT NULL stays where no NULL was found."""
    assert only(translated(table("t", column("a", not_null=True)))).columns[0].not_null


def test_defaults_are_graded() -> None:
    """Every default has a grade; a refused one leaves the column without."""
    plan = translated(table("t", column("a", default_sql="7"), column("b", default_sql="changes()")))
    assert [each.default for each in only(plan).columns] == ["7", None]
    assert graded(plan, ObjectKind.DEFAULT, "a").grade is Grade.EXACT
    assert graded(plan, ObjectKind.DEFAULT, "b").grade is Grade.REFUSED


def test_default_of_the_rowid_is_no_default() -> None:
    """An identity cannot have a default, and SQLite never used it."""
    plan = only(translated(table("t", column("a", default_sql="7"), primary_key="a")))
    assert (plan.columns[0].identity, plan.columns[0].default) == (True, None)


def test_generated_columns_that_cannot_be_read_are_copied_as_values() -> None:
    """A generated column whose expression is not known arrives as an ordinary one, and the grade says so."""
    plan = translated(table("t", column("a"), column("b", generated=Generated.STORED)))
    assert only(plan).read.columns == ("a", "b")
    assert graded(plan, ObjectKind.GENERATED_COLUMN).grade is Grade.APPROXIMATED


def test_checks_that_cannot_be_found_are_not_dropped() -> None:
    """A statement that cannot be taken apart is shown whole."""
    plan = translated(table("t", column("a"), has_checks=True, sql="CREATE TABLE t (a CHECK(a <> 'unclosed)"))
    assert "unclosed" in graded(plan, ObjectKind.CHECK).reason


@pytest.mark.parametrize(
    "kind", [ObjectKind.VIEW, ObjectKind.TRIGGER, ObjectKind.VIRTUAL_TABLE, ObjectKind.SHADOW_TABLE]
)
def test_other_objects_are_refused_by_name(kind: ObjectKind) -> None:
    """What cannot be translated is listed, never dropped silently."""
    other = SourceObject(kind=kind, name="x", table="t", sql="CREATE …")
    grade = graded(translated(table("t", column("a")), objects=(other,)), kind)
    assert (grade.name, grade.grade) == ("x", Grade.REFUSED)
    assert "recreate it by hand: CREATE …" in grade.reason or "SQLite's own form" in grade.reason


def test_objects_of_tables_that_were_not_asked_for() -> None:
    """With --tables only what belongs to those tables is listed; with --exclude all but what belongs to these."""
    tables = (table("a", column("x")), table("b", column("x")))
    objects = tuple(
        SourceObject(kind=ObjectKind.TRIGGER, name=f"on_{name}", table=name or None) for name in ("a", "b", "")
    )

    def listed(**options: object) -> list[str]:
        plan = translated(*tables, objects=objects, **options)
        return [each.name for each in plan.grades if each.kind is ObjectKind.TRIGGER]

    assert listed() == ["on_a", "on_b", "on_"]
    assert listed(tables=("A",)) == ["on_a"]
    assert listed(exclude=("a",)) == ["on_b", "on_"]


def test_unknown_tables_are_the_operators_mistake() -> None:
    """A name that the source does not have is answered with the nearest one."""
    with pytest.raises(OperatorError, match=r"no table named 'albun'; did you mean 'Album'\?"):
        translated(table("Album", column("a")), tables=("albun",))
    with pytest.raises(OperatorError, match="it has 'Album'"):
        translated(table("Album", column("a")), exclude=("zzz",))


def test_too_many_columns() -> None:
    """A table that PostgreSQL cannot have is refused, and the others go on."""
    wide = table("wide", *(column(f"c{n}") for n in range(1601)))
    plan = translated(wide, table("t", column("a")))
    assert [each.name for each in plan.tables] == ["t"]
    assert graded(plan, ObjectKind.TABLE, "wide").grade is Grade.REFUSED


def _parent() -> object:
    return table("Parent", column("Id"), column("Code", "TEXT"), primary_key="Id", indexes=(unique("Code"),))


def test_foreign_keys() -> None:
    """A foreign key finds its parent whatever the case, and without columns means the primary key."""
    keys = (
        reference("pid", "PARENT", on_delete="CASCADE", deferrable=True, initially_deferred=True),
        reference("code", "parent", "code", on_update="SET NULL"),
    )
    plan = translated(_parent(), table("child", column("pid"), column("code", "TEXT"), foreign_keys=keys))  # type: ignore[arg-type]
    assert plan.tables[1].foreign_keys == (
        ForeignKeyPlan(
            name="child_pid_fkey",
            columns=("pid",),
            parent="parent",
            parent_columns=("id",),
            on_delete="CASCADE",
            deferrable=True,
            initially_deferred=True,
        ),
        ForeignKeyPlan(
            name="child_code_fkey",
            columns=("code",),
            parent="parent",
            parent_columns=("code",),
            on_update="SET NULL",
        ),
    )


def test_two_foreign_keys_of_the_same_columns() -> None:
    """Names of foreign keys are unique in their table."""
    keys = (reference("pid", "Parent"), reference("pid", "Parent", "Id"))
    plan = translated(_parent(), table("child", column("pid"), foreign_keys=keys))  # type: ignore[arg-type]
    assert [key.name for key in plan.tables[1].foreign_keys] == ["child_pid_fkey", "child_pid_fkey_2"]


def test_what_is_built_has_the_name_of_its_grade() -> None:
    """Keys and indexes of the plan name their grades, each a different one, so that none is counted twice."""
    pid = reference("Pid", "parent")
    plan = translated(
        _parent(),  # type: ignore[arg-type]
        table(
            "Child",
            column("Id"),
            column("Pid"),
            primary_key="Id",
            foreign_keys=(pid, pid),
            indexes=(index("By_Pid", "Pid"), unique("Pid")),
        ),
    )
    child = plan.tables[1]
    built = [child.primary_key, *child.unique_keys, *child.indexes, *child.foreign_keys]
    named = [(key.graded_as.kind, key.graded_as.name) for key in built if key and key.graded_as]
    of_child = [(grade.kind, grade.name) for grade in plan.grades if grade.table == "Child"]
    assert len(set(named)) == len(named) == len(built) == 5
    assert set(named) <= set(of_child)


def test_cyclic_and_self_references() -> None:
    """Tables may refer to each other and to themselves."""
    plan = translated(
        table("a", column("id"), column("b"), primary_key="id", foreign_keys=(reference("b", "b"),)),
        table("b", column("id"), column("a"), primary_key="id", foreign_keys=(reference("a", "a"),)),
        table("c", column("id"), column("c"), primary_key="id", foreign_keys=(reference("c", "c"),)),
    )
    assert [each.foreign_keys[0].parent for each in plan.tables] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("key", "clause"),
    [
        (reference("pid", "nowhere"), "does not exist in the source"),
        (reference("pid", "a_view"), "no ordinary table"),
        (reference("pid", "other"), "not part of this job"),
        (reference("pid", "keyless"), "has no primary key"),
        (reference("pid", "keyless", "a"), "no unique key of the target's keyless is just (a)"),
        (reference("pid code", "Parent"), "has 2 columns and refers to 1"),
        (reference("pid pid", "Parent", "Id Code"), "names a column twice"),
        (reference("pid", "Parent", "gone"), "a column that its parent does not have"),
        (reference("pid", "Parent", "Code"), "pid is bigint and code text, which do not compare"),
    ],
)
def test_refused_foreign_keys_say_why(key: object, clause: str) -> None:
    """A foreign key that the target cannot have is refused with the reason."""
    plan = translated(
        _parent(),  # type: ignore[arg-type]
        table("keyless", column("a")),
        table("other", column("id"), primary_key="id"),
        table("child", column("pid"), column("code", "TEXT"), primary_key="pid", foreign_keys=(key,)),  # type: ignore[arg-type]
        objects=(SourceObject(kind=ObjectKind.VIEW, name="a_view"),),
        exclude=("other",),
    )
    grade = graded(plan, ObjectKind.FOREIGN_KEY)
    assert grade.grade is Grade.REFUSED
    assert clause in grade.reason
    assert plan.tables[-1].foreign_keys == ()


def test_limit_refuses_keys_to_parents_that_are_cut() -> None:
    """With --limit the rows a foreign key refers to may stay behind."""
    child = table("child", column("pid"), foreign_keys=(reference("pid", "Parent"),))
    cut = translated(_parent(), child, limit=8)  # type: ignore[arg-type]
    whole = translated(_parent(), child, limit=9)  # type: ignore[arg-type]
    assert "only the first 8 rows" in graded(cut, ObjectKind.FOREIGN_KEY).reason
    assert graded(whole, ObjectKind.FOREIGN_KEY).grade is Grade.EXACT


@pytest.mark.parametrize(
    ("child_profile", "parent_profile", "expected"),
    [
        (NOTHING, texts("uuid"), ("uuid", "uuid")),
        (texts(uuid_texts=8), texts("uuid"), ("text", "text")),
        (texts("uuid"), NOTHING, ("uuid", "uuid")),
    ],
)
def test_both_sides_of_a_foreign_key_get_comparable_types(
    child_profile: object, parent_profile: object, expected: tuple[str, str]
) -> None:
    """Where the two sides alone would get types that do not compare, one takes the other's if its values allow."""
    plan = translated(
        table("p", column("id", "CHAR(32)"), primary_key="id"),
        table("c", column("pid", "CHAR(32)"), foreign_keys=(reference("pid", "p"),)),
        profiles={"p.id": parent_profile, "c.pid": child_profile},  # type: ignore[dict-item]
    )
    parent, child = plan.tables
    assert (child.columns[0].type.sql, parent.columns[0].type.sql) == expected
    assert len(child.foreign_keys) == 1
