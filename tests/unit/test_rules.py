"""Rules of pgconvoy.toml: what they match, what they must not be, and what becomes of a plan."""

from __future__ import annotations

from typing import Any

import pytest
from schemakit import (
    NOTHING,
    blobs,
    column,
    graded,
    index,
    integers,
    only,
    reals,
    reference,
    table,
    texts,
    translated,
    unique,
)

from shared.errors import OperatorError
from shared.records.existing import TargetAbilities
from shared.records.plan import CompareBy, Grade, SchemaPlan, TypesPolicy
from shared.records.rules import BadTextPolicy, NulPolicy, Rule, SourceForm, Treatment
from shared.records.source import ColumnProfile, Generated, ObjectKind, SourceCatalog, SourceObject, SourceTable
from shared.schema.rules.book import read_rules
from shared.schema.rules.wildcards import matches

_LOG = table("log", column("id"), column("sent_at"), column("Got_At"), column("note", "TEXT"), primary_key="id")
_EVENTS = table("Events", column("id"), column("made_at"), primary_key="id")


def _rule(table: str, column: str | None = None, **more: Any) -> Rule:
    return Rule(table=table, column=column, **more)


def _ruled(*rules: Rule, tables: tuple[SourceTable, ...] = (_LOG,), **more: Any) -> SchemaPlan:
    return translated(*tables, rules=rules, **more)


