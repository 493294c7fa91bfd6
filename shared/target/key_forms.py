"""Which texts of a key column PostgreSQL takes for equal: two rows of a source may meet in one row of the target."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Final

from shared.records.plan import TargetColumn, TypeKind

_TIME: Final = re.compile(r"(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?")
_OFFSET: Final = re.compile(r"([+-])(\d{2}):(\d{2})$")
_PLAIN_DAY: Final = re.compile(r"\d{4}-")
_MICROSECONDS: Final = 1_000_000
_DAY_SECONDS: Final = 86_400
_BLANK_PADDED: Final = ("character(", "bpchar", "char(")


def is_loose(column: TargetColumn) -> bool:
    """Whether other texts than its own may be equal to a text of the column: only PostgreSQL knows which."""
    return column.collation is not None or column.type.is_citext


def needs_server(column: TargetColumn) -> bool:
    """Whether only PostgreSQL knows which texts of the column are equal: citext, ICU's collations, arrays, ranges."""
    return is_loose(column) or column.type.kind is TypeKind.OTHER


def key_form(text: str, column: TargetColumn) -> str:
    """Bring what `convert_values.adapt` rendered for a key column to a form that is equal where PostgreSQL's is.

    Types that only PostgreSQL can compare (`needs_server`) have none.
    """
    form = _FORMS.get(column.type.kind)
    if form is not None:
        return form(text)
    if column.type.sql == "character" or column.type.sql.startswith(_BLANK_PADDED):
        return text.rstrip(" ")
    return text


def _number(text: str) -> str:
    return str(Decimal(text).normalize(_WIDE) + 0)  # adding nothing takes the sign off zero


def _uuid(text: str) -> str:
    return text.replace("-", "").lower()


def _time(text: str) -> str:
    return str(_microseconds(text))


def _microseconds(text: str) -> int:
    found = _TIME.match(text)
    if found is None:
        return 0
    hours, minutes, seconds = (int(part) for part in found.groups()[:3])
    fraction = int((found[4] or "").ljust(6, "0")[:6])
    return ((hours * 60 + minutes) * 60 + seconds) * _MICROSECONDS + fraction


def _timestamp(text: str) -> str:
    # A year before 1 or after 9999 is written by a rule alone, each moment in one way.
    return str(_moment(text)) if _PLAIN_DAY.match(text) and not text.endswith(" BC") else text


def _moment(text: str) -> int:
    """Count microseconds, of the moment itself where an offset is given; no year is too early or late for it."""
    day, _, time = text.partition(" ")
    moment = date.fromisoformat(day).toordinal() * _DAY_SECONDS * _MICROSECONDS + _microseconds(time)
    offset = _OFFSET.search(time)
    if offset is None:
        return moment
    east = (int(offset[2]) * 60 + int(offset[3])) * 60 * _MICROSECONDS
    return moment - east if offset[1] == "+" else moment + east


_WIDE: Final = Context(prec=40)
"""More digits than any integer (19) or shortest real (17) of a source has."""
_FORMS: Final[Mapping[TypeKind, Callable[[str], str]]] = MappingProxyType(
    {
        TypeKind.REAL: _number,
        TypeKind.DOUBLE: _number,
        TypeKind.NUMERIC: _number,
        TypeKind.TIMESTAMP: _timestamp,
        TypeKind.TIMESTAMPTZ: _timestamp,
        TypeKind.TIME: _time,
        TypeKind.UUID: _uuid,
    }
)
