"""FROM and its joins: each relation with an alias of its own, each USING written out as a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote
from shared.schema.dialect.scope import Relation, Translated, UntranslatableError
from shared.schema.names import fold
from shared.schema.queries.frames import Frame, Item, made_nullable, named, resolve
from shared.schema.queries.readable import Readable, Setting

_MAIN: Final = frozenset({"", "main"})
_CATALOGUE: Final = frozenset(
    {"sqlite_master", "sqlite_schema", "sqlite_sequence", "sqlite_stat1", "sqlite_temp_master"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A condition that holds for joined rows, its columns resolved."""

    condition: Any
    whole: Any
    """All of ON, of which `condition` may be one of several that AND joins."""
    toward: frozenset[str] | None = None
    """LEFT JOIN: the aliases on its right side, which the left side decides and not the other way; None: inner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A part of FROM, translated."""

    sql: str
    items: tuple[Item, ...]
    merged: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    """What joins hold to be true of every row: what GROUP BY may conclude from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromTranslator:
    """What FROM needs of the SELECT it belongs to."""

    setting: Setting
    outer: Frame | None
    nested: Callable[[Any], Readable]
    """Translates a SELECT in FROM; its `target` is the SELECT in parentheses."""
    condition: Callable[[Any, Frame], Translated]
    """Translates a condition whose columns are resolved."""

    def translate(self, select: Any) -> Joined | None:
        """Translate a SELECT's FROM; None where there is none.

        Raises:
            UntranslatableError: for relations and joins that have no translation.
        """
        clause = select.args.get("from_")
        if clause is None:
            return None
        return self._chain(clause.this, select.args.get("joins") or ())

    def _chain(self, first: Any, joins: Sequence[Any]) -> Joined:
        inner = first.args.get("joins") or () if isinstance(first, exp.Table | exp.Subquery) else ()
        joined = self._single(first)
        for join in (*inner, *joins):
            joined = self._join(joined, join)
        return joined

    def _single(self, node: Any) -> Joined:
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not node.alias:
            group = self._chain(node.this, ())
            return replace(group, sql=f"({group.sql})")
        if isinstance(node, exp.Table):
            return self._table(node)
        if isinstance(node, exp.Subquery | exp.Values):
            return self._placed(self.nested(_unaliased(node)), node.alias)
        msg = f"FROM {node.sql(dialect='sqlite')} has no translation"
        raise UntranslatableError(msg)

    def _table(self, node: Any) -> Joined:
        if not isinstance(node.this, exp.Identifier):
            msg = f"the table function {node.this.name} has no translation"
            raise UntranslatableError(msg)
        readable = self._lookup(node)
        return self._placed(readable, node.alias or node.name)

    def _lookup(self, node: Any) -> Readable:
        name, schema = fold(node.name), fold(node.db)
        if schema not in _MAIN:
            msg = f"it reads {node.db}.{node.name}, and {node.db} is another database than its own"
            raise UntranslatableError(msg)
        if not schema and name in self.setting.with_tables:
            return self.setting.with_tables[name]
        if name in _CATALOGUE:
            msg = f"it reads {node.name}, a table of SQLite's own"
            raise UntranslatableError(msg)
        readable = self.setting.find(node.name)
        self.setting.notes.read(node.name, readable)
        return readable

    def _placed(self, readable: Readable, name: str) -> Joined:
        alias = self.setting.notes.names.give(name or "subquery").name
        relation = Relation(alias=alias, target=quote(alias), columns=readable.columns, rowid=readable.rowid)
        item = Item(name=fold(name), relation=relation, primary_key=readable.primary_key, left_out=readable.left_out)
        return Joined(sql=f"{readable.target} AS {quote(alias)}", items=(item,))

    def _join(self, left: Joined, join: Any) -> Joined:
        right = self._chain(join.this, ())
        side = fold(str(join.args.get("side") or ""))
        shared = _shared_columns(left, right, join)
        condition = self._condition(left, right, join, shared)
        items = (
            *_nullable(left.items, on=side in {"right", "full"}),
            *_nullable(right.items, on=side in {"left", "full"}),
        )
        if condition is None:
            return Joined(
                sql=f"{left.sql} {_plain(side)} {right.sql}" + (" ON true" if side else ""),
                items=items,
                merged={**left.merged, **right.merged},
                links=_links(left, right, None, side),
            )
        frame = Frame(items=(*left.items, *right.items), outer=self.outer)
        translated = self.condition(condition, frame)
        if side == "full" and not _has_equality(condition):
            msg = "PostgreSQL has FULL JOIN for equality alone"
            raise UntranslatableError(msg)
        return Joined(
            sql=f"{left.sql} {side.upper() or 'INNER'} JOIN {right.sql} ON {translated.sql}",
            items=_with_hidden(items, right, shared),
            merged={**left.merged, **right.merged, **_merged(left, right, shared, side)},
            links=_links(left, right, condition, side),
        )

    def _condition(self, left: Joined, right: Joined, join: Any, shared: Sequence[str]) -> Any:
        frame = Frame(items=(*left.items, *right.items), merged={**left.merged, **right.merged}, outer=self.outer)
        if join.args.get("on") is not None:
            return resolve(join.args["on"], frame)
        if not shared:
            return None
        pairs = [exp.EQ(this=_side(left, name), expression=_side(right, name)) for name in shared]
        return exp.and_(*pairs, copy=False) if len(pairs) > 1 else pairs[0]


def _plain(side: str) -> str:
    return f"{side.upper()} JOIN" if side else "CROSS JOIN"


def _unaliased(node: Any) -> Any:
    if isinstance(node, exp.Subquery):
        return node.this
    bare = node.copy()
    bare.set("alias", None)
    return bare


def _shared_columns(left: Joined, right: Joined, join: Any) -> tuple[str, ...]:
    """The columns that USING names, or that NATURAL finds on both sides, in the order of the right one for neither."""
    if join.args.get("using"):
        return tuple(each.name for each in join.args["using"])
    if fold(str(join.args.get("method") or "")) != "natural":
        return ()
    here = {fold(column.source) for item in left.items for column in item.shown}
    return tuple(column.source for item in right.items for column in item.shown if fold(column.source) in here)


def _side(joined: Joined, name: str) -> Any:
    """The column that one side of USING means: the leftmost of that name."""
    if fold(name) in joined.merged:
        return joined.merged[fold(name)].copy()
    for item in joined.items:
        if fold(name) not in item.hidden and item.relation.find(name) is not None:
            return named(item, name)
    msg = f"USING names the column {name}, which is not on both sides or not part of this job"
    raise UntranslatableError(msg)


def _nullable(items: Sequence[Item], *, on: bool) -> tuple[Item, ...]:
    return tuple(made_nullable(item) for item in items) if on else tuple(items)


def _with_hidden(items: Sequence[Item], right: Joined, shared: Sequence[str]) -> tuple[Item, ...]:
    ours = {item.relation.alias for item in right.items}
    names = frozenset(fold(name) for name in shared)
    return tuple(replace(item, hidden=item.hidden | names) if item.relation.alias in ours else item for item in items)


def _merged(left: Joined, right: Joined, shared: Sequence[str], side: str) -> dict[str, Any]:
    if side not in {"right", "full"}:
        return {}
    return {
        fold(name): exp.Anonymous(this="coalesce", expressions=[_side(left, name), _side(right, name)])
        for name in shared
    }


def _has_equality(condition: Any) -> bool:
    return any(isinstance(each, exp.EQ) for each in conjuncts(condition))


def conjuncts(condition: Any) -> tuple[Any, ...]:
    """The conditions that AND joins, parentheses taken off."""
    found, waiting = [], [condition]
    while waiting:
        node = waiting.pop()
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.And):
            waiting += [node.expression, node.this]
        else:
            found.append(node)
    return tuple(found)


def _links(left: Joined, right: Joined, condition: Any, side: str) -> tuple[Link, ...]:
    if side in {"right", "full"}:
        return ()
    toward = frozenset(item.relation.alias for item in right.items) if side else None
    own = () if condition is None else _links_of(condition, toward)
    return (*left.links, *(() if side else right.links), *own)


def _links_of(condition: Any, toward: frozenset[str] | None) -> tuple[Link, ...]:
    return tuple(Link(condition=each, whole=condition, toward=toward) for each in conjuncts(condition))


def where_links(condition: Any) -> tuple[Link, ...]:
    """What WHERE holds to be true of every row."""
    return _links_of(condition, None)
