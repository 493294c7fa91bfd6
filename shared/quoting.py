"""Identifiers and texts, quoted for SQL: every one of them that reaches PostgreSQL or SQLite goes through here."""

from __future__ import annotations

from collections.abc import Iterable


def quote_for_sqlite(name: str) -> str:
    """Quote an identifier for SQLite, where any name is one, the empty one too."""
    return '"' + name.replace('"', '""') + '"'


def quote(name: str) -> str:
    """Quote an identifier for PostgreSQL, so that it stands for itself whatever is in it.

    Raises:
        ValueError: for names that PostgreSQL cannot hold: empty ones, and those with U+0000.
    """
    if not name or "\0" in name:
        msg = f"{name!r} cannot be a name in PostgreSQL"
        raise ValueError(msg)
    return quote_for_sqlite(name)


def qualified(schema: str, name: str) -> str:
    """Quote the name of a table, index or sequence together with its schema."""
    return f"{quote(schema)}.{quote(name)}"


def quote_list(names: Iterable[str]) -> str:
    """Quote identifiers and separate them by commas."""
    return ", ".join(quote(name) for name in names)


def quote_text(text: str) -> str:
    """Quote a text that has to stand in the statement itself, where no value can be bound.

    Right while standard_conforming_strings is on, as it is by default: a backslash is a backslash.
    """
    return "'" + text.replace("'", "''") + "'"
