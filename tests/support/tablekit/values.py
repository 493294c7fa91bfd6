"""Values of every storage class, most of them near the edge of something."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import date
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class TextOf:
    """A text by its bytes, which need not be valid; it is written as CAST(x'…' AS TEXT)."""

    raw: bytes


_EDGES = [
    0, 1, -1, 2, 127, 32767, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1,
    -(2**63), 32768,
]  # fmt: skip
_INTEGERS = st.sampled_from(_EDGES) | st.integers(-(2**63), 2**63 - 1) | st.integers(-100, 100)
_EPOCHS = st.integers(0, 4_102_444_800) | st.integers(0, 4_102_444_800).map(lambda s: s * 1000)
_REALS = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
    st.integers(-(10**6), 10**6).map(float),
    st.sampled_from(
        [0.0, -0.0, float("inf"), float("-inf"), 5e-324, -2.2e-308, 1.7976931348623157e308, 1e22, 1e23, 1e15, 1e16, 0.1,
         1e-5, 1e-7, 2.0**53, 2.0**63, -(2.0**63), 9007199254740994.0, 2440587.5, 1700000000.25]
    ),
)  # fmt: skip
_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_DAYS = st.dates().map(date.isoformat) | st.sampled_from(["2024-02-30", "0000-01-01", "2023-02-29", "2024-1-01"])
_CLOCKS = st.times().map(lambda each: each.isoformat()) | st.sampled_from(
    ["12:30", "24:00", "23:59:60", "7:00", "12:30:15.1234567"]
)
_ZONES = st.sampled_from(["", "", "Z", "+00:00", "-05:30", "+15:59", "+16:00", "z", " +01:00", "+0100"])
_STAMPS = st.datetimes().map(str) | st.builds("{}{}{}{}".format, _DAYS, st.sampled_from(" T"), _CLOCKS, _ZONES)
_ZONED = st.builds(
    "{}{}{}{}".format, st.dates().map(str), st.sampled_from(" T"), st.times().map(str), _ZONES.filter(bool)
)
_UUIDS = st.uuids().map(str) | st.uuids().map(lambda each: each.hex.upper())
_TRUTHS = st.sampled_from(["true", "FALSE", "t", "f", "Yes", "no", "on", "OFF", "y", "N"])
_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner, max_size=3),
    max_leaves=5,
)
_JSON = st.builds(
    lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only), _JSON_VALUES, st.booleans()
) | st.sampled_from(
    ['{"a":1,"a":2}', '"\\u0000"', '"\\ud83d"', "[1e400]", "1.0", "-0", " {} ", "[1,]", "nul", "{'a':1}", "NaN", '"\t"']
)
_NUMERALS = (_INTEGERS | _REALS).map(str) | st.sampled_from(["12.30", "007", "1e3", "0x10", " 5", "1_000", "+5", ".5"])
_LONG = st.integers(2000, 9000).map(lambda size: random.Random(size).randbytes(size).hex())
_SPECIAL = st.sampled_from(
    ["", "", " ", "\0", "a\0b", "\0null", "NULL", "\\N", "\\.", "\\x00", "a ", "A", "ä", "Ä", "ﬀ", "\ufeff", "\r\n",
     "\uffff"]
)  # fmt: skip
_INVALID = (
    st.sampled_from([b"\xff", b"g\xf6", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"a\0\xff"])
    | st.binary(max_size=4)
).map(TextOf)  # fmt: skip
_BLOBS = st.binary(max_size=6) | st.binary(min_size=16, max_size=16) | st.sampled_from([b"", b"\0", b"abc", b"\xff"])

_POOLS: list[st.SearchStrategy[Any]] = [
    _INTEGERS, st.integers(0, 1), _EPOCHS, st.integers(-3, 20), _REALS,
    st.integers(-(10**5), 10**5).map(lambda c: c / 100),
    _ANY_TEXT, _DAYS, st.dates().map(str), _CLOCKS, _STAMPS, st.datetimes().map(str), _ZONED, _UUIDS, _TRUTHS, _JSON,
    _NUMERALS, _SPECIAL, _INVALID, _BLOBS, st.binary(min_size=16, max_size=16),
    st.sampled_from(["a", "A", "b", "a ", "ä"]), st.sampled_from(["", "12", "x"]), _LONG,
]  # fmt: skip
ANYTHING = st.none() | st.one_of(_POOLS)


@st.composite
def pools(draw: st.DrawFn) -> st.SearchStrategy[Any]:
    """What one column holds: values of one kind or two, with or without NULL, or anything at all."""
    kind = draw(st.sampled_from(_POOLS))
    match draw(st.integers(0, 5)):
        case 0:
            return ANYTHING
        case 1:
            return st.none() | kind
        case 2:
            return kind | draw(st.sampled_from(_POOLS))
        case 3:
            return st.sampled_from([True] * 9 + [False]).flatmap(lambda usual: kind if usual else ANYTHING)
    return kind
