"""Virtual tables in PostgreSQL's terms: full-text search, R-trees; what others keep is reported."""

from __future__ import annotations

from collections.abc import Sequence

from shared.records.source import ObjectKind, SourceObject
from shared.schema.world import PlannedObjects, World, by_hand, refused


def plan_virtual_tables(objects: Sequence[SourceObject], world: World) -> PlannedObjects:
    """Plan virtual tables and say of their shadow tables what they are."""
    del world
    return PlannedObjects(grades=tuple(refused(each, _reason(each)) for each in objects))


def _reason(each: SourceObject) -> str:
    if each.kind is ObjectKind.SHADOW_TABLE:
        return f"it holds what the virtual table {each.table or 'it belongs to'} is made of, in SQLite's own form"
    return f"{each.kind}s are not translated yet; {by_hand(each)}"