def _types(plan: SchemaPlan) -> dict[str, str]:
    return {f"{each.read.table}.{part.source}": part.type.sql for each in plan.tables for part in each.columns}


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("log", "LOG", True),
        ("LOG", "log", True),
        ("log", "logs", False),
        ("ä", "Ä", False),
        ("*_at", "Sent_At", True),
        ("t?", "t1", True),
        ("t?", "t", False),
        ("[a-c]x", "Bx", True),
        ("[!a-c]x", "bx", False),
        ("a[*]", "a*", True),
        ("a[*]", "ab", False),
        ("a*", "a\nb", True),
        ("a.c", "abc", False),
    ],
)
def test_names_and_patterns(pattern: str, name: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """Names in any case of A to Z, as SQLite compares them; patterns by `*`, `?` and brackets alone."""
    assert matches(pattern, name) is expected


def test_a_type_by_rule_wins_and_says_so() -> None:
    """The reason names the rule, and the type has PostgreSQL's spelling."""
    plan = _ruled(_rule("log", "sent_at", type="int8"), _rule("LOG", "NOTE", type="varchar(20)"))
    assert (_types(plan)["log.sent_at"], _types(plan)["log.note"]) == ("bigint", "character varying(20)")
    assert "rule 2 of pgconvoy.toml" in only(plan).columns[3].reason


def test_later_rules_win_key_by_key() -> None:
    """What an earlier rule says of another key stays."""
    plan = _ruled(
        _rule("*", "*_at", form=SourceForm.UNIX_MS, null_if_empty=True),
        _rule("log", "got_at", form=SourceForm.UNIX_S, type="timestamp(0)"),
        profiles={"log.sent_at": ColumnProfile(integers=9), "log.Got_At": ColumnProfile(integers=9)},
    )
    sent, got = only(plan).columns[1:3]
    assert sent.treatment == Treatment(form=SourceForm.UNIX_MS, null_if_empty=True)
    assert got.treatment == Treatment(form=SourceForm.UNIX_S, null_if_empty=True)
    assert (sent.type.sql, got.type.sql) == ("timestamp with time zone", "timestamp(0) without time zone")


def test_a_rule_without_a_column_is_about_every_column() -> None:
    """Policies for texts are usually one for a whole table."""
    plan = _ruled(_rule("log", nul=NulPolicy.STRIP))
    assert {each.treatment.nul for each in only(plan).columns} == {NulPolicy.STRIP}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (_rule("lgo", exclude=True), "rule 1 of pgconvoy.toml matches nothing: .*no table named 'lgo'.*mean 'log'"),
        (_rule("x*", exclude=True), "no table like 'x\\*'"),
        (_rule("log", "noet", exclude=True), "no column 'noet' in table 'log'; did you mean 'note'"),
        (_rule("*", "zzz", exclude=True), "no column 'zzz' in any of 2 tables"),
        (_rule("recent", exclude=True), "'recent' is a view, and rules are about tables"),
        (_rule("log"), "says nothing of table 'log'"),
        (_rule("log", exclude=True, name="x"), "leaves something out with exclude and says its name too"),
        (_rule("log", "note", type="int; drop"), "which is no type of PostgreSQL"),
        (_rule("log", "note", form=SourceForm.ISO, type="bigint"), "has the form iso.*the type bigint, which is none"),
        (_rule("log", "note", form=SourceForm.ISO, bad_utf8=BadTextPolicy.BYTEA), "makes moments, and bytea"),
        (_rule("log", "note", nul=NulPolicy.STRIP, type="bytea"), "holds U\\+0000 as it is"),
        (_rule("log", "note", nul=NulPolicy.STRIP, bad_utf8=BadTextPolicy.BYTEA), "holds U\\+0000 as it is"),
        (_rule("log", "note", bad_utf8=BadTextPolicy.BYTEA, type="text"), "bad_utf8 = 'bytea' and the type text"),
        (_rule("log", "note", bad_utf8=BadTextPolicy.LATIN_1, type="bytea"), "takes bytes as they are"),
        (_rule("log", "*", exclude=True), "leaves no column of table 'log'"),
        (_rule("log", "*_at", name="at"), "columns of table 'log'.*'Got_At' and 'sent_at' alike.*'at'"),
        (_rule("log", "note", name="id"), "'note' and 'id' alike"),
        (_rule("*", name="all_of_it"), "the tables.*alike in the target: 'all_of_it'"),
        (_rule("log", name="events"), "the tables 'log' and 'Events' alike"),
        (_rule("log", "note", name=""), "gives the name ''"),
        (_rule("log", "note", name="x" * 64), "at most 63 bytes"),
        (_rule("log", "note", name="xmin"), "PostgreSQL keeps the name"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_an_error(rule: Rule, said: str) -> None:
    """One sentence: which rule, what is wrong, what comes close."""
    view = SourceObject(kind=ObjectKind.VIEW, name="recent")
    with pytest.raises(OperatorError, match=said):
        read_rules(SourceCatalog(tables=(_LOG, _EVENTS), objects=(view,)), (rule,))


def test_two_rules_may_contradict_each_other_too() -> None:
    """A form of one and a type of another: both are named."""
    rules = (_rule("*", "*_at", form=SourceForm.UNIX_S), _rule("log", "sent_at", type="bigint"))
    with pytest.raises(OperatorError, match=r"rule 1 .*log\.sent_at the form unix_s.*rule 2 the type bigint"):
        read_rules(SourceCatalog(tables=(_LOG,)), rules)


def test_a_table_that_the_job_leaves_out_is_no_error() -> None:
    """The file stays the same from job to job."""
    plan = translated(_LOG, _EVENTS, rules=(_rule("Events", "made_at", type="integer"),), exclude=("events",))
    assert [each.name for each in plan.tables] == ["log"]


def test_a_table_excluded_by_rule_is_left_out_as_by_option() -> None:
    """Its rows are not planned, and a foreign key to it is refused with the reason."""
    child = table("child", column("id"), column("log_id"), primary_key="id", foreign_keys=(reference("log_id", "log"),))
    plan = translated(_LOG, child, rules=(_rule("LO*", exclude=True),))
    assert [each.name for each in plan.tables] == ["child"]
    assert "not part of this job" in graded(plan, ObjectKind.FOREIGN_KEY).reason


def test_names_by_rule_are_taken_as_they_are() -> None:
    """Upper case is kept, keys and foreign keys follow, and the grade says why."""
    child = table("child", column("id"), column("log_id"), primary_key="id", foreign_keys=(reference("log_id", "log"),))
    plan = translated(_LOG, child, rules=(_rule("log", name="Log Book"), _rule("log", "id", name="No")))
    log, other = plan.tables
    assert (log.name, log.columns[0].name, log.primary_key and log.primary_key.columns) == ("Log Book", "No", ("No",))
    assert (other.foreign_keys[0].parent, other.foreign_keys[0].parent_columns) == ("Log Book", ("No",))
    assert "rule 2 of pgconvoy.toml" in graded(plan, ObjectKind.COLUMN, "id").reason
    assert graded(plan, ObjectKind.TABLE, "log").grade is Grade.APPROXIMATED


def test_an_excluded_column_takes_its_keys_with_it() -> None:
    """Each is refused with the reason; nothing of the plan names the column."""
    parent = table("parent", column("id"), column("code", "TEXT"), primary_key="id", indexes=(unique("code"),))
    child = table(
        "child",
        column("id"),
        column("code", "TEXT"),
        column("b"),
        primary_key="id",
        indexes=(index("by_code", "code", "b"), index("by_b", "b")),
        foreign_keys=(reference("code", "parent", "code"),),
    )
    plan = translated(parent, child, rules=(_rule("parent", "code", exclude=True),))
    assert [each.source for each in plan.tables[0].columns] == ["id"]
    assert plan.tables[0].read.columns == ("id",)
    assert "left out by rule 1 of pgconvoy.toml" in graded(plan, ObjectKind.COLUMN, "code").reason
    assert "a rule leaves code out" in graded(plan, ObjectKind.UNIQUE_KEY).reason
    assert "leaves a column out that it refers to in parent" in graded(plan, ObjectKind.FOREIGN_KEY).reason
    plan = translated(parent, child, rules=(_rule("child", "code", exclude=True),))
    assert graded(plan, ObjectKind.INDEX, "by_code").grade is Grade.REFUSED
    assert [each.name for each in plan.tables[1].indexes] == ["by_b"]
    assert plan.tables[1].foreign_keys == ()


def test_the_chunk_key_may_be_excluded() -> None:
    """The table is still cut by it; without a key its rows are compared as a multiset."""
    plan = only(_ruled(_rule("log", "id", exclude=True)))
    assert (plan.primary_key, plan.match_key, plan.compare_by) == (None, (), CompareBy.MULTISET)
    assert plan.read.chunk_key == _LOG.chunk_key
    assert plan.identity_floor is None
    assert not any(each.identity for each in plan.columns)


def test_empty_texts_as_null_let_the_type_be_narrow() -> None:
    """What is left decides, NULLs count, and the storage classes stay those that the copy will meet."""
    profile = ColumnProfile(integers=7, integer_min=1, integer_max=9, texts=2, empty_texts=2)
    source = table("t", column("n", "INTEGER", not_null=True))
    plan = translated(source, rules=(_rule("t", null_if_empty=True),), profiles={"t.n": profile})
    column_ = only(plan).columns[0]
    assert (column_.type.sql, column_.not_null, column_.mixed, column_.expected_rejects) == ("bigint", False, True, 0)
    reason = graded(plan, ObjectKind.COLUMN).reason
    assert "rule 1 of pgconvoy.toml makes NULL of 2 empty texts" in reason
    assert "declared NOT NULL, but 2 rows hold NULL then" in reason
    without = translated(source, profiles={"t.n": profile})
    assert only(without).columns[0].type.sql == "text"
    assert "2 texts are empty, which a rule with null_if_empty = true" in graded(without, ObjectKind.COLUMN).reason


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (texts("timestamp"), "timestamp without time zone"),
        (texts(timestamp_texts=5, timestamptz_texts=4), "timestamp with time zone"),
        (texts(timestamp_texts=5, timestamptz_texts=0), "timestamp with time zone"),
        (texts(), "timestamp with time zone"),
    ],
)
def test_iso_moments_get_a_zone_where_some_may_have_one(profile: ColumnProfile, expected: str) -> None:
    """Without one only where every text is known to have none: a timestamp cannot hold an offset."""
    plan = translated(
        table("t", column("a", "TEXT")), rules=(_rule("t", "a", form=SourceForm.ISO),), profiles={"t.a": profile}
    )
    assert _types(plan) == {"t.a": expected}


