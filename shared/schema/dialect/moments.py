"""SQLite's time values and their modifiers (https://sqlite.org/lang_datefunc.html) as timestamps of PostgreSQL."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Final

from shared.records.plan import TypeKind
from shared.schema.dialect.conversions import as_double
from shared.schema.dialect.values import MOMENTS, Holds, Value
from shared.schema.dialect.walk import Walk, refuse

NOW: Final = "(statement_timestamp() AT TIME ZONE 'UTC')"
"""SQLite's now stands still within a statement, and is UTC."""
LOCAL_TIME: Final = "the local time is that of PostgreSQL's session (its setting TimeZone)"
TEXT_SHAPES: Final = "a text of another shape than YYYY-MM-DD[ HH:MM[:SS[.SSS]]][Z] gives NULL, where SQLite knows more"
RANGE: Final = "a moment outside the years 1 to 9999 is not NULL, as it is in SQLite"
JULIAN: Final = "Julian days are rounded to microseconds, and to milliseconds in SQLite"

_EPOCH: Final = "'1970-01-01'::timestamp"
_JULIAN_EPOCH: Final = "2440587.5"
_UNITS: Final = frozenset({"second", "minute", "hour", "day", "month", "year"})
_SHIFT: Final = re.compile(r"([+-]?)\s*(\d+(?:\.\d*)?)\s*(second|minute|hour|day|month|year)s?", re.ASCII)
_CLOCK_SHIFT: Final = re.compile(r"([+-])(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?", re.ASCII)
_ISO: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[ T]+(?P<clock>\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?\s*(?P<offset>Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_ISO_SHAPE: Final = (
    "^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?)?Z?$"
)


class Timeline:
    """A moment on its way through its modifiers."""

    def __init__(self, walk: Walk, sql: str) -> None:
        """Start at a timestamp in UTC."""
        self.walk = walk
        self.sql = sql
        self.near = sql == NOW or sql.startswith("'")
        """Whether it is a moment of our times, or one that is written there."""
        self.decimals = False
        """Whether seconds keep their decimals (subsec)."""


def read_moment(walk: Walk, arguments: Sequence[Value]) -> Timeline | None:
    """Read a time value and its modifiers as a timestamp in UTC; None where the result is NULL.

    Raises:
        UntranslatableError: for time values and modifiers that have no translation.
    """
    modifiers = [_modifier(value) for value in arguments[1:]]
    base = _base(walk, arguments[0] if arguments else None, modifiers)
    if base is None:
        return None
    timeline = Timeline(walk, base)
    for modifier in modifiers:
        if modifier not in _READ_WITH_BASE:
            _modify(timeline, modifier)
    return timeline


def _modifier(value: Value) -> str:
    if not isinstance(value.constant, str):
        refuse(f"the modifier {value.sql} is not known before it is computed")
    return value.constant.strip().lower()


def _base(walk: Walk, value: Value | None, modifiers: Sequence[str]) -> str | None:
    if value is None or (isinstance(value.constant, str) and value.constant.lower() in {"now", "subsec", "subsecond"}):
        walk.not_immutable()
        return NOW
    if value.type is None:
        return None
    if value.kind in MOMENTS:
        return _of_moment(value)
    if isinstance(value.constant, str):
        return _of_literal(value.constant)
    return _of_number(walk, value, modifiers) if value.holds.is_number else _of_text(walk, value)


def _of_moment(value: Value) -> str:
    match value.kind:
        case TypeKind.TIMESTAMPTZ:
            return f"({value.sql} AT TIME ZONE 'UTC')"
        case TypeKind.TIME:
            return f"('2000-01-01'::date + {value.sql})"
        case TypeKind.DATE:
            return f"{value.sql}::timestamp"
        case _:
            return value.sql


def _of_literal(text: str) -> str | None:
    found = _ISO.fullmatch(text.strip())
    if found is None:
        return refuse(f"{text!r} is not of a shape that is translated")
    try:
        moment = dt.datetime.fromisoformat(f"{found['day']}T{found['clock'] or '00:00'}{found['offset'] or ''}")
    except ValueError:
        return refuse(f"{text!r} is no moment of the calendar")
    utc = moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return f"'{utc.isoformat(sep=' ')}'::timestamp"


def _of_number(walk: Walk, value: Value, modifiers: Sequence[str]) -> str:
    walk.doubt(RANGE)
    if modifiers[:1] == ["unixepoch"]:
        return f"({_EPOCH} + {value.sql} * interval '1 second')"
    if modifiers[:1] == ["auto"]:
        refuse("the modifier auto guesses from the value whether it is a Julian day")
    walk.doubt(JULIAN)
    return f"({_EPOCH} + ({as_double(walk, value)} - {_JULIAN_EPOCH}) * interval '1 day')"


def _of_text(walk: Walk, value: Value) -> str:
    """A text that spells a moment, read part by part: a cast would fail, or read more than SQLite does."""
    if value.kind is not TypeKind.TEXT or value.holds is not Holds.TEXT:
        refuse(f"{value.sql} is no moment")
    sql = value.sql
    walk.doubt(TEXT_SHAPES)
    parts = ", ".join(
        (
            f"left({sql}, 4)::integer",
            f"substr({sql}, 6, 2)::integer",
            "1",
            f"coalesce(NULLIF(substr(rtrim({sql}, 'Z'), 12, 2), '')::integer, 0)",
            f"coalesce(NULLIF(substr(rtrim({sql}, 'Z'), 15, 2), '')::integer, 0)",
            f"coalesce(NULLIF(substr(rtrim({sql}, 'Z'), 18), '')::double precision, 0)",
        )
    )
    # SQLite reads February 31 as March 3, so the days are counted from the first.
    days = f"(substr({sql}, 9, 2)::integer - 1) * interval '1 day'"
    return f"(CASE WHEN {sql} ~ '{_ISO_SHAPE}' THEN make_timestamp({parts}) + {days} END)"


def _modify(timeline: Timeline, modifier: str) -> None:
    simple = _SIMPLE.get(modifier)
    if simple is not None:
        simple(timeline)
        return
    shift, clock = _SHIFT.fullmatch(modifier), _CLOCK_SHIFT.fullmatch(modifier)
    if shift is not None:
        _shift(timeline, shift[1], shift[2], shift[3])
    elif clock is not None:
        sign, hours, minutes, seconds = clock[1], clock[2], clock[3], clock[4] or "00"
        timeline.sql = f"({timeline.sql} {sign} interval '{hours}:{minutes}:{seconds}')"
    elif re.fullmatch(r"weekday [0-6]", modifier):
        days = f"mod({modifier[-1]} - extract(dow FROM {timeline.sql})::integer + 7, 7)"
        timeline.sql = f"({timeline.sql} + {days} * interval '1 day')"
    else:
        refuse(f"the modifier {modifier!r} is not translated")


def _shift(timeline: Timeline, sign: str, amount: str, unit: str) -> None:
    if not timeline.near:
        timeline.walk.doubt(RANGE)
    operator = sign or "+"
    if unit not in {"month", "year"}:
        timeline.sql = f"({timeline.sql} {operator} interval '{amount} {unit}s')"
        return
    if not amount.isdigit():
        refuse(f"the modifier {sign}{amount} {unit}s is a fraction of a {unit}")
    # SQLite adds months to the month and then counts days on: January 31 + 1 month is March 3.
    month = f"date_trunc('month', {timeline.sql})"
    timeline.sql = f"({month} {operator} interval '{amount} {unit}s' + ({timeline.sql} - {month}))"


def _start_of(unit: str) -> Callable[[Timeline], None]:
    def apply(timeline: Timeline) -> None:
        timeline.sql = f"date_trunc('{unit}', {timeline.sql})"

    return apply


def _to_local(timeline: Timeline) -> None:
    timeline.walk.doubt(LOCAL_TIME)
    timeline.walk.not_immutable()
    timeline.sql = f"({timeline.sql} AT TIME ZONE 'UTC')::timestamp"


def _to_utc(timeline: Timeline) -> None:
    timeline.walk.doubt(LOCAL_TIME)
    timeline.walk.not_immutable()
    timeline.sql = f"({timeline.sql}::timestamptz AT TIME ZONE 'UTC')"


def _keep_decimals(timeline: Timeline) -> None:
    timeline.decimals = True


_READ_WITH_BASE: Final = frozenset({"unixepoch", "julianday"})
_SIMPLE: Final[dict[str, Callable[[Timeline], None]]] = {
    "start of day": _start_of("day"),
    "start of month": _start_of("month"),
    "start of year": _start_of("year"),
    "localtime": _to_local,
    "utc": _to_utc,
    "subsec": _keep_decimals,
    "subsecond": _keep_decimals,
}
