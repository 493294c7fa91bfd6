"""The collations of columns: which come nearest on the target's server, what they need, and how they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.quoting import qualified, quote
from shared.records.existing import TargetAbilities
from shared.records.plan import (
    BuildPhase,
    Grade,
    ObjectGrade,
    ObjectPlan,
    TablePlan,
    TargetColumn,
    TargetType,
    TypeKind,
)
from shared.records.source import ObjectKind
from shared.schema.collation_terms import BINARY, CITEXT, NOCASE, Folding, folding_of, key_term
from shared.schema.columns import PlannedColumns
from shared.schema.drafts import Draft
from shared.schema.key_types import parent_columns
from shared.schema.names import fold

_PLAIN_LIKE_VERSION: Final = 180000
"""PostgreSQL 18 lets LIKE work on nondeterministic collations; before, it is an error."""
_COLLATION: Final = "nocase"
_LOCALE: Final = "und-u-ks-level2"
"""ICU's root order, by base letters and accents, without case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """How a source column's texts compare in the target."""

    folding: Folding = Folding.NONE
    type: TargetType | None = None
    """The type that does it, where it is another than chosen."""
    collation: str | None = None
    followed: str = ""
    """The parent column of a foreign key whose collation it took, though the source declares none."""


_PLAIN: Final = Comparing()


def comparisons(
    drafts: Sequence[Draft], abilities: TargetAbilities, schema: str
) -> Mapping[str, tuple[Comparing, ...]]:
    """Choose how each column of each table compares; by folded table name.

    Both sides of a foreign key must compare alike for PostgreSQL. SQLite compares them by the parent's collation, so
    a child without one of its own follows, unless it is part of a unique key, which would become stricter.
    """
    way = _way(abilities)
    chosen = {
        fold(draft.table.name): [_own(draft, place, way, abilities, schema) for place in range(len(draft.types))]
        for draft in drafts
    }
    by_name = {fold(draft.table.name): draft for draft in drafts}
    changed = way is not Folding.NONE
    while changed:
        changed = sum(_follow(draft, by_name, chosen) for draft in drafts) > 0
    return {name: tuple(each) for name, each in chosen.items()}


def collated(columns: PlannedColumns, draft: Draft, comparing: Sequence[Comparing]) -> PlannedColumns:
    """Give a table's columns their collations, and each collation of the source its grade."""
    places = {fold(source.name): place for place, source in enumerate(draft.table.columns)}
    made, grades = [], []
    for column in columns.columns:  # fewer than the source's where a rule leaves some out
        place = places[fold(column.source)]
        each = comparing[place]
        made.append(replace(column, type=each.type or column.type, collation=each.collation))
        grades.append(_grade(draft, place, made[-1], each))
    found = (grade for grade in grades if grade is not None)
    return replace(columns, columns=tuple(made), grades=(*columns.grades, *found))


def collation_objects(tables: Iterable[TablePlan]) -> tuple[ObjectPlan, ...]:
    """What has to be there before the tables are made, for their columns' sake."""
    made = [column for table in tables if table.creates for column in table.columns]
    collations = sorted({column.collation for column in made if column.collation is not None})
    extensions = sorted({column.type.sql for column in made if folding_of(column) is Folding.CITEXT})
    return (
        *(
            _object(
                f"collation {_COLLATION}",
                f"CREATE COLLATION IF NOT EXISTS {name} (provider = icu, locale = '{_LOCALE}', deterministic = false)",
            )
            for name in collations
        ),
        *(
            _object(
                f"extension {CITEXT}",
                f"CREATE EXTENSION IF NOT EXISTS {CITEXT} WITH SCHEMA {name.rpartition('.')[0]}",
            )
            for name in extensions
            if "." in name
        ),
    )


def is_collation_object(each: ObjectPlan) -> bool:
    """Whether an object is one of `collation_objects`."""
    return each.phase is BuildPhase.BEFORE and each.name in {f"collation {_COLLATION}", f"extension {CITEXT}"}


def _object(name: str, statement: str) -> ObjectPlan:
    return ObjectPlan(name=name, phase=BuildPhase.BEFORE, statements=(statement,))


