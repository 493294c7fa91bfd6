"""When two JSON texts are the same value."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.compare.json_columns import equal_but_for_blanks
from shared.compare.json_forms import read_json, write_json

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('a", :\\é'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a", :\\', max_size=3), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ('{"b": 1, "a": 2}', '{"a":2,"b":1}'),
        ("[1.10, 1e2, -0]", "[1.1,100,0]"),
        ('"\\u00e9"', '"é"'),
        ("123456789012345678901234567890.10", "123456789012345678901234567890.1"),
    ],
)
def test_equal_values_have_one_form(left: str, right: str) -> None:
    """Order of names, blanks, escapes and trailing zeros mean nothing."""
    assert read_json(left) == read_json(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1", "true"),
        ("0", "false"),
        ('"1"', "1"),
        ("1.1", '"1.1"'),
        ("[]", "{}"),
        ("[1, 2]", "[2, 1]"),
        ("null", '"null"'),
        ("1.0000000000000000001", "1"),
        ('{"a": [1]}', '{"a": 1}'),
        ('["{"]', "{}"),
    ],
)
def test_different_values_have_different_forms(left: str, right: str) -> None:
    """Types and every digit count."""
    assert read_json(left) != read_json(right)


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 99_999, '{"a":1,"a":1}', "Infinity", "", "[1,]"])
def test_what_jsonb_cannot_keep_is_refused(text: str) -> None:
    """No crash, and no form, for what is no JSON or would lose something."""
    with pytest.raises(ValueError, match=r".+"):
        read_json(text)


@given(_JSON)
def test_forms_are_written_as_json_again(value: object) -> None:
    """What people are shown means the same."""
    form = read_json(json.dumps(value))

    assert read_json(write_json(form)) == form


@given(_JSON, _JSON, st.booleans())
def test_columns_equal_but_for_blanks_are_equal_values(left: object, right: object, compact: bool) -> None:  # noqa: FBT001 - drawn
    """Whole columns are never found equal where the values are not."""
    texts = [json.dumps(left, separators=(",", ":") if compact else None), json.dumps(right), json.dumps("a, b"), None]
    others = [json.dumps(left), json.dumps(left), '"a,b"', None]
    same = equal_but_for_blanks(pa.array(texts), pa.array(others))

    for text, other, equal in zip(texts[:3], others[:3], same[:3].tolist(), strict=True):
        assert text is not None
        assert other is not None
        assert not equal or read_json(text) == read_json(other)
    assert not same[2]
    assert same[0] or "\\" in others[0] or "\\" in others[1]


def test_texts_whose_quotes_do_not_pair_spoil_nothing() -> None:
    """A broken text in one row does not turn the next row inside out."""
    broken = pa.array(['"a', '"b,  c"', '{"a": 1}'])
    same = equal_but_for_blanks(broken, pa.array(['"x"', '"b, c"', '{"a":1}']))

    assert not same[:2].any()
