"""Values on their way from SQLite to PostgreSQL: what each is there, and what it is here."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from typing import Final

from shared.quoting import quote_text
from shared.records.keys import KeyValue
from shared.records.plan import TargetType, TypeKind
from shared.schema.constants import INT64_MAX, INT64_MIN, number_as_text
from shared.schema.declared import Affinity
from shared.schema.dialect.scope import UntranslatableError


class Holds(enum.StrEnum):
    """The storage class that a value has in SQLite, as far as it is known, NULL aside."""

    NOTHING = "NULL"
    INTEGER = "integer"
    REAL = "real"
    NUMBER = "number"
    """Integer or real, by the value."""
    TEXT = "text"
    BLOB = "blob"
    MIXED = "value of several storage classes"
    """What a column of one type has in the source under several; only NULL can be told apart."""
    JSON = "JSON value"
    """What json_extract finds: a text or a number, by the value. In PostgreSQL it is jsonb."""

    @property
    def is_number(self) -> bool:
        """Whether it is always a number."""
        return self in {Holds.INTEGER, Holds.REAL, Holds.NUMBER}


def _type(kind: TypeKind) -> TargetType:
    return TargetType(kind=kind, sql=kind.value)


BIGINT: Final = _type(TypeKind.BIGINT)
INTEGER: Final = _type(TypeKind.INTEGER)
DOUBLE: Final = _type(TypeKind.DOUBLE)
NUMERIC: Final = _type(TypeKind.NUMERIC)
TEXT: Final = _type(TypeKind.TEXT)
BYTEA: Final = _type(TypeKind.BYTEA)
BOOLEAN: Final = _type(TypeKind.BOOLEAN)
TIMESTAMP: Final = _type(TypeKind.TIMESTAMP)
DATE: Final = _type(TypeKind.DATE)
TIME: Final = _type(TypeKind.TIME)
JSONB: Final = _type(TypeKind.JSONB)

INTEGERS: Final = frozenset({TypeKind.SMALLINT, TypeKind.INTEGER, TypeKind.BIGINT})
MOMENTS: Final = frozenset({TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ, TypeKind.DATE, TypeKind.TIME})
JSONS: Final = frozenset({TypeKind.JSON, TypeKind.JSONB})
BINARY: Final = "BINARY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """An expression in PostgreSQL's terms, with what SQLite makes of it."""

    sql: str
    """Safe as an operand: a name, a literal, a call, or in parentheses."""
    type: TargetType | None
    """None: NULL."""
    holds: Holds
    affinity: Affinity | None = None
    """Of a column or a cast; None: the value is compared as it is."""
    collation: str = BINARY
    explicit: bool = False
    """Whether the collation was asked for by COLLATE."""
    constant: KeyValue | None = None
    """The value itself, where it is a literal."""
    form: str = ""
    """Of a moment that a function of SQLite made: how it spells it, in the words of to_char."""
    not_null: bool = False
    most: int = 0
    """Of an integer: what its size never exceeds, where that is less than its type's; 0: not known."""
    natural: bool = False
    """Of an integer: whether it is never negative."""

    @property
    def kind(self) -> TypeKind | None:
        """The family of its type; None for NULL."""
        return None if self.type is None else self.type.kind

    @property
    def bound(self) -> int:
        """What the size of an integer never exceeds."""
        if isinstance(self.constant, int):
            return abs(self.constant)
        return self.most or _BOUNDS.get(self.kind or TypeKind.BIGINT, 2**63)

    def bare(self) -> Value:
        """The same value without affinity, collation and constant: what a function or an operator makes of it."""
        return replace(self, affinity=None, constant=None, collation=BINARY, explicit=False, most=0, natural=False)


_BOUNDS: Final = {TypeKind.BOOLEAN: 1, TypeKind.SMALLINT: 2**15, TypeKind.INTEGER: 2**31}
NULL: Final = Value(sql="NULL", type=None, holds=Holds.NOTHING)


def constant(value: KeyValue) -> Value:
    """A literal, in the simplest words of PostgreSQL that mean it."""
    match value:
        case int() if INT64_MIN <= value <= INT64_MAX:
            # The parser of PostgreSQL reads -9223372036854775808 as minus a number that bigint cannot hold.
            small = -(2**31) < value < 2**31
            sql = str(value) if value >= 0 and small else f"({value})" if value > INT64_MIN else f"'{value}'::bigint"
            return Value(
                sql=sql,
                type=INTEGER if small else BIGINT,
                holds=Holds.INTEGER,
                constant=value,
                not_null=True,
                natural=value >= 0,
            )
        case int() | float():
            return _real(float(value))
        case str() if "\0" in value:
            msg = "it has a text with U+0000, which PostgreSQL's text cannot hold"
            raise UntranslatableError(msg)
        case str():
            return Value(sql=quote_text(value), type=TEXT, holds=Holds.TEXT, constant=value, not_null=True)
        case bytes():
            return Value(sql=f"'\\x{value.hex()}'::bytea", type=BYTEA, holds=Holds.BLOB, constant=value, not_null=True)
        case _:
            msg = f"not a constant of SQL: {value!r}"
            raise TypeError(msg)


def _real(value: float) -> Value:
    # PostgreSQL reads a number with a point as numeric, whose digits are the double's own.
    if math.isinf(value):
        sql, type_ = f"'{'-' if value < 0 else ''}Infinity'::double precision", DOUBLE
    else:
        sql, type_ = repr(value) if value >= 0 else f"({value!r})", NUMERIC
    return Value(sql=sql, type=type_, holds=Holds.REAL, constant=value, not_null=True)


def truth(sql: str) -> Value:
    """A truth value: 0 or 1 to SQLite."""
    return Value(sql=sql, type=BOOLEAN, holds=Holds.INTEGER)


def integer(sql: str, type_: TargetType = BIGINT) -> Value:
    """An integer."""
    return Value(sql=sql, type=type_, holds=Holds.INTEGER)


def natural(sql: str) -> Value:
    """An integer of 32 bits that is never negative."""
    return Value(sql=sql, type=INTEGER, holds=Holds.INTEGER, natural=True)


def real(sql: str) -> Value:
    """A real."""
    return Value(sql=sql, type=DOUBLE, holds=Holds.REAL)


def text(sql: str) -> Value:
    """A text."""
    return Value(sql=sql, type=TEXT, holds=Holds.TEXT)


def blob(sql: str) -> Value:
    """A blob."""
    return Value(sql=sql, type=BYTEA, holds=Holds.BLOB)


def text_of_constant(value: KeyValue) -> str:
    """What SQLite spells a constant number as."""
    return number_as_text(value) if isinstance(value, int | float) else str(value)
