"""Window functions, and aggregates over windows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.records.plan import TypeKind
from shared.schema.dialect.aggregates import AGGREGATES, aggregate, filtered, ordered
from shared.schema.dialect.branches import chosen
from shared.schema.dialect.conversions import as_bigint, unified
from shared.schema.dialect.functions import Function
from shared.schema.dialect.text_comparisons import collated
from shared.schema.dialect.values import BINARY, INTEGER, Value, integer, real
from shared.schema.dialect.walk import Handler, Walk, refuse, shown

_BOUND: Final = re.compile(r"UNBOUNDED|CURRENT ROW|\d+")
_RANKS: Final = frozenset({"row_number", "rank", "dense_rank"})
_SHARES: Final = frozenset({"percent_rank", "cume_dist"})
_FIRST_AND_LAST: Final = frozenset({"first_value", "last_value"})


def _window(walk: Walk, node: Any) -> Value:
    function, suffix = node.this, ""
    if isinstance(function, exp.Filter):
        suffix, function = filtered(walk, function), function.this
    over = suffix + " OVER " + _specification(walk, node)
    if not isinstance(function, exp.Anonymous):
        return refuse(f"{shown(node)} is not translated")
    name = str(function.this).lower()
    if name in AGGREGATES:
        return aggregate(walk, function, over)
    return _ranked(walk, name, function, over)


def _specification(walk: Walk, node: Any) -> str:
    if node.args.get("alias") is not None or node.args.get("first"):
        refuse(f"{shown(node)} names a window that is defined elsewhere")
    parts = []
    if node.args.get("partition_by"):
        values = walk.values(node.args["partition_by"])
        parts.append("PARTITION BY " + ", ".join(_partition(value) for value in values))
    if node.args.get("order"):
        parts.append("ORDER BY " + ordered(walk, node.args["order"].expressions))
    if node.args.get("spec"):
        parts.append(_frame(node.args["spec"]))
    return f"({' '.join(parts)})"


def _partition(value: Value) -> str:
    by_collation = value.kind is TypeKind.TEXT and value.collation != BINARY
    return collated(value, value.collation) if by_collation else value.sql


def _frame(spec: Any) -> str:
    for side in ("start", "end"):
        bound = spec.args.get(side)
        shown_bound = bound if isinstance(bound, str) else "" if bound is None else bound.sql()
        if shown_bound and not _BOUND.fullmatch(shown_bound):
            refuse("a frame of a window has a bound that is no constant")
    return str(spec.sql(dialect="postgres"))


def _ranked(walk: Walk, name: str, node: Any, over: str) -> Value:
    arguments = walk.values(node.expressions)
    if name in _RANKS and not arguments:
        return replace(integer(f"{name}(){over}"), not_null=True)
    if name in _SHARES and not arguments:
        return replace(real(f"{name}(){over}"), not_null=True)
    if name in {"lag", "lead"} and 1 <= len(arguments) <= 3:
        return _beside(walk, name, arguments, over)
    return _placed(walk, name, arguments, over)


def _placed(walk: Walk, name: str, arguments: Sequence[Value], over: str) -> Value:
    if name == "ntile" and len(arguments) == 1:
        return integer(f"ntile({as_bigint(walk, arguments[0])}::integer){over}", INTEGER)
    if name in _FIRST_AND_LAST and len(arguments) == 1:
        return _taken(arguments[0], f"{name}({arguments[0].sql}){over}")
    if name == "nth_value" and len(arguments) == 2:
        return _taken(arguments[0], f"nth_value({arguments[0].sql}, {as_bigint(walk, arguments[1])}::integer){over}")
    return refuse(f"{name} is no window function that is translated")


def _taken(value: Value, sql: str) -> Value:
    return replace(value.bare(), sql=sql, not_null=False)


def _beside(walk: Walk, name: str, arguments: Sequence[Value], over: str) -> Value:
    subject, *rest = arguments
    offset = f", {as_bigint(walk, rest[0])}::integer" if rest else ""
    if len(rest) < 2:
        return _taken(subject, f"{name}({subject.sql}{offset}){over}")
    brought = unified(walk, [subject, rest[1]])
    return chosen(f"{name}({brought[0].sql}{offset}, {brought[1].sql}){over}", brought)


def _filter(walk: Walk, node: Any) -> Value:
    if not isinstance(node.this, exp.Anonymous) or str(node.this.this).lower() not in AGGREGATES:
        return refuse(f"{shown(node)} is not translated")
    return aggregate(walk, node.this, filtered(walk, node))


_NOTE: Final = "over a window that is written where it is used"
FUNCTIONS: Final = tuple(
    Function(name=name, least=least, most=most, note=_NOTE)
    for name, least, most in (
        ("row_number", 0, 0),
        ("rank", 0, 0),
        ("dense_rank", 0, 0),
        ("percent_rank", 0, 0),
        ("cume_dist", 0, 0),
        ("ntile", 1, 1),
        ("first_value", 1, 1),
        ("last_value", 1, 1),
        ("nth_value", 2, 2),
        ("lag", 1, 3),
        ("lead", 1, 3),
    )
)
HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType({exp.Window: _window, exp.Filter: _filter})
