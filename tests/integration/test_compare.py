"""Comparison against real PostgreSQL: what is equal passes, what is not is named."""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from comparekit import MemorySource, fill_target, make_plan, run_sql
from fleetkit import TestPostgres

from shared.compare.chunks import compare_chunk
from shared.compare.findings import MOST_LISTED
from shared.compare.source_batches import reading_of
from shared.compare.tables import compare_table
from shared.compare.target_rows import keep_to_the_index, lookup_statement
from shared.records.keys import EVERYTHING, KeyRange, RawText, Value
from shared.records.plan import CompareBy, OnConflict, TablePlan
from shared.records.rules import BadTextPolicy, NulPolicy, SourceForm, Treatment
from shared.records.source import ChunkKeyKind, StorageClass
from shared.records.work import Comparison, Mismatch, MismatchKind, Reject
from shared.source.kinds import open_source

Connect = Callable[[], Any]

_ID_AND_TEXT = {"id": "bigint", "v": "text"}
_THREE = [(1, "one"), (2, "two"), (3, "three")]
_UUID = "00112233-4455-6677-8899-aabbccddeeff"


@pytest.fixture(scope="module")
def target_url(postgres_server: TestPostgres) -> Iterator[str]:
    """One database for all tests here: each makes the table ``t`` anew."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture
def connect(target_url: str) -> Iterator[Connect]:
    """Opens connections as workers do for comparing: one transaction, repeatable read, read only."""
    opened = []

    def open_one() -> Any:
        connection = dbapi.connect(target_url)
        opened.append(connection)
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return connection

    yield open_one
    for connection in opened:
        connection.close()


def _names(comparison: Comparison) -> list[tuple[MismatchKind, tuple[Value, ...], str | None]]:
    return [(mismatch.kind, mismatch.key, mismatch.column) for mismatch in comparison.mismatches]


def _only(comparison: Comparison) -> Mismatch:
    assert comparison.found == 1
    (mismatch,) = comparison.mismatches
    return mismatch


TYPES: list[tuple[str, Value, str, str | None]] = [
    ("smallint", 5, "5", "6"),
    ("integer", -5, "-5", None),
    ("bigint", 2**63 - 1, str(2**63 - 1), str(2**63 - 2)),
    ("real", 0.1, "0.1", "0.10000001"),
    ("double precision", 0.1 + 0.2, "0.30000000000000004", "0.3"),
    ("double precision", 0.0, "0", "-0"),
    ("double precision", -0.0, "-0", "0"),
    ("double precision", math.inf, "Infinity", "NaN"),
    ("double precision", 7, "7", "7.000000000000001"),
    ("numeric", 1.1, "1.10", "1.1000000000000001"),
    ("numeric(20,2)", "1.10", "1.1", "1.11"),
    ("numeric", 10**15 + 1, str(10**15 + 1), "NaN"),
    ("text", "a", "a", "a "),
    ("text", "", "", None),
    ("text", None, None, ""),  # type: ignore[list-item]  # NULL on both sides
    ("text", "ß☃", "ß☃", "ss☃"),
    ("text", 12, "12", "012"),
    ("text", 1.5, "1.5", "1.50"),
    ("character(5)", "ab", "ab", "abc"),
    ("character varying(5)", "ab", "ab", "ab "),
    ("bytea", b"\0\xff", "\\x00ff", "\\x00fe"),
    ("bytea", "é", "\\xc3a9", "\\xe9"),
    ("bytea", 1, "1", "\\x01"),
    ("boolean", 1, "true", "false"),
    ("boolean", "no", "false", None),
    ("timestamp without time zone", "2024-02-29 12:00:00.000001", "2024-02-29 12:00:00.000001", "2024-02-29 12:00:00"),
    ("timestamp without time zone", "0001-01-01", "0001-01-01", "0001-01-01 BC"),
    ("timestamp without time zone", "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999", "infinity"),
    ("timestamp without time zone", "2024-01-01 00:00", "2024-01-01", "294276-12-31 23:59:59.999999"),
    ("timestamp with time zone", "2024-07-01T12:00:00+02:00", "2024-07-01 10:00:00+00", "2024-07-01 12:00:00+00"),
    ("timestamp with time zone", "2024-07-01 12:00:00", "2024-07-01 12:00:00+00", "2024-07-01 12:00:00+01"),
    ("date", "2024-02-29", "2024-02-29", "2024-03-01"),
    ("date", "0001-01-01", "0001-01-01", "infinity"),
    ("time without time zone", "23:59:59.999999", "23:59:59.999999", "24:00:00"),
    ("uuid", _UUID.upper(), _UUID, _UUID[:-1] + "e"),
    ("uuid", bytes.fromhex(_UUID.replace("-", "")), _UUID, None),
    ("json", '{"b": 1,  "a": 2}', '{"b": 1,  "a": 2}', '{"b": 1, "a": 2}'),
    (
        "jsonb",
        '{"b":1,"a":[1.10,true,null,"x, y"]}',
        '{"a":[1.10,true,null,"x, y"],"b":1}',
        '{"a":[1.10,1,null,"x, y"],"b":1}',
    ),
    ("jsonb", "null", "null", None),
    ("inet", "10.0.0.1/8", "10.0.0.1/8", "10.0.0.2/8"),
    ("int4range", "[1,3]", "[1,4)", "[1,5)"),
    ("integer[]", "{1, 2}", "{1,2}", "{2,1}"),
    ("interval", "1 day 24:00:00", "1 day 24:00:00", "2 days"),
    ("money", "1.5", "$1.50", "$1.51"),
]


@pytest.mark.parametrize(("sql", "value", "same", "other"), TYPES)
@pytest.mark.parametrize("shortcuts", [True, False], ids=["columns", "values"])
def test_one_changed_value_is_found_in_each_type(
    target_url: str,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    sql: str,
    value: Value,
    same: str,
    other: str | None,
    *,
    shortcuts: bool,
) -> None:
    """The same value passes; another one in its place is named by key and column, by columns and value by value."""
    if not shortcuts:
        monkeypatch.setattr(
            "shared.compare.columns.surely_equal_treated", lambda source, *_: np.zeros(len(source), np.bool_)
        )
    columns = {"id": "bigint", "v": sql, "w": "text"}
    rows: list[tuple[Value, ...]] = [(1, value, "x"), (2, value, "y"), (3, None, None)]
    fill_target(target_url, columns, [(1, same, "x"), (2, same, "y"), (3, None, None)], key="id")
    source = MemorySource(columns, rows)
    plan = make_plan(columns)

    assert compare_chunk(source, connect(), plan, EVERYTHING) == Comparison(rows=3)

    changed = "NULL" if other is None else f"'{other}'"
    run_sql(target_url, f"UPDATE t SET v = {changed} WHERE id = 2")
    mismatch = _only(compare_chunk(source, connect(), plan, EVERYTHING))

    assert (mismatch.kind, mismatch.key_columns, mismatch.key) == (MismatchKind.DIFFERENT, ("id",), (2,))
    assert mismatch.column == "v"
    assert mismatch.source != mismatch.target
    assert (mismatch.source is None, mismatch.target is None) == (value is None, other is None)


TREATED: list[tuple[Treatment, str, Value, str, str]] = [
    (Treatment(form=SourceForm.UNIX_S), "timestamp without time zone", 1, "1970-01-01 00:00:01", "1970-01-01 00:00:02"),
    (Treatment(form=SourceForm.UNIX_MS), "timestamp with time zone", -1, "1969-12-31 23:59:59.999+00", "-infinity"),
    (Treatment(form=SourceForm.UNIX_US), "timestamp without time zone", 1, "1970-01-01 00:00:00.000001", "1970-01-01"),
    (Treatment(form=SourceForm.UNIX_S), "timestamp without time zone", 0.5, "1970-01-01 00:00:00.5", "1970-01-01"),
    (Treatment(form=SourceForm.UNIX_S), "date", 86_400, "1970-01-02", "1970-01-01"),
    (Treatment(form=SourceForm.JULIAN), "date", 2440587.5, "1970-01-01", "1970-01-02"),
    (Treatment(form=SourceForm.ISO), "timestamp without time zone", "20240131", "2024-01-31", "2024-01-31 00:00:01"),
    (
        Treatment(form=SourceForm.ISO),
        "timestamp with time zone",
        "2024-01-31T00Z",
        "2024-01-31 00:00Z",
        "2024-01-31 01:00Z",
    ),
    (Treatment(form=SourceForm.ISO), "date", "2024-01-31T00:00Z", "2024-01-31", "2024-02-01"),
    (Treatment(nul=NulPolicy.STRIP), "text", "a\0", "a", "a "),
    (Treatment(nul=NulPolicy.REPLACE), "text", "a\0", "a\u2400", "a"),
    (Treatment(bad_utf8=BadTextPolicy.LATIN_1), "text", RawText(b"\xe4"), "ä", "Ã¤"),
    (Treatment(bad_utf8=BadTextPolicy.REPLACE), "text", RawText(b"\xe4"), "\ufffd", "?"),
    (Treatment(bad_utf8=BadTextPolicy.BYTEA), "bytea", RawText(b"\xe4"), "\\xe4", "\\xc3a4"),
]


@pytest.mark.parametrize(("treatment", "sql", "value", "same", "other"), TREATED)
@pytest.mark.parametrize("compare_by", CompareBy)
def test_one_changed_value_is_found_under_each_rule(
    target_url: str,
    connect: Connect,
    treatment: Treatment,
    sql: str,
    value: Value,
    same: str,
    other: str,
    compare_by: CompareBy,
) -> None:
    """What a rule makes of a value passes; another value in its place is found, however rows are paired."""
    columns = {"id": "bigint", "v": sql}
    source = MemorySource(columns, [(1, value), (2, value), (3, None)])
    made = make_plan(columns, compare_by=compare_by)
    plan = replace(made, columns=(made.columns[0], replace(made.columns[1], treatment=treatment)))

    def compared() -> Comparison:
        by_chunk = compare_chunk(source, connect(), plan, EVERYTHING)
        whole = compare_table(source, connect(), plan, source_rows=3, rejects=0)
        return Comparison(rows=3, found=by_chunk.found + whole.found, mismatches=by_chunk.mismatches + whole.mismatches)

    fill_target(target_url, columns, [(1, same), (2, same), (3, None)], key="id")
    assert compared() == Comparison(rows=3)
    run_sql(target_url, f"UPDATE t SET v = '{other}' WHERE id = 2")
    assert (_only(compared()).kind, _only(compared()).column) == (MismatchKind.DIFFERENT, "v")


@pytest.mark.parametrize(("treatment", "sql", "value", "same", "other"), TREATED)
def test_keys_are_looked_up_as_rules_make_them(
    target_url: str, connect: Connect, treatment: Treatment, sql: str, value: Value, same: str, other: str
) -> None:
    """A key column's rule is applied before its values are looked for in the target."""
    source = MemorySource({"v": sql}, [(value,)])
    made = make_plan({"v": sql}, match_key=("v",), compare_by=CompareBy.KEYS)
    plan = replace(made, columns=(replace(made.columns[0], treatment=treatment),))
    fill_target(target_url, {"v": sql}, [(same,)], key="v")
    assert compare_chunk(source, connect(), plan, EVERYTHING).found == 0
    run_sql(target_url, f"UPDATE t SET v = '{other}'")
    assert _only(compare_chunk(source, connect(), plan, EVERYTHING)).kind is MismatchKind.MISSING


