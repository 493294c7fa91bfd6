"""Virtual tables in PostgreSQL's terms: full-text search, R-trees; what others keep is reported."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from shared.records.plan import Grade, IndexPlan, ObjectGrade, SearchPlan
from shared.records.source import ObjectKind, SourceObject, VirtualModule, VirtualTable
from shared.schema.foreign_keys import Neighbour
from shared.schema.names import fold
from shared.schema.ranges import plan_ranges
from shared.schema.search import plan_search
from shared.schema.world import PlannedObjects, World, by_hand, refused

_MODULE: Final = re.compile(r"\bUSING\s+[\"'`\[]?(\w+)", re.IGNORECASE)
_READ_FROM_INDEX: Final = "it shows what is in the index of a full-text search table and holds nothing; see ts_stat()"
_OTHERS: Final = MappingProxyType(
    {
        "fts3tokenize": "it shows how a tokenizer cuts words and holds nothing; see ts_debug()",
        "fts4aux": _READ_FROM_INDEX,
        "fts5vocab": _READ_FROM_INDEX,
        "dbstat": "it shows how SQLite fills its pages and holds nothing; see pg_relation_size()",
        "spellfix1": "its words are in the table {name}_vocab, which is copied; pg_trgm finds similar ones",
    }
)
"""By module: what a virtual table is that is none of ours."""


@dataclass(slots=True)
class _Planned:
    """What is planned so far."""

    grades: list[ObjectGrade] = field(default_factory=list)
    search: defaultdict[str, list[SearchPlan]] = field(default_factory=lambda: defaultdict(list))
    indexes: defaultdict[str, list[IndexPlan]] = field(default_factory=lambda: defaultdict(list))
    columns: dict[str, set[str]] = field(default_factory=dict)
    """The names of columns that are taken in tables that get search."""


def plan_virtual_tables(objects: Sequence[SourceObject], world: World) -> PlannedObjects:
    """Plan virtual tables and say of their shadow tables what they are."""
    planned = _Planned()
    owners = {each.name: each for each in world.catalog.objects if each.kind is ObjectKind.VIRTUAL_TABLE}
    for each in objects:
        if each.kind is ObjectKind.SHADOW_TABLE:
            planned.grades.append(_shadow_grade(each, owners.get(each.table or ""), world))
        else:
            planned.grades.append(_plan(each, world, planned))
    return PlannedObjects(
        grades=tuple(planned.grades),
        search={table: tuple(plans) for table, plans in planned.search.items()},
        indexes={table: tuple(plans) for table, plans in planned.indexes.items()},
    )


def _plan(each: SourceObject, world: World, planned: _Planned) -> ObjectGrade:
    virtual = each.virtual
    if virtual is None:
        return refused(each, _unknown(each))
    carrier = world.neighbours.get(fold(each.table)) if each.table else None
    if carrier is None:
        return refused(each, _nothing_to_search(virtual, world))
    found = _add(each, virtual, carrier, world, planned)
    if isinstance(found, ObjectGrade):
        return found
    reason = found if virtual.content_table else f"its rows are the table {carrier.plan.name}; {found}"
    return ObjectGrade(
        kind=each.kind,
        name=each.name,
        table=each.table,
        grade=Grade.REFUSED if virtual.content_table else Grade.APPROXIMATED,
        reason=reason,
    )


def _add(
    each: SourceObject, virtual: VirtualTable, carrier: Neighbour, world: World, planned: _Planned
) -> ObjectGrade | str:
    """Plan what is built beside the rows, or say in a clause why nothing is."""
    table = fold(carrier.plan.read.table)
    if virtual.module is VirtualModule.GEOPOLY:
        return "its polygons are in geopoly's own binary form; PostGIS or PostgreSQL's polygon has to be filled by hand"
    if not virtual.module.is_search:
        ranges = plan_ranges(each, virtual, carrier, world)
        if isinstance(ranges, str):
            return ranges
        planned.indexes[table].append(ranges.index)
        return ranges.grade
    if obstacle := _unsearchable(virtual):
        return obstacle
    taken = planned.columns.setdefault(table, {column.name for column in carrier.plan.columns})
    search = plan_search(each, virtual, carrier, taken, world)
    if isinstance(search, str):
        return search
    planned.search[table].append(search.plan)
    return search.grade


def _unsearchable(virtual: VirtualTable) -> str:
    if virtual.compressed:
        return (
            "its texts are as the application's own compress function made them, so PostgreSQL cannot search them: "
            "rewrite them by its uncompress function"
        )
    if virtual.contentless:
        return "they are its unindexed columns alone: its searched texts are nowhere in the file, only their index is"
    return ""


def _unknown(each: SourceObject) -> str:
    module = _MODULE.search(each.sql)
    name = fold(module[1]) if module else "unknown"
    known = _OTHERS.get(name, "tables in which it may keep its data are copied as they are")
    return f"PostgreSQL has nothing like the module {name}: {known.format(name=each.name)}; {by_hand(each)}"


def _nothing_to_search(virtual: VirtualTable, world: World) -> str:
    if virtual.unreadable:
        return f"its rows cannot be read: {virtual.unreadable}; read them with the application and copy them by hand"
    if virtual.contentless:
        return (
            "its texts are nowhere in the file (content=''), only their index is: fill a table with them from where "
            "the application has them, and search that"
        )
    content = virtual.content_table
    if content is None:
        return "its table is not part of this job"
    return f"the {_what_is(content, world)}, so there is nothing to search; {_by_hand(virtual)}"


def _what_is(content: str, world: World) -> str:
    name = fold(content)
    if any(fold(table.name) == name for table in world.catalog.tables):
        return f"table {content} that it searches is not part of this job"
    other = next((each for each in world.catalog.objects if fold(each.name) == name), None)
    if other is None:
        return f"table {content} that it searches is not in the source"
    return f"{other.kind} {content} that it searches is no table of rows"


def _by_hand(virtual: VirtualTable) -> str:
    return f"recreate it by hand: {virtual.sql}"


def _shadow_grade(each: SourceObject, owner: SourceObject | None, world: World) -> ObjectGrade:
    """A shadow table is no loss where its virtual table's rows are copied: they are what it is made from."""
    virtual = owner.virtual if owner else None
    carried = owner is not None and owner.table is not None and fold(owner.table) in world.neighbours
    if owner is None or virtual is None or not carried:
        reason = f"it is SQLite's own form of the virtual table {each.table}, of which nothing can be copied"
        return refused(each, reason)
    target = world.neighbours[fold(owner.table or "")].plan.name
    holds = f"it holds rows of the virtual table {each.table}, which are copied into the table {target}"
    serves = f"it is SQLite's own index of the virtual table {each.table}, which PostgreSQL does without"
    reason = holds if _holds_rows(each, virtual) else serves
    return ObjectGrade(kind=each.kind, name=each.name, table=each.table, grade=Grade.APPROXIMATED, reason=reason)


def _holds_rows(each: SourceObject, virtual: VirtualTable) -> bool:
    suffix = "content" if virtual.module.is_search else "rowid"
    return fold(each.name) == fold(f"{virtual.name}_{suffix}") or (
        virtual.module in {VirtualModule.RTREE, VirtualModule.RTREE_I32} and fold(each.name).endswith("_node")
    )
