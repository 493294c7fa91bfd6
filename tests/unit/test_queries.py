"""SELECT statements in PostgreSQL's words, where a database in the C locale would not show a mistake."""

from __future__ import annotations

import pytest

from shared.records.plan import TargetType, TypeKind
from shared.schema.declared import Affinity
from shared.schema.dialect.scope import Named, UntranslatableError
from shared.schema.queries.arm_types import common_type
from shared.schema.queries.query import TranslatedSelect, translate_select
from shared.schema.queries.readable import Readable

_TEXT = TargetType(kind=TypeKind.TEXT, sql="text")
_BIGINT = TargetType(kind=TypeKind.BIGINT, sql="bigint")


def _named(name: str, kind: TargetType, collation: str = "BINARY") -> Named:
    affinity = Affinity.TEXT if kind is _TEXT else Affinity.INTEGER
    return Named(source=name, name=name.lower(), type=kind, affinity=affinity, collation=collation)


_TABLES = {
    "a": Readable(
        target='"s"."a"',
        columns=(_named("Id", _BIGINT), _named("B", _BIGINT), _named("Name", _TEXT), _named("Tag", _TEXT, "NOCASE")),
        primary_key=("id",),
        needs=("a",),
    ),
    "b": Readable(target='"s"."b"', columns=(_named("Id", _BIGINT), _named("Word", _TEXT)), primary_key=("id",)),
    "part": Readable(target='"s"."part"', columns=(_named("Id", _BIGINT),), left_out=frozenset({"secret"})),
}


def _find(name: str) -> Readable:
    return _TABLES[name.lower()]


def _translated(sql: str) -> TranslatedSelect:
    return translate_select(sql, _find)


@pytest.mark.parametrize(
    ("order", "term"),
    [
        ("Name", '"a"."name" COLLATE "C" NULLS FIRST'),
        ("Name DESC", '"a"."name" COLLATE "C" DESC NULLS LAST'),
        ("Name COLLATE NOCASE", 'lower("a"."name" COLLATE "C") NULLS FIRST'),
        ("Tag", 'lower("a"."tag" COLLATE "C") NULLS FIRST'),
        ("Name COLLATE RTRIM", 'rtrim("a"."name" COLLATE "C", \' \') NULLS FIRST'),
        ("Id NULLS LAST", '"a"."id" NULLS LAST'),
    ],
)
def test_texts_go_by_their_bytes(order: str, term: str) -> None:
    """ORDER BY says how SQLite sorts, whatever the locale of the target."""
    assert _translated(f"SELECT Id FROM a ORDER BY {order}").sql.endswith(f" ORDER BY {term}")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a.B, b.Word FROM a LEFT JOIN b ON b.Id = a.B AND a.Name = 'x' GROUP BY a.B",
        "SELECT b.Id, a.Name FROM b LEFT JOIN a ON a.B = b.Id GROUP BY b.Id",
        "SELECT a.Id, b.Word FROM a JOIN b ON b.Id > a.B GROUP BY a.Id",
        "SELECT Tag, Name FROM a GROUP BY Tag",
        "SELECT b.Word FROM a JOIN b ON a.Tag = b.Word GROUP BY a.Tag",
        "SELECT Name, count(*) FROM a",
    ],
)
def test_columns_that_a_group_does_not_decide(sql: str) -> None:
    """A column that differs within a group has no translation: SQLite takes any of its values."""
    with pytest.raises(UntranslatableError, match="stands beside aggregates"):
        _translated(sql)


@pytest.mark.parametrize(
    ("sql", "keys"),
    [
        ("SELECT a.B, b.Word FROM a LEFT JOIN b ON b.Id = a.B GROUP BY a.B", '"a"."b", "b"."word"'),
        ("SELECT Id, Name FROM a GROUP BY Id", '"a"."id", "a"."name"'),
        ("SELECT b.Word FROM a, b WHERE a.B = b.Id GROUP BY a.Id", '"a"."id", "b"."word"'),
    ],
)
def test_columns_that_a_group_decides(sql: str, keys: str) -> None:
    """A column that the keys of GROUP BY decide joins them, which leaves the groups as they are."""
    assert _translated(sql).sql.endswith(f"GROUP BY {keys}")


def test_long_conditions() -> None:
    """A condition of thousands of parts is no deeper than one of two."""
    condition = " AND ".join(f"B <> {number}" for number in range(3000))
    assert _translated(f"SELECT Id FROM a WHERE {condition}").sql.count("<>") == 3000


def test_what_is_read_is_told() -> None:
    """A SELECT says which tables it reads, in subqueries too, and which of the job's it needs."""
    translated = _translated("SELECT Word FROM b WHERE Id IN (SELECT B FROM a)")
    assert (translated.reads, translated.needs) == (("b", "a"), ("a",))
    assert [(column.source, column.name, column.type) for column in translated.columns] == [("Word", "word", _TEXT)]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT * FROM part", "secret of part too"),
        ("SELECT secret FROM part", "not part of this job"),
        ("SELECT Id FROM temp.a", "another database"),
        ("SELECT Id FROM a LIMIT (SELECT 1)", "LIMIT is no constant"),
        ("SELECT Id FROM a UNION SELECT Id, B FROM a", "different numbers of columns"),
        ("SELECT Id FROM a ORDER BY 2", "no column 2"),
        ("WITH w AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM w", "w reads b, which comes after it"),
    ],
)
def test_refusals_name_their_reason(sql: str, why: str) -> None:
    """What has no translation is refused with a clause that says why."""
    with pytest.raises(UntranslatableError, match=why):
        _translated(sql)


@pytest.mark.parametrize(
    ("sql", "doubt"),
    [
        ("SELECT Id FROM a LIMIT 1", "LIMIT without ORDER BY"),
        ("SELECT Id FROM a ORDER BY Name LIMIT 1", "holds for equal, LIMIT"),
        ("SELECT DISTINCT Tag FROM a", "DISTINCT may tell texts apart"),
        ("SELECT Tag FROM a UNION SELECT Tag FROM a", "a set operation may tell texts apart"),
        ("SELECT count(*) FROM a GROUP BY Tag", "GROUP BY may tell texts apart"),
        ("SELECT Id FROM a UNION ALL SELECT Name FROM a", "values of several types meet in one column"),
    ],
)
def test_differences_are_stated(sql: str, doubt: str) -> None:
    """Where the rows may differ it is said."""
    assert any(doubt in each for each in _translated(sql).doubts)


@pytest.mark.parametrize(
    ("kinds", "common", "doubted"),
    [
        ("bigint bigint", "bigint", False),
        ("smallint bigint", "bigint", False),
        ("boolean integer", "integer", False),
        ("bigint numeric", "numeric", False),
        ("integer double precision", "double precision", False),
        ("bigint double precision", "double precision", True),
        ("text json", "text", False),
        ("text bigint", "text", True),
        ("date timestamp without time zone", "text", True),
    ],
)
def test_one_type_for_a_column(kinds: str, common: str, doubted: bool) -> None:  # noqa: FBT001 - a row of the table
    """Values of several SELECTs share a type that holds them all, and it is said where it may not hold them alike."""
    first, second = kinds.split(" ", 1)
    types = [TargetType(kind=TypeKind(kind), sql=kind) for kind in (first, second)]
    found, doubt = common_type(types)
    assert (found.sql, bool(doubt)) == (common, doubted)