def test_what_a_form_cannot_read_is_expected_as_rejects() -> None:
    """Blobs surely, texts perhaps."""
    profile = ColumnProfile(integers=3, texts=2, blobs=1, integer_min=0, integer_max=9)
    rules = (_rule("t", "a", form=SourceForm.UNIX_S),)
    plan = translated(table("t", column("a", "DATETIME")), rules=rules, profiles={"t.a": profile})
    assert (only(plan).columns[0].expected_rejects, only(plan).columns[0].possible_rejects) == (1, 2)
    assert "reads its values as seconds since 1970" in graded(plan, ObjectKind.COLUMN).reason


def test_bytea_for_texts_that_do_not_decode_only_where_there_are_some() -> None:
    """A rule for all columns leaves those alone that hold none."""
    source = table("t", column("a", "TEXT"), column("b", "TEXT"), column("n"))
    profiles = {"t.a": texts(invalid_texts=2), "t.b": texts(invalid_texts=0)}
    plan = translated(source, rules=(_rule("t", bad_utf8=BadTextPolicy.BYTEA),), profiles=profiles)
    assert _types(plan) == {"t.a": "bytea", "t.b": "text", "t.n": "bigint"}
    assert only(plan).columns[0].expected_rejects == 0


@pytest.mark.parametrize("policy", [BadTextPolicy.LATIN_1, BadTextPolicy.REPLACE])
def test_mended_texts_are_no_expected_rejects(policy: BadTextPolicy) -> None:
    """The grade says how many a rule changes, and by which rule."""
    profiles = {"t.a": texts(invalid_texts=2, nul_texts=1)}
    source = table("t", column("a", "TEXT"))
    bare = translated(source, profiles=profiles)
    assert (only(bare).columns[0].expected_rejects, only(bare).columns[0].possible_rejects) == (2, 1)
    plan = translated(source, rules=(_rule("t", bad_utf8=policy, nul=NulPolicy.STRIP),), profiles=profiles)
    assert only(plan).columns[0].expected_rejects == 0
    assert only(plan).columns[0].treatment == Treatment(bad_utf8=policy, nul=NulPolicy.STRIP)
    assert "2 invalid texts" in graded(plan, ObjectKind.COLUMN).reason
    assert "leaves U+0000 out of 1 text" in graded(plan, ObjectKind.COLUMN).reason


