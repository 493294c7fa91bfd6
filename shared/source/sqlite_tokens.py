"""SQL of SQLite cut into tokens as SQLite cuts it (sqlite3GetToken in its tokenize.c), comments and blanks left out.

What stands in sqlite_schema SQLite has accepted, so a token that it refuses needs no name here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

BLANKS: Final = " \t\n\f\r"
"""All that SQLite takes for blanks: those of other scripts are letters of names."""

_TOKEN: Final = re.compile(
    rf"""
    (?P<skip>[{BLANKS}]+|--[^\n]*(?:\n|$)|/\*.*?(?:\*/|$))
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*')
    |(?P<word>(?:[A-Za-z0-9_$]|[^\x00-\x7f])+)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens_of(sql: str) -> Iterator[re.Match[str]]:
    """Cut SQL; a token's `lastgroup` is ``quoted`` (a name or a text), ``word`` (numbers too) or ``other``."""
    return (found for found in _TOKEN.finditer(sql) if found.lastgroup != "skip")


def unquoted(text: str) -> str:
    """Take the quotes off, of whichever kind SQLite knows; a text without them stays as it is."""
    if not text or text[0] not in "\"'`[":
        return text
    end = "]" if text[0] == "[" else text[0]
    inside = text[1:-1] if len(text) > 1 and text.endswith(end) else text[1:]
    return inside if end == "]" else inside.replace(end * 2, end)


def first_token(text: str) -> str:
    """The first token, without its quotes."""
    return next((unquoted(found[0]) for found in tokens_of(text)), "")
