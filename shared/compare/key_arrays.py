"""Keys of source rows as lists that PostgreSQL looks up in a target column."""

from __future__ import annotations

import struct
import uuid
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa

from shared.compare.forms import Form, Formless, NormaliseTexts
from shared.compare.shown import shown
from shared.compare.source_batches import Column, values_of
from shared.compare.text_bytes import mask
from shared.compare.treated import canonical_moments
from shared.compare.treated_columns import treated_column
from shared.records.plan import TargetColumn, TargetType, TypeKind

_INTEGERS: Final = frozenset({TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT})
_BARE_TYPES: Final = MappingProxyType(
    {
        TypeKind.SMALLINT: "smallint",
        TypeKind.INTEGER: "integer",
        TypeKind.BIGINT: "bigint",
        TypeKind.NUMERIC: "numeric",
        TypeKind.TIMESTAMP: "timestamp",
        TypeKind.TIMESTAMPTZ: "timestamptz",
        TypeKind.TIME: "time",
    }
)


def key_type(type_: TargetType) -> str:
    """The type to cast lists of keys to, so that an index on the column is used; no modifiers, which would cut keys.

    Text for types that only PostgreSQL can read: each key of those is cast by itself.
    """
    if type_.kind is TypeKind.OTHER:
        return "text"
    if type_.kind is not TypeKind.TEXT:
        return _BARE_TYPES.get(type_.kind, type_.sql)
    if type_.sql.startswith(("character(", "bpchar")):
        return "bpchar"
    return "text" if type_.sql.startswith(("character varying", "varchar", "text")) else type_.sql


def key_array(column: Column, target: TargetColumn, normalise: NormaliseTexts) -> pa.Array:
    """One part of the keys, to be bound as a list; NULL, which matches nothing, for what the type cannot hold.

    `normalise` brings texts to PostgreSQL's own spelling: only it knows which are values of a type of kind OTHER, and
    one that is none would end the transaction.
    """
    column, kind = treated_column(column, target), target.type.kind
    if target.treatment.form is None and isinstance(column, pa.Array) and _travels_as_it_is(column, kind):
        return column
    forms = canonical_moments(values_of(column, np.arange(len(column))), target, normalise)
    known = [None if isinstance(form, Formless) else form for form in forms]
    if kind in _INTEGERS:
        return pa.array(known, pa.int64())
    if kind is TypeKind.BYTEA:
        return pa.array(known, pa.binary())
    return pa.array([_literal(form, kind) for form in known], pa.string())


def _travels_as_it_is(column: pa.Array, kind: TypeKind) -> bool:
    if pa.types.is_int64(column.type):
        return kind is TypeKind.BIGINT
    if pa.types.is_string(column.type):
        return kind is TypeKind.TEXT and _is_clean(column)
    return pa.types.is_binary(column.type) and kind is TypeKind.BYTEA


def _is_clean(column: pa.Array) -> bool:
    """Whether PostgreSQL's text can hold every value: UTF-8 without U+0000."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return not mask(pa.compute.match_substring(column, "\0")).any()


def _literal(form: Form, kind: TypeKind) -> str | None:
    """A text that PostgreSQL casts to this very value."""
    if isinstance(form, bytes) and kind is TypeKind.UUID:
        return str(uuid.UUID(bytes=form))
    if isinstance(form, bytes):
        return repr(struct.unpack(">d" if kind is TypeKind.DOUBLE else ">f", form)[0])
    return shown(form, kind)
