"""What becomes of defaults."""

from __future__ import annotations

import re
import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.records.plan import Grade, TargetType, TypeKind
from shared.schema.constants import stored
from shared.schema.declared import Affinity, affinity_of
from shared.schema.defaults import TranslatedDefault, translate_default

_UTC = "(statement_timestamp() AT TIME ZONE 'UTC')"
_SECOND = f"date_trunc('second', {_UTC})"
_SIX = "right(gen_random_uuid()::text, 12)"


def _translated(default: str, declared: str, target: str) -> TranslatedDefault:
    kind = TypeKind(re.sub(r"\(.*\)", "", target))
    return translate_default(default, TargetType(kind=kind, sql=target), affinity_of(declared))


@pytest.mark.parametrize(
    ("default", "declared", "target", "expected"),
    [
        ("1", "INT", "bigint", "1"),
        ("-5", "INT", "bigint", "-5"),
        ("+5", "INT", "bigint", "5"),
        ("- 5", "INT", "bigint", "-5"),
        ("((5))", "INT", "bigint", "5"),
        ("'5'", "INT", "bigint", "5"),
        ("0x10", "INT", "bigint", "16"),
        ("0xFFFFFFFFFFFFFFFF", "INT", "bigint", "-1"),
        ("-9223372036854775808", "INT", "bigint", "-9223372036854775808"),
        ("1.0", "INT", "bigint", "1"),
        ("5", "REAL", "double precision", "5.0"),
        ("9e999", "REAL", "double precision", "'Infinity'::double precision"),
        ("-9e999", "REAL", "double precision", "'-Infinity'::double precision"),
        ("1.50", "DECIMAL(5,2)", "numeric(5,2)", "1.5"),
        ("1e30", "NUMERIC", "numeric", "1" + "0" * 30),
        ("'it''s'", "TEXT", "text", "'it''s'"),
        ("''", "TEXT", "text", "''"),
        ("'100%'", "TEXT", "text", "'100%'"),
        ("'a\\b'", "TEXT", "text", "'a\\b'"),
        ('"draft"', "TEXT", "text", "'draft'"),
        ('"a""b"', "TEXT", "text", "'a\"b'"),
        ("[a b]", "TEXT", "text", "'a b'"),
        ("draft", "TEXT", "text", "'draft'"),
        ("1e20", "TEXT", "text", "'1.0e+20'"),
        ("5", "TEXT", "text", "'5'"),
        ("1.50", "", "text", "'1.5'"),
        ("x'00fF'", "BLOB", "bytea", "'\\x00ff'::bytea"),
        ("'é'", "BLOB", "bytea", "'\\xc3a9'::bytea"),
        ("0", "BOOLEAN", "boolean", "false"),
        ("TRUE", "BOOLEAN", "boolean", "true"),
        ("'No'", "BOOLEAN", "boolean", "false"),
        ("true", "INT", "bigint", "1"),
        ("'2020-02-29'", "DATE", "date", "'2020-02-29'::date"),
        ("'10:00'", "TIME", "time without time zone", "'10:00'::time without time zone"),
        ("'{\"a\": 1}'", "JSON", "jsonb", "'{\"a\": 1}'::jsonb"),
        ("1", "JSON", "jsonb", "'1'::jsonb"),
        ("x'" + "0a" * 16 + "'", "BLOB", "uuid", "'" + "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a" + "'::uuid"),
        ("NULL", "TEXT", "text", None),
        ("(null)", "INT", "bigint", None),
    ],
)
def test_constants(default: str, declared: str, target: str, expected: str | None) -> None:
    """A constant becomes a literal of the target type, after the affinity that SQLite would apply."""
    assert _translated(default, declared, target) == TranslatedDefault(sql=expected)


@pytest.mark.parametrize(
    ("default", "declared", "target"),
    [
        ("'x'", "INT", "bigint"),
        ("9223372036854775808", "INT", "bigint"),
        ("1.5", "INT", "bigint"),
        ("'1.005'", "DECIMAL(5,2)", "numeric(5,2)"),
        ("1000", "DECIMAL(5,2)", "numeric(5,2)"),
        ("2", "BOOLEAN", "boolean"),
        ("'2021-02-29'", "DATE", "date"),
        ("''", "DATETIME", "timestamp without time zone"),
        ("0", "DATETIME", "timestamp without time zone"),
        ("'25:00'", "TIME", "time without time zone"),
        ("'nil'", "UUID", "uuid"),
        ("'{'", "JSON", "jsonb"),
        ("'NaN'", "JSON", "jsonb"),
        ("'\"\\u0000\"'", "JSON", "jsonb"),
        ("x'00'", "TEXT", "text"),
        ("9007199254740993", "NUMERIC", "double precision"),
        ("CURRENT_TIME", "INT", "bigint"),
        ("CURRENT_TIMESTAMP", "TIME", "time without time zone"),
    ],
)
def test_constants_that_do_not_fit_are_refused(default: str, declared: str, target: str) -> None:
    """A constant that the type cannot hold unchanged is no default, and the reason names it."""
    translated = _translated(default, declared, target)
    assert (translated.sql, translated.grade) == (None, Grade.REFUSED)
    assert re.match(rf"DEFAULT {re.escape(default)}: .*{re.escape(target)} cannot hold", translated.reason)


