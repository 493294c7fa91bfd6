"""One type for a column whose values come from several SELECTs, which PostgreSQL demands and SQLite does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.records.plan import TargetType, TypeKind

_INTEGERS: Final = (TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT)
_FLOATS: Final = frozenset({TypeKind.REAL, TypeKind.DOUBLE})
_NUMBERS: Final = frozenset({*_INTEGERS, *_FLOATS, TypeKind.NUMERIC, TypeKind.BOOLEAN})
_AS_TEXT: Final = "values of several types meet in one column, which is text in PostgreSQL"


def plain(kind: TypeKind) -> TargetType:
    """A kind's type without modifiers."""
    return TargetType(kind=kind, sql=kind.value)


TEXT: Final = plain(TypeKind.TEXT)


def common_type(types: Sequence[TargetType | None]) -> tuple[TargetType, str]:
    """The type that holds the values of all types (None: NULL alone), and how they may differ then, or nothing."""
    known = list(dict.fromkeys(each for each in types if each is not None))
    kinds = {each.kind for each in known}
    if len(known) <= 1:
        return (known or [TEXT])[0], ""
    if len(kinds) == 1 and TypeKind.OTHER not in kinds:
        return plain(kinds.pop()), ""
    if kinds <= _NUMBERS:
        return _number(kinds)
    return TEXT, "" if kinds <= {TypeKind.TEXT, TypeKind.JSON} else _AS_TEXT


def comparable(kind: TypeKind) -> bool:
    """Whether PostgreSQL can tell equal values of a type, as DISTINCT and GROUP BY must."""
    return kind is not TypeKind.JSON


def _number(kinds: set[TypeKind]) -> tuple[TargetType, str]:
    if not kinds & _FLOATS:
        integers = kinds & set(_INTEGERS)
        if TypeKind.NUMERIC in kinds or not integers:
            return plain(TypeKind.NUMERIC), ""
        return plain(max(integers, key=_INTEGERS.index)), ""
    exact = kinds <= {*_FLOATS, TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BOOLEAN}
    doubt = "" if exact else "integers beyond 2^53 are rounded where a column has reals of another SELECT beside them"
    return plain(TypeKind.DOUBLE), doubt
