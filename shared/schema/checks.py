"""CHECK constraints, found in a CREATE TABLE statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlglot import TokenType, tokenize
from sqlglot.errors import SqlglotError


def checks_of(create_table: str) -> tuple[str, ...]:
    """The CHECK constraints of a CREATE TABLE statement, each as written: ``CHECK (a > 0)``.

    Empty where the statement cannot be taken apart.
    """
    try:
        tokens = tokenize(create_table, read="sqlite")
    except SqlglotError:
        return ()
    return tuple(create_table[start : end + 1] for start, end in _spans(tokens))


def _spans(tokens: Sequence[Any]) -> Iterator[tuple[int, int]]:
    for position, token in enumerate(tokens[:-1]):
        quoted = token.token_type in {TokenType.STRING, TokenType.IDENTIFIER}
        if not quoted and token.text.upper() == "CHECK" and tokens[position + 1].token_type is TokenType.L_PAREN:
            end = _closing(tokens, position + 1)
            if end is not None:
                yield token.start, tokens[end].end


def _closing(tokens: Sequence[Any], opening: int) -> int | None:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[position].token_type, 0)
        if depth == 0:
            return position
    return None
