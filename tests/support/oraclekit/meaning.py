"""What a value of SQLite must read back as from a column of PostgreSQL, or that the column has no place for it."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final
from uuid import UUID

from oraclekit.moments import clock, day, moment, moment_of_form


@dataclass(frozen=True)
class Text:
    """A text by its bytes as they are stored, which need not be valid."""

    raw: bytes
    encoding: str = "utf-8"

    @property
    def decoded(self) -> str | None:
        """The text; None where it is not valid."""
        try:
            return self.raw.decode(self.encoding)
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True)
class Handling:
    """What rules say of a column."""

    form: str | None = None
    null_if_empty: bool = False
    nul: str = "reject"
    bad_utf8: str = "reject"


class _NoPlace:
    def __repr__(self) -> str:
        return "NO_PLACE"


NO_PLACE: Final = _NoPlace()
"""The column cannot hold the value unchanged: its row must be a reject."""

_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
_TRUTH = {"true": True, "t": True, "yes": True, "y": True, "on": True, "1": True} | {
    "false": False, "f": False, "no": False, "n": False, "off": False, "0": False
}  # fmt: skip
_WIDE = Context(prec=2_000)
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,100}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?\s*", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def meaning(value: Any, sql: str, handling: Handling = Handling()) -> Hashable:
    """Say what a value (int, float, bytes, `Text` or None) is in a column of the type that PostgreSQL spells `sql`."""
    value = _handled(value, sql, handling)
    if value is None:
        return None
    base, arguments = _parts(sql)
    if handling.form is not None:
        held = moment_of_form(_number_or_text(value), handling.form, base, arguments)
    else:
        held = _MEANINGS[base](value, arguments)
    return NO_PLACE if held is None else held


def _handled(value: Any, sql: str, handling: Handling) -> Any:
    if not isinstance(value, Text):
        return value
    text = value.decoded
    if text is None and sql != "bytea":
        text = _recoded(value, handling.bad_utf8)
    if text is None:
        return value
    if sql != "bytea":
        text = text.replace("\0", {"reject": "\0", "strip": "", "replace": "\u2400"}[handling.nul])
    return None if handling.null_if_empty and not text else Text(text.encode())


def _recoded(text: Text, policy: str) -> str | None:
    is_utf_8 = text.encoding == "utf-8"
    if policy == "latin-1" and is_utf_8:
        return text.raw.decode("latin-1")
    if policy != "replace":
        return None
    # Half a surrogate pair is one character that cannot be decoded.
    raw = re.sub(rb"\xed[\xa0-\xbf][\x80-\xbf]", b"\xff", text.raw) if is_utf_8 else text.raw
    return raw.decode(text.encoding, "replace")


def _parts(sql: str) -> tuple[str, tuple[int, ...]]:
    found = re.search(r"\((-?\d+)(?:,(-?\d+))?\)", sql)
    base = re.sub(r"\([^)]*\)", "", sql)
    if base == "character" and found is None:
        return base, (1,)
    return base, tuple(int(part) for part in found.groups() if part is not None) if found else ()


def _number_or_text(value: Any) -> Any:
    if isinstance(value, Text):
        return value.decoded
    return None if isinstance(value, bytes) else value


def _written(value: Any) -> str | None:
    """A value as text, as PostgreSQL's text can hold it."""
    if isinstance(value, float):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), repr(value))
    if isinstance(value, int):
        return str(value)
    text = value.decoded if isinstance(value, Text) else None
    return None if text is None or "\0" in text else text


def _integer(bits: int) -> Callable[[Any, tuple[int, ...]], int | None]:
    def read(value: Any, _: tuple[int, ...]) -> int | None:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, Text) and _INTEGER.fullmatch(value.decoded or ""):
            value = int(value.decoded or "")
        return value if isinstance(value, int) and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1) else None

    return read


def _spelled(value: Any) -> Any:
    """The double that a text spells, where it spells it and no other number; other values as they are."""
    text = value.decoded if isinstance(value, Text) else None
    if text is None or not _NUMBER.fullmatch(text) or len(text) > 1_000:
        return value
    return float(text) if Decimal(text.strip()) == Decimal(repr(float(text))) else None


def _double(value: Any, _: tuple[int, ...]) -> bytes | None:
    value = _spelled(value)
    if isinstance(value, int):
        return struct.pack(">d", value) if int(float(value)) == value else None
    return struct.pack(">d", value) if isinstance(value, float) else None


