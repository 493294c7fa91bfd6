"""What a source value means in its target type. Read afresh for verification: no code of the copy's conversion."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from shared.compare.forms import NOT_A_NUMBER, Form, Formless, NormaliseTexts, plain_decimal
from shared.compare.json_forms import read_json
from shared.compare.moments import read_date, read_moment, read_time
from shared.records.keys import KeyValue, RawText, Value
from shared.records.plan import TargetType, TypeKind

_INTEGER_TEXT: Final = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NUMBER_TEXT: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
_NUMBER_WORDS: Final = MappingProxyType(
    {
        **dict.fromkeys(("nan",), "NaN"),
        **dict.fromkeys(("infinity", "inf", "+infinity", "+inf"), "Infinity"),
        **dict.fromkeys(("-infinity", "-inf"), "-Infinity"),
    }
)
_UUID_TEXT: Final = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TRUE: Final = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "off", "0"})
_ENDLESS: Final = frozenset({"infinity", "-infinity"})
_INTEGER_BITS: Final = MappingProxyType({TypeKind.SMALLINT: 15, TypeKind.INTEGER: 31, TypeKind.BIGINT: 63})
_MOST_DIGITS: Final = 200_000
"""More than numeric can hold before and after the point together; a longer exponent is never expanded."""


class _NoFormError(ValueError):
    """The value has no place in the type."""


def canonical_source(value: Value, type_: TargetType) -> Form:
    """Bring one source value to the canonical form of a target type.

    Texts are read strictly: a date must be a real day, a number must be spelled out, a timestamp with an
    offset does not fit a column without time zone, and one without an offset is taken as UTC where the
    column has a time zone, as SQLite's own date functions do. Kinds of OTHER give the text; PostgreSQL
    must bring it to its own spelling (`canonical_column` asks it).

    Returns:
        The form, None for NULL, or a `Formless` for what the type cannot hold unchanged.
    """
    if value is None:
        return None
    try:
        return _READERS[type_.kind](value, type_)
    except (_NoFormError, OverflowError, ValueError):
        return Formless(value)


def canonical_column(values: Sequence[Value], type_: TargetType, normalise: NormaliseTexts) -> list[Form]:
    """Bring source values to canonical form; for types of kind OTHER, PostgreSQL spells each value out."""
    forms = [canonical_source(value, type_) for value in values]
    if type_.kind is not TypeKind.OTHER:
        return forms
    spelled = normalise([form if isinstance(form, str) else None for form in forms], type_)
    return [
        Formless(value) if text is None and value is not None else text
        for value, text in zip(values, spelled, strict=True)
    ]


def text_form(value: KeyValue) -> str:
    """Write a number as SQLite's source value reads in text, and a text as it is.

    Raises:
        ValueError: for blobs and for texts that cannot be decoded.
    """
    match value:
        case str():
            return value
        case int():
            return str(value)
        case float():
            return repr(value).replace("inf", "Infinity").replace("nan", NOT_A_NUMBER)
    msg = "bytes are no text"
    raise _NoFormError(msg)


def _integer(value: KeyValue, type_: TargetType) -> int:
    if isinstance(value, str) and not _INTEGER_TEXT.fullmatch(value):
        raise _NoFormError
    if not isinstance(value, int | float | str) or (isinstance(value, float) and not value.is_integer()):
        raise _NoFormError
    number = int(value)
    bits = _INTEGER_BITS[type_.kind]
    if not -(1 << bits) <= number < 1 << bits:
        raise _NoFormError
    return number


def _float(value: KeyValue) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        if int(float(value)) != value:
            raise _NoFormError
        return float(value)
    return float(_number_text(value))


def _double(value: KeyValue, _type: TargetType) -> bytes:
    return struct.pack(">d", _float(value))


def _real(value: KeyValue, _type: TargetType) -> bytes:
    number = _float(value)
    single = struct.pack(">f", number)
    if number and not any(single[1:]) and not single[0] & 0x7F:  # too small: it became zero
        raise _NoFormError
    return single


def _numeric(value: KeyValue, _type: TargetType) -> Form:
    if isinstance(value, int):
        return plain_decimal(Decimal(value))
    number = Decimal(_number_text(text_form(value)))
    if number.is_finite() and abs(number.adjusted()) > _MOST_DIGITS:
        raise _NoFormError
    return plain_decimal(number)


def _number_text(value: KeyValue) -> str:
    if not isinstance(value, str):
        raise _NoFormError
    if _NUMBER_TEXT.fullmatch(value):
        return value.strip()
    word = _NUMBER_WORDS.get(value.strip().lower())
    if word is None:
        raise _NoFormError
    return word


def _text(value: KeyValue, type_: TargetType) -> str:
    text = text_form(value)
    if "\0" in text:
        raise _NoFormError
    # Blanks at the end mean nothing in character(n), and PostgreSQL leaves them out of its text.
    return text.rstrip(" ") if type_.sql.startswith(("character(", "bpchar")) else text


def _bytes(value: KeyValue, _type: TargetType) -> bytes:
    match value:
        case bytes():
            return value
        case RawText(raw=raw):
            return raw
    return text_form(value).encode()


def _boolean(value: KeyValue, _type: TargetType) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, int | float) and value in {0, 1}:
        return bool(value)
    raise _NoFormError


def _timestamp(value: KeyValue, type_: TargetType) -> int | str:
    text = _moment_text(value)
    if text in _ENDLESS:
        return text
    moment = read_moment(text)
    if moment is None or (moment.offset and type_.kind is TypeKind.TIMESTAMP):
        raise _NoFormError
    return moment.microseconds


def _date(value: KeyValue, _type: TargetType) -> int | str:
    text = _moment_text(value)
    return text if text in _ENDLESS else _found(read_date(text))


def _time(value: KeyValue, _type: TargetType) -> int:
    return _found(read_time(_moment_text(value)))


def _moment_text(value: KeyValue) -> str:
    if not isinstance(value, str):
        raise _NoFormError
    text = value.strip()
    return text.lower() if text.lower() in _ENDLESS else text


def _found(number: int | None) -> int:
    if number is None:
        raise _NoFormError
    return number


def _uuid(value: KeyValue, _type: TargetType) -> bytes:
    if isinstance(value, str) and _UUID_TEXT.fullmatch(value):
        return uuid.UUID(hex=value).bytes
    if isinstance(value, bytes) and len(value) == 16:
        return value
    raise _NoFormError


def _jsonb(value: KeyValue, type_: TargetType) -> Form:
    return read_json(_text(value, type_))


_READERS: Final[MappingProxyType[TypeKind, Callable[[KeyValue, TargetType], Form]]] = MappingProxyType(
    {
        TypeKind.SMALLINT: _integer,
        TypeKind.INTEGER: _integer,
        TypeKind.BIGINT: _integer,
        TypeKind.REAL: _real,
        TypeKind.DOUBLE: _double,
        TypeKind.NUMERIC: _numeric,
        TypeKind.TEXT: _text,
        TypeKind.BYTEA: _bytes,
        TypeKind.BOOLEAN: _boolean,
        TypeKind.TIMESTAMP: _timestamp,
        TypeKind.TIMESTAMPTZ: _timestamp,
        TypeKind.DATE: _date,
        TypeKind.TIME: _time,
        TypeKind.UUID: _uuid,
        TypeKind.JSON: _text,
        TypeKind.JSONB: _jsonb,
        TypeKind.OTHER: _text,
    }
)
