"""SELECT inside an expression: EXISTS, IN and scalar subqueries, translated by whoever translates statements."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.records.plan import TargetType, TypeKind
from shared.schema.declared import Affinity
from shared.schema.dialect.names import holds_of
from shared.schema.dialect.scope import Translated
from shared.schema.dialect.values import BINARY, INTEGERS, NULL, Value, truth
from shared.schema.dialect.walk import Handler, Walk, refuse, shown

_NUMBERS: Final = INTEGERS | {TypeKind.NUMERIC, TypeKind.DOUBLE, TypeKind.REAL}


def _select(walk: Walk, node: Any) -> Translated:
    while isinstance(node, exp.Subquery):
        node = node.this
    if walk.subquery is None:
        return refuse("a subquery may not stand here")
    translated = walk.subquery(node, walk.scope)
    for doubt in translated.doubts:
        walk.doubt(doubt)
    walk.not_immutable()
    return translated


def _exists(walk: Walk, node: Any) -> Value:
    return truth(f"(EXISTS ({_select(walk, node.this).sql}))")


def _scalar(walk: Walk, node: Any) -> Value:
    translated = _select(walk, node)
    if translated.type is None:
        return NULL
    sql = f"({translated.sql})" if " LIMIT " in translated.sql or _is_one_row(node) else f"({translated.sql} LIMIT 1)"
    return Value(sql=sql, type=translated.type, holds=holds_of(translated.type, Affinity.BLOB))


def _is_one_row(node: Any) -> bool:
    """Whether a SELECT gives one row by itself: it aggregates without GROUP BY, or has no FROM."""
    while isinstance(node, exp.Subquery):
        node = node.this
    if not isinstance(node, exp.Select) or node.args.get("group"):
        return False
    return node.args.get("from_") is None or (
        len(node.expressions) == 1 and str(getattr(node.expressions[0].unalias(), "this", "")).lower() in _SINGLE
    )


def in_subquery(walk: Walk, node: Any) -> Value:
    """A value among the rows of a subquery."""
    translated, subject = _select(walk, node.args["query"]), walk.value(node.this)
    if translated.type is None or subject.type is None:
        return refuse(f"{shown(node)} looks for a value among rows of an unknown type")
    if subject.kind is TypeKind.TEXT and subject.collation != BINARY:
        refuse(f"{shown(node)} compares by {subject.collation}")
    if not _alike(subject.type, translated.type):
        refuse(f"{subject.sql} is looked for among values of another type, {translated.type.sql}")
    return truth(f"({subject.sql} IN ({translated.sql}))")


def _alike(one: TargetType, other: TargetType) -> bool:
    return one.kind is other.kind or {one.kind, other.kind} <= _NUMBERS


_SINGLE: Final = frozenset({"count", "sum", "total", "avg", "min", "max", "group_concat", "json_group_array"})
HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType({exp.Exists: _exists, exp.Subquery: _scalar})
