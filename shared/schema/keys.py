"""Primary and unique keys of a table in the target, and the key that identifies its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.records.plan import Grade, GradedAs, IndexPlan, KeyPlan, ObjectGrade
from shared.records.source import ObjectKind
from shared.schema.columns import PlannedColumns
from shared.schema.drafts import Draft
from shared.schema.key_doubts import impossible, losses, too_long
from shared.schema.key_shapes import KeyShape, WantedKey, shape_of, wanted_keys
from shared.schema.names import GivenName, Names


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKeys:
    """A table's keys and their grades."""

    primary: KeyPlan | None
    unique: tuple[KeyPlan, ...]
    indexes: tuple[IndexPlan, ...]
    """Unique indexes, where no constraint compares or sorts as the source's key does."""
    match_key: tuple[str, ...]
    """Target columns that identify a row; empty where none do."""
    grades: tuple[ObjectGrade, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    grade: ObjectGrade
    primary: KeyPlan | None = None
    unique: KeyPlan | None = None
    index: IndexPlan | None = None
    identifies: tuple[str, ...] = ()
    """Target columns that are never NULL and of which no two rows have the same."""
    exact: bool = False
    """Whether equal means equal on both sides."""


def plan_keys(draft: Draft, table: str, columns: PlannedColumns, relations: Names) -> PlannedKeys:
    """Plan the keys of a table that is named `table` in the target; take their names from `relations`."""
    planned = [_plan(draft, table, columns, relations, wanted) for wanted in wanted_keys(draft)]
    primary = next((each.primary for each in planned if each.primary), None)
    return PlannedKeys(
        primary=primary,
        unique=tuple(each.unique for each in planned if each.unique),
        indexes=tuple(each.index for each in planned if each.index),
        match_key=primary.columns if primary else _identifying(planned),
        grades=tuple(each.grade for each in planned),
    )


def _identifying(planned: Sequence[_Planned]) -> tuple[str, ...]:
    """The best of the unique keys: one that is equal on both sides when it is equal on one."""
    candidates = sorted((each for each in planned if each.identifies), key=lambda each: not each.exact)
    return candidates[0].identifies if candidates else ()


def _plan(draft: Draft, table: str, columns: PlannedColumns, relations: Names, wanted: WantedKey) -> _Planned:
    refusal = impossible(columns, wanted.columns, width=len(wanted.columns))
    if refusal:
        return _Planned(grade=_grade(draft, wanted, Grade.REFUSED, refusal))
    # SQLite takes a column twice in a unique key, PostgreSQL does not; it says nothing more.
    names = tuple(dict.fromkeys(columns.names_of(wanted.columns)))
    nulls, shape = _nulls(draft, wanted), shape_of(draft, columns, wanted)
    is_primary = wanted.kind is ObjectKind.PRIMARY_KEY and not nulls and shape.constraint
    given = relations.give(_wanted_name(table, names, wanted, is_primary=is_primary))
    losing = losses(columns, wanted.columns, wanted.collations)
    doubt = "; ".join([*_first_reasons(wanted, nulls, given), *losing, *shape.reasons, *_long(draft, wanted)])
    graded_as = GradedAs(kind=wanted.kind, name=wanted.label, doubt=doubt)
    key = KeyPlan(name=given.name, columns=names, graded_as=graded_as) if shape.constraint else None
    own_index = given if key is None else relations.give(f"{given.name}_collated") if shape.terms else None
    return _Planned(
        grade=_grade(draft, wanted, Grade.APPROXIMATED if doubt else Grade.EXACT, doubt),
        primary=key if is_primary else None,
        unique=None if is_primary else key,
        index=_index(shape, own_index.name, names, graded_as) if own_index else None,
        identifies=names if nulls == 0 and (key or shape.descending) else (),
        exact=not losing,
    )


def _index(shape: KeyShape, name: str, names: tuple[str, ...], graded_as: GradedAs) -> IndexPlan:
    columns = () if shape.terms else names
    return IndexPlan(
        name=name,
        columns=columns,
        descending=shape.descending,
        terms=shape.terms,
        unique=True,
        graded_as=graded_as,
    )


def _first_reasons(wanted: WantedKey, nulls: int, given: GivenName) -> list[str]:
    reasons = []
    if wanted.kind is ObjectKind.PRIMARY_KEY and nulls:
        values = "1 value in it is" if nulls == 1 else f"{nulls:,} values in it are"
        reasons.append(f"{values} NULL, which SQLite allows and PostgreSQL does not: a unique key")
    if wanted.name is not None and given.reason:
        reasons.append(f"named {given.name} in the target, since {given.reason}")
    return reasons


def _long(draft: Draft, wanted: WantedKey) -> list[str]:
    found = too_long(draft, wanted.columns)
    return [found] if found else []


def _wanted_name(table: str, names: Sequence[str], wanted: WantedKey, *, is_primary: bool) -> str:
    return wanted.name or (f"{table}_pkey" if is_primary else f"{table}_{'_'.join(names)}_key")


def _nulls(draft: Draft, wanted: WantedKey) -> int:
    positions = (draft.position(name) for name in wanted.columns)
    return sum(draft.profile_of(position).nulls for position in positions if position is not None)


def _grade(draft: Draft, wanted: WantedKey, grade: Grade, reason: str) -> ObjectGrade:
    return ObjectGrade(kind=wanted.kind, name=wanted.label, table=draft.table.name, grade=grade, reason=reason)
