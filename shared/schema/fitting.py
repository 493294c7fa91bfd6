"""Fit a whole schema plan onto the target as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from shared.errors import OperatorError
from shared.records.existing import ExistingTable
from shared.records.plan import (
    ForeignKeyPlan,
    Grade,
    IndexPlan,
    JobOptions,
    KeyPlan,
    ObjectGrade,
    ObjectPlan,
    SchemaPlan,
    TablePlan,
)
from shared.records.source import ObjectKind
from shared.schema.collation_terms import compare_alike
from shared.schema.collations import collation_objects, is_collation_object
from shared.schema.existing import FittedTable, fit
from shared.schema.key_types import joinable
from shared.schema.names import Names, fold
from shared.schema.replacing import say_what_goes

_REPLACED: Final = frozenset({ObjectKind.TABLE, ObjectKind.COLUMN})
"""What `fit` grades anew for a table that was there before."""
_OF_THE_TABLE: Final = frozenset(
    {
        ObjectKind.PRIMARY_KEY,
        ObjectKind.UNIQUE_KEY,
        ObjectKind.FOREIGN_KEY,
        ObjectKind.CHECK,
        ObjectKind.INDEX,
        ObjectKind.DEFAULT,
        ObjectKind.GENERATED_COLUMN,
    }
)
"""What whoever made the table has decided, whether or not it could be translated."""
_LEFT: Final = "left as it is in the table that was there before"
_NOT_ADDED: Final = (
    "nothing is added for it to a table that was there before: search needs a generated tsvector column with a GIN "
    "index there, bounds need a GiST index on ranges (`producer plan --sql` for an empty schema shows them)"
)


def fit_schema(
    plan: SchemaPlan, existing: Sequence[ExistingTable], options: JobOptions, *, taken: Collection[str] = ()
) -> SchemaPlan:
    """Fit every table of a plan, and the grades with them.

    `taken` are the names in the target's schema that are neither planned tables nor indexes of tables that
    will be made anew; keys and indexes get other names than those.

    Raises:
        OperatorError: for the first table whose rows could not go into what is there.
    """
    by_name = {each.name: each for each in existing}
    _refuse_missing(plan, by_name, options)
    loaded = {table.name for table in plan.tables}
    fitted = {table.name: fit(table, by_name.get(table.name), options, loaded=loaded) for table in plan.tables}
    names = Names(preserve=True, taken={*taken, *fitted})
    tables, refused = [], []
    for each in fitted.values():
        kept, refusals = _keys_that_hold(plan, each.plan, fitted, by_name)
        refused.extend(refusals)
        tables.append(_renamed(replace(each.plan, foreign_keys=kept), names))
    grades = _as_named(_regraded(plan, fitted, by_name, refused), tables)
    if options.data_only:
        return SchemaPlan(tables=tuple(tables), grades=tuple(_left_out(grade) for grade in grades))
    if options.recreate:
        grades = say_what_goes(grades, plan, by_name)
    return SchemaPlan(tables=tuple(tables), grades=grades, objects=_objects(plan, tables))


def _refuse_missing(plan: SchemaPlan, existing: Collection[str], options: JobOptions) -> None:
    """Name all tables at once that a job without schema would need."""
    missing = [f"{table.schema}.{table.name}" for table in plan.tables if table.name not in existing]
    if options.data_only and len(missing) > 1:
        sources = ",".join(table.read.table for table in plan.tables if table.name not in existing)
        msg = (
            f"the tables {', '.join(missing)} are not in the target and --data-only makes none: make them first, leave "
            f"them out with --exclude {sources}, or say what they are called there with rules (table = …, name = …)"
        )
        raise OperatorError(msg)


def _objects(plan: SchemaPlan, tables: Sequence[TablePlan]) -> tuple[ObjectPlan, ...]:
    """The objects of the tables that the job makes: one that was there before keeps its triggers and types."""
    kept = {table.read.table for table in tables if not table.creates}
    others = (each for each in plan.objects if each.table not in kept and not is_collation_object(each))
    return (*collation_objects(tables), *others)


def _left_out(grade: ObjectGrade) -> ObjectGrade:
    """The grade of an object that a job without schema leaves to whoever made the schema."""
    if grade.table is not None or grade.kind is ObjectKind.TABLE or grade.grade is Grade.REFUSED:
        return grade
    return replace(grade, grade=Grade.APPROXIMATED, reason="not made: --data-only takes the schema as it is")


def _renamed(table: TablePlan, names: Names) -> TablePlan:
    if not table.creates:
        return table
    primary = table.primary_key
    return replace(
        table,
        primary_key=replace(primary, **_named(primary, names)) if primary else None,
        unique_keys=tuple(replace(key, **_named(key, names)) for key in table.unique_keys),
        indexes=tuple(replace(index, **_named(index, names)) for index in table.indexes),
        search=tuple(replace(search, index=names.give(search.index).name) for search in table.search),
    )


def _named(planned: KeyPlan | IndexPlan, names: Names) -> Mapping[str, Any]:
    """A free name, and in the grade of what the source has named that it is another."""
    given, graded_as = names.give(planned.name), planned.graded_as
    if graded_as is not None and given.reason and fold(graded_as.name) == fold(planned.name):
        said = f"named {given.name}, since {planned.name} is taken in the target"
        doubt = f"{graded_as.doubt}; {said}" if graded_as.doubt else said
        graded_as = replace(graded_as, doubt=doubt)
    return {"name": given.name, "graded_as": graded_as}


def _as_named(grades: Sequence[ObjectGrade], tables: Sequence[TablePlan]) -> tuple[ObjectGrade, ...]:
    """The grades of indexes that have other names in this target than the plan gave them."""
    named: dict[tuple[ObjectKind, str, str | None], str] = {}
    for table in tables:
        graded = [*(key.graded_as for key in table.unique_keys), *(index.graded_as for index in table.indexes)]
        found = [each for each in graded if each is not None and each.doubt]
        named |= {(each.kind, each.name, table.read.table): each.doubt for each in found}
    doubts = [named.get((grade.kind, grade.name, grade.table)) for grade in grades]
    return tuple(
        replace(grade, grade=Grade.APPROXIMATED, reason=doubt) if doubt else grade
        for grade, doubt in zip(grades, doubts, strict=True)
    )


def _keys_that_hold(
    plan: SchemaPlan, table: TablePlan, fitted: Mapping[str, FittedTable], existing: Mapping[str, ExistingTable]
) -> tuple[tuple[ForeignKeyPlan, ...], list[ObjectGrade]]:
    """The foreign keys of a new table, those to a parent that was there before in that parent's own names."""
    kept: list[ForeignKeyPlan] = []
    refused: list[ObjectGrade] = []
    planned = {each.name: each for each in plan.tables}
    for key in table.foreign_keys:
        parent = fitted[key.parent].plan
        if parent.creates:
            kept.append(key)
            continue
        sources = _sources(planned[key.parent], key.parent_columns)
        suited = _suited(key, table, parent, sources, existing[key.parent].keys)
        if suited is not None:
            kept.append(suited)
            continue
        reason = f"{parent.schema}.{parent.name} was there before and has no such key, or columns that do not compare"
        name = key.graded_as.name if key.graded_as else key.name
        refused.append(
            ObjectGrade(
                kind=ObjectKind.FOREIGN_KEY, name=name, table=table.read.table, grade=Grade.REFUSED, reason=reason
            )
        )
    return tuple(kept), refused


