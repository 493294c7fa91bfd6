"""Dates and times in ISO 8601 texts, by digit arithmetic of our own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MICROSECONDS_A_SECOND: Final = 1_000_000
MICROSECONDS_A_DAY: Final = 86_400 * MICROSECONDS_A_SECOND
_DAYS_IN_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_IN_ERA: Final = 146_097
"""An era is 400 Gregorian years."""
_DAYS_TO_1970: Final = 719_468
"""From 0000-03-01, where the count of days_from_civil begins, to 1970-01-01."""

_DAY = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_CLOCK = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]+))?)?"
_ZONE = r"(?P<zone>Z|z|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})(?::?(?P<zone_minute>[0-9]{2}))?)"
_DATE_TEXT: Final = re.compile(_DAY)
_TIME_TEXT: Final = re.compile(rf"(?:2000-01-01[ T])?{_CLOCK}")
"""Rails writes the day 2000-01-01 before every time of day."""
_MOMENT_TEXT: Final = re.compile(rf"{_DAY}(?:[ Tt]{_CLOCK} ?{_ZONE}?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point of the calendar as a text gives it."""

    microseconds: int
    """Since 1970-01-01 00:00:00, of UTC where the text has an offset."""
    offset: bool
    """Whether the text says how far from UTC it is."""


def days_from_civil(year: int, month: int, day: int) -> int | None:
    """Count the days from 1970-01-01, or None for no real day of the years 0001 to 9999.

    The algorithm is Howard Hinnant's: https://howardhinnant.github.io/date_algorithms.html#days_from_civil
    """
    if not (year and 1 <= month <= 12 and 1 <= day <= _days_in_month(year, month)):
        return None
    year_from_march = year - (month <= 2)
    era, year_of_era = divmod(year_from_march, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_IN_ERA + day_of_era - _DAYS_TO_1970


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Undo `days_from_civil`, for every integer; year 0 is 1 BC, and so on down."""
    era, day_of_era = divmod(days + _DAYS_TO_1970, _DAYS_IN_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    month = march_month + 3 if march_month < 10 else march_month - 9
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * march_month + 2) // 5 + 1


def read_moment(text: str) -> Moment | None:
    """Read ``YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]][Z|±HH[:MM]]`` or a plain date; None for anything else."""
    match = _MOMENT_TEXT.fullmatch(text)
    if match is None:
        return None
    days = days_from_civil(int(match["year"]), int(match["month"]), int(match["day"]))
    clock = _clock(match) if match["hour"] else 0
    offset = _offset(match)
    if days is None or clock is None or offset is None:
        return None
    return Moment(microseconds=days * MICROSECONDS_A_DAY + clock - offset, offset=match["zone"] is not None)


def read_date(text: str) -> int | None:
    """Read ``YYYY-MM-DD``, also with midnight behind it, as days since 1970-01-01; None for anything else."""
    if match := _DATE_TEXT.fullmatch(text):
        return days_from_civil(int(match["year"]), int(match["month"]), int(match["day"]))
    moment = read_moment(text)
    if moment is None or moment.offset:
        return None
    days, clock = divmod(moment.microseconds, MICROSECONDS_A_DAY)
    return None if clock else days


def read_time(text: str) -> int | None:
    """Read ``HH:MM[:SS[.ffffff]]`` as microseconds since midnight, also of 2000-01-01; None for anything else."""
    match = _TIME_TEXT.fullmatch(text)
    return _clock(match) if match else None


def write_date(days: int) -> str:
    """Write a day as PostgreSQL's ISO style does: BC years are counted from 1."""
    year, month, day = civil_from_days(days)
    return f"{year:04}-{month:02}-{day:02}" if year > 0 else f"{1 - year:04}-{month:02}-{day:02} BC"


def write_time(microseconds: int) -> str:
    """Write a time of day with as many decimals as it has."""
    seconds, fraction = divmod(microseconds, MICROSECONDS_A_SECOND)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}.{fraction:06}".rstrip("0") if fraction else clock


def write_moment(microseconds: int, *, utc: bool) -> str:
    """Write a timestamp; with `utc`, as one with time zone."""
    days, clock = divmod(microseconds, MICROSECONDS_A_DAY)
    date, _, era = write_date(days).partition(" ")
    return f"{date} {write_time(clock)}{'+00' if utc else ''}{' BC' if era else ''}"


def _days_in_month(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _DAYS_IN_MONTH[month - 1]


def _clock(match: re.Match[str]) -> int | None:
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    # A seventh decimal that is not 0 would be rounded away by PostgreSQL.
    fraction = (match["fraction"] or "").rstrip("0")
    if hour > 23 or minute > 59 or second > 59 or len(fraction) > 6:
        return None
    return ((hour * 60 + minute) * 60 + second) * MICROSECONDS_A_SECOND + int(fraction.ljust(6, "0"))


def _offset(match: re.Match[str]) -> int | None:
    if not match["sign"]:
        return 0
    hours, minutes = int(match["zone_hour"]), int(match["zone_minute"] or 0)
    if hours > 15 or minutes > 59:  # PostgreSQL's own bound is 15:59:59
        return None
    microseconds = (hours * 60 + minutes) * 60 * MICROSECONDS_A_SECOND
    return -microseconds if match["sign"] == "-" else microseconds
