"""Virtual tables in PostgreSQL's terms: which search, which index, and what is said of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from schemakit import column, graded, integers, reals, table, texts, translated

from shared.records.existing import ExistingColumn, ExistingTable, RelationKind
from shared.records.plan import (
    GeneratedPlan,
    Grade,
    JobOptions,
    ObjectGrade,
    SchemaPlan,
    TablePlan,
    TargetColumn,
    TargetType,
    TypeKind,
)
from shared.records.source import (
    ColumnProfile,
    ObjectKind,
    SourceObject,
    SourceTable,
    VirtualModule,
    VirtualTable,
)
from shared.schema.fitting import fit_schema
from shared.schema.search import search_expression

BIGINT = TargetType(kind=TypeKind.BIGINT, sql="bigint")
TEXT = TargetType(kind=TypeKind.TEXT, sql="text")


def virtual(name: str, *columns: str, module: VirtualModule = VirtualModule.FTS5, **more: Any) -> VirtualTable:
    """What a virtual table was made with."""
    more.setdefault("tokenizer", "unicode61")
    return VirtualTable(name=name, module=module, columns=columns, sql=f"CREATE VIRTUAL TABLE {name} …", **more)


def object_of(each: VirtualTable, *, own: bool = False) -> SourceObject:
    """The virtual table as an object of the catalog."""
    carrier = each.name if own else each.content_table
    return SourceObject(kind=ObjectKind.VIRTUAL_TABLE, name=each.name, table=carrier, sql=each.sql, virtual=each)


def own_rows(each: VirtualTable, key: str = "rowid") -> SourceTable:
    """The rows that a virtual table keeps."""
    kept = [column(name, "") for name in (*each.columns, *each.unindexed)]
    return table(each.name, column(key, not_null=True), *kept, primary_key=key, virtual=each)


def shadow(name: str, owner: str) -> SourceObject:
    """A shadow table."""
    return SourceObject(kind=ObjectKind.SHADOW_TABLE, name=name, table=owner)


ARTICLE = table(
    "Article", column("id"), column("Title", "TEXT"), column("body", "TEXT"), column("size"), primary_key="id"
)


def named(plan: SchemaPlan, name: str) -> TablePlan:
    """One table of a plan by its name in the source."""
    return next(each for each in plan.tables if each.read.table == name)


def said(plan: SchemaPlan, name: str) -> ObjectGrade:
    """The grade of a virtual table."""
    return graded(plan, ObjectKind.VIRTUAL_TABLE, name)


def test_search_of_a_content_table_is_a_column_of_it() -> None:
    """One column is searched as it is; a text is bounded so that every row can be indexed."""
    found = translated(ARTICLE, objects=(object_of(virtual("f", "body", content_table="article")),))
    (search,) = named(found, "Article").search
    assert (search.column, search.index) == ("search", "article_search_idx")
    assert search.expression == """to_tsvector('pg_catalog.simple', coalesce(left("body", 262144), ''))"""
    grade = said(found, "f")
    assert (grade.grade, grade.table) == (Grade.APPROXIMATED, "Article")
    assert "search @@ websearch_to_tsquery('simple', …)" in grade.reason
    assert search.graded_as is not None
    assert search.graded_as.doubt == grade.reason


def test_up_to_four_columns_keep_apart_by_weight() -> None:
    """A query may ask for one of them (``lunch:A``); what is no text is searched by its digits."""
    found = translated(ARTICLE, objects=(object_of(virtual("f", "TITLE", "size", content_table="Article")),))
    (search,) = named(found, "Article").search
    assert search.expression == (
        """setweight(to_tsvector('pg_catalog.simple', coalesce(left("title", 131072), '')), 'A') || """
        """setweight(to_tsvector('pg_catalog.simple', coalesce(left("size"::text, 131072), '')), 'B')"""
    )
    assert "title (A), size (B)" in said(found, "f").reason
    five = virtual("five", "a", "b", "c", "d", "e")
    (search,) = translated(own_rows(five), objects=(object_of(five, own=True),)).tables[0].search
    assert search.expression.count("to_tsvector") == 1
    assert search.expression.count(" || ' ' || ") == 4


@pytest.mark.parametrize(
    ("tokenizer", "module", "configuration", "stated", "unstated"),
    [
        ("porter", VirtualModule.FTS5, "english", ["'the'", "é by e"], []),
        ("porter ascii", VirtualModule.FTS5, "english", ["'the'"], ["é by e"]),
        ("porter unicode61 remove_diacritics 0", VirtualModule.FTS5, "english", [], ["é by e"]),
        ("porter", VirtualModule.FTS4, "english", ["'the'"], ["é by e"]),
        ("simple", VirtualModule.FTS3, "simple", [], ["é by e", "'the'"]),
        ("unicode61 remove_diacritics=0", VirtualModule.FTS4, "simple", [], ["é by e"]),
        ("unicode61", VirtualModule.FTS5, "simple", ["é by e"], []),
        ("trigram", VirtualModule.FTS5, "simple", ["pg_trgm"], ["é by e"]),
        ("trigram remove_diacritics 1", VirtualModule.FTS5, "simple", ["pg_trgm", "é by e"], []),
        ("icu de_DE", VirtualModule.FTS4, "simple", ["without spaces"], []),
        ("mozporter", VirtualModule.FTS3, "simple", ["application's own"], []),
    ],
)
def test_the_tokenizer_chooses_the_language(
    tokenizer: str, module: VirtualModule, configuration: str, stated: list[str], unstated: list[str]
) -> None:
    """PostgreSQL's nearest configuration is used, and how it differs is said."""
    each = virtual("f", "body", module=module, tokenizer=tokenizer, content_table="Article")
    found = translated(ARTICLE, objects=(object_of(each),))
    assert f"'pg_catalog.{configuration}'" in named(found, "Article").search[0].expression
    reason = said(found, "f").reason
    assert all(part in reason for part in stated)
    assert not any(part in reason for part in unstated)


