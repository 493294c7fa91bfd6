from __future__ import annotations

import math

import pytest

from shared.records.keys import (
    EVERYTHING,
    KeyRange,
    NullKeys,
    RawText,
    decode_range,
    decode_value,
    encode_range,
    encode_value,
)


@pytest.mark.parametrize(
    ("lower", "upper", "finding"),
    [
        ((5,), (5,), "empty"),
        ((6,), (5,), "empty"),
        ((1, "a"), (1, "a"), "empty"),
        ((1,), (1, 2), "1 and 2 columns"),
        ((), (1,), "at least one"),
        ((None,), (1,), "cannot be bounded"),
        ((math.nan,), (1,), "cannot be bounded"),
        ((2**63,), (2**63 + 1,), "not a value"),
        ((True,), (5,), "not a value"),
    ],
)
def test_bad_bounds_are_refused_when_a_range_is_built(lower: tuple, upper: tuple, finding: str) -> None:
    """A key range that no row could lie in cannot be made."""
    with pytest.raises(ValueError, match=finding):
        KeyRange(lower=lower, upper=upper)


def test_bounds_of_other_classes_are_left_to_the_source() -> None:
    """Texts may be in an order that only the source's collation knows."""
    assert KeyRange(lower=("b",), upper=("A",)).lower == ("b",)


@pytest.mark.parametrize(
    ("key_range", "shown"),
    [
        (EVERYTHING, "[-∞, ∞)"),
        (KeyRange(lower=(5,)), "[5, ∞)"),
        (KeyRange(upper=("a", b"\x01\xff")), "[-∞, ('a', x'01ff'))"),
        (NullKeys(), "[NULL]"),
    ],
)
def test_ranges_read_well(key_range: KeyRange, shown: str) -> None:
    """A range is shown half-open, with blobs in hexadecimal."""
    assert str(key_range) == shown


def test_ledger_form_can_be_read_by_a_person() -> None:
    """An operator sees storage classes and plain values in psql."""
    assert encode_range(KeyRange(lower=(5, "x"))) == {"from": [{"integer": "5"}, {"text": "x"}], "to": "open"}


def test_text_with_nul_does_not_reach_jsonb_as_text() -> None:
    """U+0000 cannot be stored in jsonb, so such a text travels as its bytes and comes back as text."""
    assert encode_value("a\0b") == {"raw_text": "610062"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16le", "utf-16be"])
def test_undecodable_texts_keep_their_encoding(encoding: str) -> None:
    """What is read back from the ledger says in which encoding it is stored, though its bytes be another's text."""
    raw = b"\xff" if encoding == "utf-8" else b"\x00a\xd8"
    read = decode_value(encode_value(RawText(raw, encoding)))
    assert read == RawText(raw)
    assert isinstance(read, RawText)
    assert read.encoding == encoding
    assert decode_value(encode_value("a\0b")) == "a\0b"
    assert decode_value(encode_value(RawText(b"\xff"))) == RawText(b"\xff")


@pytest.mark.parametrize("encoded", [{"integer": 5}, {"other": "5"}, {"integer": "5", "text": "x"}, {}])
def test_what_is_no_encoded_value_is_refused(encoded: dict) -> None:
    """A ledger that somebody edited is noticed."""
    with pytest.raises(ValueError, match="not an encoded value"):
        decode_value(encoded)


def test_what_is_no_encoded_range_is_refused() -> None:
    """The same holds for ranges."""
    with pytest.raises(ValueError, match="not an encoded key range"):
        decode_range({"lower": []})