_NULL_KEYS: list[tuple[Value, ...]] = [("a", 1), (None, 2), (None, 2), (None, 3), ("b", None)]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("SELECT", []),
        ("DELETE FROM t WHERE n = 3", [MismatchKind.MISSING]),
        ("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE n = 2)", [MismatchKind.MISSING]),
        ("DELETE FROM t WHERE k IS NULL", [MismatchKind.MISSING] * 3),
        ("INSERT INTO t VALUES (NULL, 4)", [MismatchKind.EXTRA]),
        ("UPDATE t SET n = 4 WHERE n = 3", [MismatchKind.DIFFERENT]),
        ("UPDATE t SET k = 'c' WHERE n = 3", [MismatchKind.MISSING]),
        ("DELETE FROM t WHERE k = 'a'", [MismatchKind.MISSING]),
    ],
)
@pytest.mark.parametrize("null", [None, ""])
def test_rows_with_null_in_the_key_are_compared(
    target_url: str, connect: Connect, change: str, found: list[MismatchKind], null: Value
) -> None:
    """Rows that no lookup finds are compared as a multiset, be the NULL the source's own or made by a rule."""
    columns = {"k": "text", "n": "bigint"}
    made = make_plan(columns, match_key=("k",), compare_by=CompareBy.KEYS)
    treated = replace(made.columns[0], treatment=Treatment(null_if_empty=True))
    plan = replace(made, columns=(treated, made.columns[1]))
    source = MemorySource(columns, [(null if key is None else key, number) for key, number in _NULL_KEYS])
    fill_target(target_url, columns, _NULL_KEYS)
    run_sql(target_url, change)
    by_chunk = compare_chunk(source, connect(), plan, EVERYTHING)
    whole = compare_table(source, connect(), plan, source_rows=len(_NULL_KEYS), rejects=0, already=by_chunk.mismatches)
    assert [mismatch.kind for mismatch in (*by_chunk.mismatches, *whole.mismatches)] == found


