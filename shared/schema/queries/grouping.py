"""GROUP BY: SQLite lets any column stand beside an aggregate, PostgreSQL those alone that a group decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlglot import exp

from shared.schema.dialect.scope import UntranslatableError
from shared.schema.names import fold
from shared.schema.queries.frames import Frame, Item, found_in, named, own_columns
from shared.schema.queries.from_clause import Link
from shared.schema.queries.outputs import bare

_ALWAYS: Final = frozenset(
    {
        "avg", "count", "group_concat", "string_agg", "sum", "total", "json_group_array", "json_group_object",
        "jsonb_group_array", "jsonb_group_object",
    }
)  # fmt: skip
_WITH_ONE_ARGUMENT: Final = frozenset({"min", "max"})


def is_aggregate(node: Any) -> bool:
    """Whether a node is an aggregate over the group, not over a window."""
    if not isinstance(node, exp.Anonymous) or _in_window(node):
        return False
    name = fold(node.name)
    return name in _ALWAYS or (name in _WITH_ONE_ARGUMENT and len(node.expressions) == 1)


def has_aggregate(node: Any) -> bool:
    """Whether an expression aggregates, nested SELECTs aside."""
    return any(is_aggregate(each) for each in _own_nodes(node))


def _in_window(node: Any) -> bool:
    parent = node.parent
    if isinstance(parent, exp.Filter):
        parent, node = parent.parent, parent
    return isinstance(parent, exp.Window) and parent.this is node


def _own_nodes(node: Any) -> Iterator[Any]:
    yield from node.walk(prune=lambda each: isinstance(each, exp.Query | exp.Values))


def beside(keys: Sequence[Any], results: Iterable[Any], frame: Frame, links: Sequence[Link]) -> tuple[Any, ...]:
    """The columns that have to join the keys of GROUP BY, since they stand outside aggregates.

    Each is one that the keys decide, so that the groups stay the same.

    Raises:
        UntranslatableError: for a column that the keys do not decide: SQLite takes it from any row of the group.
    """
    own = {item.relation.alias for item in frame.items}
    written = {bare(key).sql() for key in keys}
    columns = {each.sql(): each for result in results for each in _bare_columns(result, written) if each.table in own}
    decided = _Decided(frame, keys, links)
    for column in columns.values():
        if not decided.has(column):
            _, found = found_in(column, frame)
            msg = f"the column {found.source} stands beside aggregates, where SQLite takes it from any row of the group"
            raise UntranslatableError(msg)
    return tuple(columns.values())


def _bare_columns(node: Any, keys: set[str]) -> Iterator[Any]:
    if isinstance(node, exp.Filter):
        # Its condition is asked of each row of the group, as the aggregate's arguments are.
        node = node.this
    if bare(node).sql() in keys or is_aggregate(node) or isinstance(node, exp.Query | exp.Values):
        return
    if isinstance(node, exp.Column):
        yield node
        return
    for child in node.iter_expressions():
        yield from _bare_columns(child, keys)


class _Decided:
    """Which columns are the same in every row of a group."""

    def __init__(self, frame: Frame, keys: Sequence[Any], links: Sequence[Link]) -> None:
        self._frame = frame
        self._columns = {bare(key).sql() for key in keys if isinstance(bare(key), exp.Column)}
        self._items: set[str] = set()
        while self._grew(links):
            pass

    def has(self, column: Any) -> bool:
        """Whether the keys decide a column, or it belongs to a SELECT around this one."""
        own = {item.relation.alias for item in self._frame.items}
        return column.table not in own or column.table in self._items or column.sql() in self._columns

    def _grew(self, links: Sequence[Link]) -> bool:
        before = (len(self._items), len(self._columns))
        self._items.update(item.relation.alias for item in self._frame.items if self._has_key_of(item))
        for link in links:
            for one, other in (*_equal_columns(link.condition), *_equal_columns(link.condition, swapped=True)):
                if self.has(one) and self._alike(one, other) and self._leads(link, other):
                    self._columns.add(other.sql())
        return before != (len(self._items), len(self._columns))

    def _has_key_of(self, item: Item) -> bool:
        sources = {fold(column.source): column.source for column in item.relation.columns}
        whole = bool(item.primary_key) and all(name in sources for name in item.primary_key)
        return whole and all(self.has(named(item, sources[name])) for name in item.primary_key)

    def _leads(self, link: Link, column: Any) -> bool:
        """Whether a condition decides a column: that of a LEFT JOIN only its right side, and only as a whole."""
        if link.toward is None:
            return True
        others = [each for each in own_columns(link.whole) if each.table not in link.toward]
        return column.table in link.toward and all(self.has(each) for each in others)

    def _alike(self, one: Any, other: Any) -> bool:
        """Whether equal values of both are the same value."""
        left, right = found_in(one, self._frame)[1], found_in(other, self._frame)[1]
        return left.type.kind == right.type.kind and left.collation == right.collation == "BINARY"


def _equal_columns(condition: Any, *, swapped: bool = False) -> Iterator[tuple[Any, Any]]:
    if isinstance(condition, exp.EQ):
        one, other = bare(condition.this), bare(condition.expression)
        if isinstance(one, exp.Column) and isinstance(other, exp.Column):
            yield (other, one) if swapped else (one, other)
