"""UNION, INTERSECT and EXCEPT: taken from left to right, each column of one type, ordered by their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from shared.quoting import quote
from shared.records.plan import TargetType, TypeKind
from shared.records.source import StorageClass
from shared.schema.declared import Affinity
from shared.schema.dialect.scope import Named, UntranslatableError
from shared.schema.names import fold
from shared.schema.queries.arm_types import TEXT, comparable
from shared.schema.queries.frames import Frame
from shared.schema.queries.ordering import direction_of, limits_of, order_term, place_of, uncollated
from shared.schema.queries.rendered import Rendered, doubt_equality

if TYPE_CHECKING:
    from shared.schema.queries.query import Query


def set_operation(query: Query, node: Any, outer: Frame | None, wanted: Sequence[TargetType] | None) -> Rendered:
    """Translate a set operation, its columns of the `wanted` types."""
    arms = _arms(node)
    first = [query.translate(arm, outer) for _, arm in arms]
    if len({len(each.columns) for each in first}) != 1:
        msg = "the SELECTs of a set operation have different numbers of columns"
        raise UntranslatableError(msg)
    types = wanted or query.common([each.types for each in first])
    types = [kind if comparable(kind.kind) else TEXT for kind in types]
    sql = ""
    for (operator, arm), before in zip(arms, first, strict=True):
        rendered = before if before.types == types else query.translate(arm, outer, types)
        sql = f"({sql}) {operator} ({rendered.sql})" if sql else rendered.sql
    together = zip(*(each.columns for each in first), strict=True)
    columns = tuple(_joined(each, kind) for each, kind in zip(together, types, strict=True))
    if any(operator != "UNION ALL" for operator, _ in arms[1:]):
        doubt_equality(columns, "a set operation", query.setting.notes)
    nulls = tuple(all(each) for each in zip(*(each.nulls for each in first), strict=True))
    return _ordered(query, node, Rendered(sql=sql, columns=columns, nulls=nulls), [arm for _, arm in arms])


def _ordered(query: Query, node: Any, rows: Rendered, arms: Sequence[Any]) -> Rendered:
    """Render ORDER BY and LIMIT of a set operation, whose terms name results."""
    order, limits = node.args.get("order"), limits_of(node, query)
    if order is None:
        return replace(rows, sql=f"{rows.sql}{limits}")
    alias = query.setting.notes.names.give("rows").name
    names = tuple(each.name for each in rows.columns)
    inner = f"({rows.sql}) AS {quote(alias)} ({', '.join(quote(name) for name in names)})"
    terms = []
    for term in order.expressions:
        column = rows.columns[_place_in_set(term, rows, arms)]
        terms.append(order_term(f"{quote(alias)}.{quote(column.name)}", direction_of(term, column), query))
    return replace(rows, sql=f"SELECT * FROM {inner} ORDER BY {', '.join(terms)}{limits}")


def _arms(node: Any) -> list[tuple[str, Any]]:
    """The SELECTs of a set operation with the operator before each: SQLite takes them from left to right."""
    while isinstance(node, exp.Subquery):
        node = node.this
    if not isinstance(node, exp.SetOperation):
        return [("", node)]
    operator = node.key.upper() + ("" if node.args.get("distinct") else " ALL")
    return [*_arms(node.this), (operator, node.expression)]


def _joined(columns: Sequence[Named], kind: TargetType) -> Named:
    affinities = {column.affinity for column in columns}
    return replace(
        columns[0],
        type=kind,
        affinity=affinities.pop() if len(affinities) == 1 else Affinity.BLOB,
        not_null=all(column.not_null for column in columns),
        classes=_classes(columns, kind),
    )


def _classes(columns: Sequence[Named], kind: TargetType) -> tuple[StorageClass, ...] | None:
    """The storage classes of a column that several SELECTs fill."""
    known = {each for column in columns for each in column.classes or ()}
    if all(column.type.kind is kind.kind for column in columns):
        return None if any(column.classes is None for column in columns) else tuple(sorted(known))
    return tuple(StorageClass) if kind.kind is TypeKind.TEXT else (StorageClass.INTEGER, StorageClass.REAL)


def _place_in_set(term: Any, rows: Rendered, arms: Sequence[Any]) -> int:
    node = uncollated(term)
    place = place_of(node, len(rows.columns))
    if place is not None:
        return place
    for arm in arms:
        found = _place_in_arm(node, arm, rows)
        if found is not None:
            return found
    msg = "it orders a set operation by what is not among its results"
    raise UntranslatableError(msg)


def _place_in_arm(node: Any, arm: Any, rows: Rendered) -> int | None:
    results = arm.expressions if isinstance(arm, exp.Select) else []
    if any(each.is_star for each in results):
        names = [fold(column.source) for column in rows.columns]
        return names.index(fold(node.name)) if isinstance(node, exp.Column) and fold(node.name) in names else None
    for number, each in enumerate(results):
        by_name = isinstance(node, exp.Column) and not node.table and fold(each.alias_or_name) == fold(node.name)
        if by_name or fold(each.unalias().sql()) == fold(node.sql()):
            return number
    return None
