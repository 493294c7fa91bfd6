"""Defaults in PostgreSQL's terms: constants, the current moment, and any expression that has a translation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.records.keys import KeyValue
from shared.records.plan import Grade, TargetType, TypeKind
from shared.schema.constants import stored
from shared.schema.declared import Affinity
from shared.schema.dialect.expressions import constant_of, translate_expression
from shared.schema.dialect.parsing import parse_sqlite_expression
from shared.schema.dialect.scope import UntranslatableError, only
from shared.schema.literals import UnfitError, literal

_NOW: Final = "statement_timestamp()"
"""SQLite's CURRENT_TIMESTAMP stands still within a statement, PostgreSQL's within a transaction."""
_UTC: Final = f"{_NOW} AT TIME ZONE 'UTC'"
_BY_HAND: Final = "set it by hand"
_ANOTHER: Final = "where new rows need one, set another by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedDefault:
    """What became of a default."""

    sql: str | None
    """A PostgreSQL expression; None for NULL or where the default is refused."""
    grade: Grade = Grade.EXACT
    reason: str = ""


def translate_default(sql: str, target: TargetType, affinity: Affinity) -> TranslatedDefault:
    """Translate a default of SQLite, in the words of ``PRAGMA table_xinfo``, to one of the target type.

    A constant goes through the column's affinity first, as SQLite would store it.
    """
    try:
        expression = _unwrap(parse_sqlite_expression(sql))
        if isinstance(expression, exp.Null):
            return TranslatedDefault(sql=None)
        moment = _MOMENTS.get(type(expression))
        if moment is not None and (moment, target.kind) in _CURRENT:
            return TranslatedDefault(sql=_CURRENT[moment, target.kind])
        constant = _constant(expression)
        if constant is not None:
            return TranslatedDefault(sql=literal(stored(constant, affinity), target))
        return _computed(sql, expression, target)
    except UnfitError as error:
        return _refused(sql, f"{error}; {_ANOTHER}")
    except UntranslatableError as error:
        return _refused(sql, f"{error}; {_BY_HAND}")


def _computed(sql: str, expression: Any, target: TargetType) -> TranslatedDefault:
    translated = translate_expression(expression, only(()), wanted=target)
    # After DEFAULT PostgreSQL takes operators that are words (AT TIME ZONE, IS, COLLATE) in parentheses alone.
    default = f"({translated.sql})"
    if not translated.doubts:
        return TranslatedDefault(sql=default)
    reason = f"DEFAULT {sql}: {'; '.join(translated.doubts)}"
    return TranslatedDefault(sql=default, grade=Grade.APPROXIMATED, reason=reason)


def _refused(sql: str, why: str) -> TranslatedDefault:
    return TranslatedDefault(sql=None, grade=Grade.REFUSED, reason=f"DEFAULT {sql}: {why}")


def _unwrap(expression: Any) -> Any:
    while isinstance(expression, exp.Paren):
        expression = expression.this
    return expression


def _constant(expression: Any) -> KeyValue | None:
    """The constant that a default is; None where it is computed."""
    if isinstance(expression, exp.Column) and not expression.table:
        # SQLite takes a bare or double-quoted word after DEFAULT as a text.
        return str(expression.name)
    return constant_of(expression)


_MOMENTS: Final[Mapping[type, str]] = MappingProxyType(
    {exp.CurrentTimestamp: "timestamp", exp.CurrentDate: "date", exp.CurrentTime: "time"}
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
