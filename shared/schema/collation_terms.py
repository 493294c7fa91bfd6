"""How columns of the target compare texts, and what an index holds to compare them as SQLite does.

NOCASE folds A to Z and nothing else (https://sqlite.org/datatype3.html#collating_sequences). No type or collation of
PostgreSQL does just that; ``lower(x COLLATE "C")`` does, and ``rtrim(x, ' ')`` is RTRIM. So a key of the source stays
exact as an index on such an expression, while a column compares by what comes nearest on the target's server.
"""

from __future__ import annotations

import enum
from typing import Final

from shared.quoting import quote
from shared.records.plan import TargetColumn, TypeKind

BINARY: Final = "BINARY"
"""SQLite's collation that compares bytes, as keys of PostgreSQL compare texts."""
NOCASE: Final = "NOCASE"
RTRIM: Final = "RTRIM"
CITEXT: Final = "citext"


class Folding(enum.StrEnum):
    """How a target column compares texts that NOCASE takes for equal."""

    NONE = "none"
    """Byte by byte, or by a collation that tells them apart."""
    ICU = "icu"
    CITEXT = "citext"


def folding_of(column: TargetColumn) -> Folding:
    """How a target column compares."""
    if column.type.kind is TypeKind.TEXT and column.type.sql.rpartition(".")[2] == CITEXT:
        return Folding.CITEXT
    return Folding.NONE if column.collation is None else Folding.ICU


def compare_alike(child: TargetColumn, parent: TargetColumn) -> bool:
    """Whether PostgreSQL takes a foreign key of these columns of one kind; it compares as the parent does."""
    if folding_of(parent) is Folding.CITEXT:
        return folding_of(child) is Folding.CITEXT
    return folding_of(child) is Folding.CITEXT or child.collation == parent.collation


def known(collation: str) -> bool:
    """Whether a collation is SQLite's own; others are functions of an application."""
    return collation.upper() in {BINARY, NOCASE, RTRIM}


def key_term(column: TargetColumn, collation: str) -> str | None:
    """What an index holds to compare a column's texts as SQLite does by `collation`; None: just the column.

    NOCASE on a column that folds is just the column too, though it folds more.
    """
    folding = folding_of(column)
    if column.type.kind is not TypeKind.TEXT or (collation.upper() == NOCASE and folding is not Folding.NONE):
        return None
    bare = quote(column.name) + ("::text" if folding is Folding.CITEXT else "")
    if collation.upper() == BINARY and folding is Folding.NONE:
        return None
    return comparable_term(bare, collation)


def comparable_term(sql: str, collation: str) -> str | None:
    """Like `key_term` for an expression that gives text; None where PostgreSQL has no such collation."""
    match collation.upper():
        case "BINARY":
            return f'({sql} COLLATE "C")'
        case "NOCASE":
            return f'lower({sql} COLLATE "C")'
        case "RTRIM":
            return f"rtrim({sql} COLLATE \"C\", ' ')"
    return None
