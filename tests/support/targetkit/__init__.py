"""Columns, plans and source rows of the target's tests, and what values must read like after the copy."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from shared.records.keys import RawText, SourceRow, Value
from shared.records.plan import LoadPath, OnConflict, TablePlan, TableRead, TargetColumn, TargetType, TypeKind
from shared.records.source import ChunkKey, ChunkKeyKind
from shared.target.connections import SessionSettings

SESSION = SessionSettings(
    application_name="pgconvoy test", connect_timeout_s=5, lock_timeout_s=5, idle_timeout_s=60, durable=False
)

_KIND_OF_NAME = {kind.value: kind for kind in TypeKind} | {
    "character varying": TypeKind.TEXT,
    "character": TypeKind.TEXT,
    "timestamp": TypeKind.TIMESTAMP,
    "timestamptz": TypeKind.TIMESTAMPTZ,
    "time": TypeKind.TIME,
}


def column(sql: str, name: str = "v", **fields: Any) -> TargetColumn:
    """A column of a type as PostgreSQL spells it; its source column has the same name in capitals."""
    bare = re.sub(r"\s*\(.*\)", "", sql)
    kind = _KIND_OF_NAME.get(bare, TypeKind.OTHER)
    return TargetColumn(source=name.upper(), name=name, type=TargetType(kind=kind, sql=sql), **fields)


def plan_of(
    *columns: TargetColumn,
    name: str = "t",
    schema: str = "public",
    load: LoadPath = LoadPath.BARE,
    on_conflict: OnConflict = OnConflict.UPDATE,
    match_key: tuple[str, ...] = (),
) -> TablePlan:
    """A plan with just what the writers look at."""
    read = TableRead(
        table=name.upper(),
        chunk_key=ChunkKey(kind=ChunkKeyKind.ROWID, columns=("rowid",)),
        columns=tuple(each.source for each in columns),
    )
    return TablePlan(
        read=read,
        schema=schema,
        name=name,
        columns=columns,
        creates=load is LoadPath.BARE,
        load=load,
        on_conflict=on_conflict,
        match_key=match_key,
    )


def stored(*columns: Sequence[Value]) -> pa.Table:
    """Columns as a source's reader hands them over, named by position, each of one storage class."""
    return pa.table({str(place): pa.array(list(values), _storage(values)) for place, values in enumerate(columns)})


def source_rows(*columns: Sequence[Value]) -> list[SourceRow]:
    """The same columns as rows of the careful path, numbered from 1."""
    return [SourceRow((number,), values) for number, values in enumerate(zip(*columns, strict=True), start=1)]


def _storage(values: Sequence[Value]) -> pa.DataType:
    for value in values:
        if value is not None:
            return {int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}[type(value)]
    return pa.null()


def shown_text(value: Value) -> str:
    """A number or text as pgconvoy writes it into text columns."""
    if isinstance(value, float):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), repr(value))
    assert isinstance(value, int | str)
    return str(value)


def micros_of(text: str) -> int:
    """Microseconds from 1970-01-01 00:00 UTC to a moment; exact, also where UTC leaves the years 1 to 9999."""
    moment = datetime.fromisoformat(text)
    offset = moment.utcoffset() or timedelta(0)
    return (moment.replace(tzinfo=None) - datetime(1970, 1, 1) - offset) // timedelta(microseconds=1)  # noqa: DTZ001 - its offset is taken off apart


def readable(kind: TypeKind) -> str:
    """An expression over the column ``v`` that psycopg2 reads without loss."""
    if kind in {TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ}:
        return "(extract(epoch from v) * 1000000)::bigint"
    if kind is TypeKind.REAL:
        return "v::float8"
    return "v::text" if kind in {TypeKind.JSON, TypeKind.JSONB, TypeKind.OTHER, TypeKind.UUID} else "v"


def expected(value: Value, kind: TypeKind) -> object:
    """What `readable` must answer for a value that was carried exactly, worked out with Python's own types."""
    if value is None:
        return None
    return _EXPECTED[kind](value)


def normal(read: Any, kind: TypeKind) -> object:
    """What psycopg2 answered for `readable`, comparable with `expected`."""
    if read is None:
        return None
    match kind:
        case TypeKind.REAL | TypeKind.DOUBLE:
            return struct.pack(">d", read)
        case TypeKind.BYTEA:
            return bytes(read)
        case TypeKind.JSONB:
            return json.loads(read, parse_float=Decimal)
        case _:
            return read


def _bytes(value: Value) -> bytes:
    if isinstance(value, RawText):
        return value.raw
    return value if isinstance(value, bytes) else shown_text(value).encode()


_EXPECTED: dict[TypeKind, Callable[[Any], object]] = {
    TypeKind.SMALLINT: int,
    TypeKind.INTEGER: int,
    TypeKind.BIGINT: int,
    TypeKind.REAL: lambda value: struct.pack(">d", float(value) if isinstance(value, str) else value),
    TypeKind.DOUBLE: lambda value: struct.pack(">d", float(value) if isinstance(value, str) else value),
    TypeKind.NUMERIC: lambda value: Decimal(shown_text(value)),
    TypeKind.TEXT: shown_text,
    TypeKind.JSON: shown_text,
    TypeKind.OTHER: shown_text,
    TypeKind.JSONB: lambda value: json.loads(shown_text(value), parse_float=Decimal),
    TypeKind.BYTEA: _bytes,
    TypeKind.BOOLEAN: lambda value: str(value).lower() in {"1", "t", "true", "y", "yes", "on"},
    TypeKind.TIMESTAMP: micros_of,
    TypeKind.TIMESTAMPTZ: micros_of,
    TypeKind.DATE: date.fromisoformat,
    TypeKind.TIME: lambda value: time.fromisoformat(value.removeprefix("2000-01-01 ")),
    TypeKind.UUID: lambda value: str(UUID(bytes=value) if isinstance(value, bytes) else UUID(value)),
}

__all__ = [
    "SESSION",
    "column",
    "expected",
    "micros_of",
    "normal",
    "plan_of",
    "readable",
    "shown_text",
    "source_rows",
    "stored",
]
