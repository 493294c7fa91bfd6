"""Types on both sides of a foreign key: PostgreSQL wants them comparable, SQLite does not ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.records.plan import TargetType, TypeKind
from shared.records.source import ColumnProfile, SourceForeignKey, StorageClass
from shared.schema.declared import Affinity
from shared.schema.drafts import Draft
from shared.schema.fits import misfits
from shared.schema.names import fold

_INTEGERS: Final = frozenset({TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT})
_FLOATS: Final = frozenset({TypeKind.REAL, TypeKind.DOUBLE})
_MOMENTS: Final = frozenset({TypeKind.DATE, TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ})
_UNCHANGED: Final = frozenset(
    {
        ((StorageClass.INTEGER,), TypeKind.BIGINT),
        ((StorageClass.INTEGER,), TypeKind.NUMERIC),
        ((StorageClass.INTEGER,), TypeKind.TEXT),
        ((StorageClass.TEXT,), TypeKind.TEXT),
        ((StorageClass.BLOB,), TypeKind.BYTEA),
    }
)
"""Which types hold every value of one storage class, so that equal stays equal."""
_MOST_PASSES: Final = 10
"""A type that was changed for one key may not suit another. Longer chains than this are refused as keys, not lost."""


def joinable(child: TargetType, parent: TargetType) -> bool:
    """Whether PostgreSQL takes a foreign key of these types (it needs the parent's operators for both)."""
    if TypeKind.OTHER in {child.kind, parent.kind}:
        return child.sql == parent.sql
    if child.kind is parent.kind:
        return True
    for family in (_INTEGERS, _FLOATS, _MOMENTS):
        if child.kind in family and parent.kind in family:
            return True
    if parent.kind is TypeKind.NUMERIC:
        return child.kind in _INTEGERS
    return parent.kind in _FLOATS and child.kind in _INTEGERS | {TypeKind.NUMERIC}


def reconcile(drafts: Sequence[Draft]) -> tuple[Draft, ...]:
    """Give columns that refer to each other comparable types, where one of the types holds both columns' values."""
    settled = {fold(draft.table.name): draft for draft in drafts}
    for _ in range(_MOST_PASSES):
        before = dict(settled)
        for name in before:
            for key in settled[name].table.foreign_keys:
                parent = settled.get(fold(key.parent_table))
                if parent is not None:
                    for side in _agree(settled[name], key, parent):
                        settled[fold(side.table.name)] = side
        if settled == before:
            break
    return tuple(settled.values())


def parent_columns(key: SourceForeignKey, parent: Draft) -> tuple[str, ...]:
    """The columns a foreign key refers to; where it names none, the parent's primary key."""
    return key.parent_columns or parent.table.primary_key


def _agree(child: Draft, key: SourceForeignKey, parent: Draft) -> tuple[Draft, ...]:
    """The tables with a type changed, or none where nothing has to change or can."""
    for child_name, parent_name in zip(key.columns, parent_columns(key, parent), strict=False):
        near, far = child.position(child_name), parent.position(parent_name)
        if near is None or far is None or joinable(child.types[near].type, parent.types[far].type):
            continue
        sides = [(child, near, parent, far), (parent, far, child, near)]
        # A side without values has its type by declaration alone: let it follow the one that has some.
        for draft, own, other, others in sorted(sides, key=lambda side: side[0].profile_of(side[1]).values > 0):
            if _takes(draft, own, other.types[others].type):
                return (_retyped(draft, own, other, others),)
    return ()


def _takes(draft: Draft, position: int, target: TargetType) -> bool:
    is_rowid = draft.table.rowid_column == draft.table.columns[position].name
    if draft.types[position].fixed:
        return False
    return not is_rowid and _holds(target, draft.profile_of(position))


def _holds(target: TargetType, profile: ColumnProfile) -> bool:
    """Whether a type holds every value that was found, one storage class at most."""
    if not profile.values:
        return True
    if target.kind is TypeKind.UUID:
        return profile.values in {profile.uuid_texts, profile.uuid_blobs}
    return target.sql == target.kind.value and (profile.classes, target.kind) in _UNCHANGED


def _retyped(draft: Draft, position: int, other: Draft, other_position: int) -> Draft:
    chosen, model = draft.types[position], other.types[other_position]
    other_name = f"{other.table.name}.{other.table.columns[other_position].name}"
    reason = f"{chosen.reason}; {model.type.sql}, to suit the foreign key with {other_name}"
    bad = misfits(draft.profile_of(position), model.type, Affinity.BLOB)
    doubt = chosen.doubt or (reason if draft.profile_of(position).values else "")
    return draft.with_type(
        position,
        replace(
            chosen,
            type=model.type,
            reason=reason,
            doubt=doubt,
            expected_rejects=bad.sure,
            possible_rejects=bad.perhaps,
        ),
    )
