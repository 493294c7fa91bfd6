"""What source values mean in each type."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import pytest
from comparekit import kind_of

from shared.compare.canonical_source import canonical_column, canonical_source
from shared.compare.forms import Form, Formless
from shared.records.keys import RawText, Value
from shared.records.plan import TargetType

_2024 = 1_704_067_200_000_000


def _form(value: Value, sql: str) -> Form:
    return canonical_source(value, TargetType(kind=kind_of(sql), sql=sql))


@pytest.mark.parametrize(
    ("value", "sql", "expected"),
    [
        (None, "text", None),
        (5, "bigint", 5),
        (5.0, "bigint", 5),
        (" -42 ", "integer", -42),
        (-(2**63), "bigint", -(2**63)),
        (1, "double precision", struct.pack(">d", 1.0)),
        (-0.0, "double precision", struct.pack(">d", -0.0)),
        ("1e3", "double precision", struct.pack(">d", 1000.0)),
        ("-Infinity", "double precision", struct.pack(">d", -math.inf)),
        (0.1, "real", struct.pack(">f", 0.1)),
        (0.1, "numeric", Decimal("0.1")),
        (0.1 + 0.2, "numeric", Decimal("0.30000000000000004")),
        ("1.10", "numeric", Decimal("1.1")),
        (1e22, "numeric", Decimal(10**22)),
        (-0.0, "numeric", Decimal(0)),
        ("nan", "numeric", "NaN"),
        (math.inf, "numeric", Decimal("Infinity")),
        ("a ", "text", "a "),
        ("a ", "character(5)", "a"),
        ("a ", "character varying(5)", "a "),
        (12, "text", "12"),
        (1e16, "text", "1e+16"),
        (-math.inf, "text", "-Infinity"),
        (b"\0\xff", "bytea", b"\0\xff"),
        ("é", "bytea", b"\xc3\xa9"),
        (RawText(b"\xff"), "bytea", b"\xff"),
        (1.5, "bytea", b"1.5"),
        (7, "bytea", b"7"),
        (1, "boolean", True),
        ("Off", "boolean", False),
        ("2024-01-01", "timestamp without time zone", _2024),
        ("2024-01-01T00:01", "timestamp without time zone", _2024 + 60_000_000),
        ("2024-01-01 00:00:00.0000010", "timestamp without time zone", _2024 + 1),
        ("2024-01-01 02:00:00+02:00", "timestamp with time zone", _2024),
        ("2023-12-31 19:00:00-05", "timestamp with time zone", _2024),
        ("2024-01-01 00:00:00", "timestamp with time zone", _2024),
        ("infinity", "timestamp without time zone", "infinity"),
        ("1970-01-02", "date", 1),
        ("1970-01-02 00:00:00", "date", 1),
        ("23:59:59.5", "time without time zone", 86_399_500_000),
        ("00112233445566778899AABBCCDDEEFF", "uuid", bytes.fromhex("00112233445566778899aabbccddeeff")),
        (b"0123456789abcdef", "uuid", b"0123456789abcdef"),
        ('{"a": 1}', "json", '{"a": 1}'),
    ],
)
def test_values_have_the_form_that_their_type_gives_them(value: Value, sql: str, expected: Form) -> None:
    """Each type has one form for equal values, whatever storage class they have in the source."""
    assert _form(value, sql) == expected
    assert type(_form(value, sql)) is type(expected)


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (2**31, "integer"),
        (1.5, "bigint"),
        (math.nan, "bigint"),
        (math.inf, "bigint"),
        ("0x10", "bigint"),
        (2**53 + 1, "double precision"),
        ("1_0", "double precision"),
        (1e39, "real"),
        (-1e-50, "real"),
        ("1,5", "numeric"),
        ("1e999999999", "numeric"),
        (b"x", "text"),
        ("a\0b", "text"),
        (RawText(b"\xff"), "text"),
        (2, "boolean"),
        ("maybe", "boolean"),
        ("2023-02-29", "timestamp without time zone"),
        ("2024-01-01 00:00:00Z", "timestamp without time zone"),
        ("2024-01-01 00:00:00.1234567", "timestamp without time zone"),
        ("2024-01-01 24:00:00", "timestamp without time zone"),
        ("2024-01-01 00:00:60", "timestamp without time zone"),
        ("0000-01-01", "date"),
        ("2024-01-01 00:00:01", "date"),
        (1_704_067_200, "timestamp without time zone"),
        ("25:00", "time without time zone"),
        ("0011223344", "uuid"),
        ('{"a": 1, "a": 2}', "jsonb"),
        ('"\\u0000"', "jsonb"),
        ('"\\ud800"', "jsonb"),
        ("NaN", "jsonb"),
        ("{", "jsonb"),
    ],
)
def test_values_that_a_type_cannot_hold_are_formless(value: Value, sql: str) -> None:
    """A value that the type cannot hold unchanged equals nothing, so it can never pass unseen."""
    assert isinstance(_form(value, sql), Formless)


def test_other_types_are_spelled_out_by_postgresql() -> None:
    """Texts of types that only PostgreSQL knows go to it, and what it refuses is formless."""
    spelled = canonical_column(
        ["10.1/16", None, "x"],
        TargetType(kind=kind_of("inet"), sql="inet"),
        lambda _texts, _type: ["10.1.0.0/16", None, None],
    )

    assert spelled == ["10.1.0.0/16", None, Formless("x")]
