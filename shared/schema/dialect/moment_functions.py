"""SQLite's functions of date and time, and CURRENT_TIMESTAMP with its kin."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote_text
from shared.records.plan import Grade
from shared.schema.dialect.conversions import as_text
from shared.schema.dialect.functions import Function
from shared.schema.dialect.moments import Timeline, read_moment
from shared.schema.dialect.values import BIGINT, DATE, NULL, TIME, TIMESTAMP, Holds, Value, integer, real, text
from shared.schema.dialect.walk import Handler, Walk, refuse

_DATE_FORM: Final = "YYYY-MM-DD"
_TIME_FORM: Final = "HH24:MI:SS"
_STAMP_FORM: Final = f"{_DATE_FORM} {_TIME_FORM}"
_JULIAN_MILLISECONDS: Final = 210866760000000
"""From noon of the first Julian day to 1970."""
_FARTHEST_SECOND: Final = 2**44
_DAY_MILLISECONDS: Final = 86400000


def _date(timeline: Timeline) -> Value:
    return Value(sql=f"({timeline.sql})::date", type=DATE, holds=Holds.TEXT, form=_DATE_FORM)


def _datetime(timeline: Timeline) -> Value:
    sql, form = _to_the_second(timeline), _STAMP_FORM + (".MS" if timeline.decimals else "")
    return Value(sql=sql, type=TIMESTAMP, holds=Holds.TEXT, form=form)


def _time(timeline: Timeline) -> Value:
    sql, form = _to_the_second(timeline), _TIME_FORM + (".MS" if timeline.decimals else "")
    return Value(sql=f"{sql}::time", type=TIME, holds=Holds.TEXT, form=form)


def _to_the_second(timeline: Timeline) -> str:
    return f"date_trunc('{'milliseconds' if timeline.decimals else 'second'}', {timeline.sql})"


def _unixepoch(timeline: Timeline) -> Value:
    seconds = f"extract(epoch FROM {timeline.sql})"
    return (
        real(f"{seconds}::double precision")
        if timeline.decimals
        else replace(integer(f"floor({seconds})::bigint"), most=_FARTHEST_SECOND)
    )


def _julianday(timeline: Timeline) -> Value:
    milliseconds = f"floor(extract(epoch FROM {timeline.sql}) * 1000) + {_JULIAN_MILLISECONDS}"
    return real(f"(({milliseconds})::double precision / {_DAY_MILLISECONDS})")


def _read_by(make: Callable[[Timeline], Value]) -> Callable[[Walk, Sequence[Value]], Value]:
    def build(walk: Walk, arguments: Sequence[Value]) -> Value:
        timeline = read_moment(walk, arguments)
        return NULL if timeline is None else make(timeline)

    return build


def _strftime(walk: Walk, arguments: Sequence[Value]) -> Value:
    form, *rest = arguments
    if not isinstance(form.constant, str):
        return refuse("strftime is translated for a constant format")
    timeline = read_moment(walk, rest)
    if timeline is None:
        return NULL
    whole, iso = _WHOLE.get(form.constant), _ISO.fullmatch(form.constant)
    if whole is not None:
        return whole(timeline)
    return _spelled(walk, form.constant, timeline) if iso is None else _in_iso(timeline, iso)


def _spelled(walk: Walk, form: str, timeline: Timeline) -> Value:
    parts = _parts(walk, form, timeline.sql)
    if len(parts) == 1:
        return parts[0]
    if (walk.subquery is not None or not walk.immutable) and "%" not in _LETTER.sub("", form):
        return text(f"to_char({timeline.sql}, {quote_text(_pattern(form))})")
    return text("(" + " || ".join(as_text(walk, part) for part in parts) + ")") if parts else text("''")


def _in_iso(timeline: Timeline, form: re.Match[str]) -> Value:
    """A moment in one of the shapes of ISO 8601, so that a column of a moment's type can hold it."""
    unit, seconds = {":%f": ("milliseconds", ":SS.MS"), ":%S": ("second", ":SS"), "": ("minute", "")}[form[2] or ""]
    separator, zone = '"T"' if form[1] == "T" else " ", '"Z"' if form[3] else ""
    return Value(
        sql=f"date_trunc('{unit}', {timeline.sql})",
        type=TIMESTAMP,
        holds=Holds.TEXT,
        form=f"{_DATE_FORM}{separator}HH24:MI{seconds}{zone}",
    )


def _pattern(form: str) -> str:
    """A format of strftime as one of to_char, which may not stand in an index."""
    pieces = _LETTER.split(form)
    texts = ['"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' if piece else "" for piece in pieces[::2]]
    fields = [_TO_CHAR[letter] for letter in pieces[1::2]]
    return "".join(part for pair in zip(texts, [*fields, ""], strict=True) for part in pair)


