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


def compare_by(match_key: Sequence[str], columns: Sequence[TargetColumn], chunk_key: ChunkKey) -> CompareBy:
    """Choose how verification pairs rows: by range where the chunk key is the target's integer key too."""
    if not match_key:
        return CompareBy.MULTISET
    by_name = {column.name: column for column in columns}
    key = by_name[match_key[0]]
    by_range = (
        len(match_key) == 1
        and key.type.kind in _INTEGERS
        and set(key.classes) <= {StorageClass.INTEGER}
        and _is_chunk_key(key, chunk_key)
    )
    return CompareBy.RANGE if by_range else CompareBy.KEYS


def _is_chunk_key(column: TargetColumn, chunk_key: ChunkKey) -> bool:
    if len(chunk_key.columns) != 1 or chunk_key.nullable:
        return False
    # An identity column is SQLite's INTEGER PRIMARY KEY: the rowid, whichever name the chunk key knows it by.
    is_rowid = chunk_key.kind is ChunkKeyKind.ROWID and column.identity
    return is_rowid or fold(column.source) == fold(chunk_key.columns[0])


def lost_distinction(column: TargetColumn) -> str:
    """Say how two values that SQLite tells apart may become equal in the target; empty where they cannot."""
    if column.type.kind in _MANY_SPELLINGS and StorageClass.TEXT in column.classes:
        return f"two texts that spell one {column.type.sql} become equal in {column.name}"
    if column.mixed and column.type.kind in _WIDENED:
        return f"a number and the text of its digits become equal in {column.name}"
    return ""
