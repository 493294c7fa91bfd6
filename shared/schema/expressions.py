"""Defaults in PostgreSQL's terms: constants and the current moment. Other expressions are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from shared.records.keys import KeyValue
from shared.records.plan import Grade, TargetType, TypeKind
from shared.schema.constants import INT64_MAX, stored
from shared.schema.declared import Affinity
from shared.schema.literals import UnfitError, literal

_NOW: Final = "statement_timestamp()"
"""SQLite's CURRENT_TIMESTAMP stands still within a statement, PostgreSQL's within a transaction."""
_UTC: Final = f"{_NOW} AT TIME ZONE 'UTC'"
_UINT64: Final = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedDefault:
    """What became of a default."""

    sql: str | None
    """A PostgreSQL expression; None for NULL or where the default is refused."""
    grade: Grade = Grade.EXACT
    reason: str = ""


def translate_default(sql: str, target: TargetType, affinity: Affinity) -> TranslatedDefault:
    """Translate a default of SQLite, in the words of ``PRAGMA table_xinfo``, to one of the target type.

    The constant goes through the column's affinity first, as SQLite would store it.
    """
    try:
        expression = _unwrap(sqlglot.parse_one(sql, dialect="sqlite"))
        if isinstance(expression, exp.Null):
            return TranslatedDefault(sql=None)
        moment = _MOMENTS.get(type(expression))
        if moment is not None:
            return _current(sql, moment, target)
        return TranslatedDefault(sql=literal(stored(_constant(expression, sql), affinity), target))
    except UnfitError as error:
        return _refused(sql, str(error))
    except (SqlglotError, ValueError):
        return _refused(sql, "expressions are not translated yet; set it by hand")


def _refused(sql: str, why: str) -> TranslatedDefault:
    return TranslatedDefault(sql=None, grade=Grade.REFUSED, reason=f"DEFAULT {sql}: {why}")


def _unwrap(expression: Any) -> Any:
    while isinstance(expression, exp.Paren):
        expression = expression.this
    return expression


def _constant(expression: Any, sql: str) -> KeyValue:
    match expression:
        case exp.Literal():
            return str(expression.this) if expression.is_string else _number(str(expression.this), sql)
        case exp.Boolean():
            return int(expression.this)
        case exp.HexString():
            return bytes.fromhex(str(expression.this))
        case exp.Neg():
            value = _constant(_unwrap(expression.this), sql)
            return -value if isinstance(value, int | float) else _refuse_expression()
        case exp.Column() if not expression.table:
            # SQLite takes a bare or double-quoted word after DEFAULT as a text.
            return str(expression.name)
    return _refuse_expression()


def _refuse_expression() -> NoReturn:
    msg = "an expression, not a constant"
    raise ValueError(msg)


def _number(text: str, sql: str) -> int | float:
    if not text.isdigit():
        return float(text)
    value = int(text)
    # The parser has decoded hexadecimal integers, which SQLite reads as 64 bits in two's complement.
    return value - _UINT64 if "0x" in sql.lower() and INT64_MAX < value < _UINT64 else value


def _current(sql: str, moment: str, target: TargetType) -> TranslatedDefault:
    if target.kind is TypeKind.TEXT:
        return TranslatedDefault(sql=f"to_char({_UTC}, '{_TEXT_FORMS[moment]}')")
    rendered = _CURRENT.get((moment, target.kind))
    if rendered is None:
        return _refused(sql, f"{target.sql} cannot hold what SQLite would store")
    return TranslatedDefault(sql=rendered)


_MOMENTS: Final[Mapping[type, str]] = MappingProxyType(
    {exp.CurrentTimestamp: "timestamp", exp.CurrentDate: "date", exp.CurrentTime: "time"}
)
_TEXT_FORMS: Final = MappingProxyType(
    {"timestamp": "YYYY-MM-DD HH24:MI:SS", "date": "YYYY-MM-DD", "time": "HH24:MI:SS"}
)
# SQLite's moments have whole seconds.
_CURRENT: Final = MappingProxyType(
    {
        ("timestamp", TypeKind.TIMESTAMP): f"date_trunc('second', {_UTC})",
        ("timestamp", TypeKind.TIMESTAMPTZ): f"date_trunc('second', {_NOW})",
        ("date", TypeKind.DATE): f"({_UTC})::date",
        ("date", TypeKind.TIMESTAMP): f"date_trunc('day', {_UTC})",
        ("time", TypeKind.TIME): f"date_trunc('second', {_UTC})::time",
    }
)