def test_names_for_search_are_free() -> None:
    """A column of the name search, a second search of the same rows, an index of the name: each gets its own."""
    article = table("article", column("id"), column("search", "TEXT"), primary_key="id")
    taken = table("article_search_idx", column("a"))
    objects = tuple(object_of(virtual(name, "search", content_table="article")) for name in ("One", "search_2"))
    found = translated(article, taken, objects=objects)
    first, second = named(found, "article").search
    assert (first.column, second.column) == ("one", "search_2")
    both = tuple(object_of(virtual(name, "body", content_table="article")) for name in ("one", "two"))
    assert [each.column for each in named(translated(ARTICLE, objects=both), "Article").search] == ["search", "two"]
    free = translated(ARTICLE, table("article_search_idx", column("a")), objects=(object_of(
        virtual("f", "body", content_table="article")
    ),))  # fmt: skip
    (search,) = named(free, "Article").search
    assert (search.column, search.index) == ("search", "article_search_idx_2")


def test_what_no_session_spells_alike_is_not_searched() -> None:
    """Blobs and moments have no text that a generated column may be made from; that is said of each."""
    moment = ColumnProfile(texts=9, timestamp_texts=9)
    blob = ColumnProfile(blobs=9)
    article = table("a", column("id"), column("at", "DATETIME"), column("raw", ""), column("t", ""), primary_key="id")
    profiles = {"a.at": moment, "a.raw": blob}
    found = translated(
        article, profiles=profiles, objects=(object_of(virtual("f", "at", "raw", "t", "gone", content_table="a")),)
    )
    (search,) = named(found, "a").search
    assert '"t"' in search.expression
    assert not any(f'"{name}"' in search.expression for name in ("at", "raw", "gone"))
    reason = said(found, "f").reason
    assert all(part in reason for part in ("at is timestamp", "raw is bytea", "a has no column gone"))
    none = translated(article, profiles=profiles, objects=(object_of(virtual("f", "raw", content_table="a")),))
    assert not named(none, "a").search
    assert said(none, "f").grade is Grade.REFUSED
    assert "none of its searched columns" in said(none, "f").reason