def _real(value: Any, _: tuple[int, ...]) -> bytes | None:
    value = _spelled(value)
    if not isinstance(value, int | float):
        return None
    try:
        narrow = struct.unpack(">f", struct.pack(">f", value))[0]
    except OverflowError:
        return None
    return struct.pack(">d", narrow) if narrow == value else None


def _numeric(value: Any, arguments: tuple[int, ...]) -> Decimal | None:
    if isinstance(value, Text) and _NUMBER.fullmatch(value.decoded or "") and len(value.decoded or "") <= 1_000:
        number = Decimal((value.decoded or "").strip())
    elif isinstance(value, int | float):
        number = Decimal(repr(value))
    else:
        return None
    if not arguments:
        return number
    precision, scale = (*arguments, 0)[:2]
    if not number.is_finite():
        return None
    scaled = _WIDE.scaleb(number, scale) if number else number
    return number if scaled == _WIDE.to_integral_value(scaled) and abs(scaled) < 10**precision else None


def _text(value: Any, arguments: tuple[int, ...]) -> str | None:
    text = _written(value)
    return None if text is None or (arguments and len(text) > arguments[0]) else text


def _padded(value: Any, arguments: tuple[int, ...]) -> str | None:
    text = _text(value, arguments)
    return None if text is None else text.rstrip(" ")


def _bytes(value: Any, _: tuple[int, ...]) -> bytes:
    if isinstance(value, Text):
        return value.raw if value.decoded is None else value.decoded.encode()
    return value if isinstance(value, bytes) else str(_written(value)).encode()


def _truth(value: Any, _: tuple[int, ...]) -> bool | None:
    if isinstance(value, int):
        return {0: False, 1: True}.get(value)
    text = value.decoded if isinstance(value, Text) else None
    return _TRUTH.get(text.lower()) if text is not None and text.isascii() else None


def _uuid(value: Any, _: tuple[int, ...]) -> UUID | None:
    if isinstance(value, bytes):
        return UUID(bytes=value) if len(value) == 16 else None
    text = value.decoded if isinstance(value, Text) else None
    return UUID(text) if text is not None and _UUID.fullmatch(text) else None


def _json(value: Any, _: tuple[int, ...]) -> str | None:
    text = _written(value)
    if text is None:
        return None
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return None
    return text


def _jsonb(value: Any, arguments: tuple[int, ...]) -> Hashable:
    text = _json(value, arguments)
    try:
        return None if text is None else json_meaning(text)
    except ValueError:
        return None


def json_meaning(text: str) -> Hashable:
    """A JSON text as jsonb understands it; a ValueError for what jsonb would change or refuse."""
    return _frozen(json.loads(text, object_pairs_hook=_members, parse_int=Decimal, parse_float=Decimal))


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _refuse(_: str) -> None:
    raise ValueError


def _frozen(value: Any) -> Hashable:
    match value:
        case dict():
            return ("object", frozenset((_frozen(name), _frozen(each)) for name, each in value.items()))
        case list():
            return ("array", tuple(_frozen(each) for each in value))
        case str():
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise ValueError
            return ("string", value)
        case Decimal():
            return ("number", value)
    return ("literal", str(value))


def _of_text(read: Callable[[str, tuple[int, ...]], Any]) -> Callable[[Any, tuple[int, ...]], Any]:
    def held(value: Any, arguments: tuple[int, ...]) -> Any:
        text = value.decoded if isinstance(value, Text) else None
        return None if text is None else read(text, arguments)

    return held


_MEANINGS: Final[dict[str, Callable[[Any, tuple[int, ...]], Any]]] = {
    **{name: _integer(bits) for name, bits in _BITS.items()},
    "real": _real,
    "double precision": _double,
    "numeric": _numeric,
    "text": _text,
    "citext": _text,
    "character varying": _text,
    "character": _padded,
    "bytea": _bytes,
    "boolean": _truth,
    "uuid": _uuid,
    "json": _json,
    "jsonb": _jsonb,
    "date": _of_text(day),
    "time without time zone": _of_text(clock),
    "timestamp without time zone": _of_text(lambda text, arguments: moment(text, arguments, zoned=False)),
    "timestamp with time zone": _of_text(lambda text, arguments: moment(text, arguments, zoned=True)),
}
