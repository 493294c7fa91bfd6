"""Dates, times of day and moments as microseconds, by Python's own calendar and SQLite's own Julian days."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

_EPOCH = date(1970, 1, 1).toordinal()
_DAY: Final = 86_400_000_000
_CLOCK = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,6}))?)?"
_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_OFFSET = r"(?:Z|(?P<sign>[+-])(?P<zone_hour>[0-9]{2}):(?P<zone_minute>[0-9]{2}))"
_WIDE = Context(prec=1_000, rounding=ROUND_HALF_EVEN)
_PER_SECOND = {"unix_s": 10**6, "unix_ms": 10**3, "unix_us": 1}
_FIRST, _END = -210_866_803_200_000_000, 9_224_318_016_000_000_000
"""PostgreSQL's documentation, table 8.9: 4713 BC to 294276 AD; its day 0 is 4714-11-24 BC of the Gregorian calendar."""
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_ISO = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})|(?P<month2>[0-9]{2})(?P<day2>[0-9]{2}))"
    r"(?:[Tt ](?P<hour>[0-9]{2})(?:"
    r":(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    r"|(?P<minute2>[0-9]{2})(?:(?P<second2>[0-9]{2})(?:[.,](?P<fraction2>[0-9]+))?)?)?"
    r"(?: ?(?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})(?::?(?P<zone_minute>[0-9]{2}))?))?)?"
)


def day(text: str, _: tuple[int, ...] = ()) -> int | None:
    """Read YYYY-MM-DD as days since 1970."""
    found = re.fullmatch(_DATE, text)
    return None if found is None else _days(found["year"], found["month"], found["day"])


def clock(text: str, arguments: tuple[int, ...] = ()) -> int | None:
    """Read HH:MM[:SS[.ffffff]] as microseconds since midnight."""
    found = re.fullmatch(f"(?:2000-01-01[ T])?{_CLOCK}", text)  # Rails writes that day before every time of day
    if found is None:
        return None
    return _kept(_micros(found["hour"], found["minute"], found["second"], found["fraction"]), arguments)


def moment(text: str, arguments: tuple[int, ...] = (), *, zoned: bool) -> int | None:
    """Read a timestamp as microseconds since 1970, of UTC where it is `zoned`, which it is without an offset."""
    pattern = f"{_DATE}(?:[ T]{_CLOCK}{_OFFSET}?)?" if zoned else f"{_DATE}(?:[ T]{_CLOCK})?"
    found = re.fullmatch(pattern, text)
    if found is None:
        return None
    days = _days(found["year"], found["month"], found["day"])
    micros = _micros(found["hour"] or "0", found["minute"] or "0", found["second"], found["fraction"])
    offset = _offset(found["sign"], found["zone_hour"], found["zone_minute"]) if zoned else 0
    return _moment(days, micros, offset, arguments)


def moment_of_form(value: Any, form: str, base: str, arguments: tuple[int, ...]) -> int | None:
    """Read a number or text of a rule's form, as the type that the column has."""
    micros = _iso(value, base) if form == "iso" else _counted(value, form)
    if micros is None or not _FIRST <= micros < _END:
        return None
    if base == "date":
        return micros // _DAY if micros % _DAY == 0 else None
    return _kept(micros, arguments)


def _counted(value: Any, form: str) -> int | None:
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value) or len(value) > 1_000:
            return None
        number = Decimal(value)
    elif value is None or value in (float("inf"), float("-inf")):
        return None
    else:
        number = Decimal(value)
    if form == "julian":
        return _julian(float(number))
    micros = _WIDE.multiply(number, Decimal(_PER_SECOND[form]))
    return int(micros.quantize(Decimal(1), context=_WIDE)) if abs(micros) < 10**30 else None


def _julian(number: float) -> int | None:
    """Ask SQLite which moment a Julian day is; it counts milliseconds."""
    with closing(sqlite3.connect(":memory:")) as connection:
        (text,) = connection.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', ?)", (number,)).fetchone()
    if text is None or text.startswith("-"):
        return _before_year_1(number)
    # SQLite's year 0 is a leap year, like 2000; 146,097 days are 400 years.
    early = text.startswith("0000")
    moment_ = datetime.fromisoformat("2000" + text[4:] if early else text)
    return int((moment_ - datetime(1970, 1, 1)) // _MICRO) - early * 5 * 146_097 * _DAY  # noqa: DTZ001 - of UTC on both sides


def _before_year_1(number: float) -> int | None:
    if not 0 <= number < 5_373_484.5:
        return None
    millis = int(Decimal(repr(number * 86_400_000.0 + 0.5)))
    return (millis - 210_866_760_000_000) * 1_000


_MICRO = timedelta(microseconds=1)


def _iso(value: Any, base: str) -> int | None:
    found = _ISO.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found["zone"] and base == "timestamp without time zone"):
        return None
    days = _days(found["year"], found["month"] or found["month2"], found["day"] or found["day2"])
    fraction = (found["fraction"] or found["fraction2"] or "").rstrip("0")
    if len(fraction) > 6:
        return None
    minute, second = found["minute"] or found["minute2"] or "0", found["second"] or found["second2"]
    micros = _micros(found["hour"] or "0", minute, second, fraction)
    return _moment(days, micros, _offset(found["sign"], found["zone_hour"], found["zone_minute"] or "0"), ())


def _days(year: str, month: str, day_: str) -> int | None:
    try:
        return date(int(year), int(month), int(day_)).toordinal() - _EPOCH
    except ValueError:
        return None


def _micros(hour: str, minute: str, second: str | None, fraction: str | None) -> int | None:
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        return None
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    return seconds * 10**6 + int((fraction or "").ljust(6, "0"))


def _offset(sign: str | None, hours: str, minutes: str) -> int | None:
    if not sign:
        return 0
    if int(hours) > 15 or int(minutes) > 59:
        return None
    return int(f"{sign}1") * (int(hours) * 60 + int(minutes)) * 60 * 10**6


def _moment(days: int | None, micros: int | None, offset: int | None, arguments: tuple[int, ...]) -> int | None:
    if days is None or micros is None or offset is None:
        return None
    return _kept(days * _DAY + micros - offset, arguments)


def _kept(micros: int | None, arguments: tuple[int, ...]) -> int | None:
    """Leave out what a type with fewer decimals would round."""
    if micros is None or (arguments and micros % 10 ** (6 - arguments[0])):
        return None
    return micros
