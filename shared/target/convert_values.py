"""Single values of a source as text that PostgreSQL's own input functions read: the careful path's conversion.

The rules are those of `shared.target.convert`: a value is carried exactly or it does not fit.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias, TypeGuard

from shared.records.keys import KeyValue, RawText, Value
from shared.records.plan import TargetColumn, TypeKind
from shared.target.treat_values import moment_text, treat_text
from shared.target.value_rules import (
    FALSE_SPELLINGS,
    INTEGER_BITS,
    MAX_OFFSET_HOURS,
    TRUE_SPELLINGS,
    UUID_BYTES,
    Limits,
    Unfit,
    UnfitError,
    decimal_fits,
    has_duplicate_names,
    limits_of,
    real_text,
)

_Adapter: TypeAlias = Callable[[KeyValue, TargetColumn], str]

_DAY: Final = r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_TIME: Final = r"(?P<time>(?:[01][0-9]|2[0-3]):[0-5][0-9](?P<second>:[0-5][0-9](?:\.(?P<fraction>[0-9]{1,6}))?)?)"
_OFFSET: Final = r"(?P<offset>Z|[+-](?P<hours>[0-9]{2}):[0-5][0-9])"
_DATE_TEXT: Final = re.compile(_DAY)
_TIME_TEXT: Final = re.compile(f"(?:2000-01-01[ T])?{_TIME}")
"""Rails writes a time of day with a day before it, always this one."""
_TIMESTAMP_TEXT: Final = re.compile(f"{_DAY}(?:[ T]{_TIME})?")
_TIMESTAMPTZ_TEXT: Final = re.compile(f"{_DAY}(?:[ T]{_TIME}{_OFFSET}?)?")
_INTEGER_TEXT: Final = re.compile(r"\s*[+-]?[0-9]{1,100}\s*", re.ASCII)
_NUMBER_TEXT: Final = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?\s*", re.ASCII)
_LONGEST_NUMBER: Final = 1_000
"""Characters of a text that is read as a number: more than any number of a source has, far fewer than take long."""
_UUID_TEXT: Final = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_KEPT_DECIMALS: Final = re.compile(r"(?:interval|time)\b.*\((\d)\).*")
_DECIMALS: Final = re.compile(r"[.,]([0-9]+)")
_EXACT_INTEGERS: Final = 2**53
"""Above it (and below its negative) a double skips integers."""
_BOOLEANS: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(TRUE_SPELLINGS, "true") | dict.fromkeys(FALSE_SPELLINGS, "false")
)
_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class ValueDoesNotFit(Exception):  # noqa: N818 - it is an answer about the value, not a fault of the program
    """A value that a column cannot hold exactly."""

    def __init__(self, column: TargetColumn, reason: Unfit) -> None:
        super().__init__(f"the value {reason} (type {column.type.sql})")
        self.column = column
        self.reason = reason


def adapt(value: Value, column: TargetColumn) -> str | None:
    """Render a source value as the text that PostgreSQL reads into exactly this value; None for NULL.

    The text is meant for an untyped literal or COPY, so that the column's type reads it. The column's treatment is
    applied first.

    Raises:
        ValueDoesNotFit: where the column cannot hold the value exactly.
    """
    return adapter_of(column)(value)


@functools.lru_cache(maxsize=4096)
def adapter_of(column: TargetColumn) -> Callable[[Value], str | None]:
    """Make `adapt` for one column, which then need not look at the column for each value."""
    adapter = _ADAPTERS[column.type.kind]
    if column.treatment.is_plain:
        return lambda value: None if value is None else adapter(value, column)
    return functools.partial(_treated, column=column, adapter=adapter)


def _treated(value: Value, *, column: TargetColumn, adapter: _Adapter) -> str | None:
    """Adapt what the column's rule makes of a value."""
    treatment = column.treatment
    value = treat_text(value, treatment, column.type.kind)
    if value is None:
        return None
    if treatment.form is None:
        return adapter(value, column)
    try:
        return moment_text(value, treatment.form, column.type)
    except UnfitError as unfit:
        raise ValueDoesNotFit(column, unfit.reason) from None


