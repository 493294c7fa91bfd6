"""A source's whole schema in PostgreSQL's terms, each object of it graded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.records.plan import Grade, JobOptions, ObjectGrade, SchemaPlan, TablePlan, TableRead
from shared.records.source import ObjectKind, SourceCatalog, SourceObject, TableProfile
from shared.schema.checks import checks_of
from shared.schema.columns import PlannedColumns, plan_columns
from shared.schema.drafts import Draft, draft_table, pick_tables
from shared.schema.foreign_keys import Neighbour, plan_foreign_keys
from shared.schema.indexes import plan_indexes
from shared.schema.key_types import reconcile
from shared.schema.keys import PlannedKeys, plan_keys
from shared.schema.matching import chunk_column_of, compare_by
from shared.schema.names import GivenName, Names, fold

MAX_COLUMNS: Final = 1600
"""Most columns of a PostgreSQL table (its documentation, appendix K)."""


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
) -> SchemaPlan:
    """Translate the tables that the operator asked for, and say of every object what became of it.

    `profiles` holds one profile for each of those tables, by source name. The plans are for an empty target;
    `shared.schema.existing` fits them onto tables that are there already.

    Raises:
        OperatorError: for tables that the source does not have.
    """
    picked = pick_tables(catalog, options)
    drafts = [draft_table(table, profiles[table.name]) for table in picked]
    fitting = reconcile([draft for draft in drafts if len(draft.table.columns) <= MAX_COLUMNS])
    relations = Names(preserve=options.preserve_identifiers)
    given = [relations.give(draft.table.name) for draft in fitting]
    planned = [
        _plan_table(draft, name, relations, target_schema, options) for draft, name in zip(fitting, given, strict=True)
    ]
    finished = _with_foreign_keys(planned, catalog)
    too_wide = [_too_wide(draft) for draft in drafts if len(draft.table.columns) > MAX_COLUMNS]
    return SchemaPlan(
        tables=tuple(each.neighbour.plan for each in finished),
        grades=(
            *(grade for each in finished for grade in each.grades),
            *too_wide,
            *_other_objects(catalog.objects, {fold(table.name) for table in picked}, options),
        ),
    )


def _plan_table(draft: Draft, given: GivenName, relations: Names, schema: str, options: JobOptions) -> _PlannedTable:
    columns = plan_columns(draft, preserve=options.preserve_identifiers)
    keys = plan_keys(draft, given.name, columns, relations)
    indexes, index_grades = plan_indexes(draft, columns, relations)
    plan = replace(_bare_plan(draft, given.name, columns, keys, schema, options), indexes=indexes)
    grades = (_table_grade(draft, given), *columns.grades, *keys.grades, *index_grades, *_check_grades(draft))
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
        compare_by=compare_by(keys.match_key, columns.columns, chunk_column_of(table.chunk_key, table.rowid_column)),
        identity_floor=table.autoincrement_floor,
        rows=profile.rows if options.limit is None else min(profile.rows, options.limit),
        row_bytes=profile.row_bytes,
        row_limit=options.limit,
    )


def _with_foreign_keys(planned: Sequence[_PlannedTable], catalog: SourceCatalog) -> list[_PlannedTable]:
    neighbours = {fold(each.neighbour.draft.table.name): each.neighbour for each in planned}
    finished = []
    for each in planned:
        keys, grades = plan_foreign_keys(each.neighbour, neighbours, catalog)
        neighbour = replace(each.neighbour, plan=replace(each.neighbour.plan, foreign_keys=keys))
        finished.append(_PlannedTable(neighbour=neighbour, grades=(*each.grades, *grades)))
    return finished


def _table_grade(draft: Draft, given: GivenName) -> ObjectGrade:
    reason = f"named {given.name} in the target, since {given.reason}" if given.reason else ""
    grade = Grade.APPROXIMATED if reason else Grade.EXACT
    return ObjectGrade(kind=ObjectKind.TABLE, name=draft.table.name, table=None, grade=grade, reason=reason)


def _too_wide(draft: Draft) -> ObjectGrade:
    reason = f"it has {len(draft.table.columns):,} columns and a table of PostgreSQL at most {MAX_COLUMNS:,}"
    return ObjectGrade(kind=ObjectKind.TABLE, name=draft.table.name, table=None, grade=Grade.REFUSED, reason=reason)


def _check_grades(draft: Draft) -> Iterable[ObjectGrade]:
    if not draft.table.has_checks:
        return
    for number, check in enumerate(checks_of(draft.table.sql) or (draft.table.sql,), start=1):
        yield ObjectGrade(
            kind=ObjectKind.CHECK,
            name=f"{number}",
            table=draft.table.name,
            grade=Grade.REFUSED,
            reason=f"checks are not translated yet; recreate it by hand: {check}",
        )


def _other_objects(objects: Iterable[SourceObject], picked: set[str], options: JobOptions) -> Iterable[ObjectGrade]:
    """Everything that is no ordinary table: none of it is translated yet.

    Where the operator named tables, objects of other tables and of none are not what was asked for.
    """
    for each in objects:
        of_picked = each.table is not None and fold(each.table) in picked
        if of_picked or not (options.tables or (options.exclude and _of_excluded(each, options))):
            yield ObjectGrade(
                kind=each.kind, name=each.name, table=each.table, grade=Grade.REFUSED, reason=_object_reason(each)
            )


def _of_excluded(each: SourceObject, options: JobOptions) -> bool:
    return each.table is not None and fold(each.table) in {fold(name) for name in options.exclude}


def _object_reason(each: SourceObject) -> str:
    if each.kind is ObjectKind.SHADOW_TABLE:
        return f"it holds what the virtual table {each.table or 'it belongs to'} is made of, in SQLite's own form"
    by_hand = f"recreate it by hand: {each.sql}" if each.sql else "recreate it by hand"
    return f"{each.kind}s are not translated yet; {by_hand}"
