"""SQLite's functions on numbers, and those that choose among values of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.records.plan import Grade, TypeKind
from shared.schema.declared import Affinity
from shared.schema.dialect.branches import cases, chosen
from shared.schema.dialect.comparisons import compare
from shared.schema.dialect.conversions import as_bigint, as_condition, as_double, as_number, unified
from shared.schema.dialect.functions import Function
from shared.schema.dialect.text_comparisons import collated
from shared.schema.dialect.values import BINARY, NULL, Holds, Value, constant, integer, real, text
from shared.schema.dialect.walk import Walk, refuse

ROUNDING: Final = (
    "a number that lies between two roundings may be rounded otherwise, since PostgreSQL counts in decimals"
)


def _abs(walk: Walk, arguments: Sequence[Value]) -> Value:
    value = as_number(walk, arguments[0])
    if value.type is None:
        return NULL
    if value.holds is Holds.INTEGER:
        return replace(integer(f"abs({as_bigint(walk, value)})"), natural=True)
    return Value(sql=f"abs({value.sql})", type=value.type, holds=value.holds)


def _round(walk: Walk, arguments: Sequence[Value]) -> Value:
    value = as_number(walk, arguments[0])
    if value.type is None or NULL in arguments:
        return NULL
    digits = as_number(walk, arguments[1]).constant if len(arguments) > 1 else 0
    if not isinstance(digits, int):
        return refuse("round is translated for a constant number of digits")
    double = as_double(walk, value)
    if value.holds is Holds.INTEGER:
        return real(double)
    if digits <= 0:
        # Half away from zero; PostgreSQL rounds half to even here.
        return real(f"(sign({double}) * floor(abs({double}) + 0.5))")
    walk.doubt(ROUNDING)
    return real(f"round({double}::text::numeric, {min(digits, _MOST_DIGITS)})::double precision")


def _sign(walk: Walk, arguments: Sequence[Value]) -> Value:
    value = as_number(walk, arguments[0])
    return NULL if value.type is None else integer(f"sign({value.sql})::bigint")


def _whole(name: str, target: str) -> Function:
    def build(walk: Walk, arguments: Sequence[Value]) -> Value:
        value = as_number(walk, arguments[0])
        if value.type is None or value.holds is Holds.INTEGER:
            return value.bare()
        return Value(sql=f"{target}({as_double(walk, value)})", type=real("").type, holds=Holds.REAL)

    return Function(name=name, least=1, most=1, build=build, note="SQLite has it where it was built with it")


def _extreme(name: str, target: str) -> Function:
    def build(walk: Walk, arguments: Sequence[Value]) -> Value:
        if NULL in arguments:
            return NULL
        brought = unified(walk, arguments)
        parts = [_ordered(value) for value in brought]
        nullable = [value.sql for value in brought if not value.not_null]
        sql = f"{target}({', '.join(parts)})"
        if nullable:
            sql = f"(CASE WHEN {' AND '.join(f'{each} IS NOT NULL' for each in nullable)} THEN {sql} END)"
        return chosen(sql, brought)

    return Function(name=name, least=2, most=None, build=build)


def _ordered(value: Value) -> str:
    """A value in an order that is SQLite's."""
    if value.kind in {TypeKind.UUID, TypeKind.JSON, TypeKind.JSONB, TypeKind.OTHER}:
        refuse(f"{value.sql} is ordered otherwise than its text")
    if value.kind is TypeKind.TEXT and value.collation != BINARY:
        refuse(f"of texts that {value.collation} holds for equal, SQLite and PostgreSQL may take another as the least")
    return collated(value, BINARY) if value.kind is TypeKind.TEXT else value.sql


def _coalesce(walk: Walk, arguments: Sequence[Value]) -> Value:
    brought = unified(walk, arguments)
    sql = f"coalesce({', '.join(value.sql for value in brought)})"
    return chosen(sql, brought, not_null=any(value.not_null for value in arguments))


