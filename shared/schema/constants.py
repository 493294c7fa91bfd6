"""What SQLite stores for a constant default, and what dates and numbers in texts look like."""

from __future__ import annotations

import math
import re
from typing import Final

from shared.records.keys import KeyValue
from shared.schema.declared import Affinity

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[ \t\n\v\f\r]*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[ \t\n\v\f\r]*", re.ASCII)


def stored(value: KeyValue, affinity: Affinity) -> KeyValue:
    """Convert a constant as a column's affinity does when it is stored (https://sqlite.org/datatype3.html, section 3).

    Integers beyond 64 bits are reals to SQLite.
    """
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        value = float(value)
    if affinity is Affinity.TEXT and isinstance(value, int | float):
        return number_as_text(value)
    if affinity in {Affinity.BLOB, Affinity.TEXT}:
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = _number(value.strip())
    if affinity is Affinity.REAL:
        return float(value) if isinstance(value, int) else value
    return _integral(value) if isinstance(value, float) else value


def number_as_text(value: float) -> str:
    """Render a number as SQLite does where a TEXT column takes it: reals by ``%!.15g``, always with a point."""
    if isinstance(value, int):
        return str(value)
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    mantissa, exponent, power = f"{value + 0.0:.15g}".partition("e")
    return mantissa + ("" if "." in mantissa else ".0") + exponent + power


def _number(text: str) -> int | float:
    try:
        value = int(text)
    except ValueError:
        return float(text)
    return value if INT64_MIN <= value <= INT64_MAX else float(value)


def _integral(value: float) -> int | float:
    """Make an integer of a real that is one, as integer and numeric affinity do."""
    return int(value) if value.is_integer() and abs(value) < INT64_MAX else value
