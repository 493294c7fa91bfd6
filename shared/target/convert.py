"""Columns in the source's storage as columns in PostgreSQL's wire types, whole columns at a time.

``adbc_ingest`` sends Arrow's bytes as they are, so the Arrow type of a column must be the wire type of its
PostgreSQL type. A value is carried exactly; where one would not be, nothing is: `NotArrowableError` sends the chunk
down the careful path, which finds the values and keeps them as rejects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from shared.errors import NotArrowableError
from shared.records.plan import TargetColumn, TypeKind
from shared.target.convert_moments import to_dates, to_times, to_timestamps, to_timestamps_utc
from shared.target.convert_numbers import same_scale, to_double, to_integers, to_numeric, to_real
from shared.target.convert_texts import (
    refuse_duplicate_names,
    to_booleans,
    to_bytea,
    to_json,
    to_jsonb,
    to_text,
    to_uuids,
)
from shared.target.treat_columns import to_moments, treat_texts
from shared.target.value_rules import UUID_BYTES, Limits, Unfit, UnfitError, limits_of

_Converter: TypeAlias = Callable[[pa.Array, Limits], pa.Array]

WIRE_TYPES: Final[Mapping[TypeKind, pa.DataType]] = MappingProxyType(
    {
        TypeKind.SMALLINT: pa.int16(),
        TypeKind.INTEGER: pa.int32(),
        TypeKind.BIGINT: pa.int64(),
        TypeKind.REAL: pa.float32(),
        TypeKind.DOUBLE: pa.float64(),
        TypeKind.NUMERIC: pa.decimal128(38, 0),  # the scale follows the values
        TypeKind.TEXT: pa.string(),
        TypeKind.BYTEA: pa.binary(),
        TypeKind.BOOLEAN: pa.bool_(),
        TypeKind.TIMESTAMP: pa.timestamp("us"),
        TypeKind.TIMESTAMPTZ: pa.timestamp("us", "UTC"),
        TypeKind.DATE: pa.date32(),
        TypeKind.TIME: pa.time64("us"),
        TypeKind.UUID: pa.binary(UUID_BYTES),
        TypeKind.JSON: pa.string(),
        TypeKind.JSONB: pa.binary(),
    }
)
"""What ADBC's PostgreSQL driver writes as each type's binary form; tests copy every one into a real server."""


def to_target(rows: pa.Table, columns: Sequence[TargetColumn]) -> pa.Table:
    """Convert a chunk's columns ("0", "1", …: int64, double, string, binary or null) to the target's.

    The columns of the answer have the target's names and wire types; those that the target generates are not in it.

    Raises:
        NotArrowableError: where a value would not arrive exactly; names the column and says why.
    """
    taken = written(columns)
    arrays = [
        _to_column(stored, column) for stored, column in zip(rows.columns, columns, strict=True) if column in taken
    ]
    return pa.Table.from_arrays(arrays, names=[column.name for column in taken])


def written(columns: Sequence[TargetColumn]) -> tuple[TargetColumn, ...]:
    """Leave out the columns that the target generates, which nobody may write."""
    return tuple(column for column in columns if column.generated is None)


def _to_column(stored: pa.ChunkedArray, column: TargetColumn) -> pa.ChunkedArray:
    kind = column.type.kind
    if kind not in WIRE_TYPES:
        raise not_arrowable(column, Unfit.CAREFUL_ONLY)
    if pa.types.is_null(stored.type) or stored.num_chunks == 0:
        return pa.chunked_array([pa.nulls(len(stored), WIRE_TYPES[kind])])
    try:
        arrays = [to_wire(array, column) for array in stored.chunks]
        if kind is TypeKind.NUMERIC and len(arrays) > 1:
            arrays = same_scale(arrays)
    except UnfitError as unfit:
        raise not_arrowable(column, unfit.reason) from None
    return pa.chunked_array(arrays)


def to_wire(array: pa.Array, column: TargetColumn) -> pa.Array:
    """Convert values of one storage class to the wire type of a column that has one (`WIRE_TYPES`).

    Raises:
        UnfitError: where a value would not arrive exactly.
    """
    kind = column.type.kind
    if not column.treatment.is_plain:
        array = treat_texts(array, column)
        if column.treatment.form is not None:
            return to_moments(array, column, WIRE_TYPES[kind])
    refusal = _WRONG_STORAGE.get(kind)
    if refusal is not None and not refusal[0](array.type):
        raise UnfitError(refusal[1], np.ones(len(array) - array.null_count, np.bool_))
    wire = _CONVERTERS[kind](array, limits_of(column.type))
    if kind is TypeKind.JSONB and (column.expected_rejects or column.possible_rejects):
        refuse_duplicate_names(wire)
    return wire


def not_arrowable(column: TargetColumn, reason: Unfit) -> NotArrowableError:
    """Say which column needs the careful path, and why."""
    return NotArrowableError(
        f'column "{column.source}" cannot travel as Arrow into "{column.name}" ({column.type.sql}): a value {reason}'
    )


def _is_number(stored: pa.DataType) -> bool:
    return bool(pa.types.is_integer(stored) or pa.types.is_floating(stored))


def _is_text(stored: pa.DataType) -> bool:
    return bool(pa.types.is_string(stored))


def _wired(convert: Callable[[pa.Array, pa.DataType], pa.Array], kind: TypeKind) -> _Converter:
    return lambda array, _limits: convert(array, WIRE_TYPES[kind])


def _wired_within(convert: Callable[[pa.Array, pa.DataType, Limits], pa.Array], kind: TypeKind) -> _Converter:
    return lambda array, limits: convert(array, WIRE_TYPES[kind], limits)


def _plain(convert: Callable[[pa.Array], pa.Array]) -> _Converter:
    return lambda array, _limits: convert(array)


_WRONG_STORAGE: Final[Mapping[TypeKind, tuple[Callable[[pa.DataType], bool], Unfit]]] = MappingProxyType(
    {
        TypeKind.SMALLINT: (_is_number, Unfit.NOT_A_NUMBER),
        TypeKind.INTEGER: (_is_number, Unfit.NOT_A_NUMBER),
        TypeKind.BIGINT: (_is_number, Unfit.NOT_A_NUMBER),
        TypeKind.REAL: (_is_number, Unfit.NOT_A_NUMBER),
        TypeKind.DOUBLE: (_is_number, Unfit.NOT_A_NUMBER),
        TypeKind.NUMERIC: (_is_number, Unfit.NOT_A_NUMBER),
        TypeKind.DATE: (_is_text, Unfit.NOT_DATE),
        TypeKind.TIME: (_is_text, Unfit.NOT_TIME),
        TypeKind.TIMESTAMP: (_is_text, Unfit.NOT_TIMESTAMP),
        TypeKind.TIMESTAMPTZ: (_is_text, Unfit.NOT_TIMESTAMPTZ),
    }
)

_CONVERTERS: Final[Mapping[TypeKind, _Converter]] = MappingProxyType(
    {
        TypeKind.SMALLINT: _wired(to_integers, TypeKind.SMALLINT),
        TypeKind.INTEGER: _wired(to_integers, TypeKind.INTEGER),
        TypeKind.BIGINT: _wired(to_integers, TypeKind.BIGINT),
        TypeKind.REAL: _wired(to_real, TypeKind.REAL),
        TypeKind.DOUBLE: _wired(to_double, TypeKind.DOUBLE),
        TypeKind.NUMERIC: to_numeric,
        TypeKind.TEXT: to_text,
        TypeKind.BYTEA: _plain(to_bytea),
        TypeKind.BOOLEAN: _plain(to_booleans),
        TypeKind.TIMESTAMP: _wired_within(to_timestamps, TypeKind.TIMESTAMP),
        TypeKind.TIMESTAMPTZ: _wired_within(to_timestamps_utc, TypeKind.TIMESTAMPTZ),
        TypeKind.DATE: _wired(to_dates, TypeKind.DATE),
        TypeKind.TIME: _wired_within(to_times, TypeKind.TIME),
        TypeKind.UUID: _wired(to_uuids, TypeKind.UUID),
        TypeKind.JSON: _plain(to_json),
        TypeKind.JSONB: _plain(to_jsonb),
    }
)
