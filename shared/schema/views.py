"""Views in PostgreSQL's terms, each after those that it reads."""

from __future__ import annotations

from collections.abc import Sequence

from shared.records.source import SourceObject
from shared.schema.world import PlannedObjects, World, by_hand, refused


def plan_views(views: Sequence[SourceObject], world: World) -> PlannedObjects:
    """Plan views; those that cannot be translated are refused by name."""
    del world
    return PlannedObjects(
        grades=tuple(refused(view, f"views are not translated yet; {by_hand(view)}") for view in views)
    )
