"""The module and the arguments of a CREATE VIRTUAL TABLE statement, cut as SQLite cuts them.

Each argument is the statement's own text from its first token to its last (https://sqlite.org/lang_createvtab.html);
what it means is the module's affair, and every module has rules of its own for quotes and spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.source.sqlite_tokens import tokens_of, unquoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What CREATE VIRTUAL TABLE says."""

    module: str
    """In lower case; empty where it cannot be told."""
    arguments: tuple[str, ...] = ()
    """As written, comments around each left out; empty ones are none."""


def read_declaration(sql: str) -> Declaration:
    """Read a CREATE VIRTUAL TABLE statement as SQLite keeps it."""
    tokens = list(tokens_of(sql))
    using = next((place for place, token in enumerate(tokens) if token[0].upper() == "USING"), None)
    if using is None or using + 1 >= len(tokens):
        return Declaration(module="")
    arguments = tuple(_arguments(sql, tokens[using + 2 :]))
    return Declaration(module=unquoted(tokens[using + 1][0]).lower(), arguments=arguments)


def _arguments(sql: str, tokens: list[re.Match[str]]) -> Iterator[str]:
    depth, first, last = 0, None, 0
    for token in tokens:
        closes = token[0] == ")"
        depth -= closes
        ends = depth <= 0 if closes else depth == 1 and token[0] == ","
        if ends and first is not None:
            yield sql[first:last]
        if ends:
            first = None
        elif depth > 0:
            first = token.start() if first is None else first
            last = token.end()
        depth += token[0] == "("
        if closes and depth <= 0:
            return
