"""ORDER BY and LIMIT as SQLite means them: NULL is the least value, texts go by their bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlglot import exp

from shared.records.plan import TypeKind
from shared.schema.declared import Affinity
from shared.schema.dialect.scope import Named, Translated, UntranslatableError
from shared.schema.queries.frames import Frame
from shared.schema.queries.readable import Setting

_NUMBERS: Final = frozenset({Affinity.INTEGER, Affinity.REAL, Affinity.NUMERIC})
_NAME: Final = re.compile(r'(?:"(?:[^"]|"")*"\.?)+')
_AS_TEXT: Final = frozenset({TypeKind.JSON, TypeKind.JSONB, TypeKind.UUID, TypeKind.OTHER})


class Translator(Protocol):
    """What ordering needs of the query it belongs to."""

    @property
    def setting(self) -> Setting:
        """Where notes go."""

    def value(self, node: Any, frame: Frame) -> Translated:
        """Translate an expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """How a term of ORDER BY sorts."""

    column: Named
    """Type, affinity and collation of what it sorts."""
    collation: str
    descending: bool
    nulls_first: bool


def direction_of(term: Any, column: Named) -> Direction:
    """Read a term of ORDER BY that sorts by a column or expression of that type."""
    node = term.this
    collation = node.expression.name.upper() if isinstance(node, exp.Collate) else column.collation.upper()
    return Direction(
        column=column,
        collation=collation,
        descending=bool(term.args.get("desc")),
        nulls_first=bool(term.args.get("nulls_first")),
    )


def order_term(sql: str, direction: Direction, query: Translator) -> str:
    """Render a term of ORDER BY.

    Raises:
        UntranslatableError: for collations that SQLite does not have of its own.
    """
    keyed = _keyed(sql if _NAME.fullmatch(sql) else f"({sql})", direction, query)
    nulls = "FIRST" if direction.nulls_first else "LAST"
    return f"{keyed}{' DESC' if direction.descending else ''} NULLS {nulls}"


def _keyed(sql: str, direction: Direction, query: Translator) -> str:
    kind = direction.column.type.kind
    if kind in _AS_TEXT:
        return f'{sql}::text COLLATE "C"'
    if kind is not TypeKind.TEXT:
        return sql
    if direction.column.affinity in _NUMBERS:
        query.setting.notes.doubt("numbers among the texts of a column sort as texts")
    if direction.column.type.is_citext:
        sql = f"{sql}::text"
    match direction.collation:
        case "BINARY":
            return f'{sql} COLLATE "C"'
        case "NOCASE":
            # In the collation C lower() knows A to Z alone, as NOCASE does.
            return f'lower({sql} COLLATE "C")'
        case "RTRIM":
            return f"rtrim({sql} COLLATE \"C\", ' ')"
    msg = f"the collation {direction.collation} is none of SQLite's own"
    raise UntranslatableError(msg)


def limits_of(node: Any, query: Translator) -> str:
    """Render LIMIT and OFFSET; a negative limit is none, a negative offset 0."""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    sql = ""
    if limit is not None:
        sql += _limit(limit.expression, query)
        if sql and node.args.get("order") is None:
            query.setting.notes.doubt("LIMIT without ORDER BY may take other rows")
        elif sql:
            query.setting.notes.doubt("of rows that ORDER BY holds for equal, LIMIT may take others")
    if offset is not None:
        sql += f" OFFSET {max(_constant(offset.expression, 'OFFSET'), 0)}"
    return sql


def _limit(node: Any, query: Translator) -> str:
    del query
    limit = _constant(node, "LIMIT")
    return f" LIMIT {limit}" if limit >= 0 else ""


def _constant(node: Any, clause: str) -> int:
    sign = 1
    while isinstance(node, exp.Paren | exp.Neg):
        sign = -sign if isinstance(node, exp.Neg) else sign
        node = node.this
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
        msg = f"{clause} is no constant"
        raise UntranslatableError(msg)
    return sign * int(node.name)


def place_of(node: Any, count: int) -> int | None:
    """The position that an integer in ORDER BY or GROUP BY means."""
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
        return None
    if not 1 <= int(node.name) <= count:
        msg = f"there is no column {node.name} to order or group by"
        raise UntranslatableError(msg)
    return int(node.name) - 1


def uncollated(term: Any) -> Any:
    """What a term of ORDER BY sorts by, without its collation."""
    node = term.this
    return node.this if isinstance(node, exp.Collate) else node