def test_classes_of_a_sample_are_not_trusted() -> None:
    """After a profile of some rows any column may mix storage classes, so each is asked about."""
    made = make_plan({"id": "bigint", "v": "text"})
    plan = replace(made, columns=tuple(replace(each, classes=(StorageClass.INTEGER,)) for each in made.columns))
    assert [look.certain for look in reading_of(plan).looks] == [True, True]
    assert [look.certain for look in reading_of(replace(plan, sampled=True)).looks] == [False, False]


def test_a_key_that_a_sample_took_for_integers_is_compared_all_the_same(target_url: str, connect: Connect) -> None:
    """Where a range of integers was planned, texts among the keys are missing rows or rejects, 5.0 is 5."""
    plan = make_plan({"id": "bigint", "v": "text"}, sampled=True)
    rows: list[tuple[Value, ...]] = [(1, "a"), (5.0, "b"), ("x", "c")]
    source = MemorySource(("key", "v"), rows)
    read = replace(plan.read, columns=("key", "v"))
    plan = replace(plan, read=read, columns=(replace(plan.columns[0], source="key"), plan.columns[1]))
    fill_target(target_url, {"id": "bigint", "v": "text"}, [(1, "a"), (5, "b")], key="id")
    mismatch = _only(compare_chunk(source, connect(), plan, EVERYTHING))
    assert (mismatch.kind, mismatch.key) == (MismatchKind.MISSING, ("x",))


