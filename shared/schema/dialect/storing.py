"""A value brought to the type that the target keeps it in."""

from __future__ import annotations

from typing import Final

from shared.records.plan import TargetType, TypeKind
from shared.schema.dialect.conversions import SPELLING, as_bigint, as_condition, as_double, as_number, as_text
from shared.schema.dialect.values import (
    INTEGERS,
    JSONS,
    NUMERIC,
    Holds,
    Value,
)
from shared.schema.dialect.walk import Walk, refuse
from shared.schema.literals import UnfitError, literal

ZERO_OR_ONE: Final = "a number other than 0 and 1 becomes true"


def bring(walk: Walk, value: Value, wanted: TargetType) -> str:
    """Bring a value to the type that the target keeps it in.

    Raises:
        UntranslatableError: where that type cannot hold it.
    """
    if value.type is None:
        return "NULL"
    if value.constant is not None:
        try:
            return literal(value.constant, wanted)
        except UnfitError as error:
            refuse(str(error))
    if value.type == wanted and value.holds is not Holds.JSON and not value.form.startswith("0"):
        return value.sql
    if value.holds is Holds.MIXED:
        refuse(f"{value.sql} has values of several storage classes")
    rule = _BRINGERS.get(wanted.kind)
    brought = rule(walk, value, wanted) if rule else None
    if brought is None:
        refuse(f"it makes a {value.holds}, and {wanted.sql} cannot hold that")
    return str(brought)


def _to_integer(walk: Walk, value: Value, wanted: TargetType) -> str | None:
    if value.holds is not Holds.INTEGER and value.kind not in INTEGERS:
        return None
    return as_bigint(walk, value) if wanted.kind is TypeKind.BIGINT else f"{as_bigint(walk, value)}::{wanted.sql}"


def _to_double(walk: Walk, value: Value, wanted: TargetType) -> str | None:
    numeric = value.holds.is_number or value.holds is Holds.JSON
    return as_double(walk, value) if numeric and wanted.kind is TypeKind.DOUBLE else None


def _to_numeric(walk: Walk, value: Value, wanted: TargetType) -> str | None:
    if not (value.holds.is_number or value.holds is Holds.JSON) or wanted.sql != NUMERIC.sql:
        return None
    number = as_number(walk, value)
    # PostgreSQL's own cast keeps 15 digits of a double; its text has all of them.
    return f"{number.sql}::text::numeric" if number.kind is TypeKind.DOUBLE else f"{number.sql}::numeric"


def _to_text(walk: Walk, value: Value, wanted: TargetType) -> str | None:
    if value.holds is Holds.BLOB:
        return None
    if value.kind is TypeKind.BOOLEAN and value.holds is Holds.TEXT:
        refuse(f"{value.sql} was a text that spelled a truth")
    sql = as_text(walk, value)
    # A cast to a length would cut without a word; what is stored in a column is held to it.
    return f"{sql}::{wanted.sql}" if wanted.sql.endswith("citext") else sql


def _to_boolean(walk: Walk, value: Value, _: TargetType) -> str | None:
    if not value.holds.is_number:
        return None
    if value.kind is not TypeKind.BOOLEAN:
        walk.doubt(ZERO_OR_ONE)
    return as_condition(walk, value)


def _to_timestamp(_: Walk, value: Value, wanted: TargetType) -> str | None:
    return f"{value.sql}::{wanted.sql}" if value.kind in {TypeKind.TIMESTAMP, TypeKind.DATE} else None


def _to_timestamptz(_: Walk, value: Value, __: TargetType) -> str | None:
    return f"({value.sql}::timestamp AT TIME ZONE 'UTC')" if value.kind in {TypeKind.TIMESTAMP, TypeKind.DATE} else None


def _to_json(walk: Walk, value: Value, wanted: TargetType) -> str | None:
    if value.kind not in JSONS or value.holds is not Holds.TEXT:
        return None
    if wanted.kind is TypeKind.JSON:
        walk.doubt(SPELLING)
    return f"{value.sql}::{wanted.sql}"


def _to_uuid(walk: Walk, value: Value, _: TargetType) -> str | None:
    if value.kind is not TypeKind.TEXT:
        return None
    walk.doubt("a text that is no UUID is an error")
    return f"({value.sql})::uuid"


_BRINGERS: Final = {
    TypeKind.SMALLINT: _to_integer,
    TypeKind.INTEGER: _to_integer,
    TypeKind.BIGINT: _to_integer,
    TypeKind.DOUBLE: _to_double,
    TypeKind.NUMERIC: _to_numeric,
    TypeKind.TEXT: _to_text,
    TypeKind.BOOLEAN: _to_boolean,
    TypeKind.TIMESTAMP: _to_timestamp,
    TypeKind.TIMESTAMPTZ: _to_timestamptz,
    TypeKind.JSON: _to_json,
    TypeKind.JSONB: _to_json,
    TypeKind.UUID: _to_uuid,
}
