"""Foreign keys of the target, planned when every table's columns and keys are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.records.plan import ForeignKeyPlan, Grade, GradedAs, ObjectGrade, TablePlan, TargetColumn, TypeKind
from shared.records.source import ObjectKind, SourceCatalog, SourceForeignKey
from shared.schema.collation_terms import BINARY, Folding, folding_of
from shared.schema.foreign_key_limits import (
    Neighbour,
    RefusedKeyError,
    action,
    refuse_unless_joinable,
    refuse_unless_key,
    refuse_unusable,
    refuse_unwritable,
)
from shared.schema.key_types import parent_columns
from shared.schema.names import GivenName, Names, fold
from shared.schema.written import read_names

__all__ = ["Neighbour", "plan_foreign_keys"]


def plan_foreign_keys(
    child: Neighbour, neighbours: Mapping[str, Neighbour], catalog: SourceCatalog, *, preserve: bool = False
) -> tuple[tuple[ForeignKeyPlan, ...], tuple[ObjectGrade, ...]]:
    """Plan one table's foreign keys; `neighbours` are the job's tables by folded source name.

    With `preserve` the names that the source gives them are not folded.
    """
    constraints = Names(preserve=preserve, taken=_constraint_names(child.plan))
    keys: list[ForeignKeyPlan] = []
    grades: list[ObjectGrade] = []
    sources = child.draft.table.foreign_keys
    for source, label, wanted in zip(sources, _labels(sources), _names(child, len(sources)), strict=True):
        try:
            parent = _parent(source, neighbours, catalog)
            key = _plan(child, source, parent)
        except RefusedKeyError as error:
            grades.append(_grade(child, label, Grade.REFUSED, str(error)))
            continue
        given = constraints.give(wanted or f"{child.plan.name}_{'_'.join(key.columns)}_fkey")
        key = replace(key, name=given.name)
        doubt = "; ".join([*_renamed(wanted, given), *_loosened(parent, source), *_defaults(child, key)])
        graded_as = GradedAs(kind=ObjectKind.FOREIGN_KEY, name=label, doubt=doubt)
        keys.append(replace(key, graded_as=graded_as))
        grades.append(_grade(child, label, Grade.APPROXIMATED if doubt else Grade.EXACT, doubt))
    return tuple(keys), tuple(grades)


def _constraint_names(plan: TablePlan) -> list[str]:
    primary = () if plan.primary_key is None else (plan.primary_key.name,)
    return [*primary, *(key.name for key in plan.unique_keys), *(check.name for check in plan.checks)]


def _names(child: Neighbour, count: int) -> Sequence[str | None]:
    """The names that CONSTRAINT gives to a table's foreign keys, folded; none where the text does not fit the keys."""
    found = read_names(child.draft.table.sql).foreign_keys
    return found if len(found) == count else (None,) * count


def _renamed(wanted: str | None, given: GivenName) -> list[str]:
    return [f"named {given.name} in the target, since {given.reason}"] if wanted and given.reason else []


def _parent(source: SourceForeignKey, neighbours: Mapping[str, Neighbour], catalog: SourceCatalog) -> Neighbour:
    name = fold(source.parent_table)
    if name in neighbours:
        return neighbours[name]
    if name in {fold(table.name) for table in catalog.tables}:
        msg = f"its parent table {source.parent_table} is not part of this job: copy it too, or add the key by hand"
    elif name in {fold(each.name) for each in catalog.objects}:
        msg = f"its parent {source.parent_table} is no ordinary table, which no foreign key of PostgreSQL can refer to"
    else:
        msg = (
            f"its parent table {source.parent_table} does not exist in the source, where every insert of a value would "
            "fail once foreign keys are switched on"
        )
    raise RefusedKeyError(msg)


def _plan(child: Neighbour, source: SourceForeignKey, parent: Neighbour) -> ForeignKeyPlan:
    far = parent_columns(source, parent.draft)
    refuse_unusable(source, parent, far)
    columns, referred = child.names_of(source.columns), parent.names_of(far)
    if columns is None or referred is None:
        missing = "the child" if columns is None else "its parent"
        msg = f"it names a column that {missing} does not have"
        raise RefusedKeyError(msg)
    refuse_unless_key(parent, referred)
    refuse_unless_joinable(child.plan, columns, parent.plan, referred)
    refuse_unwritable(child.plan, columns, source)
    return ForeignKeyPlan(
        name="",
        columns=columns,
        parent=parent.plan.name,
        parent_columns=referred,
        on_update=action(source.on_update),
        on_delete=action(source.on_delete),
        deferrable=source.deferrable,
        initially_deferred=source.initially_deferred,
    )


def _loosened(parent: Neighbour, source: SourceForeignKey) -> list[str]:
    """SQLite compares child and parent by the parent's collation, PostgreSQL by bytes where that has none."""
    positions = (parent.draft.position(name) for name in parent_columns(source, parent.draft))
    columns = [parent.draft.table.columns[position] for position in positions if position is not None]
    made = {column.source: column for column in parent.plan.columns}
    collated = [each for each in columns if each.collation.upper() != BINARY and _is_plain_text(made[each.name])]
    if any(folding_of(made[each.name]) is not Folding.NONE for each in columns):
        return ["PostgreSQL's is laxer: its parent's collation folds more than NOCASE does (É and é)"]
    if not collated:
        return []
    return [f"PostgreSQL's is stricter: rows that belong together by {collated[0].collation} alone break it"]


def _is_plain_text(column: TargetColumn) -> bool:
    return column.type.kind is TypeKind.TEXT and folding_of(column) is Folding.NONE


def _defaults(child: Neighbour, key: ForeignKeyPlan) -> list[str]:
    """SET DEFAULT sets what the target has as default, which is not always the source's."""
    if "SET DEFAULT" not in {key.on_update, key.on_delete}:
        return []
    lost = [
        column.name
        for column in child.plan.columns
        if column.name in key.columns and column.default is None and _source_default(child, column) is not None
    ]
    return [f"SET DEFAULT sets NULL, since {', '.join(lost)} has no default in the target"] if lost else []


def _source_default(child: Neighbour, column: TargetColumn) -> str | None:
    position = child.draft.position(column.source)
    return None if position is None else child.draft.table.columns[position].default_sql


def _labels(keys: Sequence[SourceForeignKey]) -> list[str]:
    """Name foreign keys apart: SQLite takes the same one twice."""
    plain = [_label(key) for key in keys]
    before = [plain[:place].count(label) for place, label in enumerate(plain)]
    return [f"{label}, {count + 1}" if count else label for label, count in zip(plain, before, strict=True)]


def _label(source: SourceForeignKey) -> str:
    """Name a foreign key as its source reads: SQLite lets go of the name of a constraint."""
    referred = f" ({', '.join(source.parent_columns)})" if source.parent_columns else ""
    return f"({', '.join(source.columns)}) -> {source.parent_table}{referred}"


def _grade(child: Neighbour, label: str, grade: Grade, reason: str) -> ObjectGrade:
    return ObjectGrade(
        kind=ObjectKind.FOREIGN_KEY, name=label, table=child.draft.table.name, grade=grade, reason=reason
    )
