"""Keys of source rows, and the half-open key ranges that chunks are made of."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
UTF_8: Final = "utf-8"


@dataclass(frozen=True, slots=True)
class RawText:
    """A text of the source that is not valid in the source's encoding: its bytes as they are stored."""

    raw: bytes
    encoding: str = field(default=UTF_8, compare=False)
    """The source's, as Python spells it: utf-8, utf-16le or utf-16be. A source has one."""


KeyValue: TypeAlias = int | float | str | bytes | RawText
"""One part of a key with its storage class: integer, real, text, blob, or text that can't be decoded."""

Key: TypeAlias = tuple[KeyValue, ...]
"""A whole key: one value for each column of the chunk key, none of them NULL."""

Value: TypeAlias = KeyValue | None
"""Any value of a source row."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row with its chunk key: for rejects and for the careful path."""

    key: tuple[Value, ...]
    """The chunk key's values; empty where the table has no chunk key."""
    values: tuple[Value, ...]
    """One for each column of the TableRead."""


class OpenEnd(enum.Enum):
    """The end of a key range that has no bound."""

    OPEN = "open"


OPEN: Final = OpenEnd.OPEN
Bound: TypeAlias = Key | OpenEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """The rows with ``lower <= key < upper``; an open end has no bound on its side.

    Raises:
        ValueError: for bounds that no row could lie between: empty keys, keys of different
            width, NULL or NaN in a key, or a single-integer range whose lower bound is not below
            its upper one. (Other orders depend on the source's collation and are not judged here.)
    """

    lower: Bound = OPEN
    upper: Bound = OPEN

    def __post_init__(self) -> None:
        keys = [bound for bound in (self.lower, self.upper) if isinstance(bound, tuple)]
        for key in keys:
            _refuse_bad_key(key)
        if len(keys) == 2:
            lower, upper = keys
            if len(lower) != len(upper):
                msg = f"key range has bounds of {len(lower)} and {len(upper)} columns"
                raise ValueError(msg)
            if lower == upper or _integers_out_of_order(lower, upper):
                msg = f"key range is empty: {lower!r} is not below {upper!r}"
                raise ValueError(msg)

    def __str__(self) -> str:
        lower = "-∞" if self.lower is OPEN else _readable(self.lower)
        upper = "∞" if self.upper is OPEN else _readable(self.upper)
        return f"[{lower}, {upper})"


@dataclass(frozen=True, slots=True)
class NullKeys:
    """The rows whose (single-column) chunk key is NULL: a chunk of their own."""

    def __str__(self) -> str:
        return "[NULL]"


ChunkRange: TypeAlias = KeyRange | NullKeys

EVERYTHING: Final = KeyRange()
"""Both ends open: a table that is not cut at all."""


def _refuse_bad_key(key: Key) -> None:
    if not key:
        msg = "a key needs at least one value"
        raise ValueError(msg)
    for value in key:
        if value is None or value != value:  # noqa: PLR0124 - NaN is the value that differs from itself
            msg = f"a key range cannot be bounded by {value!r}"
            raise ValueError(msg)
        if isinstance(value, bool) or (isinstance(value, int) and not _INT64_MIN <= value <= _INT64_MAX):
            msg = f"{value!r} is not a value that a source can store"
            raise ValueError(msg)


def _integers_out_of_order(lower: Key, upper: Key) -> bool:
    return len(lower) == 1 and isinstance(lower[0], int) and isinstance(upper[0], int) and lower[0] >= upper[0]


def _readable(key: Bound) -> str:
    if isinstance(key, OpenEnd):
        return key.value
    parts = ["x'" + v.hex() + "'" if isinstance(v, bytes) else repr(v) for v in key]
    return parts[0] if len(parts) == 1 else "(" + ", ".join(parts) + ")"


def encode_value(value: Value) -> dict[str, Any] | None:
    """Render a value as JSON that keeps its storage class, for the ledger; None for NULL."""
    match value:
        case None:
            return None
        case RawText(raw=raw, encoding=encoding):
            return {"raw_text" if encoding == UTF_8 else f"raw_{encoding}": raw.hex()}
        case int():
            return {"integer": str(value)}
        case float():
            return {"real": value.hex()}
        case bytes():
            return {"blob": value.hex()}
        case str():
            # jsonb cannot hold U+0000.
            return {"raw_text": value.encode().hex()} if "\0" in value else {"text": value}


def decode_value(encoded: dict[str, Any] | None) -> Value:
    """Read back what `encode_value` wrote.

    Raises:
        ValueError: for anything else.
    """
    if encoded is None:
        return None
    match list(encoded.items()):
        case [(str(storage_class), str(digits))] if storage_class in _DECODERS:
            return _DECODERS[storage_class](digits)
    msg = f"not an encoded value: {encoded!r}"
    raise ValueError(msg)


def _decode_raw_text(digits: str) -> str | RawText:
    raw = bytes.fromhex(digits)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return RawText(raw)


_DECODERS: Final[dict[str, Callable[[str], KeyValue]]] = {
    "integer": int,
    "real": float.fromhex,
    "text": str,
    "blob": bytes.fromhex,
    "raw_text": _decode_raw_text,
    "raw_utf-16le": lambda digits: RawText(bytes.fromhex(digits), "utf-16le"),
    "raw_utf-16be": lambda digits: RawText(bytes.fromhex(digits), "utf-16be"),
}


def encode_range(key_range: ChunkRange) -> dict[str, Any]:
    """Render a key range as JSON for the ledger; an operator can read it with psql."""
    if isinstance(key_range, NullKeys):
        return {"null": True}
    return {"from": _encode_bound(key_range.lower), "to": _encode_bound(key_range.upper)}


def decode_range(encoded: dict[str, Any]) -> ChunkRange:
    """Read back what `encode_range` wrote.

    Raises:
        ValueError: for anything else.
    """
    match encoded:
        case {"null": True}:
            return NullKeys()
        case {"from": lower, "to": upper}:
            return KeyRange(lower=_decode_bound(lower), upper=_decode_bound(upper))
    msg = f"not an encoded key range: {encoded!r}"
    raise ValueError(msg)


def _encode_bound(bound: Bound) -> list[dict[str, Any] | None] | str:
    return bound.value if isinstance(bound, OpenEnd) else [encode_value(value) for value in bound]


def _decode_bound(encoded: list[dict[str, Any] | None] | str) -> Bound:
    if encoded == OPEN.value:
        return OPEN
    values = tuple(decode_value(value) for value in encoded if isinstance(value, dict))
    return tuple(value for value in values if value is not None)
