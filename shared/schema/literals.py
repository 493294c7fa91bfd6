"""Constants as literals of PostgreSQL's types."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NoReturn

from shared.quoting import quote_text
from shared.records.keys import KeyValue, RawText
from shared.records.plan import TargetType, TypeKind
from shared.schema.constants import INT64_MAX, INT64_MIN


class UnfitError(ValueError):
    """A constant that the target type cannot hold; its text says so in a clause."""


def literal(value: KeyValue, target: TargetType) -> str:
    """Render a value as SQLite stores it as a literal of the target type, which holds it unchanged.

    Raises:
        UnfitError: where it could not be held, or not unchanged.
    """
    try:
        return _RENDERERS[target.kind](value, target)
    except KeyError:
        return _unfit(value, target)


def _unfit(value: KeyValue, target: TargetType) -> NoReturn:
    msg = f"{target.sql} cannot hold {value!r} unchanged"
    raise UnfitError(msg)


def _typed(text: str, target: TargetType) -> str:
    return f"{quote_text(text)}::{target.sql}"


def _integer(value: KeyValue, target: TargetType) -> str:
    low, high = _INTEGER_RANGES[target.kind]
    return str(value) if isinstance(value, int) and low <= value <= high else _unfit(value, target)


def _double(value: KeyValue, target: TargetType) -> str:
    if not isinstance(value, int | float) or float(value) != value:
        _unfit(value, target)
    if math.isinf(value):
        return _typed("Infinity" if value > 0 else "-Infinity", target)
    return repr(value)


def _numeric(value: KeyValue, target: TargetType) -> str:
    if not isinstance(value, int | float) or math.isinf(value):
        _unfit(value, target)
    number = Decimal(repr(value))
    scaled = re.fullmatch(r"numeric\((\d+),(\d+)\)", target.sql)
    if scaled:
        precision, scale = int(scaled[1]), int(scaled[2])
        if round(number, scale) != number or abs(number) >= 10 ** (precision - scale):
            _unfit(value, target)
    return f"{number:f}"


def _text(value: KeyValue, target: TargetType) -> str:
    if isinstance(value, bytes | RawText) or "\0" in str(value):
        _unfit(value, target)
    return quote_text(value if isinstance(value, str) else repr(value))


def _bytea(value: KeyValue, target: TargetType) -> str:
    if isinstance(value, RawText):
        return _typed("\\x" + value.raw.hex(), target)
    raw = value if isinstance(value, bytes) else (value if isinstance(value, str) else repr(value)).encode()
    return _typed("\\x" + raw.hex(), target)


def _boolean(value: KeyValue, target: TargetType) -> str:
    word = value.lower() if isinstance(value, str) else value
    if word in _TRUE:
        return "true"
    return "false" if word in _FALSE else _unfit(value, target)


def _moment(value: KeyValue, target: TargetType) -> str:
    """A date or time: checked against the calendar, since PostgreSQL would take other spellings too."""
    shape, parse = _MOMENTS[target.kind]
    if not isinstance(value, str) or not shape.fullmatch(value):
        _unfit(value, target)
    try:
        parse(value)
    except ValueError:
        _unfit(value, target)
    return _typed(value, target)


def _uuid(value: KeyValue, target: TargetType) -> str:
    if isinstance(value, bytes) and len(value) == 16:
        return _typed(str(uuid.UUID(bytes=value)), target)
    if isinstance(value, str) and _UUID.fullmatch(value):
        return _typed(str(uuid.UUID(value)), target)
    return _unfit(value, target)


def _json(value: KeyValue, target: TargetType) -> str:
    text = value if isinstance(value, str) else repr(value)
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        _unfit(value, target)
    if target.kind is TypeKind.JSONB and re.search(r"\\u0000", text):
        _unfit(value, target)
    return _typed(text, target)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


_INTEGER_RANGES: Final[Mapping[TypeKind, tuple[int, int]]] = MappingProxyType(
    {
        TypeKind.SMALLINT: (-(2**15), 2**15 - 1),
        TypeKind.INTEGER: (-(2**31), 2**31 - 1),
        TypeKind.BIGINT: (INT64_MIN, INT64_MAX),
    }
)
_TRUE: Final = frozenset({1, "1", "true", "t", "yes", "y", "on"})
_FALSE: Final = frozenset({0, "0", "false", "f", "no", "n", "off"})
_UUID: Final = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DAY: Final = r"\d{4}-\d\d-\d\d"
_CLOCK: Final = r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?"
_OFFSET: Final = r"(?:Z|[+-]\d\d:\d\d)"


def _parse_clock(text: str) -> None:
    """Accept a real time of day, whatever its decimals."""
    dt.time.fromisoformat(text.partition(".")[0])


def _parse_moment(text: str) -> None:
    dt.datetime.fromisoformat(re.sub(r"\.\d+", "", text))


_MOMENTS: Final[Mapping[TypeKind, tuple[re.Pattern[str], Callable[[str], Any]]]] = MappingProxyType(
    {
        TypeKind.DATE: (re.compile(_DAY, re.ASCII), dt.date.fromisoformat),
        TypeKind.TIME: (re.compile(_CLOCK, re.ASCII), _parse_clock),
        TypeKind.TIMESTAMP: (re.compile(f"{_DAY}(?:[ T]{_CLOCK})?", re.ASCII), _parse_moment),
        TypeKind.TIMESTAMPTZ: (re.compile(f"{_DAY}[ T]{_CLOCK}{_OFFSET}", re.ASCII), _parse_moment),
    }
)
_RENDERERS: Final[Mapping[TypeKind, Callable[[KeyValue, TargetType], str]]] = MappingProxyType(
    {
        TypeKind.SMALLINT: _integer,
        TypeKind.INTEGER: _integer,
        TypeKind.BIGINT: _integer,
        TypeKind.REAL: _double,
        TypeKind.DOUBLE: _double,
        TypeKind.NUMERIC: _numeric,
        TypeKind.TEXT: _text,
        TypeKind.BYTEA: _bytea,
        TypeKind.BOOLEAN: _boolean,
        TypeKind.DATE: _moment,
        TypeKind.TIME: _moment,
        TypeKind.TIMESTAMP: _moment,
        TypeKind.TIMESTAMPTZ: _moment,
        TypeKind.UUID: _uuid,
        TypeKind.JSON: _json,
        TypeKind.JSONB: _json,
    }
)
