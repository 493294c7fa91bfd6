"""The canonical forms that both sides are brought to: two values are equal where their forms are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, TypeAlias

from shared.records.keys import KeyValue
from shared.records.plan import TargetType


@dataclass(frozen=True, slots=True)
class Formless:
    """A source value that its target type cannot hold: it equals nothing that a target column can contain."""

    value: KeyValue


Form: TypeAlias = int | str | bytes | bool | Decimal | tuple["Form", ...] | Formless | None
"""A value in canonical form, by kind of type:

=====================  ==========================================================================
integers               int
double, real           the eight or four bytes of IEEE 754, big end first
numeric                Decimal without trailing zeros, or ``"NaN"``
text, json             str
bytea, uuid            bytes
boolean                bool
timestamp, time        int, microseconds since 1970-01-01 00:00:00 (UTC) or midnight
date                   int, days since 1970-01-01
jsonb                  nested tuples, see `shared.compare.json_forms`
other                  str, as PostgreSQL writes it
=====================  ==========================================================================

NULL is None; infinite dates and timestamps are ``"infinity"`` and ``"-infinity"``.
"""

NormaliseTexts: TypeAlias = Callable[[list[str | None], TargetType], list[str | None]]
"""Brings texts to the form in which PostgreSQL writes values of a type; None for what is no value of it."""

NOT_A_NUMBER: Final = "NaN"

# Room for every digit that PostgreSQL's numeric can have (131072 before and 16383 after the point), so that
# normalising never rounds. https://www.postgresql.org/docs/current/datatype-numeric.html
_EXACT: Final = Context(prec=200_000, rounding=ROUND_HALF_EVEN, Emax=999_999_999, Emin=-999_999_999, traps=[])


def plain_decimal(number: Decimal) -> Decimal | str:
    """Bring a decimal to its one spelling: no trailing zeros, no negative zero, one NaN."""
    if number.is_nan():
        return NOT_A_NUMBER
    if not number:
        return Decimal(0)
    return _EXACT.normalize(number)
