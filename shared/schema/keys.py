"""Primary and unique keys of a table in the target, and the key that identifies its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.records.plan import Grade, GradedAs, KeyPlan, ObjectGrade, TypeKind
from shared.records.source import IndexOrigin, ObjectKind, SourceIndex
from shared.schema.columns import BINARY, PlannedColumns
from shared.schema.drafts import Draft
from shared.schema.matching import lost_distinction
from shared.schema.names import Names

MAX_KEY_COLUMNS: Final = 32
"""PostgreSQL's INDEX_MAX_KEYS: most columns of one key or index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKeys:
    """A table's keys and their grades."""

    primary: KeyPlan | None
    unique: tuple[KeyPlan, ...]
    match_key: tuple[str, ...]
    """Target columns that identify a row; empty where none do."""
    grades: tuple[ObjectGrade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A key of the source."""

    kind: ObjectKind
    label: str
    """How grades name it."""
    columns: tuple[str, ...]
    collations: tuple[str, ...]
    index: SourceIndex | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    kind: ObjectKind
    key: KeyPlan | None
    """None where the key is refused."""
    grade: ObjectGrade
    identifies: bool = False
    """Whether no part of it is ever NULL."""
    exact: bool = False
    """Whether equal means equal on both sides."""


def plan_keys(draft: Draft, table: str, columns: PlannedColumns, relations: Names) -> PlannedKeys:
    """Plan the keys of a table that is named `table` in the target; take their names from `relations`."""
    planned = [_plan(draft, table, columns, relations, wanted) for wanted in _wanted_keys(draft)]
    primary = next((each.key for each in planned if each.kind is ObjectKind.PRIMARY_KEY), None)
    unique = tuple(each.key for each in planned if each.key and each.kind is ObjectKind.UNIQUE_KEY)
    return PlannedKeys(
        primary=primary,
        unique=unique,
        match_key=primary.columns if primary else _identifying(planned),
        grades=tuple(each.grade for each in planned),
    )


def _identifying(planned: Sequence[_Planned]) -> tuple[str, ...]:
    """The best of the unique keys: one that is equal on both sides when it is equal on one."""
    candidates = sorted((each for each in planned if each.key and each.identifies), key=lambda each: not each.exact)
    return candidates[0].key.columns if candidates and candidates[0].key else ()


def _wanted_keys(draft: Draft) -> list[_Wanted]:
    table, wanted = draft.table, []
    if table.primary_key:
        collations = _primary_collations(draft)
        label = f"({', '.join(table.primary_key)})"
        wanted.append(
            _Wanted(kind=ObjectKind.PRIMARY_KEY, label=label, columns=table.primary_key, collations=collations)
        )
    for index in table.indexes:
        names = tuple(column.name for column in index.columns if column.name is not None)
        if not index.unique or index.origin is IndexOrigin.PRIMARY_KEY:
            continue
        label = index.name if index.origin is IndexOrigin.CREATED else f"({', '.join(names)})"
        collations = tuple(column.collation for column in index.columns)
        wanted.append(
            _Wanted(kind=ObjectKind.UNIQUE_KEY, label=label, columns=names, collations=collations, index=index)
        )
    return wanted


def _primary_collations(draft: Draft) -> tuple[str, ...]:
    for index in draft.table.indexes:
        if index.origin is IndexOrigin.PRIMARY_KEY:
            return tuple(column.collation for column in index.columns)
    positions = (draft.position(name) for name in draft.table.primary_key)
    return tuple(draft.table.columns[position].collation for position in positions if position is not None)


def _plan(draft: Draft, table: str, columns: PlannedColumns, relations: Names, wanted: _Wanted) -> _Planned:
    refusal = _refusal(wanted)
    if refusal:
        grade = _grade(draft, wanted, Grade.REFUSED, refusal)
        return _Planned(kind=wanted.kind, key=None, grade=grade)
    # SQLite takes a column twice in a unique key, PostgreSQL does not; it says nothing more.
    names = tuple(dict.fromkeys(columns.names_of(wanted.columns)))
    nulls = _nulls(draft, wanted)
    as_unique = wanted.kind is ObjectKind.UNIQUE_KEY or nulls > 0
    given = relations.give(_wanted_name(table, names, wanted, as_unique=as_unique))
    losses = _losses(columns, wanted)
    reasons = list(losses)
    if wanted.kind is ObjectKind.PRIMARY_KEY and nulls:
        reasons.insert(0, f"{nulls:,} values in it are NULL, which SQLite allows and PostgreSQL does not: a unique key")
    if wanted.index is not None and wanted.index.origin is IndexOrigin.CREATED and given.reason:
        reasons.append(f"named {given.name} in the target, since {given.reason}")
    doubt = "; ".join(reasons)
    graded_as = GradedAs(kind=wanted.kind, name=wanted.label, doubt=doubt)
    return _Planned(
        kind=ObjectKind.UNIQUE_KEY if as_unique else ObjectKind.PRIMARY_KEY,
        key=KeyPlan(name=given.name, columns=names, graded_as=graded_as),
        grade=_grade(draft, wanted, Grade.APPROXIMATED if doubt else Grade.EXACT, doubt),
        identifies=nulls == 0,
        exact=not losses,
    )


def _refusal(wanted: _Wanted) -> str:
    index = wanted.index
    by_hand = f"recreate it by hand: {index.sql}" if index is not None and index.sql else "recreate it by hand"
    if index is not None and index.partial:
        return f"partial unique indexes are not translated yet; {by_hand}"
    if index is not None and len(wanted.columns) < len(index.columns):
        return f"unique indexes on expressions are not translated yet; {by_hand}"
    if len(wanted.columns) > MAX_KEY_COLUMNS:
        return f"it has {len(wanted.columns)} columns and a key of PostgreSQL at most {MAX_KEY_COLUMNS}"
    return ""


def _wanted_name(table: str, names: Sequence[str], wanted: _Wanted, *, as_unique: bool) -> str:
    if wanted.index is not None and wanted.index.origin is IndexOrigin.CREATED:
        return wanted.index.name
    return f"{table}_{'_'.join(names)}_key" if as_unique else f"{table}_pkey"


def _nulls(draft: Draft, wanted: _Wanted) -> int:
    positions = (draft.position(name) for name in wanted.columns)
    return sum(draft.profile_of(position).nulls for position in positions if position is not None)


def _losses(columns: PlannedColumns, wanted: _Wanted) -> list[str]:
    found = [lost_distinction(columns.of(name)) for name in wanted.columns]
    losses = [f"{loss}; should that happen, it cannot be built" for loss in found if loss]
    collations = sorted(
        {
            collation
            for name, collation in zip(wanted.columns, wanted.collations, strict=True)
            if collation.upper() != BINARY and columns.of(name).type.kind is TypeKind.TEXT
        }
    )
    if collations:
        losses.append(f"PostgreSQL's is laxer: it tells texts apart that {' and '.join(collations)} takes for equal")
    return losses


def _grade(draft: Draft, wanted: _Wanted, grade: Grade, reason: str) -> ObjectGrade:
    return ObjectGrade(kind=wanted.kind, name=wanted.label, table=draft.table.name, grade=grade, reason=reason)