def test_bytea_is_not_mended() -> None:
    """A mixed column that becomes bytea holds bad texts as they are, whatever a rule for the table says."""
    profiles = {"t.a": ColumnProfile(texts=5, blobs=4, nul_texts=1, invalid_texts=1)}
    rules = (_rule("t", nul=NulPolicy.STRIP, bad_utf8=BadTextPolicy.REPLACE),)
    plan = translated(table("t", column("a", "TEXT")), rules=rules, profiles=profiles)
    assert (only(plan).columns[0].type.sql, only(plan).columns[0].treatment) == ("bytea", Treatment())


def test_no_foreign_key_changes_a_type_by_rule() -> None:
    """A key whose sides then do not compare is refused, and the type stays."""
    parent = table("parent", column("id"), primary_key="id")
    child = table("child", column("p"), foreign_keys=(reference("p", "parent", "id"),))
    plan = translated(parent, child, rules=(_rule("child", "p", type="text"),))
    assert _types(plan)["child.p"] == "text"
    assert graded(plan, ObjectKind.FOREIGN_KEY).grade is Grade.REFUSED


def test_json_by_rule_in_a_key_is_an_error() -> None:
    """PostgreSQL's json has no equality."""
    source = table("t", column("a", "TEXT"), indexes=(unique("a"),))
    with pytest.raises(OperatorError, match=r"rule 1 of pgconvoy\.toml gives t\.a the type json.*jsonb or text"):
        translated(source, rules=(_rule("t", "a", type="json"),))


def test_a_rowid_of_another_type_is_no_identity() -> None:
    """PostgreSQL gives out integers alone, and the plan says that it will not."""
    plan = _ruled(_rule("log", "id", type="text"))
    assert not only(plan).columns[0].identity
    assert "cannot go on as an identity" in graded(plan, ObjectKind.COLUMN, "id").reason
    assert only(_ruled(_rule("log", "id", type="integer"))).columns[0].identity


def test_generated_columns_that_a_rule_treats_are_copied() -> None:
    """What the target computes could not be treated: it computes nothing then, and the grade says so."""
    source = table("t", column("a", "TEXT"), column("b", "TEXT", generated=Generated.STORED, generated_sql="a"))
    assert only(translated(source)).columns[1].generated is not None
    plan = translated(source, rules=(_rule("t", "b", null_if_empty=True),))
    assert [each.treatment.null_if_empty for each in only(plan).columns] == [False, True]
    assert only(plan).columns[1].generated is None
    assert "a rule changes the values of b" in graded(plan, ObjectKind.GENERATED_COLUMN, "b").reason


