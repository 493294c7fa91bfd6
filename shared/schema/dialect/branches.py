"""Expressions that choose among values: CASE, coalesce, iif."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.schema.dialect.comparisons import compare
from shared.schema.dialect.conversions import as_condition, unified
from shared.schema.dialect.values import NULL, Holds, Value
from shared.schema.dialect.walk import Handler, Walk


def chosen(sql: str, branches: Sequence[Value], *, not_null: bool = False) -> Value:
    """What one of several branches of one type gives."""
    known = [branch for branch in branches if branch.type is not None]
    if not known:
        return NULL
    holds = {branch.holds for branch in known}
    joint = holds.pop() if len(holds) == 1 else Holds.NUMBER
    forms = {branch.form for branch in known}
    form = forms.pop() if len(forms) == 1 else ""
    return Value(sql=sql, type=known[0].type, holds=joint, form=form, not_null=not_null)


def _case(walk: Walk, node: Any) -> Value:
    base = None if node.this is None else walk.value(node.this)
    conditions = [_condition(walk, base, each.this) for each in node.args["ifs"]]
    results = walk.values(each.args["true"] for each in node.args["ifs"])
    default = node.args.get("default")
    return cases(walk, conditions, results, NULL if default is None else walk.value(default))


def cases(walk: Walk, conditions: Sequence[str], results: Sequence[Value], default: Value) -> Value:
    """Render CASE with its branches brought to one type."""
    *brought, other = unified(walk, [*results, default])
    whens = " ".join(f"WHEN {when} THEN {then.sql}" for when, then in zip(conditions, brought, strict=True))
    last = "" if default.type is None else f" ELSE {other.sql}"
    return chosen(f"(CASE {whens}{last} END)", [*brought, other])


def _condition(walk: Walk, base: Value | None, node: Any) -> str:
    value = walk.value(node)
    if base is None:
        return as_condition(walk, value)
    return compare(walk, "=", base, value).sql


def _iif(walk: Walk, node: Any) -> Value:
    default = node.args.get("false")
    condition = as_condition(walk, walk.value(node.this))
    results = [walk.value(node.args["true"])]
    return cases(walk, [condition], results, NULL if default is None else walk.value(default))


HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType({exp.Case: _case, exp.If: _iif})
