"""Plain indexes of a table in the target."""

from __future__ import annotations

from shared.records.plan import Grade, GradedAs, IndexPlan, ObjectGrade, TypeKind
from shared.records.source import IndexOrigin, ObjectKind, SourceIndex
from shared.schema.columns import BINARY, PlannedColumns
from shared.schema.drafts import Draft
from shared.schema.keys import MAX_KEY_COLUMNS
from shared.schema.names import Names


def plan_indexes(
    draft: Draft, columns: PlannedColumns, relations: Names
) -> tuple[tuple[IndexPlan, ...], tuple[ObjectGrade, ...]]:
    """Plan the indexes that are no keys; take their names from `relations`."""
    indexes: list[IndexPlan] = []
    grades: list[ObjectGrade] = []
    for index in draft.table.indexes:
        if index.unique or index.origin is not IndexOrigin.CREATED:
            continue
        refusal = _refusal(index, columns)
        if refusal:
            reason = f"{refusal}; recreate it by hand: {index.sql}"
            grades.append(_grade(draft, index, Grade.REFUSED, reason))
            continue
        given = relations.give(index.name)
        names = tuple(columns.of(column.name).name for column in index.columns if column.name is not None)
        descending = tuple(column.descending for column in index.columns)
        reason = f"named {given.name} in the target, since {given.reason}" if given.reason else ""
        graded_as = GradedAs(kind=ObjectKind.INDEX, name=index.name, doubt=reason)
        indexes.append(IndexPlan(name=given.name, columns=names, descending=descending, graded_as=graded_as))
        grades.append(_grade(draft, index, Grade.APPROXIMATED if reason else Grade.EXACT, reason))
    return tuple(indexes), tuple(grades)


def _refusal(index: SourceIndex, columns: PlannedColumns) -> str:
    if index.partial:
        return "partial indexes are not translated yet"
    if any(column.name is None for column in index.columns):
        return "indexes on expressions are not translated yet"
    if len(index.columns) > MAX_KEY_COLUMNS:
        return f"it has {len(index.columns)} columns and an index of PostgreSQL at most {MAX_KEY_COLUMNS}"
    for column in index.columns:
        target = columns.of(column.name or "").type.kind
        if column.collation.upper() != BINARY and target is TypeKind.TEXT:
            return f"indexes that compare by {column.collation} are not translated yet"
        if target is TypeKind.JSON:
            return "PostgreSQL's json cannot be indexed as a plain column"
    return ""


def _grade(draft: Draft, index: SourceIndex, grade: Grade, reason: str) -> ObjectGrade:
    return ObjectGrade(kind=ObjectKind.INDEX, name=index.name, table=draft.table.name, grade=grade, reason=reason)
