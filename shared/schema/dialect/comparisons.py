"""Comparisons and logic: affinities and collations as SQLite applies them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote_text
from shared.records.plan import TypeKind
from shared.schema.constants import stored
from shared.schema.declared import Affinity
from shared.schema.dialect.conversions import as_condition, as_number, as_text
from shared.schema.dialect.values import (
    BINARY,
    INTEGERS,
    JSONS,
    MOMENTS,
    TEXT,
    Holds,
    Value,
    constant,
    text,
    truth,
)
from shared.schema.dialect.walk import Handler, Walk, named_collation, refuse, shown
from shared.schema.literals import UnfitError, literal
from shared.schema.names import fold

_NUMERIC_AFFINITIES: Final = frozenset({Affinity.INTEGER, Affinity.REAL, Affinity.NUMERIC})
AS_MOMENTS: Final = (
    "moments are compared as such, not as texts: one that is written in another form (T, no time of day, decimals)"
    " may compare otherwise"
)
AS_UUIDS: Final = "UUIDs are compared as such, however they are spelled"
AS_JSON: Final = "JSON is compared by what it means, however it is spelled"
AS_TRUTHS: Final = "texts that spell truth values are compared as such, however they are spelled"
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
    return _compare_texts(walk, operator, left, right)


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


def _compare_texts(walk: Walk, operator: str, left: Value, right: Value) -> Value:
    left, right = (_spelled_out(walk, value) for value in (left, right))
    kinds = {value.kind for value in (left, right)}
    if kinds == {TypeKind.TEXT}:
        return _compare_plain_texts(operator, left, right)
    for one, other, turned in ((left, right, operator), (right, left, _TURNED[operator])):
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


def _compare_json(operator: str, left: Value, right: Value) -> Value:
    """Compare what json_extract finds with a literal."""
    if left.holds is not Holds.JSON:
        left, right, operator = right, left, _TURNED[operator]
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


def _comparison(operator: str) -> Handler:
    def handle(walk: Walk, node: Any) -> Value:
        if isinstance(node.this, exp.Tuple) or isinstance(node.expression, exp.Tuple):
            return _compare_rows(walk, operator, node)
        return compare(walk, operator, walk.value(node.this), walk.value(node.expression))

    return handle


def _compare_rows(walk: Walk, operator: str, node: Any) -> Value:
    left, right = node.this, node.expression
    if not (isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple)):
        return refuse(f"{shown(node)} compares a row with a subquery")
    pairs = list(zip(walk.values(left.expressions), walk.values(right.expressions), strict=True))
    if operator == "=":
        return truth("(" + " AND ".join(compare(walk, "=", *pair).sql for pair in pairs) + ")")
    if operator == "<>":
        return truth("(" + " OR ".join(compare(walk, "<>", *pair).sql for pair in pairs) + ")")
    return truth(_rows_in_order(walk, operator, pairs))


def _rows_in_order(walk: Walk, operator: str, pairs: Sequence[tuple[Value, Value]]) -> str:
    """Rows are ordered by the first pair that differs."""
    if len(pairs) == 1:
        return compare(walk, operator, *pairs[0]).sql
    strict = compare(walk, operator[0], *pairs[0]).sql
    equal = compare(walk, "=", *pairs[0]).sql
    return f"({strict} OR ({equal} AND {_rows_in_order(walk, operator, pairs[1:])}))"


def _is(walk: Walk, node: Any) -> Value:
    subject = walk.value(node.this)
    if isinstance(node.expression, exp.Boolean):
        word = "TRUE" if node.expression.this else "FALSE"
        return truth(f"({as_condition(walk, subject)} IS {word})")
    return is_same(walk, subject, walk.value(node.expression))


def _not(walk: Walk, node: Any) -> Value:
    inner = node.this
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        return truth(f"({walk.value(inner.this).sql} IS NOT NULL)")
    return negated(as_condition(walk, walk.value(inner)))


def negated(sql: str) -> Value:
    """The opposite of a condition."""
    return truth(f"(NOT {sql})")


def _joined(word: str) -> Handler:
    def handle(walk: Walk, node: Any) -> Value:
        nodes = list(node.flatten())
        with walk.never_null(_accepted_nulls(nodes) if word == "OR" else ()):
            parts = [as_condition(walk, walk.value(part)) for part in nodes]
        return truth("(" + f" {word} ".join(parts) + ")")

    return handle


def _accepted_nulls(nodes: Sequence[Any]) -> list[str]:
    """The columns of which one part of an OR says IS NULL: what the others make of NULL does not matter."""
    return [fold(part.this.name) for part in (node.unnest() for node in nodes) if _is_null(part)]


def _is_null(node: Any) -> bool:
    return isinstance(node, exp.Is) and isinstance(node.expression, exp.Null) and isinstance(node.this, exp.Column)


def _between(walk: Walk, node: Any) -> Value:
    subject, low, high = walk.values((node.this, node.args["low"], node.args["high"]))
    return truth(f"({compare(walk, '>=', subject, low).sql} AND {compare(walk, '<=', subject, high).sql})")


def in_list(walk: Walk, node: Any) -> Value:
    """Whether a value is among a list of others."""
    if node.args.get("field") is not None:
        return refuse(f"{shown(node)} looks in a table")
    if not node.expressions:
        return truth("false")
    if isinstance(node.this, exp.Tuple):
        rows = [exp.EQ(this=node.this, expression=row) for row in node.expressions]
        return truth("(" + " OR ".join(walk.value(row).sql for row in rows) + ")")
    subject, others = walk.value(node.this), walk.values(node.expressions)
    return _in_list(walk, subject, others)


def _in_list(walk: Walk, subject: Value, others: Sequence[Value]) -> Value:
    # The left side's affinity and collation count, never the right side's.
    compared = [compare(walk, "=", subject, replace(other, affinity=None, explicit=False)) for other in others]
    prefix = f"({subject.sql} = "
    plain = [each.sql.removeprefix(prefix) for each in compared]
    if all(each.sql.startswith(prefix) for each in compared) and subject.sql[:1] == '"':
        return truth(f"({subject.sql} IN ({', '.join(each[:-1] for each in plain)}))")
    return truth("(" + " OR ".join(each.sql for each in compared) + ")")


def _collate(walk: Walk, node: Any) -> Value:
    return replace(walk.value(node.this), collation=named_collation(node), explicit=True)


_DOUBTS: Final = MappingProxyType({TypeKind.UUID: AS_UUIDS, TypeKind.JSONB: AS_JSON, TypeKind.BOOLEAN: AS_TRUTHS})
_TURNED: Final = MappingProxyType({"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="})

HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType(
    {
        exp.EQ: _comparison("="),
        exp.NEQ: _comparison("<>"),
        exp.LT: _comparison("<"),
        exp.LTE: _comparison("<="),
        exp.GT: _comparison(">"),
        exp.GTE: _comparison(">="),
        exp.Is: _is,
        exp.NullSafeEQ: lambda walk, node: is_same(walk, walk.value(node.this), walk.value(node.expression)),
        exp.NullSafeNEQ: lambda walk, node: negated(
            is_same(walk, walk.value(node.this), walk.value(node.expression)).sql
        ),
        exp.Not: _not,
        exp.And: _joined("AND"),
        exp.Or: _joined("OR"),
        exp.Between: _between,
        exp.Collate: _collate,
    }
)