@pytest.mark.parametrize(
    ("type_", "profile", "sure", "perhaps"),
    [
        ("bigint", ColumnProfile(integers=1, integer_min=1, integer_max=1, texts=2, blobs=1), 1, 2),
        ("integer", integers(0, 2**31), 0, 9),
        ("integer", integers(0, 2**31 - 1), 0, 0),
        ("bigint", ColumnProfile(reals=5, integral_reals=3), 2, 0),
        ("bigint", ColumnProfile(reals=5), 0, 5),
        ("numeric(5,2)", reals(before=3, after=2), 0, 0),
        ("numeric(5,2)", reals(before=4, after=2), 0, 9),
        ("varchar(3)", texts(longest_text=3), 0, 0),
        ("varchar(3)", texts(longest_text=4), 0, 9),
        ("varchar(3)", integers(-99, 999), 0, 0),
        ("varchar(3)", integers(-100, 999), 0, 9),
        ("text", blobs(), 9, 0),
        ("bytea", texts(nul_texts=9), 0, 0),
        ("boolean", integers(0, 2), 0, 9),
        ("boolean", texts(boolean_texts=4), 0, 5),
        ("date", texts(date_texts=4), 5, 0),
        ("date", texts(), 0, 9),
        ("timestamptz", texts(timestamptz_texts=5, timestamp_texts=3), 1, 0),
        ("uuid", ColumnProfile(texts=3, uuid_texts=3, blobs=2, uuid_blobs=1), 1, 0),
        ("jsonb", texts(jsonb_texts=8), 1, 0),
        ("double precision", integers(0, 2**53 + 1), 0, 9),
        ("inet", ColumnProfile(texts=3, blobs=2), 2, 3),
    ],
)
def test_what_a_type_cannot_hold_is_counted(type_: str, profile: ColumnProfile, sure: int, perhaps: int) -> None:
    """Surely where the profile knows, perhaps where it did not ask; never less than the copy will reject."""
    plan = translated(table("t", column("a", "TEXT")), rules=(_rule("t", "a", type=type_),), profiles={"t.a": profile})
    found = only(plan).columns[0]
    assert (found.expected_rejects, found.possible_rejects) == (sure, perhaps)
    assert bool(sure + perhaps) == any("rejects" in grade.reason for grade in plan.grades)


@pytest.mark.parametrize(
    ("declared", "profile", "expected", "sure"),
    [
        ("INTEGER", ColumnProfile(integers=4, texts=5, integer_min=1, integer_max=2), "bigint", 5),
        ("TINYINT(1)", integers(), "bigint", 0),
        ("VARCHAR(20)", texts(longest_text=20), "character varying(20)", 0),
        ("NVARCHAR(20)", texts(longest_text=20), "character varying(20)", 0),
        ("CHAR(4)", texts(longest_text=4), "character(4)", 0),
        ("CHAR", texts(), "text", 0),
        ("TEXT(5)", texts(), "text", 0),
        ("VARCHAR(0)", texts(), "text", 0),
        ("DECIMAL(5,2)", reals(before=3), "numeric(5,2)", 0),
        ("FLOATING POINT", reals(), "double precision", 0),
        ("BOOLEAN", ColumnProfile(integers=1, integer_min=0, integer_max=0, texts=2, boolean_texts=0), "boolean", 2),
        ("DATETIME", ColumnProfile(texts=3, timestamp_texts=3, integers=2), "timestamp without time zone", 2),
        ("JSON", texts(jsonb_texts=9), "jsonb", 0),
        ("BLOB", texts(), "bytea", 0),
        ("", integers(), "bigint", 0),
        ("", texts(), "text", 0),
    ],
)
def test_declared_types_are_kept_to_the_letter(declared: str, profile: ColumnProfile, expected: str, sure: int) -> None:
    """`--types declared`: lengths, precision and scale hold; what does not fit is counted as rejects."""
    source = table("t", column("a", declared))
    plan = translated(source, profiles={"t.a": profile}, types=TypesPolicy.DECLARED)
    assert (_types(plan)["t.a"], only(plan).columns[0].expected_rejects) == (expected, sure)


@pytest.mark.parametrize(
    ("rule", "predicate", "said"),
    [
        (_rule("t", "a", exclude=True), "\"a\" <> 'x'", 'the column "a" is left out of the target'),
        (_rule("t", "a", exclude=True), "t.A = 1", "left out of the target"),
        (_rule("t", "n", form=SourceForm.UNIX_S), "n > 1700000000", ""),
    ],
)
def test_expressions_of_the_source_see_what_rules_change(rule: Rule, predicate: str, said: str) -> None:
    """A column that is left out is no text in double quotes, and a moment is not compared with seconds."""
    sql = f"CREATE INDEX i ON t (b) WHERE {predicate}"
    partial = index("i", "b", partial=True, sql=sql)
    source = table("t", column("a", "TEXT"), column("b"), column("n", "INTEGER"), indexes=(partial,))
    assert graded(translated(source), ObjectKind.INDEX).grade is not Grade.REFUSED
    for profiles in ({}, {"t.n": NOTHING}):
        grade = graded(translated(source, rules=(rule,), profiles=profiles), ObjectKind.INDEX)
        assert grade.grade is Grade.REFUSED
        assert said in grade.reason