@pytest.mark.parametrize("compare_by", [CompareBy.RANGE, CompareBy.KEYS])
def test_a_deleted_row_is_missing(target_url: str, connect: Connect, compare_by: CompareBy) -> None:
    """A row that the target lost is named by its key."""
    fill_target(target_url, _ID_AND_TEXT, _THREE, key="id")
    run_sql(target_url, "DELETE FROM t WHERE id = 2")

    found = compare_chunk(
        MemorySource(_ID_AND_TEXT, _THREE), connect(), make_plan(_ID_AND_TEXT, compare_by=compare_by), EVERYTHING
    )

    assert _names(found) == [(MismatchKind.MISSING, (2,), None)]


def test_an_added_row_is_extra_in_its_range(target_url: str, connect: Connect) -> None:
    """By range, a row that the source lacks shows in the chunk that its key falls into, and in no other."""
    fill_target(target_url, _ID_AND_TEXT, [*_THREE, (-7, "more")], key="id")
    source, plan = MemorySource(_ID_AND_TEXT, _THREE), make_plan(_ID_AND_TEXT)

    assert _names(compare_chunk(source, connect(), plan, KeyRange(upper=(2,)))) == [(MismatchKind.EXTRA, (-7,), None)]
    assert compare_chunk(source, connect(), plan, KeyRange(lower=(2,), upper=(3,))) == Comparison(rows=1)
    assert compare_chunk(source, connect(), plan, KeyRange(lower=(3,))) == Comparison(rows=1)


def test_an_added_row_under_another_key_is_found_by_the_count(target_url: str, connect: Connect) -> None:
    """By keys, chunks cannot see a row that the source lacks; the table's count does, and then it is named."""
    columns = {"k": "text", "v": "text"}
    rows = [("a", "one"), ("b", "two")]
    fill_target(target_url, columns, [*rows, ("c", "three")], key="k")
    source, plan = MemorySource(columns, rows), make_plan(columns, match_key=("k",), compare_by=CompareBy.KEYS)

    assert compare_chunk(source, connect(), plan, EVERYTHING) == Comparison(rows=2)
    assert _names(compare_table(source, connect(), plan, source_rows=2, rejects=0)) == [
        (MismatchKind.EXTRA, ("c",), None)
    ]


def test_rows_that_chunks_have_named_are_not_named_twice(target_url: str, connect: Connect) -> None:
    """What comparing the chunks found already is not found again by the count."""
    columns = {"k": "text"}
    fill_target(target_url, columns, [("a",), ("x",), ("y",)], key="k")
    source, plan = (
        MemorySource(columns, [("a",), ("b",)]),
        make_plan(columns, match_key=("k",), compare_by=CompareBy.KEYS),
    )
    by_chunk = compare_chunk(source, connect(), plan, EVERYTHING)

    whole = compare_table(source, connect(), plan, source_rows=2, rejects=0, already=by_chunk.mismatches)

    assert _names(by_chunk) == [(MismatchKind.MISSING, ("b",), None)]
    assert sorted(mismatch.key for mismatch in whole.mismatches) == [("x",), ("y",)]
    assert whole.found == 2


def test_a_wrong_count_without_a_row_to_name_is_a_mismatch(target_url: str, connect: Connect) -> None:
    """A ledger that counts other rows than both sides hold does not pass."""
    fill_target(target_url, _ID_AND_TEXT, _THREE, key="id")

    mismatch = _only(
        compare_table(MemorySource(_ID_AND_TEXT, _THREE), connect(), make_plan(_ID_AND_TEXT), source_rows=4, rejects=0)
    )

    assert (mismatch.kind, mismatch.source, mismatch.target) == (MismatchKind.MISSING, "4 rows", "3 rows")


KEYS: list[tuple[dict[str, str], tuple[str, ...], list[Sequence[Any]], list[Sequence[Any]]]] = [
    ({"k": "text", "v": "text"}, ("k",), [('a"b\\', "1"), ("{,}", "2"), ("", "3"), ("ß", "4")], []),
    (
        {"k": "character varying(3)", "v": "text"},
        ("k",),
        [("a", "1"), ("a ", "2"), ("abcd", "3")],
        [("a", "1"), ("a ", "2")],
    ),
    (
        {"k": "character(5)", "v": "text"},
        ("k",),
        [("a", "1"), ("bc ", "2"), ("abcdef", "3")],
        [("a", "1"), ("bc", "2")],
    ),
    ({"k": "text", "v": "text"}, ("k",), [("a", "1"), ("a\0b", "2")], [("a", "1")]),
    ({"k": "uuid", "v": "text"}, ("k",), [(_UUID, "1")], []),
    ({"k": "bytea", "v": "text"}, ("k",), [(b"\0\xff", "1"), (b"", "2")], [("\\x00ff", "1"), ("", "2")]),
    ({"k": "double precision", "v": "text"}, ("k",), [(0.1 + 0.2, "1"), (math.inf, "2")], []),
    ({"k": "numeric", "v": "text"}, ("k",), [(1.5, "1"), (2, "2")], []),
    ({"k": "timestamp without time zone", "v": "text"}, ("k",), [("2024-01-01T01:02:03.000004", "1")], []),
    ({"k": "timestamp with time zone", "v": "text"}, ("k",), [("2024-01-01T01:02:03+05:30", "1")], []),
    ({"k": "date", "l": "time without time zone"}, ("k", "l"), [("2024-01-01", "10:00"), ("2024-01-01", "10:01")], []),
    (
        {"k": "boolean", "l": "smallint", "m": "text"},
        ("m", "l", "k"),
        [(1, 2, "a"), (0, 2, "a")],
        [("1", 2, "a"), ("0", 2, "a")],
    ),
    ({"k": "inet", "v": "text"}, ("k",), [("10.0.0.1", "1")], []),
]


