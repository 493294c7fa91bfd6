"""What the columns of one SELECT stand for: its FROM, the SELECTs around it, and the aliases of its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from shared.schema.dialect.scope import Named, Relation, Scope, UntranslatableError
from shared.schema.names import fold

_ROWIDS = frozenset({"rowid", "oid", "_rowid_"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One relation of FROM."""

    name: str
    """What the source's SQL calls it, folded; empty for a subquery without an alias."""
    relation: Relation
    """Its alias is unique in the whole statement."""
    hidden: frozenset[str] = frozenset()
    """Columns, folded, that USING or NATURAL made one with a column further left."""
    nullable: bool = False
    """Whether an outer join may make all of it NULL."""
    primary_key: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()

    @property
    def shown(self) -> tuple[Named, ...]:
        """The columns that ``*`` stands for."""
        return tuple(each for each in self.relation.columns if fold(each.source) not in self.hidden)

    def has(self, column: str) -> bool:
        """Whether the source has such a column here."""
        return self.relation.find(column) is not None or fold(column) in self.left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the expressions of one SELECT see."""

    items: tuple[Item, ...] = ()
    merged: Mapping[str, Any] = field(default_factory=dict)
    """Columns, folded, that a RIGHT or FULL JOIN took from either side: the expression for each, already resolved."""
    outer: Frame | None = None
    qualified_only: bool = False
    """Whether columns are found with their relation's name alone: NEW, OLD and excluded."""

    @property
    def scope(self) -> Scope:
        """Every relation that can be named from here; their aliases differ."""
        items = [item for frame in self.outwards() for item in frame.items]
        return Scope(relations=tuple(item.relation for item in items))

    def outwards(self) -> tuple[Frame, ...]:
        """This frame and those around it, innermost first."""
        return (self, *(self.outer.outwards() if self.outer else ()))

    def item(self, alias: str) -> Item:
        """The relation that goes by a unique alias."""
        return next(item for frame in self.outwards() for item in frame.items if item.relation.alias == alias)


def resolve(node: Any, frame: Frame, aliases: Mapping[str, Any] | None = None) -> Any:
    """Copy an expression with every column named by its relation's unique alias; nested SELECTs are left alone.

    `aliases` are the SELECT's results by folded alias; SQLite finds them after the columns of FROM.

    Raises:
        UntranslatableError: for columns that do not exist, are ambiguous or are not part of the job.
    """
    holder = exp.Paren(this=node.copy())
    if holder.find(exp.Match) is not None:
        # Its left side may be the table itself, which is no column.
        msg = "it searches with MATCH: ask the generated tsvector column, as the grade of the virtual table says"
        raise UntranslatableError(msg)
    for each in list(holder.find_all(exp.In)):
        _write_out(each)
    for column in _own_columns(holder):
        column.replace(_resolved(column, frame, aliases or {}))
    return holder.this


def _write_out(node: Any) -> None:
    """Write ``x IN (VALUES …)`` and ``x IN name_of_a_table`` as what they mean: an IN with a query."""
    field, listed = node.args.get("field"), node.expressions
    if isinstance(field, exp.Column):
        table = exp.Table(this=field.this.copy(), db=field.args.get("table"))
        node.set("field", None)
        node.set("query", exp.Subquery(this=exp.Select(expressions=[exp.Star()], from_=exp.From(this=table))))
    elif len(listed) == 1 and isinstance(listed[0], exp.Values):
        node.set("expressions", None)
        node.set("query", exp.Subquery(this=listed[0]))


def own_columns(node: Any) -> list[Any]:
    """The columns in an expression that no nested SELECT holds."""
    return _own_columns(exp.Paren(this=node.copy()))


def _own_columns(holder: Any) -> list[Any]:
    found = holder.walk(prune=lambda node: isinstance(node, exp.Query | exp.Values))
    return [each for each in found if isinstance(each, exp.Column) and not _is_no_column(each)]


def _is_no_column(column: Any) -> bool:
    """Whether it only looks like a column: the action of RAISE."""
    return isinstance(column.parent, exp.Anonymous) and column.parent.name.upper() == "RAISE"


def _resolved(column: Any, frame: Frame, aliases: Mapping[str, Any]) -> Any:
    table = fold(column.table)
    for depth, each in enumerate(frame.outwards()):
        found = _in_frame(column, table, each)
        if found is not None:
            return found
        if depth == 0 and not table and fold(column.name) in aliases:
            return exp.Paren(this=resolve(aliases[fold(column.name)], frame))
    if not table and column.this.args.get("quoted"):
        # A double-quoted word that names nothing is a text to SQLite (https://sqlite.org/quirks.html, section 8).
        return exp.Literal.string(column.name)
    msg = f"there is no column {column.sql(dialect='sqlite')}"
    raise UntranslatableError(msg)


def _in_frame(column: Any, table: str, frame: Frame) -> Any:
    if not table and fold(column.name) in frame.merged:
        return frame.merged[fold(column.name)].copy()
    if not table and frame.qualified_only:
        return None
    found = [item for item in frame.items if _names(item, table, column.name)]
    if not table and fold(column.name) in _ROWIDS:
        found = [item for item in found if _has_own(item, column.name)] or found
    if not found:
        return None
    if len(found) > 1:
        msg = f"the column {column.sql(dialect='sqlite')} is ambiguous"
        raise UntranslatableError(msg)
    if found[0].relation.find(column.name) is None:
        msg = f"the column {column.name} of {found[0].name} is not part of this job"
        raise UntranslatableError(msg)
    return named(found[0], column.name)


def _names(item: Item, table: str, column: str) -> bool:
    if table:
        return item.name == table and item.has(column)
    return item.has(column) and fold(column) not in item.hidden


def _has_own(item: Item, column: str) -> bool:
    return any(fold(each.source) == fold(column) for each in item.relation.columns)


def named(item: Item, column: str) -> Any:
    """A column of a relation, by the relation's unique alias."""
    return exp.column(exp.to_identifier(column, quoted=True), table=exp.to_identifier(item.relation.alias, quoted=True))


def found_in(column: Any, frame: Frame) -> tuple[Item, Named]:
    """What a resolved column stands for."""
    item = frame.item(column.table)
    found = item.relation.find(column.name)
    if found is None:  # resolved columns exist
        raise LookupError(column.name)
    return item, found


def made_nullable(item: Item) -> Item:
    """A relation that an outer join may make NULL."""
    columns = tuple(replace(each, not_null=False) for each in item.relation.columns)
    rowid = None if item.relation.rowid is None else replace(item.relation.rowid, not_null=False)
    return replace(item, nullable=True, relation=replace(item.relation, columns=columns, rowid=rowid))
