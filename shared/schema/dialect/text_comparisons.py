"""Comparisons of texts, and of what was a text in the source: moments, UUIDs, JSON, truths."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from shared.records.plan import TypeKind
from shared.schema.dialect.conversions import as_text
from shared.schema.dialect.values import (
    BINARY,
    INTEGERS,
    JSONS,
    MOMENTS,
    TEXT,
    Value,
    text,
    truth,
)
from shared.schema.dialect.walk import Walk, refuse
from shared.schema.literals import UnfitError, literal

AS_MOMENTS: Final = (
    "moments are compared as such, not as texts: one that is written in another form (T, no time of day, decimals)"
    " may compare otherwise"
)

AS_UUIDS: Final = "UUIDs are compared as such, however they are spelled"
AS_JSON: Final = "JSON is compared by what it means, however it is spelled"
AS_TRUTHS: Final = "texts that spell truth values are compared as such, however they are spelled"


def compare_texts(walk: Walk, operator: str, left: Value, right: Value) -> Value:
    """Compare two values that are texts in the source, whatever type the target keeps them in."""
    left, right = (_spelled_out(walk, value) for value in (left, right))
    kinds = {value.kind for value in (left, right)}
    if kinds == {TypeKind.TEXT}:
        return _compare_plain_texts(operator, left, right)
    for one, other, turned in ((left, right, operator), (right, left, TURNED[operator])):
        if one.kind is not TypeKind.TEXT and other.constant is not None:
            return _compare_with_constant(walk, turned, one, other)
    if len(kinds) == 1:
        return _compare_alike(walk, operator, left, right)
    if kinds <= MOMENTS - {TypeKind.TIME}:
        walk.doubt(AS_MOMENTS)
        if TypeKind.TIMESTAMPTZ in kinds:
            left, right = _in_utc(left), _in_utc(right)
        return truth(f"({left.sql} {operator} {right.sql})")
    return _compare_plain_texts(
        operator, replace(left, sql=as_text(walk, left)), replace(right, sql=as_text(walk, right))
    )


def _spelled_out(walk: Walk, value: Value) -> Value:
    """A text that PostgreSQL has as an integer (strftime) as the text that it is."""
    return replace(value, sql=as_text(walk, value), type=TEXT, form="") if value.kind in INTEGERS else value


def _in_utc(value: Value) -> Value:
    return replace(value, sql=f"({value.sql} AT TIME ZONE 'UTC')") if value.kind is TypeKind.TIMESTAMPTZ else value


def _compare_alike(walk: Walk, operator: str, left: Value, right: Value) -> Value:
    kind = left.kind
    if kind in JSONS:
        walk.doubt(AS_JSON)
        if operator not in {"=", "<>"}:
            refuse("JSON values are ordered otherwise than their texts")
        cast = "::jsonb" if kind is TypeKind.JSON else ""
        return truth(f"({left.sql}{cast} {operator} {right.sql}{cast})")
    if kind in MOMENTS and kind is not TypeKind.DATE and not (left.form and left.form == right.form):
        walk.doubt(AS_MOMENTS)
    if kind is TypeKind.UUID:
        walk.doubt(AS_UUIDS)
    if kind is TypeKind.OTHER:
        refuse(f"values of {left.type.sql if left.type else ''} may compare otherwise than their texts")
    return truth(f"({left.sql} {operator} {right.sql})")


def _compare_with_constant(walk: Walk, operator: str, one: Value, other: Value) -> Value:
    """Compare what was a text in the source and is a moment, UUID or JSON in the target with a literal text."""
    if one.type is None or other.constant is None:
        return refuse("it compares with nothing")
    if one.kind is TypeKind.JSON:
        return _compare_plain_texts(operator, text(as_text(walk, one)), other)
    try:
        fitted = literal(other.constant, one.type)
    except UnfitError:
        return _compare_with_unfit(operator, one, other)
    walk.doubt(_DOUBTS.get(one.kind or TypeKind.OTHER, AS_MOMENTS))
    if one.kind is TypeKind.DATE:
        walk.doubts.remove(AS_MOMENTS)
    if one.kind is TypeKind.JSONB and operator not in {"=", "<>"}:
        refuse("JSON values are ordered otherwise than their texts")
    return truth(f"({one.sql} {operator} {fitted})")


def _compare_with_unfit(operator: str, one: Value, other: Value) -> Value:
    """A literal that is no moment, UUID or JSON: no value of the column equals it."""
    outcomes = {"=": "false", "<>": "true"}
    if other.constant == "":
        outcomes |= {">": "true", ">=": "true", "<": "false", "<=": "false"}
    if operator not in outcomes:
        refuse(f"{other.sql} is no {one.type.sql if one.type else ''}, so that only its text could be compared")
    return truth(f"(CASE WHEN {one.sql} IS NOT NULL THEN {outcomes[operator]} END)")


def collation_of(left: Value, right: Value) -> str:
    """The collation of a comparison: an explicit one, else the left column's, else the right's."""
    for value in (left, right):
        if value.explicit:
            return value.collation
    if left.affinity is not None or left.collation != BINARY:
        return left.collation
    return right.collation


def _compare_plain_texts(operator: str, left: Value, right: Value) -> Value:
    collation = collation_of(left, right)
    if collation == BINARY and operator in {"=", "<>"} and left.collation == right.collation == BINARY:
        # Equal is equal in every deterministic collation.
        return truth(f"({left.sql} {operator} {right.sql})")
    return truth(f"({collated(left, collation)} {operator} {collated(right, collation)})")


def collated(value: Value, collation: str) -> str:
    """A text as it counts in one of SQLite's collations, compared by its bytes."""
    # Of citext, which stands in a schema of its own, COLLATE alone would be compared without case all the same.
    is_text = value.type is not None and not value.type.is_citext
    plain = value.sql if is_text else f"{value.sql}::text"
    match collation:
        case "BINARY":
            return f'{plain} COLLATE "C"'
        case "NOCASE":
            # The collation C knows the letters of ASCII alone, as NOCASE does.
            return f'lower({plain} COLLATE "C")'
        case "RTRIM":
            return f"rtrim({plain} COLLATE \"C\", ' ')"
        case _:
            return refuse(f"the collation {collation} is the application's own")


_DOUBTS: Final = MappingProxyType({TypeKind.UUID: AS_UUIDS, TypeKind.JSONB: AS_JSON, TypeKind.BOOLEAN: AS_TRUTHS})
TURNED: Final = MappingProxyType({"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="})