@pytest.mark.parametrize(("columns", "key", "rows", "target"), KEYS, ids=[",".join(case[0].values()) for case in KEYS])
def test_keys_of_each_type_are_looked_up(
    target_url: str,
    connect: Connect,
    columns: dict[str, str],
    key: tuple[str, ...],
    rows: list[Sequence[Any]],
    target: list[Sequence[Any]],
) -> None:
    """Rows are found by keys of any type and width; keys that the type cannot hold are missing."""
    fill_target(target_url, columns, target or rows, key=", ".join(key))
    plan = make_plan(columns, match_key=key, compare_by=CompareBy.KEYS)

    found = compare_chunk(MemorySource(columns, rows), connect(), plan, EVERYTHING)

    lost = len(rows) - len(target or rows)
    assert (found.rows, found.found) == (len(rows), lost)
    assert all(mismatch.kind is MismatchKind.MISSING for mismatch in found.mismatches)


@pytest.mark.parametrize("key", [("k",), ("a", "b"), ("c",)])
def test_keys_are_looked_up_by_their_index(target_url: str, connect: Connect, key: tuple[str, ...]) -> None:
    """However many keys a batch has, PostgreSQL goes through the index and never scans the table."""
    columns = {"k": "text", "a": "integer", "b": "character varying(40)", "c": "character(40)"}
    run_sql(
        target_url,
        "DROP TABLE IF EXISTS t",
        "CREATE TABLE t AS SELECT md5(g::text) AS k, g % 100 AS a, md5(g::text)::varchar(40) AS b, "
        "md5(g::text)::char(40) AS c FROM generate_series(1, 100000) AS g",
        f"ALTER TABLE t ADD PRIMARY KEY ({', '.join(key)})",
        "ANALYZE t",
    )
    plan = make_plan(columns, match_key=key, compare_by=CompareBy.KEYS)
    numbers, names = pa.array([list(range(100)) * 500], pa.list_(pa.int64())), pa.array([["x"] * 50_000])
    keys = [numbers, names] if len(key) == 2 else [names]
    connection = connect()
    keep_to_the_index(connection)

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + lookup_statement(plan), pa.record_batch(keys, [f"k{n}" for n in range(len(keys))]))
        lines = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan" not in lines
    assert "Index Scan using t_pkey" in lines
    assert "Index Cond" in lines


def test_comparing_leaves_the_transaction_usable_and_read_only(target_url: str, connect: Connect) -> None:
    """A value that its type refuses does not end the transaction, and nothing needs to be written."""
    columns = {"id": "bigint", "v": "inet"}
    fill_target(target_url, columns, [(1, "10.0.0.1"), (2, "10.0.0.2")], key="id")
    connection = connect()

    found = compare_chunk(
        MemorySource(columns, [(1, "nonsense"), (2, "10.0.0.2")]), connection, make_plan(columns), EVERYTHING
    )

    assert [(m.key, m.source, m.target) for m in found.mismatches] == [((1,), "nonsense", "10.0.0.1/32")]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize("compare_by", [CompareBy.RANGE, CompareBy.KEYS])
def test_rejects_are_expected_to_be_absent(target_url: str, connect: Connect, compare_by: CompareBy) -> None:
    """A reject that is not there is right; one that is there is extra."""
    fill_target(target_url, _ID_AND_TEXT, [_THREE[0], _THREE[2]], key="id")
    source, plan = MemorySource(_ID_AND_TEXT, _THREE), make_plan(_ID_AND_TEXT, compare_by=compare_by)
    right = Reject(key=(2,), values=_THREE[1], column="v", reason="too long")
    wrong = Reject(key=(3,), values=_THREE[2], column="v", reason="too long")

    assert compare_chunk(source, connect(), plan, EVERYTHING, rejected=[right]) == Comparison(rows=3)
    assert compare_table(source, connect(), plan, source_rows=3, rejects=1) == Comparison(rows=3)
    by_chunk = compare_chunk(source, connect(), plan, EVERYTHING, rejected=[right, wrong])
    whole = compare_table(
        source, connect(), plan, source_rows=3, rejects=2, rejected=[right, wrong], already=by_chunk.mismatches
    )
    assert _names(by_chunk) + _names(whole) == [(MismatchKind.EXTRA, (3,), None)]


