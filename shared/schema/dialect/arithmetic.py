"""Arithmetic and || as SQLite computes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.schema.dialect.conversions import as_bigint, as_double, as_number, as_text
from shared.schema.dialect.names import negative_literal
from shared.schema.dialect.values import DOUBLE, NULL, Holds, Value, integer, real, text
from shared.schema.dialect.walk import Handler, Walk, refuse, shown

REAL_RANGE: Final = "a result beyond a double's range is an error in PostgreSQL, and an infinity or 0 in SQLite"
ROUNDED: Final = "an integer beyond 2^53 is rounded where it is counted with numbers that may have a fraction"
OVERFLOW: Final = "a result beyond 64 bits is an error in PostgreSQL, and a real in SQLite"


def _operands(walk: Walk, node: Any) -> tuple[Value, Value] | None:
    """Both operands as numbers; None where one of them is NULL, which makes the result NULL."""
    left, right = (as_number(walk, value) for value in walk.values((node.this, node.expression)))
    return None if left.type is None or right.type is None else (left, right)


def _sum_like(operator: str) -> Handler:
    def handle(walk: Walk, node: Any) -> Value:
        operands = _operands(walk, node)
        if operands is None:
            return NULL
        left, right = operands
        if left.holds is right.holds is Holds.INTEGER:
            most = left.bound * right.bound if operator == "*" else left.bound + right.bound
            natural = operator != "-" and left.natural and right.natural
            first, second = _bigints(walk, left, right)
            return replace(integer(f"({first} {operator} {second})"), most=_within(walk, most), natural=natural)
        holds = Holds.REAL if Holds.REAL in {left.holds, right.holds} else Holds.NUMBER
        first, second = _doubles(walk, left, right)
        walk.doubt(REAL_RANGE)
        if holds is Holds.NUMBER:
            walk.doubt(ROUNDED)
        return Value(sql=f"({first} {operator} {second})", type=DOUBLE, holds=holds)

    return handle


def _bigints(walk: Walk, left: Value, right: Value) -> tuple[str, str]:
    """Both as bigint, which one of them makes of a literal by itself."""
    if isinstance(right.constant, int) and left.constant is None:
        return as_bigint(walk, left), right.sql
    if isinstance(left.constant, int) and right.constant is None:
        return left.sql, as_bigint(walk, right)
    return as_bigint(walk, left), as_bigint(walk, right)


def _doubles(walk: Walk, left: Value, right: Value) -> tuple[str, str]:
    """Both as double precision, which one of them makes of a literal by itself."""
    if right.constant is not None and left.constant is None:
        return as_double(walk, left), right.sql
    if left.constant is not None and right.constant is None:
        return left.sql, as_double(walk, right)
    return as_double(walk, left), as_double(walk, right)


def _within(walk: Walk, most: int) -> int:
    """What an integer never exceeds, with the doubt where that may be more than 64 bits."""
    if most >= _TOO_MUCH:
        walk.doubt(OVERFLOW)
        return 0
    return most


def _quotient(walk: Walk, node: Any) -> Value:
    operands = _operands(walk, node)
    if operands is None or operands[1].constant == 0:
        return NULL
    left, right = operands
    if left.holds is right.holds is Holds.INTEGER:
        # Only the least integer overflows, divided by -1.
        most = left.bound if right.constant in {None, -1} else min(left.bound, _TOO_MUCH - 1)
        first, second = _bigints(walk, left, right)
        natural = left.natural and right.natural
        sql = f"({first} / {_divisor(second, right)})"
        return replace(integer(sql), most=_within(walk, most), natural=natural)
    first, second = _doubles(walk, left, right)
    walk.doubt(REAL_RANGE)
    exact = f"({first} / {_divisor(second, right)})"
    if Holds.REAL in {left.holds, right.holds}:
        return real(exact)
    walk.doubt(ROUNDED)
    # Numbers without a fraction are integers to SQLite, and so is their quotient.
    whole = " AND ".join(f"{value.sql} = trunc({value.sql})" for value in operands if value.holds is Holds.NUMBER)
    return Value(sql=f"(CASE WHEN {whole} THEN trunc{exact} ELSE {exact} END)", type=DOUBLE, holds=Holds.NUMBER)


def _divisor(sql: str, value: Value) -> str:
    """Dividing by 0 gives NULL in SQLite."""
    return sql if value.constant is not None else f"NULLIF({sql}, 0)"


def _remainder(walk: Walk, node: Any) -> Value:
    operands = _operands(walk, node)
    if operands is None or operands[1].constant == 0:
        return NULL
    left, right = operands
    if not left.holds is right.holds is Holds.INTEGER:
        refuse(f"{shown(node)} takes the remainder of numbers that may have a fraction")
    first, second = _bigints(walk, left, right)
    most = min(left.bound, right.bound, _TOO_MUCH - 1)
    return replace(integer(f"({first} % {_divisor(second, right)})"), most=most, natural=left.natural)


def _negative(walk: Walk, node: Any) -> Value:
    literal = negative_literal(node)
    if literal is not None:
        return literal
    value = as_number(walk, walk.value(node.this))
    if value.type is None:
        return NULL
    if value.holds is Holds.INTEGER:
        return replace(integer(f"(- {as_bigint(walk, value)})"), most=_within(walk, value.bound))
    return Value(sql=f"(- {value.sql})", type=value.type, holds=value.holds)


def _bits(operator: str) -> Handler:
    def handle(walk: Walk, node: Any) -> Value:
        operands = _operands(walk, node)
        if operands is None:
            return NULL
        left, right = (as_bigint(walk, value) for value in operands)
        return integer(f"({left} {operator} {right})")

    return handle


def _shift(operator: str) -> Handler:
    def handle(walk: Walk, node: Any) -> Value:
        operands = _operands(walk, node)
        if operands is None:
            return NULL
        left, right = operands
        count = right.constant
        if not isinstance(count, int) or not 0 <= count < _BITS:
            refuse(f"{shown(node)} shifts by a number that is not known to be from 0 to {_BITS - 1}")
        return integer(f"({as_bigint(walk, left)} {operator} {count})")

    return handle


def _inverse(walk: Walk, node: Any) -> Value:
    return integer(f"(~ {as_bigint(walk, walk.value(node.this))})")


def _joined(walk: Walk, node: Any) -> Value:
    left, right = walk.values((node.this, node.expression))
    return text(f"({as_text(walk, left)} || {as_text(walk, right)})")


_BITS: Final = 64
_TOO_MUCH: Final = 2**63

HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType(
    {
        exp.Add: _sum_like("+"),
        exp.Sub: _sum_like("-"),
        exp.Mul: _sum_like("*"),
        exp.Div: _quotient,
        exp.Mod: _remainder,
        exp.Neg: _negative,
        exp.BitwiseAnd: _bits("&"),
        exp.BitwiseOr: _bits("|"),
        exp.BitwiseLeftShift: _shift("<<"),
        exp.BitwiseRightShift: _shift(">>"),
        exp.BitwiseNot: _inverse,
        exp.DPipe: _joined,
    }
)
