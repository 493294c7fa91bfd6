"""What SQLite's PRAGMAs leave out of a table, read from its CREATE TABLE statement.

That is: CHECK constraints, the collation of a column, what a generated column is computed from, the deferrability of
a foreign key, and the options after the last parenthesis. SQLite has accepted the statement, so its grammar holds
(https://sqlite.org/lang_createtable.html); a few words at the first level of parentheses are all that is looked for,
and strings and quoted names are skipped as tokens. A general SQL parser knows less of SQLite's own ways
(several type words, missing commas between constraints, names in single quotes) than this needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.source.sqlite_tokens import BLANKS, tokens_of, unquoted

_TABLE_CONSTRAINTS: Final = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
"""Words that begin a table constraint; none of them can be a column's name unquoted."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    kind: str
    depth: int
    start: int
    """Where it begins in the statement."""

    @property
    def keyword(self) -> str:
        """The token in capitals where it can be a keyword, else empty."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The identifier that the token stands for."""
        return unquoted(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """When a foreign key is checked."""

    deferrable: bool = False
    initially_deferred: bool = False


@dataclass(slots=True, kw_only=True)
class TableStatement:
    """What a CREATE TABLE statement says beyond the PRAGMAs."""

    collations: dict[str, str] = field(default_factory=dict)
    """By column name; columns without COLLATE are left out."""
    generated: dict[str, str] = field(default_factory=dict)
    """By column name: what stands in the parentheses after AS."""
    deferrals: list[Deferral] = field(default_factory=list)
    """One for each foreign key, in the order of the statement."""
    has_checks: bool = False
    without_rowid: bool = False
    strict: bool = False


def read_create_table(sql: str) -> TableStatement:
    """Read a CREATE TABLE statement as SQLite keeps it."""
    tokens = list(_tokens(sql))
    statement = TableStatement()
    body = [token for token in tokens if token.depth == 1]
    for item in _items(body):
        _read_item(sql, item, statement)
    options = {a.keyword for a in _after_body(tokens)}
    statement.strict = "STRICT" in options
    statement.without_rowid = "WITHOUT" in options
    return statement


def _tokens(sql: str) -> Iterator[_Token]:
    """Cut SQL into tokens; a parenthesis belongs to the level outside of it."""
    depth = 0
    for found in tokens_of(sql):
        text = found[0]
        if text == ")":
            depth -= 1
        yield _Token(text, found.lastgroup or "other", depth, found.start())
        if text == "(":
            depth += 1


def _items(body: Sequence[_Token]) -> Iterator[list[_Token]]:
    """Cut the body at its commas: columns and table constraints."""
    item: list[_Token] = []
    for token in body:
        if token.text == ",":
            yield item
            item = []
        else:
            item.append(token)
    if item:
        yield item


def _read_item(sql: str, item: Sequence[_Token], statement: TableStatement) -> None:
    column = item[0].name if item and item[0].keyword not in _TABLE_CONSTRAINTS else None
    words = item if column is None else item[1:]
    for place, token in enumerate(words):
        match token.keyword:
            case "CHECK":
                statement.has_checks = True
            case "COLLATE" if column is not None and place + 1 < len(words):
                statement.collations[column] = words[place + 1].name.upper()
            case "AS" if column is not None:
                statement.generated[column] = _in_parentheses(sql, words[place + 1 : place + 3])
            case "REFERENCES":
                statement.deferrals.append(Deferral())
            case "DEFERRABLE" if statement.deferrals:
                statement.deferrals[-1] = _deferral(words, place)


def _in_parentheses(sql: str, pair: Sequence[_Token]) -> str:
    """What stands between two parentheses; of all tokens on their level they are neighbours."""
    if [token.text for token in pair] != ["(", ")"]:
        return ""
    opening, closing = pair
    return sql[opening.start + 1 : closing.start].strip(BLANKS)


def _deferral(words: Sequence[_Token], place: int) -> Deferral:
    negated = place > 0 and words[place - 1].keyword == "NOT"
    initially = [token.keyword for token in words[place + 1 : place + 3]]
    return Deferral(deferrable=not negated, initially_deferred=not negated and initially == ["INITIALLY", "DEFERRED"])


def _after_body(tokens: Sequence[_Token]) -> Sequence[_Token]:
    closings = [place for place, token in enumerate(tokens) if token.text == ")" and token.depth == 0]
    return tokens[closings[-1] + 1 :] if closings else []