def test_a_generated_column_is_searched_by_what_it_is_made_from() -> None:
    """PostgreSQL lets no generated column read another."""
    both = TargetColumn(source="both", name="both", type=TEXT, generated=GeneratedPlan(sql="a || b"))
    assert search_expression([both], "simple") == (
        "to_tsvector('pg_catalog.simple', coalesce(left((a || b), 262144), ''))"
    )


def test_own_rows_become_a_table_with_search() -> None:
    """The key is SQLite's rowid by its own name, and shadow tables are where its rows and index were."""
    each = virtual("docs", "body", unindexed=("note",))
    objects = (object_of(each, own=True), shadow("docs_content", "docs"), shadow("docs_data", "docs"))
    found = translated(own_rows(each), objects=objects)
    plan = named(found, "docs")
    assert plan.primary_key is not None
    assert plan.primary_key.columns == ("rowid",)
    assert [(part.name, part.identity) for part in plan.columns] == [("rowid", True), ("body", False), ("note", False)]
    assert '"note"' not in plan.search[0].expression
    assert "its rows are the table docs, with SQLite's rowid as rowid" in said(found, "docs").reason
    assert "copied into the table docs" in graded(found, ObjectKind.SHADOW_TABLE, "docs_content").reason
    assert "SQLite's own index" in graded(found, ObjectKind.SHADOW_TABLE, "docs_data").reason
    assert {grade.grade for grade in found.grades if grade.kind is ObjectKind.SHADOW_TABLE} == {Grade.APPROXIMATED}


