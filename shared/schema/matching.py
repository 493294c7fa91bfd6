"""How rows of both sides are paired: the key that identifies a row, and how verification reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.records.plan import CompareBy, TargetColumn, TypeKind
from shared.records.source import ChunkKey, ChunkKeyKind, StorageClass
from shared.schema.names import fold

_INTEGERS: Final = frozenset({TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT})
_WIDENED: Final = frozenset({TypeKind.TEXT, TypeKind.BYTEA})
_MANY_SPELLINGS: Final = frozenset(
    {TypeKind.UUID, TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ, TypeKind.TIME, TypeKind.BOOLEAN, TypeKind.JSONB}
)


def compare_by(match_key: Sequence[str], columns: Sequence[TargetColumn], chunk_column: str | None) -> CompareBy:
    """Choose how verification pairs rows: by range where the chunk key is the target's integer key too.

    `chunk_column` is the one source column that the table is cut on, as `chunk_column_of` finds it.
    """
    if not match_key:
        return CompareBy.MULTISET
    if len(match_key) > 1 or chunk_column is None:
        return CompareBy.KEYS
    key = next(column for column in columns if column.name == match_key[0])
    by_range = (
        fold(key.source) == fold(chunk_column)
        and key.type.kind in _INTEGERS
        and key.treatment.form is None
        and key.generated is None
        and set(key.classes) <= {StorageClass.INTEGER}
    )
    return CompareBy.RANGE if by_range else CompareBy.KEYS


def chunk_column_of(chunk_key: ChunkKey, rowid_column: str | None) -> str | None:
    """The one column of the source whose values are the chunk key, never NULL; None where there is none.

    The rowid goes by several names; where it is a column, `rowid_column` is the one that counts.
    """
    if chunk_key.nullable or len(chunk_key.columns) != 1:
        return None
    if chunk_key.kind is ChunkKeyKind.ROWID and rowid_column is not None:
        return rowid_column
    return chunk_key.columns[0]


def lost_distinction(column: TargetColumn) -> str:
    """Say how two values that SQLite tells apart may become equal in the target; empty where they cannot."""
    if column.treatment.form is not None:
        return f"two values that mean one moment become equal in {column.name}"
    if column.treatment.changes_texts and StorageClass.TEXT in column.classes:
        return f"texts that a rule mends may become equal in {column.name}"
    if column.type.kind in _MANY_SPELLINGS and StorageClass.TEXT in column.classes:
        return f"two texts that spell one {column.type.sql} become equal in {column.name}"
    if column.type.sql.startswith("character(") and StorageClass.TEXT in column.classes:
        return f"texts that differ in blanks at their ends become equal in {column.name}"
    if column.mixed and column.type.kind in _WIDENED:
        return f"a number and the text of its digits become equal in {column.name}"
    return ""
