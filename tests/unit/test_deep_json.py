"""JSON of more levels than a program should follow by calling itself means what it means at any depth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.compare import deep_json
from shared.compare.json_forms import read_json, write_json
from shared.target.value_rules import has_duplicate_names

LEVELS = 5_000
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=12,
)


def _nested(inner: str, *, levels: int = LEVELS) -> str:
    return '{"a":[' * (levels // 2) + inner + "]}" * (levels // 2)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ('{"b":1,"a":[1.50,"ä"]}', '{"a": [1.5, "\\u00e4"], "b": 1}', True),
        ("1", "1.0", True),
        ("1", '"1"', False),
        ("[]", "{}", False),
        ("[1,2]", "[2,1]", False),
        ("null", "false", False),
        ('"[{"', '"[["', False),
        ('{"a":1}', '{"b":1}', False),
    ],
)
def test_deep_values_are_equal_where_their_contents_are(left: str, right: str, *, same: bool) -> None:
    """Thousands of levels down, order of names, blanks and spellings of numbers mean nothing, all else does."""
    assert (read_json(_nested(left)) == read_json(_nested(right))) is same
    assert read_json(_nested(left)) != read_json(_nested(left, levels=LEVELS - 2))
    assert "levels" in write_json(read_json(_nested(left)))


@pytest.mark.parametrize(
    "inner", ["", "1 2", "[1,]", "{1:2}", '{"a"}', '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '"\\u0000"', "nul", "]", '"']
)
def test_what_jsonb_cannot_hold_is_refused_at_any_depth(inner: str) -> None:
    """Broken JSON, names that stand twice and U+0000 have no form."""
    if inner == "":
        inner = "[,]"
    with pytest.raises(ValueError):
        read_json(_nested(inner))


@pytest.mark.parametrize(
    ("inner", "twice"),
    [
        ('{"x":1,"x":2}', True),
        ('{"x":1,"\\u0078":2}', True),
        ('{"x":{"x":1},"y":[{"x":1},"x"]}', False),
        ('{"x":"x","y":"{\\"x\\":1,\\"x\\":2}"}', False),
        ("{x:1,x:2}", False),
    ],
)
def test_the_copy_finds_names_that_stand_twice_at_any_depth(inner: str, *, twice: bool) -> None:
    """PostgreSQL would keep one of the members: such a document does not fit jsonb."""
    assert has_duplicate_names(_nested(inner)) is twice
    assert has_duplicate_names(inner) is twice


@given(_JSON, _JSON)
def test_reading_level_by_level_tells_apart_what_reading_whole_does(left: Any, right: Any) -> None:
    """Both ways of reading agree on which documents are equal."""

    def digest(value: Any, indent: int | None = None) -> str:
        return deep_json.deep_digest(json.dumps(value, indent=indent), lambda text: repr(read_json(text)))

    forms = read_json(json.dumps(left)), read_json(json.dumps(right))
    assert (digest(left) == digest(right)) is (forms[0] == forms[1])
    assert digest(left) == digest(left, indent=2)