def test_rejects_without_a_chunk_key_are_known_by_their_values(target_url: str, connect: Connect) -> None:
    """Of two equal rows of which one is a reject, the other is still expected."""
    fill_target(target_url, _ID_AND_TEXT, [_THREE[0]], key="id")
    source = MemorySource(_ID_AND_TEXT, [_THREE[0], _THREE[1], _THREE[1]])
    plan = make_plan(_ID_AND_TEXT, compare_by=CompareBy.KEYS, chunk_key=ChunkKeyKind.NONE)
    reject = Reject(key=(), values=_THREE[1], column=None, reason="duplicate")

    assert _names(compare_chunk(source, connect(), plan, EVERYTHING, rejected=[reject])) == [
        (MismatchKind.MISSING, (2,), None)
    ]


def test_rows_of_the_target_s_own_are_no_mismatches(target_url: str, connect: Connect) -> None:
    """In a table that was there before, more rows are fine, but ours must be there and equal."""
    fill_target(target_url, _ID_AND_TEXT, [*_THREE[:2], (3, "other"), (9, "own")], key="id")
    source, plan = MemorySource(_ID_AND_TEXT, _THREE), make_plan(_ID_AND_TEXT, creates=False)

    assert _names(compare_chunk(source, connect(), plan, EVERYTHING)) == [(MismatchKind.DIFFERENT, (3,), "v")]
    assert compare_table(source, connect(), plan, source_rows=3, rejects=0) == Comparison(rows=3)
    skipping = replace(plan, on_conflict=OnConflict.SKIP)
    assert compare_chunk(source, connect(), skipping, EVERYTHING) == Comparison(rows=3)


def test_values_that_no_target_can_hold_never_pass(target_url: str, connect: Connect) -> None:
    """Text that is not UTF-8, or that holds U+0000, equals nothing that is in its place."""
    fill_target(target_url, _ID_AND_TEXT, [(1, "�"), (2, "ab")], key="id")
    source = MemorySource(_ID_AND_TEXT, [(1, RawText(b"\xff")), (2, "a\0b")])

    assert compare_chunk(source, connect(), make_plan(_ID_AND_TEXT), EVERYTHING).found == 2


def test_many_mismatches_are_counted_and_the_first_listed(target_url: str, connect: Connect) -> None:
    """A list of mismatches stays small; their count says how many there are."""
    run_sql(
        target_url,
        "DROP TABLE IF EXISTS t",
        "CREATE TABLE t AS SELECT g::bigint AS id, 'x' AS v FROM generate_series(1, 3000) AS g",
    )
    source = MemorySource(_ID_AND_TEXT, [(n, "y") for n in range(1, 3001)])

    found = compare_chunk(source, connect(), make_plan(_ID_AND_TEXT), EVERYTHING)

    assert (found.rows, found.found, len(found.mismatches)) == (3000, 3000, MOST_LISTED)
    assert found.mismatches[0].key == (1,)


def _keyless(**more: Any) -> TablePlan:
    return make_plan({"a": "integer", "v": "text"}, compare_by=CompareBy.MULTISET, **more)


_PAIRS: list[tuple[Value, ...]] = [(1, "x"), (1, "x"), (2, "y"), (None, None)]


@pytest.mark.parametrize("chunk_key", [ChunkKeyKind.ROWID, ChunkKeyKind.NONE])
def test_tables_without_a_key_are_compared_as_multisets(
    target_url: str, connect: Connect, chunk_key: ChunkKeyKind
) -> None:
    """Order means nothing, but how often a row is there does."""
    columns = {"a": "integer", "v": "text"}
    source, plan = MemorySource(columns, _PAIRS), _keyless(chunk_key=chunk_key)
    fill_target(target_url, columns, [_PAIRS[3], _PAIRS[0], _PAIRS[2], _PAIRS[0]])

    assert compare_chunk(source, connect(), plan, EVERYTHING) == Comparison(rows=4)
    assert compare_table(source, connect(), plan, source_rows=4, rejects=0) == Comparison(rows=4)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("INSERT INTO t VALUES (1, 'x')", (MismatchKind.EXTRA, None, None, "(1, x)")),
        ("DELETE FROM t WHERE a = 2", (MismatchKind.MISSING, None, "(2, y)", None)),
        ("DELETE FROM t WHERE a IS NULL", (MismatchKind.MISSING, None, "(NULL, NULL)", None)),
        ("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)", (MismatchKind.MISSING, None, "(1, x)", None)),
        ("UPDATE t SET v = 'z' WHERE a = 2", (MismatchKind.DIFFERENT, "v", "y", "z")),
        ("UPDATE t SET v = '' WHERE a IS NULL", (MismatchKind.DIFFERENT, "v", None, "")),
        ("UPDATE t SET a = 3 WHERE ctid = (SELECT min(ctid) FROM t)", (MismatchKind.DIFFERENT, "a", "1", "3")),
    ],
)
def test_what_differs_between_multisets_is_shown(
    target_url: str, connect: Connect, change: str, expected: tuple[Any, ...]
) -> None:
    """Rows that one side has alone are shown whole; where one column made the difference, it is named."""
    columns = {"a": "integer", "v": "text"}
    fill_target(target_url, columns, _PAIRS)
    run_sql(target_url, change)

    mismatch = _only(compare_table(MemorySource(columns, _PAIRS), connect(), _keyless(), source_rows=4, rejects=0))

    assert (mismatch.kind, mismatch.column, mismatch.source, mismatch.target) == expected
    assert mismatch.key_columns == mismatch.key == ()


