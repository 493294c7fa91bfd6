"""SQLite's aggregates, with DISTINCT, FILTER and ORDER BY inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from sqlglot import exp

from shared.records.plan import Grade, TypeKind
from shared.schema.dialect.conversions import as_bigint, as_condition, as_double, as_number, as_text
from shared.schema.dialect.functions import Function
from shared.schema.dialect.text_comparisons import AS_MOMENTS, collated
from shared.schema.dialect.values import (
    BINARY,
    JSONB,
    JSONS,
    MOMENTS,
    NULL,
    Holds,
    Value,
    constant,
    integer,
    real,
    text,
)
from shared.schema.dialect.walk import Walk, refuse, shown

SUMS: Final = "a sum of reals may differ in its last digits, since PostgreSQL adds in another order or in decimals"
PARTS_ORDER: Final = "the parts may come in another order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """One call of an aggregate, taken apart."""

    walk: Walk
    arguments: tuple[Value, ...]
    distinct: bool
    order: str
    """ORDER BY inside the call, or nothing."""
    suffix: str
    """FILTER and OVER, as they follow the call."""

    def call(self, name: str, argument: str, *more: str) -> str:
        """Render the call of an aggregate of PostgreSQL."""
        inner = ", ".join((argument, *more))
        return f"{name}({'DISTINCT ' if self.distinct else ''}{inner}{self.order}){self.suffix}"


Aggregate: TypeAlias = Callable[[Aggregation], Value]


def aggregate(walk: Walk, node: Any, suffix: str) -> Value:
    """Translate a call of an aggregate; `suffix` is what follows it (FILTER, OVER)."""
    name = str(node.this).lower()
    nodes, order = _without_order(walk, node.expressions)
    distinct = bool(nodes) and isinstance(nodes[0], exp.Distinct)
    if distinct:
        nodes = [*nodes[0].expressions, *nodes[1:]]
    if not nodes or isinstance(nodes[0], exp.Star):
        if name != "count":
            refuse(f"{shown(node)} has nothing to aggregate")
        return replace(integer(f"count(*){suffix}"), not_null=True)
    return AGGREGATES[name](
        Aggregation(walk=walk, arguments=tuple(walk.values(nodes)), distinct=distinct, order=order, suffix=suffix)
    )


def _without_order(walk: Walk, nodes: list[Any]) -> tuple[list[Any], str]:
    """The arguments, and the ORDER BY that the parser hangs on the last of them."""
    if not nodes or not isinstance(nodes[-1], exp.Order):
        return list(nodes), ""
    order = nodes[-1]
    return [*nodes[:-1], order.this], " ORDER BY " + ordered(walk, order.expressions)


def ordered(walk: Walk, terms: list[Any]) -> str:
    """Terms of an ORDER BY: texts by their bytes, NULL first unless it is said otherwise."""
    return ", ".join(_ordered_term(walk, term) for term in terms)


def _ordered_term(walk: Walk, term: Any) -> str:
    value = walk.value(term.this)
    if value.kind in JSONS | {TypeKind.UUID, TypeKind.OTHER}:
        sql = f'{as_text(walk, value)} COLLATE "C"'
    else:
        sql = collated(value, value.collation) if value.kind is TypeKind.TEXT else value.sql
    nulls = "FIRST" if term.args.get("nulls_first") else "LAST"
    return f"{sql}{' DESC' if term.args.get('desc') else ''} NULLS {nulls}"


def _count(call: Aggregation) -> Value:
    value = call.arguments[0]
    sql = collated(value, value.collation) if value.collation != BINARY and value.kind is TypeKind.TEXT else value.sql
    return replace(integer(call.call("count", sql)), not_null=True)


def _sum(call: Aggregation) -> Value:
    number = as_number(call.walk, call.arguments[0])
    if number.type is None:
        return NULL
    if number.holds is Holds.INTEGER:
        return integer(f"({call.call('sum', as_bigint(call.walk, number))})::bigint")
    call.walk.doubt(SUMS)
    return Value(sql=call.call("sum", number.sql), type=number.type, holds=number.holds)


def _total(call: Aggregation) -> Value:
    number = as_number(call.walk, call.arguments[0])
    if number.holds is not Holds.INTEGER:
        call.walk.doubt(SUMS)
    return replace(real(f"coalesce({call.call('sum', as_double(call.walk, number))}, 0)"), not_null=True)


def _avg(call: Aggregation) -> Value:
    number = as_number(call.walk, call.arguments[0])
    if number.type is None:
        return NULL
    if number.holds is not Holds.INTEGER:
        call.walk.doubt(SUMS)
    return real(call.call("avg", as_double(call.walk, number)))


def _extreme(name: str, of_booleans: str) -> Aggregate:
    def build(call: Aggregation) -> Value:
        value = call.arguments[0]
        if value.type is None:
            return NULL
        if value.kind is TypeKind.BOOLEAN:
            return replace(value.bare(), sql=call.call(of_booleans, value.sql), not_null=False)
        if value.kind in JSONS | {TypeKind.BYTEA, TypeKind.OTHER}:
            refuse(f"{name}({value.sql}): PostgreSQL has no order of {value.type.sql} that is SQLite's")
        if value.kind is TypeKind.UUID:
            return text(call.call(name, f'{as_text(call.walk, value)} COLLATE "C"'))
        if value.kind in MOMENTS - {TypeKind.DATE} and not value.form:
            call.walk.doubt(AS_MOMENTS)
        if value.kind is TypeKind.TEXT and value.collation != BINARY:
            refuse(f"{name} of a text that is compared by {value.collation} finds any of those that are equal")
        sql = collated(value, BINARY) if value.kind is TypeKind.TEXT else value.sql
        return replace(value.bare(), sql=call.call(name, sql), not_null=False)

    return build


def _group_concat(call: Aggregation) -> Value:
    subject, *separators = call.arguments
    if not call.order:
        call.walk.doubt(PARTS_ORDER)
    separator = as_text(call.walk, separators[0]) if separators else constant(",").sql
    return text(call.call("string_agg", as_text(call.walk, subject), separator))


def _json_group_array(call: Aggregation) -> Value:
    if not call.order:
        call.walk.doubt(PARTS_ORDER)
    value = call.arguments[0]
    if value.holds in {Holds.REAL, Holds.NUMBER, Holds.BLOB}:
        refuse("json_group_array spells reals in another way")
    sql = call.call("jsonb_agg", as_number(call.walk, value).sql if value.kind is TypeKind.BOOLEAN else value.sql)
    return Value(sql=f"coalesce({sql}, '[]'::jsonb)", type=JSONB, holds=Holds.TEXT, not_null=True)


_ORDER_NOTE: Final = f"without ORDER BY {PARTS_ORDER}"
AGGREGATES: Final[Mapping[str, Aggregate]] = MappingProxyType(
    {
        "count": _count,
        "sum": _sum,
        "total": _total,
        "avg": _avg,
        "min": _extreme("min", "bool_and"),
        "max": _extreme("max", "bool_or"),
        "group_concat": _group_concat,
        "string_agg": _group_concat,
        "json_group_array": _json_group_array,
    }
)
FUNCTIONS: Final = (
    Function(name="count", least=0, most=1, aggregate=True),
    Function(name="sum", least=1, most=1, aggregate=True, note="of reals: " + SUMS),
    Function(name="total", least=1, most=1, aggregate=True, note="of reals: " + SUMS),
    Function(name="avg", least=1, most=1, aggregate=True, note="of reals: " + SUMS),
    Function(name="min", least=1, most=1, aggregate=True),
    Function(name="max", least=1, most=1, aggregate=True),
    Function(name="group_concat", least=1, most=2, aggregate=True, grade=Grade.APPROXIMATED, note=_ORDER_NOTE),
    Function(name="string_agg", least=2, most=2, aggregate=True, grade=Grade.APPROXIMATED, note=_ORDER_NOTE),
    Function(name="json_group_array", least=1, most=1, aggregate=True, grade=Grade.APPROXIMATED, note=_ORDER_NOTE),
)


def filtered(walk: Walk, node: Any) -> str:
    """FILTER, as it follows an aggregate."""
    return f" FILTER (WHERE {as_condition(walk, walk.value(node.expression.this))})"