@pytest.mark.parametrize(
    ("rule", "lost"),
    [
        (_rule("t", "a", form=SourceForm.ISO), "two values that mean one moment become equal in a"),
        (_rule("t", "a", nul=NulPolicy.STRIP), "texts that a rule mends may become equal in a"),
        (_rule("t", "a", type="text"), ""),
    ],
)
def test_keys_may_lose_a_distinction_by_rule(rule: Rule, lost: str) -> None:
    """The key's grade says so before it is built."""
    plan = translated(table("t", column("a", "TEXT"), indexes=(unique("a"),)), rules=(rule,))
    assert lost in graded(plan, ObjectKind.UNIQUE_KEY).reason
    assert (graded(plan, ObjectKind.UNIQUE_KEY).grade is Grade.EXACT) == (not lost)


def test_a_type_by_rule_is_not_made_citext() -> None:
    """NOCASE chooses what comes nearest only where the operator did not choose."""
    source = table("t", column("a", "TEXT", collation="NOCASE"))
    citext = TargetAbilities(citext=True)
    assert _types(translated(source, abilities=citext))["t.a"] != "text"
    assert _types(translated(source, rules=(_rule("t", "a", type="text"),), abilities=citext))["t.a"] == "text"


def test_a_policy_for_bad_texts_is_no_treatment_where_there_are_none() -> None:
    """A rule for every column of a table then costs those nothing that need it not, and leaves their keys exact."""
    source = table("t", column("a", "TEXT"), column("b", "TEXT"), indexes=(unique("a"),))
    profiles = {"t.a": texts(nul_texts=0, invalid_texts=0), "t.b": texts(nul_texts=1, invalid_texts=0)}
    rules = (_rule("*", nul=NulPolicy.STRIP, bad_utf8=BadTextPolicy.REPLACE),)
    plan = translated(source, rules=rules, profiles=profiles)
    assert [each.treatment for each in only(plan).columns] == [Treatment(), Treatment(nul=NulPolicy.STRIP)]
    assert graded(plan, ObjectKind.UNIQUE_KEY).grade is Grade.EXACT


@pytest.mark.parametrize(
    ("rule", "profile", "expected"),
    [
        (_rule("t", "a", form=SourceForm.ISO, type="timestamp"), texts(timestamp_texts=5, timestamptz_texts=3), (3, 1)),
        (_rule("t", "a", form=SourceForm.ISO, type="date"), texts(date_texts=5, timestamp_texts=9), (0, 4)),
        (_rule("t", "a", form=SourceForm.ISO), ColumnProfile(integers=2, blobs=1), (3, 0)),
        (_rule("t", "a", form=SourceForm.UNIX_S), integers(0, 9_224_318_015_999), (0, 0)),
        (_rule("t", "a", form=SourceForm.UNIX_S), integers(0, 9_224_318_016_000), (0, 9)),
        (_rule("t", "a", form=SourceForm.UNIX_US), integers(0, 9_224_318_016_000), (0, 0)),
        (_rule("t", "a", form=SourceForm.UNIX_S, type="date"), integers(), (0, 9)),
        (_rule("t", "a", form=SourceForm.JULIAN), ColumnProfile(reals=9, julian_days=7, infinities=1), (1, 1)),
        (_rule("t", "a", form=SourceForm.JULIAN), integers(-1, 0), (0, 9)),
    ],
)
def test_what_is_no_moment_is_counted(rule: Rule, profile: ColumnProfile, expected: tuple[int, int]) -> None:
    """By storage class, range and shape; a timestamp has no place for an offset, a date none for a time of day."""
    plan = translated(table("t", column("a", "TEXT")), rules=(rule,), profiles={"t.a": profile})
    found = only(plan).columns[0]
    assert (found.expected_rejects, found.possible_rejects) == expected