def _integer(value: KeyValue, column: TargetColumn) -> str:
    if isinstance(value, str) and _INTEGER_TEXT.fullmatch(value):
        value = int(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueDoesNotFit(column, Unfit.FRACTION)
        value = int(value)
    if not isinstance(value, int):
        raise ValueDoesNotFit(column, Unfit.NOT_A_NUMBER)
    bound = 1 << (INTEGER_BITS[column.type.kind] - 1)
    if not -bound <= value < bound:
        raise ValueDoesNotFit(column, Unfit.OUT_OF_RANGE)
    return str(value)


def _double(value: KeyValue, column: TargetColumn) -> str:
    value = _spelled_real(value, column)
    if isinstance(value, int):
        if abs(value) > _EXACT_INTEGERS and int(float(value)) != value:
            raise ValueDoesNotFit(column, Unfit.INEXACT)
        return str(value)
    if isinstance(value, float):
        return real_text(value)
    raise ValueDoesNotFit(column, Unfit.NOT_A_NUMBER)


def _real(value: KeyValue, column: TargetColumn) -> str:
    value = _spelled_real(value, column)
    if not isinstance(value, int | float):
        raise ValueDoesNotFit(column, Unfit.NOT_A_NUMBER)
    try:
        (nearest,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        raise ValueDoesNotFit(column, Unfit.OUT_OF_RANGE) from None
    if nearest != value:
        raise ValueDoesNotFit(column, Unfit.INEXACT)
    return real_text(nearest)


def _spelled_real(value: KeyValue, column: TargetColumn) -> KeyValue:
    """The double that a text is the shortest spelling of, with or without zeros at its end; other values as they are.

    Raises:
        ValueDoesNotFit: for a text of another number.
    """
    if not _is_number(value):
        return value
    number = float(value)
    if Decimal(value.strip()) != Decimal(repr(number)):
        raise ValueDoesNotFit(column, Unfit.INEXACT)
    return number


def _is_number(value: KeyValue) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _NUMBER_TEXT.fullmatch(value) is not None


def _numeric(value: KeyValue, column: TargetColumn) -> str:
    if _is_number(value):
        text = value.strip()
    elif isinstance(value, int | float):
        text = real_text(value) if isinstance(value, float) else str(value)
    else:
        raise ValueDoesNotFit(column, Unfit.NOT_A_NUMBER)
    number = Decimal(text)
    limits = limits_of(column.type)
    fits = decimal_fits(number, limits) if number.is_finite() else limits.precision is None
    if not fits:
        raise ValueDoesNotFit(column, Unfit.TOO_MANY_DIGITS)
    return text


def _text(value: KeyValue, column: TargetColumn) -> str:
    text = _plain_text(value, column, blob=Unfit.NOT_TEXT)
    length = limits_of(column.type).length
    if length is not None and len(text) > length:
        raise ValueDoesNotFit(column, Unfit.TOO_LONG)
    return text


def _other(value: KeyValue, column: TargetColumn) -> str:
    # PostgreSQL would take 5400000000 of an interval for seconds, and the number 101 of bits for digits of base 2.
    if column.type.sql.startswith("interval") and (isinstance(value, int | float) or _is_number(value)):
        raise ValueDoesNotFit(column, Unfit.NO_UNIT)
    if column.type.sql.startswith("bit") and isinstance(value, int | float):
        raise ValueDoesNotFit(column, Unfit.NOT_BITS)
    text = _plain_text(value, column, blob=Unfit.NO_TEXT_FORM)
    kept = _KEPT_DECIMALS.fullmatch(column.type.sql)
    if kept and any(len(decimals.rstrip("0")) > int(kept[1]) for decimals in _DECIMALS.findall(text)):
        raise ValueDoesNotFit(column, Unfit.TOO_MANY_DIGITS)
    return text


def _json(value: KeyValue, column: TargetColumn) -> str:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise ValueDoesNotFit(column, Unfit.NOT_JSON)
    return _plain_text(value, column, blob=Unfit.NOT_JSON)


def _jsonb(value: KeyValue, column: TargetColumn) -> str:
    text = _json(value, column)
    if has_duplicate_names(text):
        raise ValueDoesNotFit(column, Unfit.DUPLICATE_NAMES)
    return text


def _plain_text(value: KeyValue, column: TargetColumn, *, blob: Unfit) -> str:
    match value:
        case str():
            if "\0" in value:
                raise ValueDoesNotFit(column, Unfit.NUL)
            return value
        case int():
            return str(value)
        case float():
            return real_text(value)
        case bytes():
            raise ValueDoesNotFit(column, blob)
        case RawText():
            raise ValueDoesNotFit(column, Unfit.NOT_UTF8)


def _bytea(value: KeyValue, column: TargetColumn) -> str:
    del column  # any value has bytes
    match value:
        case bytes():
            raw = value
        case RawText():
            raw = value.raw
        case str():
            raw = value.encode()
        case int():
            raw = str(value).encode()
        case float():
            raw = real_text(value).encode()
    return "\\x" + raw.hex()


def _boolean(value: KeyValue, column: TargetColumn) -> str:
    if isinstance(value, int) and value in (0, 1):
        return "true" if value else "false"
    spelled = _BOOLEANS.get(value.translate(_ASCII_LOWER)) if isinstance(value, str) else None
    if spelled is None:
        raise ValueDoesNotFit(column, Unfit.NOT_BOOLEAN)
    return spelled


def _uuid(value: KeyValue, column: TargetColumn) -> str:
    if isinstance(value, bytes) and len(value) == UUID_BYTES:
        return value.hex()
    if isinstance(value, str) and _UUID_TEXT.fullmatch(value):
        return value
    raise ValueDoesNotFit(column, Unfit.NOT_UUID)


def _moment(pattern: re.Pattern[str], reason: Unfit) -> _Adapter:
    def adapt_moment(value: KeyValue, column: TargetColumn) -> str:
        found = pattern.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValueDoesNotFit(column, _why_no_moment(value, column, reason))
        parts = {"day": None, "time": None, "second": "", "fraction": None, "offset": None, "hours": None}
        parts |= found.groupdict()
        if not _is_day(parts["day"]) or int(parts["hours"] or 0) > MAX_OFFSET_HOURS:
            raise ValueDoesNotFit(column, reason)
        _refuse_lost_decimals(parts["fraction"] or "", column)
        # With its seconds, and with a space for the T, each form is one that every PostgreSQL reads alike.
        time = parts["time"] and parts["time"] + ("" if parts["second"] else ":00")
        if column.type.kind is TypeKind.TIMESTAMPTZ:  # without an offset it is in UTC, as for SQLite's own functions
            return f"{parts['day']} {time or '00:00:00'}{parts['offset'] or '+00'}"
        return " ".join(part for part in (parts["day"], time) if part)

    return adapt_moment


def _why_no_moment(value: KeyValue, column: TargetColumn, reason: Unfit) -> Unfit:
    """Say of numbers and of offsets what they are, so that a rule or another type can be chosen for them."""
    if column.type.kind is not TypeKind.TIME and (isinstance(value, int | float) or _is_number(value)):
        return Unfit.COUNTS_TIME
    if column.type.kind is TypeKind.TIMESTAMP and isinstance(value, str) and _TIMESTAMPTZ_TEXT.fullmatch(value):
        return Unfit.HAS_OFFSET
    return reason


def _is_day(day: str | None) -> bool:
    if day is None:
        return True
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _refuse_lost_decimals(fraction: str, column: TargetColumn) -> None:
    limits: Limits = limits_of(column.type)
    if len(fraction.rstrip("0")) > limits.second_digits:
        raise ValueDoesNotFit(column, Unfit.TOO_MANY_DIGITS)


_ADAPTERS: Final[Mapping[TypeKind, _Adapter]] = MappingProxyType(
    {
        TypeKind.SMALLINT: _integer,
        TypeKind.INTEGER: _integer,
        TypeKind.BIGINT: _integer,
        TypeKind.REAL: _real,
        TypeKind.DOUBLE: _double,
        TypeKind.NUMERIC: _numeric,
        TypeKind.TEXT: _text,
        TypeKind.BYTEA: _bytea,
        TypeKind.BOOLEAN: _boolean,
        TypeKind.TIMESTAMP: _moment(_TIMESTAMP_TEXT, Unfit.NOT_TIMESTAMP),
        TypeKind.TIMESTAMPTZ: _moment(_TIMESTAMPTZ_TEXT, Unfit.NOT_TIMESTAMPTZ),
        TypeKind.DATE: _moment(_DATE_TEXT, Unfit.NOT_DATE),
        TypeKind.TIME: _moment(_TIME_TEXT, Unfit.NOT_TIME),
        TypeKind.UUID: _uuid,
        TypeKind.JSON: _json,
        TypeKind.JSONB: _jsonb,
        TypeKind.OTHER: _other,
    }
)
