from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.records.keys import (
    OPEN,
    KeyRange,
    NullKeys,
    RawText,
    Value,
    decode_range,
    decode_value,
    encode_range,
    encode_value,
)


def _is_undecodable(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


key_values = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.binary(min_size=1).filter(_is_undecodable).map(RawText),
)


def _class_and_value(value: Value) -> tuple[type, Value]:
    return type(value), value


@given(st.none() | key_values)
def test_values_come_back_from_the_ledger_with_their_storage_class(value: Value) -> None:
    """What JSON carries is the very value: 1 stays an integer, 1.0 a real, and no bit of a real is lost."""
    back = decode_value(json.loads(json.dumps(encode_value(value))))
    assert _class_and_value(back) == _class_and_value(value)
    assert repr(back) == repr(value)  # -0.0


@st.composite
def _ranges(draw: st.DrawFn) -> KeyRange | NullKeys:
    width = draw(st.integers(1, 3))
    bounds = st.just(OPEN) | st.tuples(*[key_values] * width)
    lower, upper = draw(bounds), draw(bounds)
    try:
        return KeyRange(lower=lower, upper=upper)
    except ValueError:
        return draw(st.sampled_from([NullKeys(), KeyRange()]))


@given(_ranges())
def test_ranges_come_back_from_the_ledger(key_range: KeyRange | NullKeys) -> None:
    """Open ends, NULL keys and composite bounds survive the ledger's JSON."""
    assert decode_range(json.loads(json.dumps(encode_range(key_range)))) == key_range