def _way(abilities: TargetAbilities) -> Folding:
    """The nearest thing to NOCASE that a server has; one where LIKE works, if there is a choice."""
    if abilities.icu and (abilities.version >= _PLAIN_LIKE_VERSION or not abilities.citext):
        return Folding.ICU
    return Folding.CITEXT if abilities.citext else Folding.NONE


def _own(draft: Draft, place: int, way: Folding, abilities: TargetAbilities, schema: str) -> Comparing:
    target = draft.types[place].type
    if draft.table.columns[place].collation.upper() != NOCASE or target.kind is not TypeKind.TEXT:
        return _PLAIN
    if way is Folding.ICU:
        return Comparing(folding=way, collation=qualified(schema, _COLLATION))
    if way is Folding.CITEXT and target.sql == TypeKind.TEXT.value and not draft.types[place].fixed:
        place_of_citext = abilities.citext_schema or schema
        return Comparing(folding=way, type=TargetType(kind=TypeKind.TEXT, sql=f"{quote(place_of_citext)}.{CITEXT}"))
    return _PLAIN


def _follow(draft: Draft, by_name: Mapping[str, Draft], chosen: dict[str, list[Comparing]]) -> bool:
    """Let child columns take their parents' collations; whether one did."""
    followed = False
    own = chosen[fold(draft.table.name)]
    for key in draft.table.foreign_keys:
        parent = by_name.get(fold(key.parent_table))
        if parent is None:
            continue
        for child_name, parent_name in zip(key.columns, parent_columns(key, parent), strict=False):
            near, far = draft.position(child_name), parent.position(parent_name)
            if near is None or far is None or not _may_follow(draft, near, own[near]):
                continue
            lead = chosen[fold(parent.table.name)][far]
            if lead.folding is not Folding.NONE:
                name = f"{parent.table.name}.{parent.table.columns[far].name}"
                own[near] = replace(lead, followed=name)
                followed = True
    return followed


def _may_follow(draft: Draft, place: int, own: Comparing) -> bool:
    column = draft.table.columns[place]
    plain = own is _PLAIN and column.collation.upper() == BINARY
    keys = [draft.table.primary_key, *(tuple(p.name or "" for p in i.columns) for i in draft.table.indexes if i.unique)]
    in_key = any(fold(column.name) == fold(name) for names in keys for name in names)
    return plain and not in_key and draft.types[place].type.sql == TypeKind.TEXT.value


def _grade(draft: Draft, place: int, column: TargetColumn, comparing: Comparing) -> ObjectGrade | None:
    collation = draft.table.columns[place].collation
    if collation.upper() == BINARY and not comparing.followed:
        return None
    grade, reason = _judged(collation, column, comparing)
    return ObjectGrade(
        kind=ObjectKind.COLLATION, name=column.source, table=draft.table.name, grade=grade, reason=reason
    )


def _judged(collation: str, column: TargetColumn, comparing: Comparing) -> tuple[Grade, str]:
    if column.type.kind is not TypeKind.TEXT:
        return Grade.EXACT, f"{collation} has no say in how {column.type.sql} compares"
    folding = folding_of(column)
    if comparing.followed:
        how = f"it compares as {comparing.followed} does, which a foreign key refers to: {_MORE[folding]}"
        return Grade.APPROXIMATED, how
    if collation.upper() == NOCASE and folding is not Folding.NONE:
        return Grade.APPROXIMATED, _MORE[folding]
    term = key_term(column, collation)
    if term is None:
        return Grade.REFUSED, (
            f"{collation} is no collation of SQLite's own but one that an application brings, so nothing says how it "
            "compares: the target compares the column's texts as they are; give the column a collation of PostgreSQL "
            "by hand where its order matters"
        )
    return Grade.APPROXIMATED, (
        f"the target compares the column's texts as they are; unique keys and indexes by {collation} are on {term}, "
        f"which is equal where SQLite says so, and queries have to name it too"
    )


_MORE: Final[Mapping[Folding, str]] = {
    Folding.ICU: (
        "a collation of ICU compares it, which folds more than A to Z: É and é, ² and 2, ﬁ and fi are equal, composed "
        "and decomposed letters are, and control characters count for nothing; regular expressions (and LIKE before "
        'PostgreSQL 18) need COLLATE "C"'
    ),
    Folding.CITEXT: (
        "it is citext, which folds more than A to Z: every letter that the database's locale has two cases of, as É "
        "and é; LIKE folds them too"
    ),
}