def _parts(walk: Walk, form: str, sql: str) -> list[Value]:
    parts: list[Value] = []
    literal, characters = "", iter(form)
    for character in characters:
        if character != "%":
            literal += character
            continue
        letter = next(characters, "")
        if letter == "%":
            literal += "%"
            continue
        if literal:
            parts.append(text(quote_text(literal)))
            literal = ""
        parts.append(_field(walk, letter, sql))
    return [*parts, text(quote_text(literal))] if literal else parts


def _field(walk: Walk, letter: str, sql: str) -> Value:
    """One field of strftime: an integer that is spelled with so many digits, or a text."""
    if letter in _COMPOSED:
        inner = _parts(walk, _COMPOSED[letter], sql)
        return text("(" + " || ".join(as_text(walk, part) for part in inner) + ")")
    if letter == "J":
        return refuse("strftime's %J spells a real")
    if letter == "f":
        return text(
            f"(lpad(floor(extract(second FROM {sql}))::text, 2, '0')"
            f" || '.' || lpad(mod(trunc(extract(milliseconds FROM {sql})), 1000)::text, 3, '0'))"
        )
    field = _FIELDS.get(letter)
    if field is None:
        return refuse(f"strftime's %{letter} is not translated")
    template, digits = field
    # PostgreSQL's moments end in the year 294276.
    return Value(sql=template.format(sql), type=BIGINT, holds=Holds.TEXT, form="0" * digits, most=_FARTHEST_SECOND)


_FIELDS: Final[Mapping[str, tuple[str, int]]] = MappingProxyType(
    {
        "Y": ("extract(year FROM {})::bigint", 4),
        "m": ("extract(month FROM {})::bigint", 2),
        "d": ("extract(day FROM {})::bigint", 2),
        "H": ("extract(hour FROM {})::bigint", 2),
        "M": ("extract(minute FROM {})::bigint", 2),
        "S": ("floor(extract(second FROM {}))::bigint", 2),
        "s": ("floor(extract(epoch FROM {}))::bigint", 0),
        "j": ("extract(doy FROM {})::bigint", 3),
        "w": ("extract(dow FROM {})::bigint", 0),
        "u": ("extract(isodow FROM {})::bigint", 0),
        # Weeks that begin on Monday; the days before the first Monday are week 0.
        "W": ("div(extract(doy FROM {0}) - extract(isodow FROM {0}) + 7, 7)::bigint", 2),
        "U": ("div(extract(doy FROM {0}) - 1 - extract(dow FROM {0}) + 7, 7)::bigint", 2),
        "G": ("extract(isoyear FROM {})::bigint", 4),
        "V": ("extract(week FROM {})::bigint", 2),
    }
)
_TO_CHAR: Final = MappingProxyType(
    {
        "Y": "YYYY", "m": "MM", "d": "DD", "H": "HH24", "M": "MI", "S": "SS", "f": "SS.MS", "j": "DDD",
        "F": "YYYY-MM-DD", "T": "HH24:MI:SS", "R": "HH24:MI",
    }
)  # fmt: skip
_LETTER: Final = re.compile(f"%([{''.join(_TO_CHAR)}])")
_ISO: Final = re.compile("%Y-%m-%d([ T])%H:%M(:%S|:%f)?(Z?)")
_COMPOSED: Final = MappingProxyType({"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M"})
_WHOLE: Final[Mapping[str, Callable[[Timeline], Value]]] = MappingProxyType(
    {
        "%Y-%m-%d": _date,
        "%F": _date,
        "%Y-%m-%d %H:%M:%S": _datetime,
        "%F %T": _datetime,
        "%H:%M:%S": _time,
        "%T": _time,
    }
)


def _current(make: Callable[[Timeline], Value]) -> Handler:
    def handle(walk: Walk, _: Any) -> Value:
        timeline = read_moment(walk, ())
        return NULL if timeline is None else make(timeline)

    return handle


_NOTE: Final = (
    "of columns of a moment's type, of integers with 'unixepoch', and of texts YYYY-MM-DD[ HH:MM[:SS[.SSS]]];"
    " modifiers are constants"
)
FUNCTIONS: Final = (
    Function(name="date", least=0, most=None, build=_read_by(_date), note=_NOTE),
    Function(name="time", least=0, most=None, build=_read_by(_time), note=_NOTE),
    Function(name="datetime", least=0, most=None, build=_read_by(_datetime), note=_NOTE),
    Function(name="julianday", least=0, most=None, build=_read_by(_julianday), note=_NOTE),
    Function(name="unixepoch", least=0, most=None, build=_read_by(_unixepoch), note=_NOTE),
    Function(name="strftime", least=1, most=None, build=_strftime, note=_NOTE + "; the format is a constant"),
    Function(name="timediff", least=2, most=2, grade=Grade.REFUSED, note="it has no counterpart in PostgreSQL"),
)
HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType(
    {
        exp.CurrentTimestamp: _current(_datetime),
        exp.CurrentDate: _current(_date),
        exp.CurrentTime: _current(_time),
    }
)
