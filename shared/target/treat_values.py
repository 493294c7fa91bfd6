"""What a rule does to single values before their type reads them: the copy's own reading of `docs/treatments.md`.

Verification has another (`shared.compare.treated`), which shares nothing with this one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import numpy as np

from shared.records.keys import UTF_8, KeyValue, RawText, Value
from shared.records.plan import TargetType, TypeKind
from shared.records.rules import BadTextPolicy, NulPolicy, SourceForm, Treatment
from shared.target.value_rules import MAX_OFFSET_HOURS, MICROSECOND_DIGITS, Unfit, UnfitError, limits_of

UNIX_MICROS: Final[Mapping[SourceForm, int]] = MappingProxyType(
    {SourceForm.UNIX_S: 1_000_000, SourceForm.UNIX_MS: 1_000, SourceForm.UNIX_US: 1}
)
"""How many microseconds each form counts as one."""
MICROS_A_DAY: Final = 86_400_000_000
FIRST_MICROS: Final = -210_866_803_200_000_000
END_MICROS: Final = 9_224_318_016_000_000_000
"""From 4714-11-24 BC to before 294277-01-01, as PostgreSQL's timestamps (MIN_TIMESTAMP and END_TIMESTAMP in
datatype/timestamp.h), here as microseconds since 1970."""
JULIAN_END: Final = 5_373_484.5
"""Where SQLite's date functions end, the year 10000; they begin at 0."""
JULIAN_MILLIS_A_DAY: Final = 86_400_000.0
JULIAN_1970_MILLIS: Final = 210_866_760_000_000
REPLACEMENTS: Final[Mapping[NulPolicy, str]] = MappingProxyType({NulPolicy.STRIP: "", NulPolicy.REPLACE: "\u2400"})
MOMENT_KINDS: Final = frozenset({TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ, TypeKind.DATE})

_LONGEST_NUMBER: Final = 1_000
"""Characters of a text that is read as a number: more than any double has, far fewer than take long to read."""
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_SECOND_DIGITS: Final = re.compile(r"\((\d)\)")
_SURROGATE: Final = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_DAYS_TO_1970: Final = date(1970, 1, 1).toordinal()
_ISO: Final = re.compile(
    r"(?P<year>[0-9]{4})(?P<dash>-?)(?P<month>[0-9]{2})(?P=dash)(?P<day>[0-9]{2})"
    r"(?:[Tt ](?P<hour>[0-9]{2})"
    r"(?:(?P<colon>:?)(?P<minute>[0-9]{2})(?:(?P=colon)(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?"
    r"(?: ?(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})(?::?(?P<zone_minute>[0-9]{2}))?))?)?"
)


def treat_text(value: Value, treatment: Treatment, kind: TypeKind) -> Value:
    """Apply to a text what the rule says of undecodable, NUL-holding and empty ones, in this order."""
    if isinstance(value, RawText):
        value = _DECODERS[treatment.bad_utf8](value)
    if not isinstance(value, str):
        return value
    if "\0" in value and kind is not TypeKind.BYTEA:
        value = value.replace("\0", REPLACEMENTS.get(treatment.nul, "\0"))
    return None if treatment.null_if_empty and not value else value


def moment_text(value: KeyValue, form: SourceForm, type_: TargetType) -> str:
    """Render what a value of a form means as a text that PostgreSQL's type reads into this very moment or interval.

    Raises:
        UnfitError: where it is no moment of that form, or none that the type can hold.
    """
    if type_.sql.startswith("interval") and form in UNIX_MICROS:
        return _interval_text(_unix(value, form, type_.kind), type_)
    if type_.kind not in MOMENT_KINDS:
        raise UnfitError(Unfit.TYPE_HOLDS_NO_MOMENT)
    micros = _READERS[form](value, form, type_.kind)
    if not FIRST_MICROS <= micros < END_MICROS:
        raise UnfitError(Unfit.OUT_OF_RANGE)
    days, clock = divmod(micros, MICROS_A_DAY)
    if type_.kind is TypeKind.DATE:
        if clock:
            raise UnfitError(Unfit.NOT_MIDNIGHT)
        return _day_text(days, "")
    if clock % 10 ** (MICROSECOND_DIGITS - limits_of(type_).second_digits):
        raise UnfitError(Unfit.TOO_MANY_DIGITS)
    return _day_text(days, f" {_clock_text(clock)}{'+00' if type_.kind is TypeKind.TIMESTAMPTZ else ''}")


def _read_as_latin_1(text: RawText) -> str | RawText:
    # Somebody wrote such bytes into a file of UTF-8; into one of UTF-16 nobody did.
    return text.raw.decode("latin-1") if text.encoding == UTF_8 else text


