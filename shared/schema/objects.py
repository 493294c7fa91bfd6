"""A source's whole schema in PostgreSQL's terms, each object of it graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.records.existing import TargetAbilities
from shared.records.plan import Grade, JobOptions, ObjectGrade, SchemaPlan, TablePlan, TableRead
from shared.records.source import ChunkKeyKind, ObjectKind, SourceCatalog, SourceObject, TableProfile
from shared.schema.checks import plan_checks
from shared.schema.collations import Comparing, collated, collation_objects, comparisons
from shared.schema.columns import PlannedColumns, plan_columns
from shared.schema.drafts import Draft, draft_table, pick_tables
from shared.schema.foreign_keys import Neighbour, plan_foreign_keys
from shared.schema.generated import plan_generated
from shared.schema.indexes import plan_indexes
from shared.schema.key_types import reconcile
from shared.schema.keys import PlannedKeys, plan_keys
from shared.schema.left_out import without_left_out
from shared.schema.matching import chunk_column_of, compare_by
from shared.schema.names import GivenName, Names, fold
from shared.schema.rules.book import FILE as RULES_FILE
from shared.schema.rules.book import read_rules
from shared.schema.triggers.planning import plan_triggers
from shared.schema.views import plan_views
from shared.schema.virtual_tables import plan_virtual_tables
from shared.schema.world import PlannedObjects, World

MAX_COLUMNS: Final = 1600
"""Most columns of a PostgreSQL table (its documentation, appendix K)."""
_ANY_SERVER: Final = TargetAbilities()


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlannedTable:
    neighbour: Neighbour
    grades: tuple[ObjectGrade, ...]


def translate(
    catalog: SourceCatalog,
    profiles: Mapping[str, TableProfile],
    *,
    target_schema: str,
    options: JobOptions,
    abilities: TargetAbilities = _ANY_SERVER,
) -> SchemaPlan:
    """Translate the tables that the operator asked for, and say of every object what became of it.

    `profiles` holds one profile for each of those tables, by source name. The plans are for an empty target on a
    server with the given `abilities`; `shared.schema.existing` fits them onto tables that are there already.

    Raises:
        OperatorError: for tables that the source does not have, and for rules that cannot be kept.
    """
    book = read_rules(catalog, options.rules, preserve=options.preserve_identifiers)
    options = book.without_excluded(options)
    remaining = without_left_out(catalog, book)
    catalog = remaining.catalog
    picked = pick_tables(catalog, options)
    drafts = [
        draft_table(table, profiles[table.name], said=book.of(table.name), policy=options.types) for table in picked
    ]
    fitting = reconcile([draft for draft in drafts if not _is_too_wide(draft)])
    ruled = [name for draft in fitting if (name := draft.said.name) is not None]
    relations = Names(preserve=options.preserve_identifiers, taken=ruled)
    planned = _plan_tables(fitting, relations, target_schema, options, abilities)
    finished = _with_foreign_keys(planned, catalog, options)
    world = World(
        neighbours={fold(each.neighbour.draft.table.name): each.neighbour for each in finished},
        catalog=catalog,
        schema=target_schema,
        relations=relations,
        options=options,
        abilities=abilities,
    )
    others = _others(world, {fold(table.name) for table in picked})
    tables = tuple(_with_others(each.neighbour.plan, others) for each in finished)
    return SchemaPlan(
        tables=tables,
        grades=(
            *(grade for each in finished for grade in each.grades),
            *(_too_wide(draft) for draft in drafts if _is_too_wide(draft)),
            *(grade for grade in remaining.grades if grade.table in {table.name for table in picked}),
            *others.grades,
        ),
        objects=(*collation_objects(tables), *others.objects),
    )


def _plan_tables(
    drafts: Sequence[Draft], relations: Names, schema: str, options: JobOptions, abilities: TargetAbilities
) -> list[_PlannedTable]:
    comparing = comparisons(drafts, abilities, schema)
    given = [_name(draft, relations) for draft in drafts]  # before any key or index takes a name
    return [
        _plan_table(draft, name, comparing[fold(draft.table.name)], relations, schema, options, abilities.version)
        for draft, name in zip(drafts, given, strict=True)
    ]


def _name(draft: Draft, relations: Names) -> GivenName:
    if draft.said.name is None:
        return relations.give(draft.table.name)
    return GivenName(name=draft.said.name, reason=f"a rule of {RULES_FILE} says so")


def _plan_table(
    draft: Draft,
    given: GivenName,
    comparing: Sequence[Comparing],
    relations: Names,
    schema: str,
    options: JobOptions,
    version: int,
) -> _PlannedTable:
    columns = collated(plan_columns(draft, preserve=options.preserve_identifiers), draft, comparing)
    columns = plan_generated(draft, columns, version=version)
    keys = plan_keys(draft, given.name, columns, relations)
    indexes, index_grades = plan_indexes(draft, columns, relations)
    plan = replace(_bare_plan(draft, given.name, columns, keys, schema, options), indexes=(*keys.indexes, *indexes))
    checks, check_grades = plan_checks(draft, columns, plan, version=version, preserve=options.preserve_identifiers)
    plan = replace(plan, checks=checks)
    grades = (_table_grade(draft, given), *columns.grades, *keys.grades, *index_grades, *check_grades)
    return _PlannedTable(neighbour=Neighbour(draft=draft, plan=plan), grades=grades)


def _bare_plan(
    draft: Draft, name: str, columns: PlannedColumns, keys: PlannedKeys, schema: str, options: JobOptions
) -> TablePlan:
    table, profile = draft.table, draft.profile
    sources = tuple(column.source for column in columns.columns)
    return TablePlan(
        read=TableRead(table=table.name, chunk_key=table.chunk_key, columns=sources),
        schema=schema,
        name=name,
        columns=columns.columns,
        on_conflict=options.on_conflict,
        primary_key=keys.primary,
        unique_keys=keys.unique,
        match_key=keys.match_key,
        compare_by=compare_by(keys.match_key, columns.columns, _range_column(draft)),
        identity_floor=table.autoincrement_floor,
        rows=profile.rows if options.limit is None else min(profile.rows, options.limit),
        row_bytes=profile.row_bytes,
        row_limit=options.limit,
        sampled=profile.sampled_rows is not None,
    )


def _range_column(draft: Draft) -> str | None:
    """The column that verification may read by ranges: one of integers alone.

    That a sample shows nothing else is no proof; a rowid holds nothing else anyhow.
    """
    table = draft.table
    if draft.profile.sampled_rows is not None and table.chunk_key.kind is not ChunkKeyKind.ROWID:
        return None
    return chunk_column_of(table.chunk_key, table.rowid_column)


def _with_foreign_keys(
    planned: Sequence[_PlannedTable], catalog: SourceCatalog, options: JobOptions
) -> list[_PlannedTable]:
    neighbours = {fold(each.neighbour.draft.table.name): each.neighbour for each in planned}
    finished = []
    for each in planned:
        keys, grades = plan_foreign_keys(each.neighbour, neighbours, catalog, preserve=options.preserve_identifiers)
        neighbour = replace(each.neighbour, plan=replace(each.neighbour.plan, foreign_keys=keys))
        finished.append(_PlannedTable(neighbour=neighbour, grades=(*each.grades, *grades)))
    return finished


def _table_grade(draft: Draft, given: GivenName) -> ObjectGrade:
    reason = f"named {given.name} in the target, since {given.reason}" if given.reason else ""
    grade = Grade.APPROXIMATED if reason else Grade.EXACT
    return ObjectGrade(kind=ObjectKind.TABLE, name=draft.table.name, table=None, grade=grade, reason=reason)


def _is_too_wide(draft: Draft) -> bool:
    return len(draft.table.columns) > MAX_COLUMNS


def _too_wide(draft: Draft) -> ObjectGrade:
    reason = f"it has {len(draft.table.columns):,} columns and a table of PostgreSQL at most {MAX_COLUMNS:,}"
    return ObjectGrade(kind=ObjectKind.TABLE, name=draft.table.name, table=None, grade=Grade.REFUSED, reason=reason)


def _others(world: World, picked: set[str]) -> PlannedObjects:
    """Plan everything that is no table: virtual tables, views, triggers.

    Where the operator named tables, objects of other tables and of none are not what was asked for.
    """
    asked = [each for each in world.catalog.objects if _is_asked(each, picked, world.options)]
    planned = [
        plan([each for each in asked if each.kind in kinds], world)
        for plan, kinds in (
            (_plan_virtual_tables, {ObjectKind.VIRTUAL_TABLE, ObjectKind.SHADOW_TABLE}),
            (plan_views, {ObjectKind.VIEW}),
            (plan_triggers, {ObjectKind.TRIGGER}),
        )
    ]
    return PlannedObjects(
        objects=tuple(each for part in planned for each in part.objects),
        grades=tuple(grade for part in planned for grade in part.grades),
        search={name: plans for part in planned for name, plans in (part.search or {}).items()},
        indexes={name: plans for part in planned for name, plans in (part.indexes or {}).items()},
    )


def _plan_virtual_tables(objects: Sequence[SourceObject], world: World) -> PlannedObjects:
    """Plan virtual tables first, since triggers that keep a search in step ask whether it is there."""
    planned = plan_virtual_tables(objects, world)
    kept = (
        each for each in planned.grades if each.kind is ObjectKind.VIRTUAL_TABLE and each.grade is not Grade.REFUSED
    )
    world.searched.update(fold(each.name) for each in kept)
    return planned


def _is_asked(each: SourceObject, picked: set[str], options: JobOptions) -> bool:
    of_picked = each.table is not None and fold(each.table) in picked
    return of_picked or not (options.tables or (options.exclude and _of_excluded(each, options)))


def _of_excluded(each: SourceObject, options: JobOptions) -> bool:
    return each.table is not None and fold(each.table) in {fold(name) for name in options.exclude}


def _with_others(plan: TablePlan, others: PlannedObjects) -> TablePlan:
    """Add what virtual tables bring to the table that holds their rows."""
    name = fold(plan.read.table)
    indexes = (*plan.indexes, *(others.indexes or {}).get(name, ()))
    return replace(plan, search=(others.search or {}).get(name, ()), indexes=indexes)