@pytest.mark.parametrize(
    ("each", "own", "reason"),
    [
        (virtual("f", "a", contentless=True), False, "its texts are nowhere in the file"),
        (virtual("f", "a", content_table="v"), False, "the view v that it searches is no table of rows"),
        (virtual("f", "a", content_table="gone"), False, "the table gone that it searches is not in the source"),
        (virtual("f", "a", unreadable="f_content is gone"), False, "its rows cannot be read: f_content is gone"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_its_reason(each: VirtualTable, own: bool, reason: str) -> None:  # noqa: FBT001 - a case
    """Nowhere, a view, not there, not readable: and its shadow tables are no more than that."""
    view = SourceObject(kind=ObjectKind.VIEW, name="v", sql="CREATE VIEW v AS SELECT 1")
    found = translated(ARTICLE, objects=(object_of(each, own=own), view, shadow("f_data", "f")))
    assert said(found, "f").grade is Grade.REFUSED
    assert reason in said(found, "f").reason
    assert graded(found, ObjectKind.SHADOW_TABLE, "f_data").grade is Grade.REFUSED


def test_rows_are_kept_where_they_cannot_be_searched() -> None:
    """Compressed texts and the unindexed columns of a contentless table are copied as they are, which is said."""
    for each, reason in (
        (virtual("f", "a", compressed=True), "compress"),
        (virtual("f", unindexed=("b",), contentless=True), "unindexed columns alone"),
        (virtual("f", "_shape", module=VirtualModule.GEOPOLY), "geopoly's own binary form"),
    ):
        found = translated(own_rows(each), objects=(object_of(each, own=True),))
        assert not named(found, "f").search
        assert said(found, "f").grade is Grade.APPROXIMATED
        assert reason in said(found, "f").reason


def test_a_content_table_that_is_not_copied_is_named() -> None:
    """With --tables what belongs to others is left aside; too many columns leave a table out, and its search."""
    each = object_of(virtual("f", "body", content_table="wide"))
    wide = table("wide", *(column(f"c{number}") for number in range(1601)))
    found = translated(ARTICLE, wide, objects=(each,))
    assert "the table wide that it searches is not part of this job" in said(found, "f").reason
    assert not [grade for grade in translated(ARTICLE, wide, objects=(each,), tables=("Article",)).grades
                if grade.kind is ObjectKind.VIRTUAL_TABLE]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE VIRTUAL TABLE x USING fts5vocab(docs, row)", "ts_stat()"),
        ("CREATE VIRTUAL TABLE x USING spellfix1", "its words are in the table x_vocab, which is copied"),
        ('CREATE VIRTUAL TABLE x USING "vec0"(e float[3])', "nothing like the module vec0"),
    ],
)
def test_other_modules_are_named(sql: str, reason: str) -> None:
    """What PostgreSQL has nothing like is refused by name, with what becomes of its data."""
    found = translated(ARTICLE, objects=(SourceObject(kind=ObjectKind.VIRTUAL_TABLE, name="x", sql=sql),))
    assert said(found, "x").grade is Grade.REFUSED
    assert reason in said(found, "x").reason


def _tree(module: VirtualModule, profile: ColumnProfile, **profiles: ColumnProfile) -> SchemaPlan:
    each = virtual("t", "x0", "x1", "y0", "y1", module=module, unindexed=("label",), tokenizer="")
    known = {f"t.{name}": profile for name in each.columns}
    return translated(
        own_rows(each, "id"),
        objects=(object_of(each, own=True),),
        profiles=known | {f"t.{name}": found for name, found in profiles.items()},
    )


def test_an_r_tree_is_a_table_with_ranges() -> None:
    """A GiST index on a range a dimension, exact in 15 digits or in 64 bits."""
    found = _tree(VirtualModule.RTREE, reals())
    (index,) = found.tables[0].indexes
    assert (index.name, index.method) == ("t_ranges_idx", "gist")
    assert index.terms == (
        """numrange("x0"::numeric, "x1"::numeric, '[]')""", """numrange("y0"::numeric, "y1"::numeric, '[]')""",
    )  # fmt: skip
    assert said(found, "t").grade is Grade.APPROXIMATED
    assert index.terms[0] in said(found, "t").reason
    (index,) = _tree(VirtualModule.RTREE_I32, integers()).tables[0].indexes
    assert index.terms == ("""int8range("x0", "x1", '[]')""", """int8range("y0", "y1", '[]')""")


def test_bounds_that_are_no_numbers_have_no_ranges() -> None:
    """Where a rule made texts of them, the rows are there and the index is not."""
    found = _tree(VirtualModule.RTREE, reals(), x1=texts())
    assert not found.tables[0].indexes
    assert "not all bounds are columns of numbers" in said(found, "t").reason


def test_a_table_that_was_there_before_gets_no_search() -> None:
    """Its columns and indexes are its own; what is not added is refused, saying what would be needed."""
    each = virtual("f", "body", content_table="Article")
    found = translated(ARTICLE, objects=(object_of(each), shadow("f_data", "f")))
    there = ExistingTable(
        schema="public",
        name="article",
        kind=RelationKind.TABLE,
        columns=(
            ExistingColumn(name="id", type=BIGINT, not_null=True),
            *(ExistingColumn(name=name, type=TEXT) for name in ("title", "body")),
            ExistingColumn(name="size", type=BIGINT),
        ),
    )
    fitted = fit_schema(found, [there], JobOptions())
    assert fitted.tables[0].search == ()
    assert said(fitted, "f").grade is Grade.REFUSED
    assert "needs a generated tsvector column with a GIN index" in said(fitted, "f").reason
    assert said(fit_schema(found, [], JobOptions()), "f").grade is Grade.APPROXIMATED
    vector = ExistingColumn(name="look", type=TargetType(kind=TypeKind.OTHER, sql="tsvector"), generated=True)
    again = fit_schema(found, [replace(there, columns=(*there.columns, vector))], JobOptions())
    assert said(again, "f").grade is Grade.APPROXIMATED
    assert "has look to search by" in said(again, "f").reason