def _interval_text(micros: int, type_: TargetType) -> str:
    """As Python's timedelta and the drivers that write one: whole days, and what is left of the last.

    Raises:
        UnfitError: where ``interval(n)`` would round decimals of a second away.
    """
    kept = _SECOND_DIGITS.search(type_.sql)
    if kept and micros % 10 ** (MICROSECOND_DIGITS - int(kept[1])):
        raise UnfitError(Unfit.TOO_MANY_DIGITS)
    days, clock = divmod(micros, MICROS_A_DAY)
    return f"{days} days {clock // 1_000_000}.{clock % 1_000_000:06} seconds"


def _replaced(text: RawText) -> str:
    if text.encoding != UTF_8:
        return text.raw.decode(text.encoding, errors="replace")
    # Half a surrogate pair is one character that cannot be decoded, not three.
    return _SURROGATE.sub("\ufffd".encode(), text.raw).decode(errors="replace")


def _unix(value: KeyValue, form: SourceForm, _kind: TypeKind) -> int:
    scale = UNIX_MICROS[form]
    match value:
        case int():
            return value * scale
        case float() if math.isfinite(value):
            return round(Fraction(value) * scale)
        case str() if _is_number(value):
            return round(Fraction(value) * scale)
    raise UnfitError(Unfit.NO_SUCH_MOMENT)


def _julian(value: KeyValue, _form: SourceForm, _kind: TypeKind) -> int:
    if not isinstance(value, int | float) and not (isinstance(value, str) and _is_number(value)):
        raise UnfitError(Unfit.NO_SUCH_MOMENT)
    days = float(value)
    if not 0 <= days < JULIAN_END:
        raise UnfitError(Unfit.OUT_OF_RANGE)
    # To the letter what SQLite computes (setRawDateNumber in date.c), so that both mean the same millisecond.
    return (int(days * JULIAN_MILLIS_A_DAY + 0.5) - JULIAN_1970_MILLIS) * 1_000


def _is_number(text: str) -> bool:
    return len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def _iso(value: KeyValue, _form: SourceForm, kind: TypeKind) -> int:
    found = _ISO.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise UnfitError(Unfit.NO_SUCH_MOMENT)
    if found["zone"] and kind is TypeKind.TIMESTAMP:
        raise UnfitError(Unfit.HAS_OFFSET)
    return _iso_day(found) * MICROS_A_DAY + _iso_clock(found) - _iso_offset(found)


def _iso_day(found: re.Match[str]) -> int:
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"])).toordinal() - _DAYS_TO_1970
    except ValueError:
        raise UnfitError(Unfit.NO_SUCH_MOMENT) from None


def _iso_clock(found: re.Match[str]) -> int:
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 59:
        raise UnfitError(Unfit.NO_SUCH_MOMENT)
    fraction = (found["fraction"] or "").rstrip("0")
    if len(fraction) > MICROSECOND_DIGITS:
        raise UnfitError(Unfit.TOO_MANY_DIGITS)
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + int(fraction.ljust(MICROSECOND_DIGITS, "0"))


def _iso_offset(found: re.Match[str]) -> int:
    if not found["sign"]:
        return 0
    hours, minutes = int(found["zone_hour"]), int(found["zone_minute"] or 0)
    if hours > MAX_OFFSET_HOURS or minutes > 59:
        raise UnfitError(Unfit.NO_SUCH_MOMENT)
    return int(f"{found['sign']}1") * (hours * 60 + minutes) * 60_000_000


def _day_text(days: int, rest: str) -> str:
    """Write a day of any year as PostgreSQL reads it, with what follows it; numpy's year 0 is 1 BC there."""
    year, month, day = str(np.datetime64(days, "D")).rsplit("-", 2)
    number = int(year)
    return f"{number:04}-{month}-{day}{rest}" if number > 0 else f"{1 - number:04}-{month}-{day}{rest} BC"


def _clock_text(micros: int) -> str:
    seconds, fraction = divmod(micros, 1_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:06}"


_DECODERS: Final[Mapping[BadTextPolicy, Callable[[RawText], str | RawText]]] = MappingProxyType(
    {
        BadTextPolicy.REJECT: lambda text: text,
        BadTextPolicy.LATIN_1: _read_as_latin_1,
        BadTextPolicy.REPLACE: _replaced,
        BadTextPolicy.BYTEA: lambda text: text,
    }
)
_READERS: Final[Mapping[SourceForm, Callable[[KeyValue, SourceForm, TypeKind], int]]] = MappingProxyType(
    dict.fromkeys(UNIX_MICROS, _unix) | {SourceForm.JULIAN: _julian, SourceForm.ISO: _iso}
)
