"""Names in the target's SQL, qualified. They are always quoted, so that no word of PostgreSQL is in the way."""

from __future__ import annotations

from shared.schema.dialect.names import quoted

__all__ = ["qualified", "quoted"]


def qualified(schema: str, name: str) -> str:
    """Quote a relation's or function's name together with its schema."""
    return f"{quoted(schema)}.{quoted(name)}"