def test_rejects_of_a_table_without_a_key(target_url: str, connect: Connect) -> None:
    """Rejects are absent, whether they are named or only counted; anything else that is missing is found."""
    columns = {"a": "integer", "v": "text"}
    rows: list[tuple[Value, ...]] = [(1, "x"), (2, "a\0b"), (3, "y")]
    fill_target(target_url, columns, [(1, "x"), (3, "y")])
    source, plan = MemorySource(columns, rows), _keyless()
    reject = Reject(key=(2,), values=rows[1], column="v", reason="NUL")

    assert compare_table(source, connect(), plan, source_rows=3, rejects=1).found == 0
    assert compare_table(source, connect(), plan, source_rows=3, rejects=1, rejected=[reject]).found == 0
    run_sql(target_url, "DELETE FROM t WHERE a = 3")
    found = compare_table(source, connect(), plan, source_rows=3, rejects=1, rejected=[reject])
    assert _only(found).source == "(3, y)"


def test_own_rows_of_a_keyless_table_are_no_mismatches(target_url: str, connect: Connect) -> None:
    """In a keyless table that was there before only missing rows are mismatches."""
    columns = {"a": "integer", "v": "text"}
    fill_target(target_url, columns, [(1, "x"), (8, "own"), (1, "x"), (None, None)])

    found = compare_table(MemorySource(columns, _PAIRS), connect(), _keyless(creates=False), source_rows=4, rejects=0)

    assert _only(found).source == "(2, y)"


@pytest.mark.parametrize("compare_by", [CompareBy.RANGE, CompareBy.KEYS, CompareBy.MULTISET])
def test_a_row_limit_is_respected(target_url: str, connect: Connect, compare_by: CompareBy) -> None:
    """With a limit the source's first rows are the table; a row more in the target is extra."""
    fill_target(target_url, _ID_AND_TEXT, _THREE[:2], key="id")
    source, plan = MemorySource(_ID_AND_TEXT, _THREE), make_plan(_ID_AND_TEXT, compare_by=compare_by, row_limit=2)

    assert compare_table(source, connect(), plan, source_rows=2, rejects=0) == Comparison(rows=2)
    run_sql(target_url, "INSERT INTO t VALUES (3, 'three')")
    assert _only(compare_table(source, connect(), plan, source_rows=2, rejects=0)).kind is MismatchKind.EXTRA


def test_types_of_a_keyless_table_that_only_postgresql_reads(target_url: str, connect: Connect) -> None:
    """Multisets are compared by PostgreSQL's own spelling where the type has one."""
    columns = {"v": "inet", "n": "numeric", "j": "jsonb"}
    rows: list[tuple[Value, ...]] = [("10.1.0.0/16", 1.5, '{"b":1,"a":2}'), ("::0001", 2, "[1.0]")]
    fill_target(target_url, columns, [("::1", "2.00", "[1.00]"), ("10.1.0.0/16", "1.50", '{"a":2,"b":1}')])
    plan = make_plan(columns, compare_by=CompareBy.MULTISET)

    assert compare_table(MemorySource(columns, rows), connect(), plan, source_rows=2, rejects=0).found == 0


def test_columns_of_mixed_classes_are_read_apart(target_url: str, connect: Connect) -> None:
    """A column that Arrow cannot carry is compared value by value, the others still by column."""
    columns = {"id": "bigint", "price": "numeric(10,2)", "note": "text", "n": "integer"}
    rows: list[tuple[Value, ...]] = [(1, 5, "x", 1), (2, 5.5, 7, 2), (3, "6", 1.5, 3)]
    fill_target(target_url, columns, [(1, "5.00", "x", 1), (2, "5.5", "7", 2), (3, "6.0", "1.5", 3)], key="id")
    source, plan = MemorySource(columns, rows), make_plan(columns)

    assert compare_chunk(source, connect(), plan, EVERYTHING) == Comparison(rows=3)
    assert source.arrow_reads == 1
    run_sql(target_url, "UPDATE t SET price = 5.01, note = '1.50' WHERE id <> 2")
    assert _names(compare_chunk(source, connect(), plan, EVERYTHING)) == [
        (MismatchKind.DIFFERENT, (1,), "price"),
        (MismatchKind.DIFFERENT, (3,), "price"),
        (MismatchKind.DIFFERENT, (1,), "note"),
        (MismatchKind.DIFFERENT, (3,), "note"),
    ]


