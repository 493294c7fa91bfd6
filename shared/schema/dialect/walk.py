"""The walk over an expression's tree, and what it notes on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NoReturn, TypeAlias

from sqlglot import exp

from shared.schema.dialect.scope import Named, Relation, Scope, Translated, UntranslatableError
from shared.schema.dialect.values import Value
from shared.schema.names import fold

Subquery: TypeAlias = Callable[[Any, Scope], Translated]
Handler: TypeAlias = "Callable[[Walk, Any], Value]"


class Walk:
    """One translation: the names in scope, and the doubts that came up."""

    def __init__(self, scope: Scope, handlers: Mapping[type, Handler], subquery: Subquery | None = None) -> None:
        """Start a translation; `handlers` say what becomes of each kind of node."""
        self.scope = scope
        self.subquery = subquery
        self.doubts: list[str] = []
        self.immutable = True
        self.random_calls = 0
        """How often a random value is asked for: a translation that says it more often would use different ones."""
        self.settled: frozenset[str] = frozenset()
        """Columns, by folded name, whose NULL is settled elsewhere in the condition."""
        self._handlers = handlers

    def value(self, node: Any) -> Value:
        """Translate a node.

        Raises:
            UntranslatableError: where it has no translation that is known to mean the same.
        """
        _refuse_other_grouping(node)
        handler = self._handlers.get(type(node), _unknown)
        value = handler(self, node)
        inner = None if value.explicit else _inner_collation(node)
        return value if inner is None else replace(value, collation=inner, explicit=True)

    def values(self, nodes: Any) -> list[Value]:
        """Translate several nodes."""
        return [self.value(node) for node in nodes]

    def doubt(self, text: str) -> None:
        """Note how the translation may differ, once."""
        if text not in self.doubts:
            self.doubts.append(text)

    def asks_random(self, times: int) -> None:
        """Note that a random UUID is asked for so many times."""
        self.not_immutable()
        self.random_calls += times

    @contextmanager
    def never_null(self, columns: Iterable[str]) -> Iterator[None]:
        """Say of columns, by folded name, that what becomes of their NULL does not matter meanwhile."""
        before = self.settled
        self.settled = before | set(columns)
        yield
        self.settled = before

    def not_immutable(self) -> None:
        """Note that the value depends on more than its operands, so that no index can hold it."""
        self.immutable = False

    def find(self, table: str, column: str) -> tuple[Relation, Named] | None:
        """Find the column that a name stands for, innermost relations first."""
        scope: Scope | None = self.scope
        while scope is not None:
            for relation in scope.relations:
                named = relation.find(column) if not table or fold(relation.alias) == fold(table) else None
                if named is not None:
                    return relation, named
            scope = scope.outer
        return None


def refuse(why: str) -> NoReturn:
    """Give up: there is no translation.

    Raises:
        UntranslatableError: always.
    """
    raise UntranslatableError(why)


def named_collation(node: Any) -> str:
    """The collation that COLLATE names."""
    return str(node.expression.name or node.expression.this).upper()


def _inner_collation(node: Any) -> str | None:
    """The collation that an operand of || or of a function asks for: it is then asked for the result, too."""
    if not isinstance(node, exp.DPipe | exp.Anonymous) or node.find(exp.Query):
        return None
    found = next(node.find_all(exp.Collate, bfs=False), None)
    return None if found is None else named_collation(found)


def _unknown(_: Walk, node: Any) -> Value:
    refuse(f"{shown(node)} is not translated")


def shown(node: Any) -> str:
    """A piece of the source's SQL for messages, cut where it is long."""
    text = node.sql(dialect="sqlite") if isinstance(node, exp.Expression) else str(node)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _refuse_other_grouping(node: Any) -> None:
    """Refuse where SQLite groups operators of one precedence otherwise than the parser did.

    SQLite has =, IS, IN, LIKE and BETWEEN on one level, from left to right (https://sqlite.org/lang_expr.html, section
    2); the parser binds some of them closer.
    """
    if isinstance(node, _EQUALITIES):
        right = node.args.get("expression")
        if isinstance(right, (*_EQUALITIES, exp.Escape)) or (isinstance(right, exp.Not) and not _is_prefix(right)):
            refuse(f"{shown(node)} needs parentheses to be read without doubt")


def _is_prefix(node: Any) -> bool:
    """Whether NOT stands before its operand (NOT a) and not within an operator (a NOT IN b)."""
    return not isinstance(node.this, _EQUALITIES)


_SHOWN: Final = 120
_EQUALITIES: Final = (
    exp.EQ,
    exp.NEQ,
    exp.Is,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.In,
    exp.Between,
    exp.Like,
    exp.Glob,
    exp.Match,
    exp.RegexpLike,
)