@pytest.mark.parametrize(
    ("default", "declared", "target", "expected"),
    [
        ("1+1", "INT", "bigint", "1::bigint + 1::bigint"),
        ("'a' || 'b'", "TEXT", "text", "'a' || 'b'"),
        ("datetime('now')", "TEXT", "text", f"to_char({_SECOND}, 'YYYY-MM-DD HH24:MI:SS')"),
        ("datetime('now')", "DATETIME", "timestamp without time zone", _SECOND),
        ("CURRENT_TIMESTAMP", "TEXT", "text", f"to_char({_SECOND}, 'YYYY-MM-DD HH24:MI:SS')"),
        ("strftime('%s','now')", "INT", "bigint", f"floor(extract(epoch FROM {_UTC}))::bigint"),
        ("unixepoch()", "INT", "bigint", f"floor(extract(epoch FROM {_UTC}))::bigint"),
        ("strftime('%s','now') * 1000", "INT", "bigint", f"floor(extract(epoch FROM {_UTC}))::bigint * 1000"),
        ("strftime('%Y-%mT%fZ','now')", "TEXT", "text", f'to_char({_UTC}, \'YYYY"-"MM"T"SS.MS"Z"\')'),
        ("json('{}')", "JSON", "jsonb", "'{}'::jsonb"),
        ("hex(randomblob(6))", "TEXT", "text", f"upper(encode(decode({_SIX}, 'hex'), 'hex'))"),
    ],
)
def test_expressions(default: str, declared: str, target: str, expected: str) -> None:
    """A computed default becomes an expression that computes what SQLite would store; parentheses do no harm."""
    translated = _translated(default, declared, target)
    assert translated in {TranslatedDefault(sql=expected), TranslatedDefault(sql=f"({expected})")}


def test_what_may_differ_is_said() -> None:
    """A default that depends on the server's time zone is translated with its doubt."""
    translated = _translated("datetime('now', 'localtime')", "DATETIME", "timestamp without time zone")
    assert translated.grade is Grade.APPROXIMATED
    assert "TimeZone" in translated.reason


@pytest.mark.parametrize(
    ("default", "reason"),
    [
        ("my_function()", "no function that is translated"),
        ("(1", "cannot be parsed"),
        ("", "cannot be parsed"),
        ("a b", "is not translated"),
        ("x'0'", "is no blob"),
        ("nullif(random(), 5)", "more than once"),
        ("last_insert_rowid()", "does not keep"),
    ],
)
def test_expressions_without_translation_are_refused(default: str, reason: str) -> None:
    """What has no translation is refused with a reason, whatever it is."""
    translated = _translated(default, "INT", "bigint")
    assert (translated.sql, translated.grade) == (None, Grade.REFUSED)
    assert reason in translated.reason


def _as_sqlite_stores(value: object, affinity: Affinity) -> object:
    declared = "" if affinity is Affinity.BLOB else affinity.value.upper()
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE TABLE t (c {declared})")
        connection.execute("INSERT INTO t VALUES (?)", (value,))
        (found,) = connection.execute("SELECT c FROM t").fetchone()
    finally:
        connection.close()
    return found


_NUMBERS_IN_TEXT = st.from_regex(r"\s?[+-]?(\d{1,4}\.?\d{0,3}|\.\d{1,3})(e[+-]?\d{1,2})?\s?x?", fullmatch=True)


@example(-0.0, Affinity.TEXT)
@example("1e400", Affinity.TEXT)
@example("1e400", Affinity.NUMERIC)
@given(
    st.integers(-(2**63), 2**63 - 1)
    | st.integers(-(10**6), 10**6).map(lambda n: n / 64)
    | st.sampled_from([1e20, -1e-7, -0.0, 2.0**63, -(2.0**63), 1e15, 0.1])
    | _NUMBERS_IN_TEXT.filter(str.isascii)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=5)
    | st.binary(max_size=4),
    st.sampled_from(Affinity),
)
def test_constants_are_stored_as_sqlite_stores_them(value: float | str | bytes, affinity: Affinity) -> None:
    """Affinity turns a constant into the very value that SQLite itself stores, of the same class."""
    expected = _as_sqlite_stores(value, affinity)
    found = stored(value, affinity)
    assert (type(found), found) == (type(expected), expected)
