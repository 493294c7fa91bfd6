"""What fits which type: the rules that both copy paths share, and the words for what does not fit.

PostgreSQL bends some values silently (it rounds to ``numeric(10,2)``, cuts trailing spaces to ``varchar(3)``,
rolls 24:00 over to the next day, keeps one of two equal names in jsonb). Here such values do not fit.
"""

from __future__ import annotations

import enum
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shared.records.plan import TargetType, TypeKind

INTEGER_BITS: Final[Mapping[TypeKind, int]] = MappingProxyType(
    {TypeKind.SMALLINT: 16, TypeKind.INTEGER: 32, TypeKind.BIGINT: 64}
)
TRUE_SPELLINGS: Final = ("true", "t", "yes", "y", "on", "1")
FALSE_SPELLINGS: Final = ("false", "f", "no", "n", "off", "0")
"""https://www.postgresql.org/docs/current/datatype-boolean.html, in any case, without its unique prefixes."""
MICROSECOND_DIGITS: Final = 6
"""Decimals of a second that PostgreSQL keeps."""
MAX_OFFSET_HOURS: Final = 15
"""PostgreSQL refuses offsets from 16:00 on (MAX_TZDISP_HOUR in datatype/timestamp.h)."""
UUID_BYTES: Final = 16


class Unfit(enum.StrEnum):
    """Why a value does not fit, as rejects and the log say it."""

    NOT_A_NUMBER = "is not stored as a number"
    FRACTION = "has a fraction"
    OUT_OF_RANGE = "is out of the type's range"
    INEXACT = "has no exact form in the type"
    TOO_MANY_DIGITS = "has more digits than the type keeps"
    NOT_TEXT = "is a blob, not text"
    NUL = "holds a NUL character, which PostgreSQL's text cannot"
    NOT_UTF8 = "is not valid UTF-8"
    TOO_LONG = "is longer than the type allows"
    NOT_BOOLEAN = "is none of PostgreSQL's spellings of true and false"
    COUNTS_TIME = 'is a number: a rule with form = "unix_s" (or "unix_ms", "unix_us", "julian") says what it counts'
    NOT_TIMESTAMP = "is no moment of the form YYYY-MM-DD HH:MM:SS.ffffff"
    NOT_TIMESTAMPTZ = "is no moment of the form YYYY-MM-DD HH:MM:SS.ffffff+HH:MM, nor one in UTC without the offset"
    NOT_DATE = "is no day of the form YYYY-MM-DD"
    NOT_TIME = "is no time of day of the form HH:MM:SS.ffffff"
    NOT_UUID = "is no UUID"
    NOT_JSON = "is not JSON text"
    DUPLICATE_NAMES = "has an object with the same name twice, of which jsonb would keep one"
    NO_TEXT_FORM = "is a blob, which has no text form for this type"
    NO_SUCH_MOMENT = "is no moment of the form that the rule names"
    TYPE_HOLDS_NO_MOMENT = "is to become a moment by its rule, which the type does not hold"
    NOT_MIDNIGHT = "is a moment other than midnight UTC, and a date has no time of day"
    NO_UNIT = 'is a number without a unit: a rule with form = "unix_us" (or "unix_ms", "unix_s") says which it has'
    NOT_BITS = "is a number, which PostgreSQL would take for a row of bits"
    HAS_OFFSET = "has an offset from UTC, which a timestamp without time zone does not keep"
    CAREFUL_ONLY = "needs the text form of its type"


class UnfitError(Exception):
    """Values of a column do not fit; who knows the column says which one."""

    def __init__(self, reason: Unfit, bad: npt.NDArray[np.bool_] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.bad = bad
        """Which of the values that are not NULL do not fit, perhaps beside others; None: nobody looked."""


def refuse_where(bad: npt.NDArray[np.bool_], reason: Unfit) -> None:
    """Refuse values that a mask is true for.

    Raises:
        UnfitError: where it is true anywhere.
    """
    if bad.any():
        raise UnfitError(reason, bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a type's modifiers allow; None where nothing is limited."""

    length: int | None = None
    """Characters of varchar(n) and char(n)."""
    precision: int | None = None
    """Digits of numeric(p,s)."""
    scale: int = 0
    """Digits after the point of numeric(p,s); below zero, PostgreSQL rounds before the point."""
    second_digits: int = MICROSECOND_DIGITS
    """Decimals of a second of timestamp(n) and time(n)."""


_MODIFIER: Final = re.compile(r"\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\)")
_ONE_CHARACTER: Final = frozenset({"character", "char"})
_TO_THE_SECOND: Final = frozenset({TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ, TypeKind.TIME})


@functools.lru_cache(maxsize=1024)
def limits_of(target: TargetType) -> Limits:
    """Read the modifiers of a type as PostgreSQL spells them, e.g. ``numeric(10,2)``."""
    found = _MODIFIER.search(target.sql)
    if target.kind is TypeKind.TEXT and target.sql.strip().lower() in _ONE_CHARACTER:
        return Limits(length=1)
    if found is None:
        return Limits()
    first = int(found[1])
    if target.kind is TypeKind.TEXT:
        return Limits(length=first)
    if target.kind is TypeKind.NUMERIC:
        return Limits(precision=first, scale=int(found[2] or 0))
    if target.kind in _TO_THE_SECOND:
        return Limits(second_digits=first)
    return Limits()


def decimal_fits(value: Decimal, limits: Limits) -> bool:
    """Whether numeric with these limits holds a finite value without rounding."""
    if limits.precision is None or value == 0:
        return True
    sign, digits, exponent = value.normalize(_WIDE).as_tuple()
    del sign
    fraction_digits = -int(exponent)
    return fraction_digits <= limits.scale and len(digits) - fraction_digits <= limits.precision - limits.scale


def real_text(value: float) -> str:
    """Render a real as pgconvoy does everywhere: Python's shortest text, infinities as PostgreSQL writes them."""
    text = repr(value)
    return _INFINITIES.get(text, text)


def has_duplicate_names(document: str) -> bool:
    """Whether an object inside a JSON text has two members of one name; False for what is not JSON at all."""
    try:
        _DUPLICATE_FINDER.decode(document)
    except _DuplicateNameError:
        return True
    except ValueError:
        return False  # PostgreSQL says itself what is wrong with it
    except RecursionError:
        return _has_duplicates_below(document)
    return False


def _has_duplicates_below(document: str) -> bool:
    """As `has_duplicate_names`, for documents of more levels than Python's parser follows (some 1,000)."""
    levels: list[set[str]] = []
    last: str | None = None
    for part in _JSON_PART.findall(document):
        if part in "[{":
            levels.append(set())
        elif part in "]}":
            levels[-1:] = []
        elif part == ":":
            if not levels or last is None:
                return False  # no JSON, as PostgreSQL will say
            if last in levels[-1]:
                return True
            levels[-1].add(last)
            last = None
        else:
            last = _unescaped(part)
    return False


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return text  # no JSON, as PostgreSQL will say


class _DuplicateNameError(Exception):
    pass


def _refuse_duplicates(members: list[tuple[str, Any]]) -> None:
    if len(members) != len({name for name, _ in members}):
        raise _DuplicateNameError


_JSON_PART: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:]', re.DOTALL)
_WIDE: Final = Context(prec=1_100)
"""More digits than any integer (19), shortest real (17) or text that is read as a number (1,000) has."""
_INFINITIES: Final[Mapping[str, str]] = MappingProxyType({"inf": "Infinity", "-inf": "-Infinity"})
_DUPLICATE_FINDER: Final = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
