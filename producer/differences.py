"""What is not exact, as differences: one line for all objects that differ alike, what matters to few apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from shared.records.plan import Grade, ObjectGrade
from shared.records.source import ObjectKind

_BETWEEN: Final = "; "
"""What stands between the differences of one object."""
_BY_HAND: Final = "by hand: "
"""What stands before the SQL of an object that is refused."""
_NUMBER: Final = re.compile(r"(?<!rule )\b[0-9][0-9,.]*\b(?: (\w+?)s?\b)?")
"""A number and the noun that it counts."""
_SEVERAL: Final = frozenset({ObjectKind.VIEW, ObjectKind.TRIGGER, ObjectKind.CHECK})
"""Kinds whose reason is a list of differences between expressions, each of which many objects share."""
_UNSEEN: Final = frozenset({ObjectKind.INDEX, ObjectKind.UNIQUE_KEY, ObjectKind.PRIMARY_KEY, ObjectKind.FOREIGN_KEY})
"""Kinds whose names stand in no query."""
_WORST_FIRST: Final = {Grade.REFUSED: 0, Grade.APPROXIMATED: 1, Grade.EXACT: 2}
_VALUES_FIRST: Final = {
    kind: place
    for place, kind in enumerate(
        (
            ObjectKind.TABLE, ObjectKind.COLUMN, ObjectKind.COLLATION, ObjectKind.PRIMARY_KEY, ObjectKind.UNIQUE_KEY,
            ObjectKind.FOREIGN_KEY, ObjectKind.CHECK, ObjectKind.GENERATED_COLUMN, ObjectKind.DEFAULT, ObjectKind.VIEW,
            ObjectKind.TRIGGER, ObjectKind.VIRTUAL_TABLE, ObjectKind.INDEX, ObjectKind.SHADOW_TABLE,
        )
    )
}  # fmt: skip
"""What values become before what they have to keep to, and that before what is made of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference, and the objects of one kind that have it."""

    grade: Grade
    kind: ObjectKind
    text: str
    objects: tuple[ObjectGrade, ...]
    said_of_all: bool = True
    """False: `text` is what is said of the first of the objects; of others it differs in numbers, names or SQL."""
    like: str = ""
    """`text` without numbers, SQL and the object's own names: what objects have alike that differ in nothing else."""
    seldom: str = ""
    """For what few people will ever meet: in a few words what it is about. Empty: everybody should read it."""


def differences(grades: Iterable[ObjectGrade], *, whole: bool = False) -> list[Difference]:
    """What is not exact: refused objects first, then what values become, keys, objects; at the end what matters to few.

    Args:
        grades: Of all objects, in the order of the plan, which holds among differences of one weight.
        whole: Every object by itself with all that is said of it, instead of what objects share.
    """
    found: dict[object, list[Difference]] = {}
    for place, grade in enumerate(grades):
        for text in () if grade.grade is Grade.EXACT else (grade.reason,) if whole else _parts(grade):
            each = _of_one(grade, text)
            found.setdefault((grade.grade, grade.kind, place if whole else each.like), []).append(each)
    return sorted(_joined(map(_shared, found.values())), key=_weight)


def _parts(grade: ObjectGrade) -> Sequence[str]:
    apart = grade.grade is Grade.APPROXIMATED and grade.kind in _SEVERAL
    return grade.reason.split(_BETWEEN) if apart else (grade.reason,)


def _of_one(grade: ObjectGrade, text: str) -> Difference:
    seldom = _seldom(grade.kind, text) if grade.grade is Grade.APPROXIMATED else ""
    return Difference(
        grade=grade.grade, kind=grade.kind, text=text, objects=(grade,), like=_like(grade, text), seldom=seldom
    )


def _like(grade: ObjectGrade, text: str) -> str:
    """What many objects' reasons have in common that differ in numbers, names or SQL alone."""
    said = text.partition(_BY_HAND)[0]
    for own in filter(None, (grade.name, grade.table)):
        said = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", "_", said)
    return _NUMBER.sub(r"_ \1", said)


def _shared(alike: Sequence[Difference]) -> Difference:
    same = len({each.text for each in alike}) == 1
    return replace(alike[0], objects=tuple(each.objects[0] for each in alike), said_of_all=same)


def _joined(found: Iterable[Difference]) -> Iterable[Difference]:
    """Differences of exactly the same objects in one."""
    by_objects: dict[object, list[Difference]] = {}
    for each in found:
        by_objects.setdefault((each.objects, each.seldom), []).append(each)
    for alike in by_objects.values():
        text = _BETWEEN.join(each.text for each in alike)
        yield replace(alike[0], text=text, said_of_all=all(each.said_of_all for each in alike))


def _weight(difference: Difference) -> tuple[bool, int, int]:
    return bool(difference.seldom), _WORST_FIRST[difference.grade], _VALUES_FIRST[difference.kind]


@cache
def _extremes() -> frozenset[str]:
    # Imported here: sqlglot takes longer than all else that a list of rejects or a report needs.
    from shared.schema.dialect.arithmetic import OVERFLOW, REAL_RANGE, ROUNDED  # noqa: PLC0415 - see above
    from shared.schema.dialect.comparisons import AS_DOUBLES  # noqa: PLC0415 - the same
    from shared.schema.dialect.conversions import FAR_NUMBERS  # noqa: PLC0415 - the same
    from shared.schema.dialect.json_functions import DEEP_JSON  # noqa: PLC0415 - the same
    from shared.schema.dialect.moments import RANGE  # noqa: PLC0415 - the same

    return frozenset({AS_DOUBLES, DEEP_JSON, FAR_NUMBERS, OVERFLOW, RANGE, REAL_RANGE, ROUNDED})


def _seldom(kind: ObjectKind, text: str) -> str:
    """What a difference is about that matters to few; empty for any other."""
    if text in _extremes():
        return "numbers, years and JSON at the ends of what they can be"
    if kind is ObjectKind.SHADOW_TABLE:
        return "tables that SQLite keeps for searches"
    if kind is ObjectKind.VIEW and text.startswith("it reads the view "):
        return "views that read such a view"
    if kind in _UNSEEN and text.startswith("named ") and _BETWEEN not in text:
        return "new names of keys and indexes"
    if kind is ObjectKind.COLUMN and text.startswith("declared without a type and without values"):
        return "columns without type and values"
    return ""
