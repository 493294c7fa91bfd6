"""What is planned so far, as objects that look at several tables see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.records.existing import TargetAbilities
from shared.records.plan import Grade, IndexPlan, JobOptions, ObjectGrade, ObjectPlan, SearchPlan
from shared.records.source import SourceCatalog, SourceObject
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import Names
from shared.schema.queries.readable import Readable


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The job's tables with their columns and keys planned, and the names that are taken."""

    neighbours: Mapping[str, Neighbour]
    """The job's tables by folded source name."""
    catalog: SourceCatalog
    schema: str
    """The target schema that everything ends in."""
    relations: Names
    """Tables, indexes and views: one namespace."""
    options: JobOptions
    abilities: TargetAbilities
    views: dict[str, Readable] = field(default_factory=dict)
    """The views that are translated, by folded source name; `plan_views` adds them."""
    searched: set[str] = field(default_factory=set)
    """The virtual tables, by folded source name, that are planned and not refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedObjects:
    """What became of some objects of the source."""

    objects: tuple[ObjectPlan, ...] = ()
    """In the order in which they are made."""
    grades: tuple[ObjectGrade, ...] = ()
    search: Mapping[str, tuple[SearchPlan, ...]] | None = None
    """Full-text search by folded source name of the table that gets it."""
    indexes: Mapping[str, tuple[IndexPlan, ...]] | None = None
    """Indexes by folded source name of the table that gets them, besides its own."""


def refused(each: SourceObject, reason: str) -> ObjectGrade:
    """Say that an object is not translated, and why."""
    return ObjectGrade(kind=each.kind, name=each.name, table=each.table, grade=Grade.REFUSED, reason=reason)


def by_hand(each: SourceObject) -> str:
    """Tell the operator what to recreate."""
    return f"recreate it by hand: {each.sql}" if each.sql else "recreate it by hand"
