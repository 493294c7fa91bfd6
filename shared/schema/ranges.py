"""R-trees in PostgreSQL's terms: an ordinary table of their bounds, with a GiST index on a range a dimension."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shared.quoting import quote
from shared.records.plan import Grade, GradedAs, IndexPlan, ObjectGrade, TargetColumn, TypeKind
from shared.records.source import SourceObject, VirtualModule, VirtualTable
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import fold
from shared.schema.world import World

_INTEGERS: Final = frozenset({TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT})
_NUMBERS: Final = _INTEGERS | {TypeKind.REAL, TypeKind.DOUBLE, TypeKind.NUMERIC}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRanges:
    """What became of an R-tree."""

    index: IndexPlan
    grade: ObjectGrade


def plan_ranges(each: SourceObject, virtual: VirtualTable, carrier: Neighbour, world: World) -> PlannedRanges | str:
    """Plan the index of an R-tree's table, or say in a clause why there is none."""
    columns = {fold(column.source): column for column in carrier.plan.columns}
    bounds = [columns[fold(name)] for name in virtual.columns if fold(name) in columns]
    if len(bounds) != len(virtual.columns) or not all(column.type.kind in _NUMBERS for column in bounds):
        return f"not all bounds are columns of numbers in {carrier.plan.name}"
    terms = tuple(_ranges(bounds))
    name = world.relations.give(f"{carrier.plan.name}_ranges_idx").name
    reason = _reason(virtual, carrier, terms)
    graded_as = GradedAs(kind=each.kind, name=each.name, doubt=reason)
    return PlannedRanges(
        index=IndexPlan(name=name, terms=terms, method="gist", graded_as=graded_as),
        grade=ObjectGrade(
            kind=each.kind, name=each.name, table=carrier.plan.read.table, grade=Grade.APPROXIMATED, reason=reason
        ),
    )


def _ranges(bounds: list[TargetColumn]) -> Iterable[str]:
    for low, high in zip(bounds[::2], bounds[1::2], strict=True):
        # int8range, also for 32 bits: int4range has no room for a closed end at 2^31 - 1.
        integers = {low.type.kind, high.type.kind} <= _INTEGERS
        make, cast = ("int8range", "bigint") if integers else ("numrange", "numeric")
        yield f"{make}({_as(low, cast)}, {_as(high, cast)}, '[]')"


def _as(column: TargetColumn, wanted: str) -> str:
    if column.type.kind is TypeKind.REAL:  # straight to numeric, six digits of it would be left
        return f"{quote(column.name)}::double precision::{wanted}"
    return quote(column.name) if column.type.sql == wanted else f"{quote(column.name)}::{wanted}"


def _reason(virtual: VirtualTable, carrier: Neighbour, terms: tuple[str, ...]) -> str:
    rounding = (
        "new bounds are kept as they are given, where SQLite rounds them outwards to 32 bits"
        if virtual.module is VirtualModule.RTREE
        else "bounds may go beyond 32 bits"
    )
    return (
        f"its rows are the table {carrier.plan.name} with a GiST index on a range for each of its {len(terms)} "
        f"dimensions: write conditions on bounds as {terms[0]} && a range, else they scan the table; "
        f"{rounding}; an auxiliary column is a column like any other"
    )
