"""Foreign keys of the target, planned when every table's columns and keys are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.records.plan import ForeignKeyPlan, Grade, GradedAs, ObjectGrade, TablePlan, TypeKind
from shared.records.source import ObjectKind, SourceCatalog, SourceForeignKey
from shared.schema.columns import BINARY
from shared.schema.drafts import Draft
from shared.schema.key_types import joinable, parent_columns
from shared.schema.keys import MAX_KEY_COLUMNS
from shared.schema.names import Names, fold

_ACTIONS: Final = frozenset({"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A table of the job, as foreign keys look at it."""

    draft: Draft
    plan: TablePlan

    def names_of(self, sources: Sequence[str]) -> tuple[str, ...] | None:
        """The target's names of source columns; None where one of them does not exist."""
        names = {fold(column.source): column.name for column in self.plan.columns}
        found = tuple(names.get(fold(source)) for source in sources)
        return tuple(name for name in found if name is not None) if None not in found else None


class _RefusedKeyError(ValueError):
    """A foreign key that the target cannot have; the text says why."""


def plan_foreign_keys(
    child: Neighbour, neighbours: Mapping[str, Neighbour], catalog: SourceCatalog
) -> tuple[tuple[ForeignKeyPlan, ...], tuple[ObjectGrade, ...]]:
    """Plan one table's foreign keys; `neighbours` are the job's tables by folded source name."""
    constraints = Names(preserve=True, taken=_constraint_names(child.plan))
    keys: list[ForeignKeyPlan] = []
    grades: list[ObjectGrade] = []
    for source, label in zip(child.draft.table.foreign_keys, _labels(child.draft.table.foreign_keys), strict=True):
        try:
            parent = _parent(source, neighbours, catalog)
            key = _plan(child, source, parent, constraints)
        except _RefusedKeyError as error:
            grades.append(_grade(child, label, Grade.REFUSED, str(error)))
            continue
        doubt = _loosened(parent, source)
        graded_as = GradedAs(kind=ObjectKind.FOREIGN_KEY, name=label, doubt=doubt)
        keys.append(replace(key, graded_as=graded_as))
        grades.append(_grade(child, label, Grade.APPROXIMATED if doubt else Grade.EXACT, doubt))
    return tuple(keys), tuple(grades)


def _constraint_names(plan: TablePlan) -> list[str]:
    primary = () if plan.primary_key is None else (plan.primary_key.name,)
    return [*primary, *(key.name for key in plan.unique_keys)]


def _parent(source: SourceForeignKey, neighbours: Mapping[str, Neighbour], catalog: SourceCatalog) -> Neighbour:
    name = fold(source.parent_table)
    if name in neighbours:
        return neighbours[name]
    if name in {fold(table.name) for table in catalog.tables}:
        msg = f"its parent table {source.parent_table} is not part of this job"
    elif name in {fold(each.name) for each in catalog.objects}:
        msg = f"its parent {source.parent_table} is no ordinary table"
    else:
        msg = f"its parent table {source.parent_table} does not exist in the source"
    raise _RefusedKeyError(msg)


def _plan(child: Neighbour, source: SourceForeignKey, parent: Neighbour, constraints: Names) -> ForeignKeyPlan:
    far = parent_columns(source, parent.draft)
    _refuse_unusable(source, parent, far)
    columns, referred = child.names_of(source.columns), parent.names_of(far)
    if columns is None or referred is None:
        missing = "the child" if columns is None else "its parent"
        msg = f"it names a column that {missing} does not have"
        raise _RefusedKeyError(msg)
    _refuse_unless_key(parent, referred)
    _refuse_unless_joinable(child.plan, columns, parent.plan, referred)
    return ForeignKeyPlan(
        name=constraints.give(f"{child.plan.name}_{'_'.join(columns)}_fkey").name,
        columns=columns,
        parent=parent.plan.name,
        parent_columns=referred,
        on_update=_action(source.on_update),
        on_delete=_action(source.on_delete),
        deferrable=source.deferrable,
        initially_deferred=source.initially_deferred,
    )


def _refuse_unusable(source: SourceForeignKey, parent: Neighbour, far: Sequence[str]) -> None:
    limit = parent.plan.row_limit
    msg = ""
    if not far:
        msg = f"it names no columns and its parent {parent.draft.table.name} has no primary key"
    elif len(source.columns) != len(far):
        msg = f"it has {len(source.columns)} columns and refers to {len(far)}"
    elif len(far) > MAX_KEY_COLUMNS:
        msg = f"it has {len(far)} columns and a key of PostgreSQL at most {MAX_KEY_COLUMNS}"
    elif len({fold(name) for name in source.columns}) < len(source.columns):
        msg = "it names a column twice, which PostgreSQL does not take"
    elif limit is not None and parent.draft.profile.rows > limit:
        msg = f"only the first {limit:,} rows of its parent {parent.draft.table.name} are copied"
    if msg:
        raise _RefusedKeyError(msg)


def _refuse_unless_key(parent: Neighbour, referred: Sequence[str]) -> None:
    keys = [key.columns for key in (parent.plan.primary_key, *parent.plan.unique_keys) if key is not None]
    if set(referred) not in [set(columns) for columns in keys] or len(set(referred)) < len(referred):
        msg = f"no key of the target's {parent.plan.name} covers ({', '.join(referred)})"
        raise _RefusedKeyError(msg)


def _refuse_unless_joinable(
    child: TablePlan, columns: Sequence[str], parent: TablePlan, referred: Sequence[str]
) -> None:
    types = {column.name: column.type for column in child.columns}
    parent_types = {column.name: column.type for column in parent.columns}
    for name, parent_name in zip(columns, referred, strict=True):
        if not joinable(types[name], parent_types[parent_name]):
            msg = f"{name} is {types[name].sql} and {parent_name} {parent_types[parent_name].sql}, which do not compare"
            raise _RefusedKeyError(msg)


def _action(action: str) -> str:
    upper = action.upper()
    return upper if upper in _ACTIONS else "NO ACTION"


def _loosened(parent: Neighbour, source: SourceForeignKey) -> str:
    """SQLite compares child and parent by the parent's collation, PostgreSQL here by bytes."""
    positions = (parent.draft.position(name) for name in parent_columns(source, parent.draft))
    columns = [parent.draft.table.columns[position] for position in positions if position is not None]
    types = {column.source: column.type.kind for column in parent.plan.columns}
    collated = [
        each.collation for each in columns if each.collation.upper() != BINARY and types[each.name] is TypeKind.TEXT
    ]
    if not collated:
        return ""
    return f"PostgreSQL's is stricter: rows that belong together by {collated[0]} alone break it"


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
