"""Triggers in PostgreSQL's terms: one that sets a changed-at column, and others that are simple."""

from __future__ import annotations

from collections.abc import Sequence

from shared.records.source import SourceObject
from shared.schema.world import PlannedObjects, World, by_hand, refused


def plan_triggers(triggers: Sequence[SourceObject], world: World) -> PlannedObjects:
    """Plan triggers; those that cannot be translated are refused by name."""
    del world
    return PlannedObjects(
        grades=tuple(refused(each, f"triggers are not translated yet; {by_hand(each)}") for each in triggers)
    )
