"""Whether PostgreSQL's json and jsonb can hold a text, by the rules of its manual's chapter 8.14."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final, Never

NOT_JSON: Final = 0
JSON: Final = 1
JSONB: Final = JSON + (1 << 32)
"""Answers add up: the sum of many of them holds both counts, for fewer than 2**32 values."""

_INTEGER_DIGITS: Final = 131_072
_FRACTION_DIGITS: Final = 16_383
"""PostgreSQL's numeric: most digits before and after the point (manual, table 8.2)."""
_JSONB_BYTES: Final = 0x0FFFFFFF
"""The longest string, array or object of a jsonb (JENTRY_OFFLENMASK in its jsonb.h)."""
_OTHER_ESCAPE: Final = re.compile(r"\\[^u]")
_PAIR: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_FORBIDDEN: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class _NotJsonbError(Exception):
    """Valid JSON that jsonb cannot hold without loss."""


def judge_json(raw: bytes | None, encoding: str) -> int:
    """Answer `NOT_JSON`, `JSON` or `JSONB` for a stored text.

    Texts nested deeper than Python's parser goes (some 1,000 levels) count as not JSON: PostgreSQL has a depth limit
    too, which its max_stack_depth sets.
    """
    try:
        text = (raw or b"").decode(encoding)
        try:
            _LOSSLESS.decode(text)
        except _NotJsonbError:
            _PLAIN.decode(text)
            return JSON
    except (ValueError, RecursionError):
        return NOT_JSON
    if len(text) > _JSONB_BYTES or ("\\u" in text and _has_forbidden_escape(text)):
        return JSON
    return JSONB


def _has_forbidden_escape(text: str) -> bool:
    """Find escapes of U+0000 and of halves of surrogate pairs, which jsonb refuses."""
    return _FORBIDDEN.search(_PAIR.sub("", _OTHER_ESCAPE.sub("", text))) is not None


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _NotJsonbError


def _judge_integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _INTEGER_DIGITS:
        raise _NotJsonbError
    return 0


def _judge_number(text: str) -> int:
    try:
        _, digits, exponent = Decimal(text).as_tuple()
    except ArithmeticError as error:  # an exponent of 19 digits or more
        raise _NotJsonbError from error
    if not isinstance(exponent, int) or exponent < -_FRACTION_DIGITS or exponent + len(digits) > _INTEGER_DIGITS:
        raise _NotJsonbError
    return 0


def _zero(_: str) -> int:
    return 0


_LOSSLESS: Final = json.JSONDecoder(
    object_pairs_hook=_refuse_repeated_names,
    parse_float=_judge_number,
    parse_int=_judge_integer,
    parse_constant=_refuse_constant,
)
_PLAIN: Final = json.JSONDecoder(parse_float=_zero, parse_int=_zero, parse_constant=_refuse_constant)
