"""The results of a SELECT: which columns it has, and what SQLite calls them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from shared.records.source import StorageClass
from shared.schema.declared import Affinity, affinity_of
from shared.schema.dialect.scope import UntranslatableError
from shared.schema.names import fold
from shared.schema.queries.frames import Frame, Item, found_in, named, resolve


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
        yield from _star(_items_named(frame, node.table), {}, whole=True)
    elif isinstance(node, exp.Alias):
        yield Output(name=node.alias, node=resolve(node.this, frame), written=node.this, aliased=True)
    else:
        resolved = resolve(node, frame)
        yield Output(name=_own_name(node, resolved, frame), node=resolved, written=node)


def _star(items: tuple[Item, ...], merged: Mapping[str, Any], *, whole: bool = False) -> Iterator[Output]:
    """The columns of relations; `whole` says that those of USING are shown again, as after the relation's name."""
    if not items:
        msg = "there is nothing that * stands for"
        raise UntranslatableError(msg)
    for item in items:
        if item.left_out:
            msg = f"its * stands for {', '.join(sorted(item.left_out))} of {item.name} too, not part of this job"
            raise UntranslatableError(msg)
        for column in item.relation.columns if whole else item.shown:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a result passes on to those who read it."""

    affinity: Affinity = Affinity.BLOB
    collation: str = "BINARY"
    not_null: bool = False
    classes: tuple[StorageClass, ...] | None = None
    """As those of `Named`."""


def traits_of(node: Any, frame: Frame) -> Traits:
    """What a resolved expression passes on: a column all that it has, anything else little or nothing."""
    node = bare(node)
    if isinstance(node, exp.Column):
        _, found = found_in(node, frame)
        return Traits(
            affinity=found.affinity, collation=found.collation, not_null=found.not_null, classes=found.classes
        )
    if isinstance(node, exp.Collate):
        return replace(traits_of(node.this, frame), collation=node.expression.name.upper())
    if isinstance(node, exp.Cast):
        return Traits(affinity=affinity_of(node.to.sql(dialect="sqlite")))
    return Traits(not_null=isinstance(node, exp.Literal))
