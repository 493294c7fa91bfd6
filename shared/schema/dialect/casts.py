"""CAST as SQLite does it: it never fails, and reads a number from the beginning of a text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.records.keys import KeyValue
from shared.records.plan import TypeKind
from shared.schema.constants import INT64_MAX, INT64_MIN
from shared.schema.declared import Affinity, affinity_of
from shared.schema.dialect.conversions import as_bigint, as_double, as_number, as_text, number_at_start, number_in
from shared.schema.dialect.values import (
    NULL,
    Holds,
    Value,
    blob,
    constant,
    integer,
    real,
    text,
    text_of_constant,
)
from shared.schema.dialect.walk import Handler, Walk, refuse

_PARSED: Final = {"DECIMAL": Affinity.NUMERIC, "VARBINARY": Affinity.BLOB}
"""How sqlglot names the affinities that it has other names for."""


def _cast(walk: Walk, node: Any) -> Value:
    value = walk.value(node.this)
    wanted = str(node.to.this.value) if hasattr(node.to.this, "value") else str(node.to)
    affinity = _PARSED.get(wanted) or affinity_of(str(node.to.args.get("kind") or wanted))
    if value.type is None:
        return NULL
    if value.constant is not None:
        return replace(constant(cast_constant(value.constant, affinity)), affinity=affinity)
    return replace(_CASTS[affinity](walk, value), affinity=affinity, collation=value.collation)


def cast_constant(value: KeyValue, affinity: Affinity) -> KeyValue:
    """What CAST makes of a literal."""
    if affinity is Affinity.BLOB:
        return value if isinstance(value, bytes) else text_of_constant(value).encode()
    plain = value.decode(errors="replace") if isinstance(value, bytes) else value
    if affinity is Affinity.TEXT:
        return text_of_constant(plain)
    if affinity is Affinity.INTEGER:
        return max(INT64_MIN, min(INT64_MAX, _whole(plain)))
    number = number_in(plain)
    if affinity is Affinity.REAL:
        return float(number)
    # A text becomes an integer wherever one is equal to it, a real stays what it is.
    spelled = isinstance(plain, str) and isinstance(number, float) and number.is_integer()
    return int(number) if spelled and abs(number) < INT64_MAX else number


def _whole(value: KeyValue) -> int:
    if isinstance(value, int | float):
        return int(value) if not isinstance(value, float) or math.isfinite(value) else int(math.copysign(2**63, value))
    found = re.match(r"[ \t\n\v\f\r]*([+-]?\d+)", str(value), re.ASCII)
    return int(found[1]) if found else 0


def _as_integer(walk: Walk, value: Value) -> Value:
    if value.kind is TypeKind.TEXT and value.holds is Holds.TEXT:
        return integer(_cut(number_at_start(walk, value, "[+-]?[0-9]+")))
    number = as_number(walk, value)
    if number.holds is Holds.INTEGER:
        return integer(as_bigint(walk, value))
    return integer(_cut(f"trunc({number.sql})"))


def _cut(sql: str) -> str:
    """A number as bigint, at the ends of its range where it lies beyond them."""
    ends = f"WHEN {sql} >= {INT64_MAX} THEN {INT64_MAX} WHEN {sql} <= {INT64_MIN} THEN '{INT64_MIN}'::bigint"
    return f"(CASE {ends} ELSE {sql}::bigint END)"


def _as_real(walk: Walk, value: Value) -> Value:
    return real(as_double(walk, as_number(walk, value)))


def _as_text(walk: Walk, value: Value) -> Value:
    if value.holds is Holds.BLOB:
        refuse(f"CAST makes a text of the blob {value.sql}, whose bytes may be none")
    if value.kind is TypeKind.TEXT:
        return value
    return text(as_text(walk, value))


def _as_blob(walk: Walk, value: Value) -> Value:
    if value.holds is Holds.BLOB:
        return value
    walk.not_immutable()
    return blob(f"convert_to({as_text(walk, value)}, 'UTF8')")


_CASTS: Final = MappingProxyType(
    {
        Affinity.INTEGER: _as_integer,
        Affinity.REAL: _as_real,
        Affinity.NUMERIC: as_number,
        Affinity.TEXT: _as_text,
        Affinity.BLOB: _as_blob,
    }
)
HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType({exp.Cast: _cast})
