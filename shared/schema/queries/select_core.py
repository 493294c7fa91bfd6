"""One SELECT without set operations: its results, clauses and order."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from shared.quoting import quote
from shared.records.plan import TargetType
from shared.schema.dialect.scope import Named, Translated, UntranslatableError
from shared.schema.names import Names, fold
from shared.schema.queries.arm_types import TEXT, comparable
from shared.schema.queries.frames import Frame, resolve
from shared.schema.queries.from_clause import FromTranslator, Joined, Link, where_links
from shared.schema.queries.grouping import beside, has_aggregate
from shared.schema.queries.ordering import Direction, direction_of, limits_of, order_term, place_of, uncollated
from shared.schema.queries.outputs import aliases_of, bare, outputs_of, traits_of
from shared.schema.queries.rendered import Rendered, doubt_equality, spelled_out

if TYPE_CHECKING:
    from shared.schema.queries.query import Query


class Core:
    """The translation of one SELECT without set operations."""

    def __init__(self, query: Query, node: Any, outer: Frame | None) -> None:
        self._query, self._node = query, _with_windows(node)
        _refuse_unknown(node)
        node = self._node
        translator = FromTranslator(
            setting=query.setting,
            outer=outer,
            nested=lambda each: query.nested(each, outer),
            condition=query.condition,
        )
        joined = translator.translate(node)
        self._joined: Joined | None = joined
        items, merged = (joined.items, joined.merged) if joined else ((), {})
        self._frame = Frame(items=items, merged=merged, outer=outer)
        self._aliases = aliases_of(node)
        self._outputs = outputs_of(node, self._frame)

    def render(self, wanted: Sequence[TargetType] | None) -> Rendered:
        """Translate it, its columns of the `wanted` types."""
        values = [self._query.value(each.node, self._frame) for each in self._outputs]
        types = list(wanted or (each.type or TEXT for each in values))
        distinct = self._node.args.get("distinct") is not None
        if distinct:
            types = [kind if comparable(kind.kind) else TEXT for kind in types]
        columns = self._columns(types)
        if distinct:
            doubt_equality(columns, "DISTINCT", self._query.setting.notes)
        typed = self._query.typed([each.node for each in self._outputs], types, self._frame)
        listed = ", ".join(f"{sql} AS {quote(column.name)}" for sql, column in zip(typed, columns, strict=True))
        clauses = [f"SELECT {'DISTINCT ' if distinct else ''}{listed}", *self._clauses()]
        rows = Rendered(sql=" ".join(clauses), columns=columns, nulls=tuple(value.type is None for value in values))
        return self._ordered(rows, values, distinct=distinct)

    def _columns(self, types: Sequence[TargetType]) -> tuple[Named, ...]:
        names = Names(preserve=self._query.setting.preserve)
        columns = []
        for output, kind in zip(self._outputs, types, strict=True):
            traits = traits_of(output.node, self._frame)
            columns.append(
                Named(
                    source=output.name,
                    name=names.give(output.name).name,
                    type=kind,
                    affinity=traits.affinity,
                    collation=traits.collation,
                    not_null=traits.not_null,
                    classes=traits.classes,
                )
            )
        return tuple(columns)

    def _clauses(self) -> list[str]:
        clauses = [f"FROM {self._joined.sql}"] if self._joined else []
        where = self._node.args.get("where")
        links: tuple[Link, ...] = self._joined.links if self._joined else ()
        if where is not None:
            condition = resolve(where.this, self._frame, self._aliases)
            links = (*links, *where_links(condition))
            clauses.append(f"WHERE {self._query.condition(condition, self._frame).sql}")
        return [*clauses, *self._groups(links)]

    def _groups(self, links: Sequence[Link]) -> list[str]:
        group, having = self._node.args.get("group"), self._node.args.get("having")
        condition = None if having is None else resolve(having.this, self._frame, self._aliases)
        results = [output.node for output in self._outputs]
        results += [] if condition is None else [condition]
        results += [resolve(term, self._frame, self._aliases) for term in self._order_expressions()]
        if group is None and not any(has_aggregate(each) for each in results):
            return [] if condition is None else [f"HAVING {self._query.condition(condition, self._frame).sql}"]
        keys = [self._group_key(each) for each in (group.expressions if group is not None else ())]
        added = beside(keys, results, self._frame, links)
        clauses = []
        if keys:
            clauses.append("GROUP BY " + ", ".join(self._key_sql(each) for each in (*keys, *added)))
        if condition is not None:
            clauses.append(f"HAVING {self._query.condition(condition, self._frame).sql}")
        return clauses

    def _group_key(self, node: Any) -> Any:
        place = place_of(node, len(self._outputs))
        return resolve(node, self._frame, self._aliases) if place is None else self._outputs[place].node

    def _key_sql(self, node: Any) -> str:
        value = self._query.value(node, self._frame)
        kind = value.type or TEXT
        if not comparable(kind.kind):
            msg = "it groups by json, which PostgreSQL cannot compare"
            raise UntranslatableError(msg)
        collation = traits_of(node, self._frame).collation
        grouped = Named(source="", name="", type=kind, collation=collation)
        doubt_equality([grouped], "GROUP BY", self._query.setting.notes)
        # A constant there would be a position or an error to PostgreSQL.
        return value.sql if any(True for _ in node.find_all(exp.Column)) else f"(SELECT {spelled_out(value, kind)})"

    def _order_expressions(self) -> list[Any]:
        order = self._node.args.get("order")
        terms = [] if order is None else [term.this for term in order.expressions]
        return [term for term in terms if place_of(term, len(self._outputs)) is None]

    def _ordered(self, rows: Rendered, values: Sequence[Translated], *, distinct: bool) -> Rendered:
        order, limits = self._node.args.get("order"), limits_of(self._node, self._query)
        if order is None:
            return replace(rows, sql=f"{rows.sql}{limits}")
        if distinct:
            return self._ordered_distinct(rows, order, limits)
        terms = []
        for term in order.expressions:
            place = self._result_place(term)
            node = (
                self._outputs[place].node
                if place is not None
                else resolve(uncollated(term), self._frame, self._aliases)
            )
            value = values[place] if place is not None else self._query.value(node, self._frame)
            terms.append(order_term(value.sql, self._direction(term, node, value), self._query))
        return replace(rows, sql=f"{rows.sql} ORDER BY {', '.join(terms)}{limits}")

    def _direction(self, term: Any, node: Any, value: Translated) -> Direction:
        traits = traits_of(node, self._frame)
        kind = value.type or TEXT
        sorted_by = Named(source="", name="", type=kind, affinity=traits.affinity, collation=traits.collation)
        return direction_of(term, sorted_by)

    def _ordered_distinct(self, rows: Rendered, order: Any, limits: str) -> Rendered:
        """DISTINCT is done first and ordered from without: PostgreSQL sorts its results alone, as they are."""
        alias = self._query.setting.notes.names.give("rows").name
        terms = []
        for term in order.expressions:
            place = self._result_place(term)
            if place is None:
                msg = "it orders DISTINCT rows by what is not among them"
                raise UntranslatableError(msg)
            column = rows.columns[place]
            terms.append(order_term(f"{quote(alias)}.{quote(column.name)}", direction_of(term, column), self._query))
        return replace(rows, sql=f"SELECT * FROM ({rows.sql}) AS {quote(alias)} ORDER BY {', '.join(terms)}{limits}")

    def _result_place(self, term: Any) -> int | None:
        """Which result a term of ORDER BY means: by position, by alias, or by the same expression."""
        node = uncollated(term)
        place = place_of(node, len(self._outputs))
        if place is not None:
            return place
        if isinstance(node, exp.Column) and not node.table:
            for number, output in enumerate(self._outputs):
                if output.aliased and fold(output.name) == fold(node.name):
                    return number
        resolved = bare(resolve(node, self._frame, self._aliases)).sql()
        return next((n for n, output in enumerate(self._outputs) if bare(output.node).sql() == resolved), None)


def _with_windows(select: Any) -> Any:
    """Write the windows that WINDOW names where they are used."""
    if not select.args.get("windows"):
        return select
    written = select.copy()
    named = {fold(window.this.name): window for window in written.args["windows"]}
    written.set("windows", None)
    for window in list(written.find_all(exp.Window)):
        definition = named.get(fold(window.alias)) if window.args.get("alias") is not None else None
        if definition is not None:
            window.set("alias", None)
            for part in ("partition_by", "order", "spec"):
                window.set(part, copy.deepcopy(definition.args.get(part)))
    return written


def _refuse_unknown(node: Any) -> None:
    unknown = [name for name, value in node.args.items() if value and name not in _CLAUSES]
    if unknown:
        msg = f"{unknown[0].strip('_').upper()} has no translation here"
        raise UntranslatableError(msg)


_CLAUSES: Final = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "distinct", "order", "limit", "offset", "windows"}
)
