"""The results of a SELECT: which columns it has, and what SQLite calls them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from shared.schema.declared import Affinity, affinity_of
from shared.schema.dialect.frames import Frame, Item, found_in, named, resolve
from shared.schema.dialect.scope import UntranslatableError
from shared.schema.names import fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One column of a SELECT's result."""

    name: str
    """What SQLite calls it."""
    node: Any
    """Its expression, columns resolved."""
    written: Any = None
    """Its expression as the source has it; None for one that a star stands for."""
    aliased: bool = False


def outputs_of(select: Any, frame: Frame) -> tuple[Output, ...]:
    """The results of a SELECT, stars written out.

    Raises:
        UntranslatableError: for columns that do not exist.
    """
    return tuple(output for node in select.expressions for output in _outputs(node, frame))


def aliases_of(select: Any) -> dict[str, Any]:
    """The expressions that have an alias, by folded alias; of two the first."""
    found: dict[str, Any] = {}
    for node in select.expressions:
        if isinstance(node, exp.Alias):
            found.setdefault(fold(node.alias), node.this)
    return found


def _outputs(node: Any, frame: Frame) -> Iterator[Output]:
    if isinstance(node, exp.Star):
        yield from _star(frame.items, frame.merged)
    elif isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
        yield from _star(_items_named(frame, node.table), {})
    elif isinstance(node, exp.Alias):
        yield Output(name=node.alias, node=resolve(node.this, frame), written=node.this, aliased=True)
    else:
        resolved = resolve(node, frame)
        yield Output(name=_own_name(node, resolved, frame), node=resolved, written=node)


def _star(items: tuple[Item, ...], merged: Mapping[str, Any]) -> Iterator[Output]:
    if not items:
        msg = "there is nothing that * stands for"
        raise UntranslatableError(msg)
    for item in items:
        for column in item.shown if merged is not None else item.relation.columns:
            both = merged.get(fold(column.source))
            yield Output(name=column.source, node=named(item, column.source) if both is None else both.copy())


def _items_named(frame: Frame, table: str) -> tuple[Item, ...]:
    found = tuple(item for item in frame.items if item.name == fold(table))
    if len(found) != 1:
        msg = f"{table}.* names no relation of FROM"
        raise UntranslatableError(msg)
    return found


def _own_name(node: Any, resolved: Any, frame: Frame) -> str:
    """A column's name, or the expression's text (https://sqlite.org/c3ref/column_name.html promises nothing more)."""
    if isinstance(resolved, exp.Column):
        return found_in(resolved, frame)[1].source
    return str(node.sql(dialect="sqlite"))


def bare(node: Any) -> Any:
    """An expression without the parentheses around it."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def affinity_and_collation(node: Any, frame: Frame) -> tuple[Affinity, str, bool]:
    """The affinity and collation that a resolved expression passes on, and whether it is never NULL."""
    node = bare(node)
    if isinstance(node, exp.Column):
        _, found = found_in(node, frame)
        return found.affinity, found.collation, found.not_null
    if isinstance(node, exp.Collate):
        affinity, _, not_null = affinity_and_collation(node.this, frame)
        return affinity, node.expression.name.upper(), not_null
    if isinstance(node, exp.Cast):
        return affinity_of(node.to.sql(dialect="sqlite")), "BINARY", False
    return Affinity.BLOB, "BINARY", isinstance(node, exp.Literal)
