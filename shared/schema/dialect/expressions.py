"""Expressions of SQLite in PostgreSQL's terms: each means the same, or its doubts are stated, or it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.records.keys import KeyValue
from shared.records.plan import TargetType, TypeKind
from shared.schema.dialect.arithmetic import HANDLERS as ARITHMETIC
from shared.schema.dialect.branches import HANDLERS as BRANCHES
from shared.schema.dialect.calls import HANDLERS as CALLS
from shared.schema.dialect.casts import HANDLERS as CASTS
from shared.schema.dialect.conversions import OWN_FORMS, as_condition, as_double, as_text
from shared.schema.dialect.json_functions import HANDLERS as JSON
from shared.schema.dialect.logic import HANDLERS as LOGIC
from shared.schema.dialect.logic import in_list
from shared.schema.dialect.moment_functions import HANDLERS as MOMENT_FUNCTIONS
from shared.schema.dialect.names import HANDLERS as NAMES
from shared.schema.dialect.parsing import parse_sqlite_expression
from shared.schema.dialect.patterns import HANDLERS as PATTERNS
from shared.schema.dialect.scope import Scope, Translated
from shared.schema.dialect.storing import bring
from shared.schema.dialect.subqueries import HANDLERS as SUBQUERIES
from shared.schema.dialect.subqueries import in_subquery
from shared.schema.dialect.values import BOOLEAN, DOUBLE, INTEGERS, MOMENTS, TEXT, Holds, Value
from shared.schema.dialect.walk import Handler, Subquery, Walk, refuse
from shared.schema.dialect.windows import HANDLERS as WINDOWS

__all__ = ["parse_sqlite_expression", "translate_condition", "translate_expression"]


def translate_expression(
    sql: Any, scope: Scope, *, wanted: TargetType | None = None, subquery: Subquery | None = None
) -> Translated:
    """Translate an expression whose value is used, given as SQL text or as a node of sqlglot.

    With `wanted` the result is brought to that type, as a column of it would store what SQLite computes. `subquery`
    translates a SELECT inside the expression; without it there may be none.

    Raises:
        UntranslatableError: where no translation is known to mean the same; its text is a clause that says why.
    """
    walk = Walk(scope, HANDLERS, subquery)
    value = _walked(walk, sql)
    if wanted is not None:
        return _translated(walk, bring(walk, value, wanted), wanted)
    if value.holds is Holds.REAL and value.kind is TypeKind.NUMERIC:
        return _translated(walk, as_double(walk, value), DOUBLE)
    if _is_spelled(value):
        return _translated(walk, as_text(walk, value), TEXT)
    return _translated(walk, value.sql, value.type)


def _is_spelled(value: Value) -> bool:
    """Whether it is a text in SQLite whose spelling no type but text keeps: part of a date, JSON, another ISO form."""
    if value.kind in MOMENTS:
        return bool(value.form) and value.form not in OWN_FORMS
    computed = value.holds in {Holds.TEXT, Holds.JSON} and value.affinity is None
    return computed and value.kind in INTEGERS | {TypeKind.JSONB}


def translate_condition(sql: Any, scope: Scope, *, subquery: Subquery | None = None) -> Translated:
    """Translate an expression that is true or not (CHECK, WHERE, WHEN, ON, HAVING), as `translate_expression` does.

    Raises:
        UntranslatableError: as `translate_expression`.
    """
    walk = Walk(scope, HANDLERS, subquery)
    return _translated(walk, as_condition(walk, _walked(walk, sql)), BOOLEAN)


def constant_of(sql: Any) -> KeyValue | None:
    """The constant that an expression is; None where it is computed.

    Raises:
        UntranslatableError: where it cannot be translated at all.
    """
    return _walked(Walk(Scope(relations=()), HANDLERS), sql).constant


def _walked(walk: Walk, sql: Any) -> Value:
    try:
        return walk.value(parse_sqlite_expression(sql) if isinstance(sql, str) else sql)
    except RecursionError:
        refuse("it is nested too deeply")


def _translated(walk: Walk, sql: str, type_: TargetType | None) -> Translated:
    if sql.count(_RANDOM) != walk.random_calls:
        refuse("it looks more than once at a random value, which is another each time")
    return Translated(sql=_without_parentheses(sql), type=type_, doubts=tuple(walk.doubts), immutable=walk.immutable)


def _without_parentheses(sql: str) -> str:
    """Take away one pair of parentheses around the whole."""
    if not (sql.startswith("(") and sql.endswith(")")):
        return sql
    depth, quoted = 0, ""
    for position, character in enumerate(sql):
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "'\"":
            quoted = character
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth == 0:
                return sql[1:-1] if position == len(sql) - 1 else sql
    return sql


_RANDOM: Final = "gen_random_uuid()"


def _membership(walk: Walk, node: Any) -> Value:
    return in_list(walk, node) if node.args.get("query") is None else in_subquery(walk, node)


def _parentheses(walk: Walk, node: Any) -> Value:
    return walk.value(node.this)


HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType(
    {
        exp.Paren: _parentheses,
        exp.In: _membership,
        **NAMES,
        **LOGIC,
        **ARITHMETIC,
        **BRANCHES,
        **CALLS,
        **WINDOWS,
        **SUBQUERIES,
        **PATTERNS,
        **MOMENT_FUNCTIONS,
        **JSON,
        **CASTS,
    }
)
