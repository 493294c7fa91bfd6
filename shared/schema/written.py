"""What SQLite's PRAGMAs leave out of indexes and constraints, read from the statements that made them.

SQLite has accepted the statements, so they are cut at tokens: commas and words outside of parentheses
(https://sqlite.org/lang_createindex.html, https://sqlite.org/lang_createtable.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from sqlglot import TokenType, tokenize
from sqlglot.errors import SqlglotError

from shared.schema.names import fold

_QUOTED: Final = frozenset({TokenType.STRING, TokenType.IDENTIFIER})
_TABLE_CONSTRAINTS: Final = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_NAMEABLE: Final = frozenset(
    {"PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "NOT", "NULL", "DEFAULT", "COLLATE", "GENERATED", "AS"}
)
"""Words that begin a constraint, which takes the name that CONSTRAINT gave last; FOREIGN KEY begins with REFERENCES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenIndex:
    """The parts of a CREATE INDEX statement, as written."""

    terms: tuple[str, ...]
    """What is indexed, without COLLATE, ASC and DESC behind it, which the source's catalogue knows."""
    where: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenNames:
    """The names that CONSTRAINT gives in a CREATE TABLE statement."""

    primary_key: str | None = None
    unique: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    """By folded columns, in their order."""
    foreign_keys: tuple[str | None, ...] = ()
    """One for each foreign key, in the order of the statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCheck:
    """A CHECK constraint of a CREATE TABLE statement."""

    written: str
    """As in the statement: ``CHECK (a > 0)``."""
    condition: str
    """What is in the parentheses."""
    name: str | None = None
    """The constraint's name, or None."""


def read_index(sql: str) -> WrittenIndex | None:
    """Take a CREATE INDEX statement apart; None where it cannot be."""
    tokens = _tokens(sql)
    opening = next((place for place, token in enumerate(tokens) if _opens(token)), None)
    closing = None if opening is None else _closing(tokens, opening)
    if opening is None or closing is None:
        return None
    terms = tuple(_text(sql, _bare(item)) for item in _items(tokens[opening + 1 : closing]))
    rest = tokens[closing + 1 :]
    partial = bool(rest) and _word(rest[0]) == "WHERE"
    return WrittenIndex(terms=terms, where=_text(sql, rest[1:]) if partial else None)


def read_names(sql: str) -> WrittenNames:
    """Find the constraints' names in a CREATE TABLE statement; none where it cannot be taken apart."""
    tokens = _tokens(sql)
    opening = next((place for place, token in enumerate(tokens) if _opens(token)), None)
    closing = None if opening is None else _closing(tokens, opening)
    if opening is None or closing is None:
        return WrittenNames()
    primary: str | None = None
    unique: dict[tuple[str, ...], str] = {}
    foreign: list[str | None] = []
    for item in _items(tokens[opening + 1 : closing]):
        for name, kind, columns in _constraints(item):
            match kind:
                case "REFERENCES":
                    foreign.append(name)
                case "PRIMARY" if name is not None:
                    primary = name
                case "UNIQUE" if name is not None:
                    unique.setdefault(columns, name)
    return WrittenNames(primary_key=primary, unique=unique, foreign_keys=tuple(foreign))


def read_checks(sql: str) -> tuple[WrittenCheck, ...]:
    """The CHECK constraints of a CREATE TABLE statement, in their order; none where it cannot be taken apart."""
    return tuple(_checks(sql, _tokens(sql)))


def _checks(sql: str, tokens: Sequence[Any]) -> Iterator[WrittenCheck]:
    for place, token in enumerate(tokens[:-1]):
        closing = _closing(tokens, place + 1) if _word(token) == "CHECK" and _opens(tokens[place + 1]) else None
        if closing is not None:
            named = place > 1 and _word(tokens[place - 2]) == "CONSTRAINT"
            yield WrittenCheck(
                written=sql[token.start : tokens[closing].end + 1],
                condition=sql[tokens[place + 1].end + 1 : tokens[closing].start],
                name=tokens[place - 1].text if named else None,
            )


def _opens(token: Any) -> bool:
    return token.token_type is TokenType.L_PAREN


def _constraints(item: Sequence[Any]) -> Iterator[tuple[str | None, str, tuple[str, ...]]]:
    """Each constraint of a column or table: its name, the word it begins with, and its columns, folded."""
    column = () if _word(item[0]) in _TABLE_CONSTRAINTS else (fold(item[0].text),)
    name = None
    words = list(_at_first_level(item[1:] if column else item))
    for place, (before, token) in enumerate(pairwise([item[0], *words])):
        if _word(before) == "CONSTRAINT" and before is not token:
            name = token.text
        elif _word(token) in _NAMEABLE:
            yield name, _word(token), column or _columns(item, words[place:])
            name = None


def _columns(item: Sequence[Any], words: Sequence[Any]) -> tuple[str, ...]:
    """The columns in the first parentheses after a word of a table constraint, folded."""
    start = item.index(words[0])
    opening = next((at for at in range(start, len(item)) if _opens(item[at])), None)
    closing = None if opening is None else _closing(item, opening)
    if opening is None or closing is None:
        return ()
    return tuple(fold(part[0].text) for part in _items(item[opening + 1 : closing]))


def _tokens(sql: str) -> list[Any]:
    try:
        return list(tokenize(sql, read="sqlite"))
    except SqlglotError:
        return []


def _word(token: Any) -> str:
    """The first word of a token in capitals; empty for quoted names and texts. Some tokens hold two (PRIMARY KEY)."""
    return "" if token.token_type in _QUOTED else str(token.text).upper().partition(" ")[0]


def _closing(tokens: Sequence[Any], opening: int) -> int | None:
    depth = 0
    for place in range(opening, len(tokens)):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[place].token_type, 0)
        if depth == 0:
            return place
    return None


def _items(tokens: Sequence[Any]) -> Iterator[list[Any]]:
    """Cut tokens at the commas outside of parentheses; no item is empty."""
    item: list[Any] = []
    depth = 0
    for token in tokens:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth == 0 and token.token_type is TokenType.COMMA:
            if item:
                yield item
            item = []
        else:
            item.append(token)
    if item:
        yield item


def _at_first_level(tokens: Sequence[Any]) -> Iterator[Any]:
    depth = 0
    for token in tokens:
        if token.token_type is TokenType.R_PAREN:
            depth -= 1
        elif depth == 0 and not _opens(token):
            yield token
        if _opens(token):
            depth += 1


def _bare(item: Sequence[Any]) -> Sequence[Any]:
    """Leave out a direction and a collation behind a term."""
    while len(item) > 1 and _word(item[-1]) in {"ASC", "DESC"}:
        item = item[:-1]
    while len(item) > 2 and _word(item[-2]) == "COLLATE":
        item = item[:-2]
    return item


def _text(sql: str, tokens: Sequence[Any]) -> str:
    return sql[tokens[0].start : tokens[-1].end + 1] if tokens else ""
