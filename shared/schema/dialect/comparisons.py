"""Comparisons of two values: affinities and storage classes as SQLite applies them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from shared.quoting import quote_text
from shared.records.plan import TypeKind
from shared.schema.constants import stored
from shared.schema.declared import Affinity
from shared.schema.dialect.conversions import as_number, as_text
from shared.schema.dialect.text_comparisons import TURNED, compare_texts
from shared.schema.dialect.values import (
    INTEGERS,
    Holds,
    Value,
    constant,
    text,
    truth,
)
from shared.schema.dialect.walk import Walk, refuse

_NUMERIC_AFFINITIES: Final = frozenset({Affinity.INTEGER, Affinity.REAL, Affinity.NUMERIC})
AS_DOUBLES: Final = "an integer beyond 2^53 is rounded before it is compared with a real"


def compare(walk: Walk, operator: str, left: Value, right: Value) -> Value:
    """Compare two values by =, <>, <, <=, > or >= as SQLite does; NULL where one of them is."""
    if left.type is None or right.type is None:
        return truth("NULL::boolean")
    if operator not in {"=", "<>"}:
        _refuse_half_numeric(left, right)
        _refuse_half_numeric(right, left)
    left, right = _with_affinity(walk, left, right), _with_affinity(walk, right, left)
    if Holds.MIXED in {left.holds, right.holds}:
        refuse(f"{left.sql if left.holds is Holds.MIXED else right.sql} has values of several storage classes")
    if Holds.JSON in {left.holds, right.holds}:
        return _compare_json(operator, left, right)
    if _rank(left) != _rank(right):
        return _of_other_class(operator, left, right)
    if left.holds.is_number:
        return _compare_numbers(walk, operator, left, right)
    if left.holds is Holds.BLOB:
        return truth(f"({left.sql} {operator} {right.sql})")
    return compare_texts(walk, operator, left, right)


def _refuse_half_numeric(value: Value, other: Value) -> None:
    """Refuse to order texts beside a column of numeric affinity: SQLite makes numbers of those that look like one."""
    numeric = other.affinity in _NUMERIC_AFFINITIES and value.affinity not in _NUMERIC_AFFINITIES
    if numeric and other.holds is Holds.TEXT and value.kind is TypeKind.TEXT and value.constant is None:
        refuse(f"{value.sql} is a text that SQLite reads as a number to compare it with {other.sql}")


def _with_affinity(walk: Walk, value: Value, other: Value) -> Value:
    """Apply the affinity that the other operand asks for (https://sqlite.org/datatype3.html, section 4.2)."""
    if other.affinity in _NUMERIC_AFFINITIES and value.affinity not in _NUMERIC_AFFINITIES:
        if isinstance(value.constant, str):
            return constant(stored(value.constant, Affinity.NUMERIC))
        if value.kind is TypeKind.TEXT and other.holds.is_number:
            refuse(f"{value.sql} is a text that SQLite reads as a number to compare it with {other.sql}")
        if value.kind in INTEGERS and value.holds is Holds.TEXT:
            return as_number(walk, value)
    elif other.affinity is Affinity.TEXT and value.affinity is None and value.holds.is_number:
        return text(as_text(walk, value)) if value.constant is None else constant(str(_spelled(value)))
    return value


def _spelled(value: Value) -> Any:
    return stored(value.constant, Affinity.TEXT) if value.constant is not None else value.sql


def _rank(value: Value) -> int:
    """SQLite's order of the storage classes: numbers, texts, blobs."""
    return 0 if value.holds.is_number else 1 if value.holds is Holds.TEXT else 2


def _of_other_class(operator: str, left: Value, right: Value) -> Value:
    """Compare a number with a text, or a text with a blob: only their classes count."""
    outcome = {
        "=": False,
        "<>": True,
        "<": _rank(left) < _rank(right),
        "<=": _rank(left) < _rank(right),
        ">": _rank(left) > _rank(right),
        ">=": _rank(left) > _rank(right),
    }[operator]
    known = [f"{value.sql} IS NOT NULL" for value in (left, right) if not value.not_null]
    word = str(outcome).lower()
    return truth(f"(CASE WHEN {' AND '.join(known)} THEN {word} END)" if known else word)


def _compare_numbers(walk: Walk, operator: str, left: Value, right: Value) -> Value:
    booleans = [value.kind is TypeKind.BOOLEAN for value in (left, right)]
    if any(booleans):
        left, right = _as_booleans(left, right) or (as_number(walk, left), as_number(walk, right))
    kinds = {value.kind for value in (left, right) if value.constant is None}
    if kinds & {TypeKind.DOUBLE, TypeKind.REAL} and kinds & {TypeKind.BIGINT, TypeKind.NUMERIC}:
        walk.doubt(AS_DOUBLES)
    return truth(f"({left.sql} {operator} {right.sql})")


def _as_booleans(left: Value, right: Value) -> tuple[Value, Value] | None:
    """Both as booleans where each is one or is 0 or 1: false < true, as 0 < 1."""
    both = [_as_boolean(value) for value in (left, right)]
    first, second = both
    return (first, second) if first is not None and second is not None else None


def _as_boolean(value: Value) -> Value | None:
    if value.kind is TypeKind.BOOLEAN:
        return value
    if value.constant in {0, 1}:
        return replace(truth(str(bool(value.constant)).lower()), constant=value.constant, not_null=True)
    return None


def _compare_json(operator: str, left: Value, right: Value) -> Value:
    """Compare what json_extract finds with a literal."""
    if left.holds is not Holds.JSON:
        left, right, operator = right, left, TURNED[operator]
    if right.constant is None or isinstance(right.constant, bytes):
        return refuse("what json_extract finds is compared with literals alone")
    if isinstance(right.constant, str):
        if right.constant[:1] in {"{", "["} or operator not in {"=", "<>"}:
            refuse("what json_extract finds is compared with plain texts for equality alone")
        document = json.dumps(right.constant, ensure_ascii=False)
        return truth(f"({left.sql} {operator} {quote_text(document)}::jsonb)")
    number = f"(CASE jsonb_typeof({left.sql}) WHEN 'number' THEN ({left.sql})::numeric"
    number += f" WHEN 'boolean' THEN ({left.sql})::boolean::integer END)"
    other = {"=": "false", "<>": "true", ">": "true", ">=": "true", "<": "false", "<=": "false"}[operator]
    return truth(
        f"(CASE WHEN jsonb_typeof({left.sql}) IN ('number', 'boolean') THEN {number} {operator} {right.sql}"
        f" WHEN {left.sql} IS NOT NULL THEN {other} END)"
    )


def is_same(walk: Walk, left: Value, right: Value) -> Value:
    """Whether two values are the same, NULL included (IS)."""
    if right.type is None or left.type is None:
        other = left if right.type is None else right
        return truth("true" if other.type is None else f"({other.sql} IS NULL)")
    equal = compare(walk, "=", left, right)
    known = [value.sql for value in (left, right) if not value.not_null]
    if not known:
        return equal
    if len(known) == 1:
        return truth(f"({equal.sql} IS TRUE)")
    return truth(f"(CASE WHEN {known[0]} IS NULL THEN {known[1]} IS NULL ELSE {equal.sql} IS TRUE END)")
