"""What a target value means: how each kind of type is selected, and the canonical form of what comes back."""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from shared.compare.forms import Form, plain_decimal
from shared.compare.json_forms import read_json
from shared.compare.moments import MICROSECONDS_A_DAY
from shared.quoting import quote
from shared.records.plan import TypeKind

DAYS_TO_2000: Final = 10_957
"""PostgreSQL's wire form counts from 2000-01-01; the canonical form from 1970-01-01."""
MICROSECONDS_TO_2000: Final = DAYS_TO_2000 * MICROSECONDS_A_DAY

# Dates and times come in PostgreSQL's own wire form: ADBC's timestamp[us] wraps silently for infinity and for
# years after 294246. Numeric comes as text, which costs half of what ADBC's own decoding does.
_SELECTED: Final = MappingProxyType(
    {
        TypeKind.NUMERIC: "{}::text",
        TypeKind.TEXT: "{}::text",
        TypeKind.TIMESTAMP: "pg_catalog.timestamp_send({})",
        TypeKind.TIMESTAMPTZ: "pg_catalog.timestamptz_send({})",
        TypeKind.DATE: "pg_catalog.date_send({})",
        TypeKind.TIME: "pg_catalog.time_send({})",
        TypeKind.UUID: "pg_catalog.uuid_send({})",
        TypeKind.JSON: "{}::text",
        TypeKind.JSONB: "{}::text",
        TypeKind.OTHER: "{}::text",
    }
)


def selected(column: str, kind: TypeKind) -> str:
    """The expression that reads a column of a kind so that nothing of its values is lost on the way."""
    return _SELECTED.get(kind, "{}").format(f"t.{quote(column)}")


def canonical_target(value: Any, kind: TypeKind) -> Form:
    """Bring one target value, as it was `selected`, to canonical form."""
    return None if value is None else _READERS[kind](value)


def plain_array(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array without chunks, of a type that Arrow's kernels know."""
    if isinstance(array, pa.ChunkedArray):
        # Combining copies even a single one, which may be as large as a batch.
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _same(value: Any) -> Form:
    return value  # type: ignore[no-any-return]  # as Arrow hands it over: int, str, bytes or bool


def _double(value: float) -> bytes:
    return struct.pack(">d", value)


def _real(value: float) -> bytes:
    return struct.pack(">f", value)


def _numeric(value: str) -> Form:
    return plain_decimal(Decimal(value))


def _endless(number: int, bits: int) -> str | None:
    """The outermost numbers of the wire form stand for infinite dates."""
    return {(1 << bits - 1) - 1: "infinity", -(1 << bits - 1): "-infinity"}.get(number)


def _timestamp(value: bytes) -> Form:
    number = int.from_bytes(value, "big", signed=True)
    return _endless(number, 64) or number + MICROSECONDS_TO_2000


def _date(value: bytes) -> Form:
    number = int.from_bytes(value, "big", signed=True)
    return _endless(number, 32) or number + DAYS_TO_2000


def _time(value: bytes) -> Form:
    return int.from_bytes(value, "big", signed=True)


def _jsonb(value: str) -> Form:
    try:
        return read_json(value)
    except ValueError:  # a value that no source has: it differs from all of them
        return ("?", value)


_READERS: Final[MappingProxyType[TypeKind, Callable[[Any], Form]]] = MappingProxyType(
    {
        TypeKind.SMALLINT: _same,
        TypeKind.INTEGER: _same,
        TypeKind.BIGINT: _same,
        TypeKind.REAL: _real,
        TypeKind.DOUBLE: _double,
        TypeKind.NUMERIC: _numeric,
        TypeKind.TEXT: _same,
        TypeKind.BYTEA: _same,
        TypeKind.BOOLEAN: _same,
        TypeKind.TIMESTAMP: _timestamp,
        TypeKind.TIMESTAMPTZ: _timestamp,
        TypeKind.DATE: _date,
        TypeKind.TIME: _time,
        TypeKind.UUID: _same,
        TypeKind.JSON: _same,
        TypeKind.JSONB: _jsonb,
        TypeKind.OTHER: _same,
    }
)