def _nullif(walk: Walk, arguments: Sequence[Value]) -> Value:
    left, right = arguments
    equal = compare(walk, "=", left, right).sql
    return replace(left.bare(), sql=f"(CASE WHEN {equal} THEN NULL ELSE {left.sql} END)", not_null=False)


def _iif(walk: Walk, arguments: Sequence[Value]) -> Value:
    conditions = [as_condition(walk, value) for value in arguments[:-1:2]]
    default = arguments[-1] if len(arguments) % 2 else NULL
    return cases(walk, conditions, arguments[1::2], default)


def _plus(_: Walk, arguments: Sequence[Value]) -> Value:
    return replace(arguments[0], affinity=None)


def _same(_: Walk, arguments: Sequence[Value]) -> Value:
    return arguments[0]


def _typeof(_: Walk, arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    if value.constant is not None or value.type is None:
        return constant({"NULL": "null"}.get(value.holds.value, value.holds.value))
    name = f"'{value.holds}'"
    if value.holds is Holds.NUMBER:
        if value.affinity not in {Affinity.INTEGER, Affinity.NUMERIC}:
            refuse(f"typeof({value.sql}) is integer or real, which a column of {value.type.sql} does not keep")
        name = f"CASE WHEN {value.sql} = trunc({value.sql}) THEN 'integer' ELSE 'real' END"
    if value.holds in {Holds.JSON, Holds.MIXED}:
        refuse(f"typeof({value.sql}): the target does not keep what it was")
    sql = name if value.not_null else f"(CASE WHEN {value.sql} IS NULL THEN 'null' ELSE {name} END)"
    return replace(text(sql), not_null=True)


def _random(walk: Walk, _: Sequence[Value]) -> Value:
    walk.asks_random(2)
    digits = "left(gen_random_uuid()::text, 8) || right(gen_random_uuid()::text, 8)"
    return replace(integer(f"('x' || {digits})::bit(64)::bigint"), not_null=True)


def _mathematical(name: str, target: str, arguments: int = 1) -> Function:
    note = (
        "where SQLite gives NULL for what is out of its domain, PostgreSQL raises an error; the last digit may differ"
    )

    def build(walk: Walk, values: Sequence[Value]) -> Value:
        walk.doubt(f"{name}: {note}")
        return real(f"{target}({', '.join(as_double(walk, value) for value in values)})")

    return Function(name=name, least=arguments, most=arguments, build=build, grade=Grade.APPROXIMATED, note=note)


_MOST_DIGITS: Final = 30

FUNCTIONS: Final = (
    Function(name="abs", least=1, most=1, build=_abs),
    Function(name="round", least=1, most=2, build=_round, note="to no digits; else " + ROUNDING),
    Function(name="sign", least=1, most=1, build=_sign),
    _whole("ceil", "ceil"),
    _whole("ceiling", "ceil"),
    _whole("floor", "floor"),
    _whole("trunc", "trunc"),
    _extreme("min", "LEAST"),
    _extreme("max", "GREATEST"),
    Function(name="coalesce", least=2, most=None, build=_coalesce),
    Function(name="ifnull", least=2, most=2, build=_coalesce),
    Function(name="nullif", least=2, most=2, build=_nullif),
    Function(name="iif", least=2, most=None, build=_iif),
    Function(name="if", least=2, most=None, build=_iif),
    Function(name="+", least=1, most=1, build=_plus, note="the sign"),
    Function(name="likely", least=1, most=1, build=_same),
    Function(name="unlikely", least=1, most=1, build=_same),
    Function(name="likelihood", least=2, most=2, build=_same),
    Function(name="typeof", least=1, most=1, build=_typeof),
    Function(name="random", least=0, most=0, build=_random),
    *(_mathematical(name, name) for name in ("sqrt", "exp", "ln", "sin", "cos", "tan", "radians", "degrees")),
    _mathematical("pow", "power", 2),
    _mathematical("power", "power", 2),
)
