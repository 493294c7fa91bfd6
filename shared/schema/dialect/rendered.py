"""The SQL of a SELECT, and what its columns are."""

from __future__ import annotations

from dataclasses import dataclass

from shared.records.plan import TargetType
from shared.schema.dialect.scope import Named, Translated


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
    """A value of a type: NULL has none of itself."""
    return f"NULL::{kind.sql}" if value.sql == "NULL" else value.sql
