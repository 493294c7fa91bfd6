"""The SQL of a SELECT, and what its columns are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.records.plan import TargetType, TypeKind
from shared.schema.dialect.scope import Named, Translated
from shared.schema.queries.readable import Notes

_UNTYPED: Final = re.compile(r"NULL|[\d.]+(?:[eE][+-]?\d+)?|\(-[\d.]+(?:[eE][+-]?\d+)?\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A part of a statement that gives rows."""

    sql: str
    columns: tuple[Named, ...]
    nulls: tuple[bool, ...] = ()
    """Which of its columns are NULL alone, so that any type will do."""

    @property
    def types(self) -> list[TargetType | None]:
        """The types of its columns; None where any will do."""
        return [None if null else column.type for column, null in zip(self.columns, self.nulls, strict=True)]


def spelled_out(value: Translated, kind: TargetType) -> str:
    """A value of a type, where it matters: PostgreSQL gives NULL and numbers types of their own."""
    return f"{value.sql}::{kind.sql}" if _UNTYPED.fullmatch(value.sql) else value.sql


def doubt_equality(columns: Sequence[Named], clause: str, notes: Notes) -> None:
    """Note where PostgreSQL may tell values apart that SQLite holds for equal, or the other way."""
    for column in columns:
        if column.type.kind is TypeKind.TEXT and column.collation.upper() != "BINARY":
            notes.doubt(f"{clause} may tell texts apart that {column.collation} holds for equal")
        if column.type.kind is TypeKind.JSONB:
            notes.doubt(f"{clause} takes JSON for equal that means the same, however it is spelled")
