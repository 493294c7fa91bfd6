"""What a source value means under a rule: verification's own reading of `docs/treatments.md`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from types import MappingProxyType
from typing import Final, Literal

from shared.compare.canonical_source import canonical_column
from shared.compare.forms import Form, Formless, NormaliseTexts
from shared.compare.iso_texts import read_iso
from shared.compare.moments import MICROSECONDS_A_DAY
from shared.records.keys import UTF_8, KeyValue, RawText, Value
from shared.records.plan import TargetColumn, TypeKind
from shared.records.rules import BadTextPolicy, NulPolicy, SourceForm, Treatment

MICROSECONDS_A_UNIT: Final = MappingProxyType(
    {SourceForm.UNIX_S: 1_000_000, SourceForm.UNIX_MS: 1_000, SourceForm.UNIX_US: 1}
)
_FIRST: Final = (-2_440_588) * MICROSECONDS_A_DAY
_END: Final = 106_762_940 * MICROSECONDS_A_DAY
"""PostgreSQL's timestamps begin with Julian day 0 and end before 294277-01-01; here counted from 1970-01-01."""
_JULIAN_1970: Final = 2_440_587.5
_NUMBER_TEXT: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER: Final = 1_000
_MOST_DIGITS: Final = 20
"""Before the point: more than any moment has, in whatever unit."""
_EXACT: Final = Context(prec=4_000, rounding=ROUND_HALF_EVEN)
"""More digits than a double (1,075) or a text that is read here has."""
_UNDECODABLE: Final = re.compile(
    rb"(?P<good>[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})"
    rb"|\xed[\xa0-\xbf][\x80-\xbf]"  # half a surrogate pair
    rb"|\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f]|\xf0[\x90-\xbf][\x80-\xbf]?"
    rb"|[\xf1-\xf3][\x80-\xbf]{1,2}|\xf4[\x80-\x8f][\x80-\xbf]?"  # beginnings of characters that do not end
    rb"|[\x80-\xff]"
)
"""Table 3-7 of the Unicode standard, and what of a broken character counts as one (its section 3.9)."""
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_SIGNS: Final = MappingProxyType({NulPolicy.STRIP: "", NulPolicy.REPLACE: "\N{SYMBOL FOR NULL}"})


def canonical_treated(values: Sequence[Value], column: TargetColumn, normalise: NormaliseTexts) -> list[Form]:
    """Bring source values to the canonical form of what the column's rule makes of them.

    Returns:
        The forms, as `shared.compare.canonical_source.canonical_column` has them.
    """
    return canonical_moments([treated(value, column) for value in values], column, normalise)


def canonical_moments(values: Sequence[Value], column: TargetColumn, normalise: NormaliseTexts) -> list[Form]:
    """As `canonical_treated`, of values that were `treated` already."""
    form = column.treatment.form
    if form is None:
        return canonical_column(values, column.type, normalise)
    if column.type.sql.startswith("interval"):
        return canonical_column([_interval(value, form) for value in values], column.type, normalise)
    return [None if value is None else _moment(value, form, column.type.kind) for value in values]


def _interval(value: Value, form: SourceForm) -> Value:
    """What a number counts, in days of 24 hours and a rest; a blob, which is no interval either, for anything else."""
    if value is None:
        return None
    number = None if form not in MICROSECONDS_A_UNIT else _microseconds(value, form, TypeKind.OTHER)
    if number is None:
        return b""
    return f"{number // MICROSECONDS_A_DAY} d {number % MICROSECONDS_A_DAY} us"


def treated(value: Value, column: TargetColumn) -> Value:
    """What the rule makes of a text; other values stay as they are."""
    treatment = column.treatment
    if isinstance(value, RawText):
        value = _decoded(value, treatment)
    if not isinstance(value, str):
        return value
    sign = _SIGNS.get(treatment.nul)
    if sign is not None and column.type.kind is not TypeKind.BYTEA:
        value = sign.join(value.split("\0"))
    return None if value == "" and treatment.null_if_empty else value


def _decoded(text: RawText, treatment: Treatment) -> str | RawText:
    match treatment.bad_utf8:
        case BadTextPolicy.LATIN_1 if text.encoding == UTF_8:
            return "".join(map(chr, text.raw))
        case BadTextPolicy.REPLACE if text.encoding != UTF_8:
            return _utf_16(text)
        case BadTextPolicy.REPLACE:
            return _UNDECODABLE.sub(lambda found: found["good"] or b"\xef\xbf\xbd", text.raw).decode()
    return text


def _utf_16(text: RawText) -> str:
    """Put U+FFFD for each half of a surrogate pair, and for half a character at the end."""
    order: Literal["little", "big"] = "little" if text.encoding == "utf-16le" else "big"
    units = [int.from_bytes(text.raw[place : place + 2], order) for place in range(0, len(text.raw) - 1, 2)]
    # Python joins what belongs together once it is one text, and shows what is alone.
    joined = "".join(map(chr, units)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    begun = bool(units) and 0xD800 <= units[-1] < 0xDC00  # with half of what follows, it is one broken character
    rest = _REPLACEMENT if len(text.raw) % 2 and not begun else ""
    return re.sub("[\ud800-\udfff]", _REPLACEMENT, joined) + rest


def _moment(value: KeyValue, form: SourceForm, kind: TypeKind) -> Form:
    microseconds = _microseconds(value, form, kind)
    if microseconds is None or not _FIRST <= microseconds < _END:
        return Formless(value)
    if kind is not TypeKind.DATE:
        return microseconds if kind in {TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ} else Formless(value)
    return Formless(value) if microseconds % MICROSECONDS_A_DAY else microseconds // MICROSECONDS_A_DAY


def _microseconds(value: KeyValue, form: SourceForm, kind: TypeKind) -> int | None:
    """Since 1970-01-01 00:00 UTC; None for no moment of that form."""
    if form is SourceForm.ISO:
        moment = read_iso(value) if isinstance(value, str) else None
        return None if moment is None or (moment.offset and kind is TypeKind.TIMESTAMP) else moment.microseconds
    number = _number(value)
    if number is None:
        return None
    if form is SourceForm.JULIAN:
        return _julian(float(number))
    if number.adjusted() >= _MOST_DIGITS:
        return None
    return int(_EXACT.multiply(number, MICROSECONDS_A_UNIT[form]).to_integral_value(ROUND_HALF_EVEN, _EXACT))


def _number(value: KeyValue) -> Decimal | None:
    """The number, exact to its last digit."""
    if isinstance(value, str):
        is_number = len(value) <= _LONGEST_NUMBER and _NUMBER_TEXT.fullmatch(value)
        return Decimal(value) if is_number else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return Decimal(value)


def _julian(day: float) -> int | None:
    """By whole milliseconds, which is what a Julian day is to SQLite (https://sqlite.org/lang_datefunc.html)."""
    if not 0 <= day < 5_373_484.5:
        return None
    return (math.floor(day * 86_400_000.0 + 0.5) - round(_JULIAN_1970 * 86_400_000)) * 1_000