def _sources(table: TablePlan, names: Sequence[str]) -> tuple[str, ...]:
    by_name = {column.name: column.source for column in table.columns}
    return tuple(by_name[name] for name in names)


def _suited(
    key: ForeignKeyPlan, child: TablePlan, parent: TablePlan, sources: Sequence[str], keys: Sequence[KeyPlan]
) -> ForeignKeyPlan | None:
    by_source = {column.source: column for column in parent.columns}
    columns = [by_source[source] for source in sources if source in by_source]
    names = tuple(column.name for column in columns)
    own = {column.name: column for column in child.columns}
    pairs = [(own[name], far) for name, far in zip(key.columns, columns, strict=False)]
    compare = all(joinable(near.type, far.type) and compare_alike(near, far) for near, far in pairs)
    covered = len(columns) == len(sources) and set(names) in [set(each.columns) for each in keys]
    return replace(key, parent_columns=names) if compare and covered else None


def _regraded(
    plan: SchemaPlan,
    fitted: Mapping[str, FittedTable],
    existing: Mapping[str, ExistingTable],
    refused: Sequence[ObjectGrade],
) -> tuple[ObjectGrade, ...]:
    anew = {each.plan.read.table: each.grades for each in fitted.values() if not each.plan.creates}
    planned = {(table.read.table, column.source) for table in plan.tables for column in table.columns}
    found = {each.plan.read.table: existing.get(each.plan.name) for each in fitted.values()}
    grades: list[ObjectGrade] = []
    for grade in plan.grades:
        owner = grade.name if grade.kind is ObjectKind.TABLE else grade.table
        if owner not in anew:
            grades.append(_refused_or(grade, refused))
        elif grade.kind is ObjectKind.TABLE:
            grades.extend(anew[owner])
        elif grade.kind is ObjectKind.COLUMN and (owner, grade.name) not in planned:
            grades.append(grade)  # what a rule leaves out
        elif grade.kind not in _REPLACED:
            grades.append(_left_as_it_is(grade, found[owner]))
    return tuple(grades)


def _left_as_it_is(grade: ObjectGrade, existing: ExistingTable | None) -> ObjectGrade:
    """The grade of what a table that was there before keeps in a form of its own, or goes without."""
    if grade.kind in _OF_THE_TABLE:
        return replace(grade, grade=Grade.APPROXIMATED, reason=_LEFT)
    if grade.grade is Grade.REFUSED or grade.kind is ObjectKind.SHADOW_TABLE:
        return grade
    if grade.kind is ObjectKind.VIRTUAL_TABLE:
        vectors = [column.name for column in existing.columns if column.type.sql == "tsvector"] if existing else []
        kept = f"left as it is: the table that was there before has {', '.join(vectors)} to search by"
        return replace(
            grade, grade=Grade.APPROXIMATED if vectors else Grade.REFUSED, reason=kept if vectors else _NOT_ADDED
        )
    return replace(grade, grade=Grade.APPROXIMATED, reason=_LEFT)


def _refused_or(grade: ObjectGrade, refused: Sequence[ObjectGrade]) -> ObjectGrade:
    """The grade of a foreign key that its parent turned out not to suit, instead of the one it had."""
    by_object = {(other.kind, other.table, other.name): other for other in refused}
    return by_object.get((grade.kind, grade.table, grade.name), grade)
