"""Comparisons and logic as they stand in an expression: IS, NOT, AND, OR, BETWEEN, IN, rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.schema.dialect.comparisons import compare, is_same
from shared.schema.dialect.conversions import as_condition
from shared.schema.dialect.values import (
    Value,
    truth,
)
from shared.schema.dialect.walk import Handler, Walk, named_collation, refuse, shown
from shared.schema.names import fold


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