def test_a_sqlite_file_is_compared(tmp_path: Path, target_url: str, connect: Connect) -> None:
    """A real SQLite file: reals without fraction, negative zero, prices of mixed classes, far keys."""
    path = tmp_path / "source.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, d REAL, z, price DECIMAL(10,2), at TEXT, b BLOB)")
        day = dt.date(2024, 1, 1).isoformat()
        rows = [(n, float(n), -0.0, n / 2, f"{day} 00:00:{n % 60:02}", bytes([n % 256])) for n in range(-50, 50)]
        rows.append((2**62, 1e300, -0.0, 0.1, day, b""))
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", rows)
    database.close()
    columns = {
        "id": "bigint",
        "d": "double precision",
        "z": "double precision",
        "price": "numeric(10,2)",
        "at": "timestamp without time zone",
        "b": "bytea",
    }
    fill_target(target_url, columns, [(*row[:2], "-0", *row[3:]) for row in rows], key="id")
    plan = make_plan(columns)

    with open_source(f"sqlite:///{path}", frozen=True) as reader:
        assert compare_chunk(reader, connect(), plan, EVERYTHING) == Comparison(rows=101)
        assert compare_table(reader, connect(), plan, source_rows=101, rejects=0) == Comparison(rows=101)
        run_sql(target_url, "UPDATE t SET z = 0 WHERE id = 7", "UPDATE t SET price = 0.11 WHERE id > 50")
        found = compare_chunk(reader, connect(), plan, EVERYTHING)

    assert _names(found) == [(MismatchKind.DIFFERENT, (7,), "z"), (MismatchKind.DIFFERENT, (2**62,), "price")]
    assert (found.mismatches[0].source, found.mismatches[0].target) == ("-0.0", "0.0")


@pytest.mark.parametrize("compare_by", [CompareBy.RANGE, CompareBy.KEYS])
@pytest.mark.parametrize(("widest", "row_bytes"), [(None, 1.0), (5, 1.0), (0, 1.0), (None, 1e9)])
def test_values_too_wide_for_a_batch_are_compared_too(
    target_url: str, connect: Connect, compare_by: CompareBy, widest: int | None, row_bytes: float
) -> None:
    """Rows that a batch leaves unread, or that are all too wide for one, are read by their keys, each in its place."""
    columns = {"id": "bigint", "v": "text"}
    rows: list[tuple[Value, ...]] = [(n, "wide text" if n % 3 == 0 else f"t{n}") for n in range(1, 13)]
    fill_target(target_url, columns, rows, key="id")
    plan = make_plan(columns, compare_by=compare_by, row_bytes=row_bytes)
    source = MemorySource(columns, rows, widest=widest)
    assert compare_chunk(source, connect(), plan, EVERYTHING) == Comparison(rows=12)
    run_sql(target_url, "UPDATE t SET v = v || '!' WHERE id IN (3, 4)", "DELETE FROM t WHERE id IN (5, 6, 12)")
    run_sql(target_url, "UPDATE t SET id = 0 WHERE id = 1")
    by_chunk = compare_chunk(source, connect(), plan, EVERYTHING)
    found = [(MismatchKind.MISSING, (n,), None) for n in (1, 5, 6, 12)]
    found += [(MismatchKind.DIFFERENT, (n,), "v") for n in (3, 4)]
    extra = [(MismatchKind.EXTRA, (0,), None)] if compare_by is CompareBy.RANGE else []
    assert sorted(_names(by_chunk)) == sorted(found + extra)
    whole = compare_table(source, connect(), plan, source_rows=12, rejects=0, already=by_chunk.mismatches)
    assert _names(whole) == ([] if extra else [(MismatchKind.EXTRA, (0,), None)])


def test_many_values_too_wide_for_a_batch_are_read_row_by_row(target_url: str, connect: Connect) -> None:
    """Where reading single rows would take long, what is left of the chunk is read as rows, each once."""
    columns = {"id": "bigint", "v": "text"}
    rows: list[tuple[Value, ...]] = [(n, "wide text" if n > 3 else "t") for n in range(1, 300)]
    fill_target(target_url, columns, rows[:-1], key="id")
    source, plan = MemorySource(columns, rows, widest=5, batch_rows=150), make_plan(columns)
    comparison = compare_chunk(source, connect(), plan, EVERYTHING)
    assert comparison.rows == 299
    assert _names(comparison) == [(MismatchKind.MISSING, (299,), None)]


def test_long_values_of_tables_without_a_key_are_told_apart(target_url: str, connect: Connect) -> None:
    """What stands for a long value in a row's digest is made of all of it, and of nothing else."""
    columns = {"a": "text", "b": "bytea"}
    rows: list[tuple[Value, ...]] = [
        ("x" * 20_000, b"\0" * 20_000),
        ("x" * 20_001, b"\0" * 20_000),
        ("x" * 20_000, b"y"),
    ]
    fill_target(target_url, columns, rows)
    source, plan = MemorySource(columns, rows), make_plan(columns, compare_by=CompareBy.MULTISET)
    assert compare_table(source, connect(), plan, source_rows=3, rejects=0).found == 0
    run_sql(target_url, "UPDATE t SET a = left(a, -1) || 'y' WHERE length(a) > 20000")
    mismatch = _only(compare_table(source, connect(), plan, source_rows=3, rejects=0))
    assert (mismatch.kind, mismatch.column) == (MismatchKind.DIFFERENT, "a")
