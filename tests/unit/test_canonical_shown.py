"""How differing values are shown to people."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest

from shared.compare.forms import Form, Formless
from shared.compare.json_forms import read_json
from shared.compare.shown import MOST_CHARACTERS, key_value, shown, shown_pair, shown_row
from shared.records.keys import RawText, Value
from shared.records.plan import TypeKind


@pytest.mark.parametrize(
    ("form", "kind", "text"),
    [
        (None, TypeKind.TEXT, None),
        ("", TypeKind.TEXT, ""),
        (True, TypeKind.BOOLEAN, "true"),
        (7, TypeKind.BIGINT, "7"),
        (0, TypeKind.TIMESTAMPTZ, "1970-01-01 00:00:00+00"),
        (0, TypeKind.DATE, "1970-01-01"),
        (1, TypeKind.TIME, "00:00:00.000001"),
        ("infinity", TypeKind.DATE, "infinity"),
        (struct.pack(">d", -0.0), TypeKind.DOUBLE, "-0.0"),
        (Decimal("1.10"), TypeKind.NUMERIC, "1.10"),
        (b"\xca\xfe", TypeKind.BYTEA, "x'cafe'"),
        (bytes(16), TypeKind.UUID, "00000000-0000-0000-0000-000000000000"),
        (read_json('{"b":1,"a":[true,null]}'), TypeKind.JSONB, '{"a": [true, null], "b": 1}'),
        (Formless(RawText(b"\xff")), TypeKind.TEXT, "x'ff'"),
        (Formless("maybe"), TypeKind.BOOLEAN, "maybe"),
    ],
)
def test_values_are_shown_as_psql_shows_them(form: Form, kind: TypeKind, text: str | None) -> None:
    """Each kind has its usual spelling; blobs are hexadecimal."""
    assert shown(form, kind) == text


def test_long_values_are_shown_where_they_differ() -> None:
    """Two texts that differ behind their first thousand characters show the difference."""
    left, right = shown_pair("x" * 1000 + "a" + "y" * 500, "x" * 1000 + "b" + "y" * 500, TypeKind.TEXT)

    assert left is not None
    assert right is not None
    assert left != right
    assert max(len(left), len(right)) <= MOST_CHARACTERS
    assert left.startswith("…x")


def test_long_rows_are_cut() -> None:
    """A row takes one line."""
    text = shown_row(("x" * 1000, None), (TypeKind.TEXT, TypeKind.TEXT))

    assert len(text) == MOST_CHARACTERS
    assert text.endswith("…")


@pytest.mark.parametrize(
    ("form", "kind", "value"),
    [
        (7, TypeKind.BIGINT, 7),
        (0, TypeKind.DATE, "1970-01-01"),
        (b"x", TypeKind.BYTEA, b"x"),
        ("k", TypeKind.TEXT, "k"),
        (bytes(16), TypeKind.UUID, "00000000-0000-0000-0000-000000000000"),
        (struct.pack(">d", 1.5), TypeKind.DOUBLE, 1.5),
    ],
)
def test_keys_of_the_target_are_values(form: Form, kind: TypeKind, value: Value) -> None:
    """Keys keep numbers and blobs as such."""
    assert key_value(form, kind) == value
