"""A value brought to where it is needed: as a truth, a number, or a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.records.keys import KeyValue
from shared.records.plan import TargetType, TypeKind
from shared.schema.dialect.values import (
    BIGINT,
    DOUBLE,
    INTEGERS,
    MOMENTS,
    NULL,
    NUMERIC,
    TEXT,
    Holds,
    Value,
    constant,
    text_of_constant,
)
from shared.schema.dialect.walk import Walk, refuse
from shared.schema.literals import UnfitError, literal

REAL_SPELLING: Final = "a real of more than 15 digits, or with an exponent, becomes a text in PostgreSQL's spelling"
FAR_NUMBERS: Final = "a text that spells an integer beyond 2^53, or a number beyond a double's range, counts otherwise"
_REAL: Final = "[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?"
JSON_NUMBERS: Final = "a text in JSON counts as NULL where a number is asked for"
JSON_TEXTS: Final = "in JSON true and false are 1 and 0 to SQLite, objects and numbers are spelled by PostgreSQL"
MOMENT_SPELLING: Final = "a moment that becomes a text is spelled in one way, whatever its text was in the source"
SPELLING: Final = "a value that is no text in the target becomes one in PostgreSQL's spelling"
_NUMBER_PREFIX: Final = re.compile(r"[ \t\n\v\f\r]*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)
OWN_FORMS: Final = frozenset({"YYYY-MM-DD", "YYYY-MM-DD HH24:MI:SS", "HH24:MI:SS"})
"""How a moment is spelled that needs no other spelling than its type's."""

_SPELLED_ALIKE: Final = {
    TypeKind.TEXT: "::text",
    TypeKind.BOOLEAN: "::integer::text",
    TypeKind.SMALLINT: "::text",
    TypeKind.INTEGER: "::text",
    TypeKind.BIGINT: "::text",
    TypeKind.JSON: "::text",
}
"""How types whose texts are SQLite's own become text."""

_TEXT_FORMS: Final = {
    TypeKind.DATE: "YYYY-MM-DD",
    TypeKind.TIMESTAMP: "YYYY-MM-DD HH24:MI:SS",
    TypeKind.TIME: "HH24:MI:SS",
}


def as_condition(walk: Walk, value: Value) -> str:
    """A value where a truth is asked for: NULL stays NULL, a number is true unless it is 0."""
    if value.constant is not None:
        return "true" if number_in(value.constant) else "false"
    if value.type is None:
        return "NULL::boolean"
    if value.kind is TypeKind.BOOLEAN and value.holds is Holds.INTEGER:
        return value.sql
    if value.holds.is_number or value.holds is Holds.JSON:
        return f"({as_number(walk, value).sql} <> 0)"
    if value.kind is TypeKind.TEXT and value.holds is Holds.TEXT:
        return f"({as_number(walk, value).sql} <> 0)"
    return refuse(f"{value.sql} is a {value.holds} where a condition is asked for")


def number_in(value: KeyValue) -> int | float:
    """The number that SQLite reads from the beginning of a constant, 0 where there is none."""
    if isinstance(value, int | float):
        return value
    found = _NUMBER_PREFIX.match(value) if isinstance(value, str) else None
    if found is None:
        return 0
    return float(found[1]) if set(found[1]) & set(".eE") else int(found[1])


def as_number(walk: Walk, value: Value) -> Value:
    """A value where a number is asked for."""
    if isinstance(value.constant, str | bytes):
        return constant(number_in(value.constant))
    if value.kind is TypeKind.BOOLEAN and value.holds is Holds.INTEGER:
        return replace(value, sql=f"{value.sql}::integer", type=BIGINT, most=1, natural=True)
    if value.holds.is_number or value.type is None:
        return value
    return _read_as_number(walk, value)


def _read_as_number(walk: Walk, value: Value) -> Value:
    """The number that a text spells, or begins with."""
    if value.holds is Holds.JSON:
        return _json_as_number(walk, value)
    if value.kind in INTEGERS and value.holds is Holds.TEXT:
        return replace(value, holds=Holds.INTEGER, form="")
    if value.kind is TypeKind.TEXT and value.holds is Holds.TEXT:
        sql = f"{number_at_start(walk, value, _REAL)}::double precision"
        return Value(sql=sql, type=DOUBLE, holds=Holds.NUMBER)
    return refuse(f"{value.sql} is a {value.holds} where a number is asked for")


def number_at_start(walk: Walk, value: Value, shape: str) -> str:
    """The number of that shape which a text begins with, or 0, as numeric."""
    walk.doubt(FAR_NUMBERS)
    found = f"substring({value.sql} COLLATE \"C\" from '^[ \\t\\n\\v\\f\\r]*({shape})')"
    return f"(CASE WHEN {value.sql} IS NOT NULL THEN coalesce({found}, '0')::numeric END)"


def _json_as_number(walk: Walk, value: Value) -> Value:
    walk.doubt(JSON_NUMBERS)
    number = f"WHEN 'number' THEN ({value.sql})::numeric WHEN 'boolean' THEN ({value.sql})::boolean::integer"
    return Value(sql=f"(CASE jsonb_typeof({value.sql}) {number} END)", type=NUMERIC, holds=Holds.NUMBER)


def as_bigint(walk: Walk, value: Value) -> str:
    """An integer as a bigint."""
    number = as_number(walk, value)
    if number.holds is Holds.NOTHING:
        return "NULL::bigint"
    if number.holds is not Holds.INTEGER:
        refuse(f"{value.sql} may hold a fraction where an integer is asked for")
    return number.sql if number.kind is TypeKind.BIGINT and value.kind is TypeKind.BIGINT else f"{number.sql}::bigint"


def as_double(walk: Walk, value: Value) -> str:
    """A number as double precision."""
    number = as_number(walk, value)
    return number.sql if number.kind is TypeKind.DOUBLE else f"{number.sql}::double precision"


def as_text(walk: Walk, value: Value) -> str:
    """A value where a text is asked for: numbers as SQLite spells them."""
    if value.constant is not None and not isinstance(value.constant, bytes):
        return constant(text_of_constant(value.constant)).sql
    if value.holds is Holds.JSON:
        walk.doubt(JSON_TEXTS)
        return f"({value.sql} #>> '{{}}')"
    if value.form.startswith("0"):
        return f"lpad({value.sql}::text, {len(value.form)}, '0')"
    if value.holds in {Holds.REAL, Holds.NUMBER}:
        return _real_as_text(walk, value)
    if value.kind in _SPELLED_ALIKE:
        if value.holds is Holds.MIXED:
            # Its reals are texts of all their digits here, and whoever asks SQLite for a text of one gets 15.
            walk.doubt(REAL_SPELLING if value.kind in {TypeKind.TEXT, TypeKind.JSON} else SPELLING)
        return f"{value.sql}{_SPELLED_ALIKE[value.kind]}" if value.type != TEXT else value.sql
    return _moment_as_text(walk, value) if value.kind in MOMENTS else _other_as_text(walk, value)


def _other_as_text(walk: Walk, value: Value) -> str:
    if value.type is None:
        return "NULL::text"
    if value.kind not in {TypeKind.UUID, TypeKind.JSONB}:
        refuse(f"{value.sql} is a {value.holds} where a text is asked for")
    walk.doubt(SPELLING)
    return f"{value.sql}::text"


def _moment_as_text(walk: Walk, value: Value) -> str:
    form = value.form or _TEXT_FORMS.get(value.kind or TypeKind.OTHER, "")
    if not form:
        refuse(f"{value.sql} is a moment with an offset where a text is asked for")
    if not value.form and value.kind is not TypeKind.DATE:
        walk.doubt(MOMENT_SPELLING)
    subject = f"('1970-01-01'::date + {value.sql})" if value.kind is TypeKind.TIME else value.sql
    if walk.immutable and walk.subquery is None:
        # to_char may not stand in an index or a generated column, since it may depend on the session's language.
        spelled = _FIELD.sub(lambda found: _FIELDS[found[0]].format(subject), "'" + form.replace('"', "") + "'")
        return f"({spelled.removeprefix(_NOTHING_BEFORE).removesuffix(_NOTHING_AFTER)})"
    walk.not_immutable()
    return f"to_char({subject}, '{form}')"


_FIELDS: Final = {
    "YYYY": "' || lpad(extract(year FROM {})::text, 4, '0') || '",
    "MM": "' || lpad(extract(month FROM {})::text, 2, '0') || '",
    "DD": "' || lpad(extract(day FROM {})::text, 2, '0') || '",
    "HH24": "' || lpad(extract(hour FROM {})::text, 2, '0') || '",
    "MI": "' || lpad(extract(minute FROM {})::text, 2, '0') || '",
    "SS.MS": "' || lpad(floor(extract(second FROM {0}))::text, 2, '0')"
    " || '.' || lpad(mod(trunc(extract(milliseconds FROM {0})), 1000)::text, 3, '0') || '",
    "SS": "' || lpad(floor(extract(second FROM {}))::text, 2, '0') || '",
}

_NOTHING_BEFORE, _NOTHING_AFTER = "'' || ", " || ''"

_FIELD: Final = re.compile("|".join(map(re.escape, _FIELDS)))


def _real_as_text(walk: Walk, value: Value) -> str:
    walk.doubt(REAL_SPELLING)
    if value.holds is Holds.NUMBER:
        return f"trim_scale({value.sql}::text::numeric)::text"
    return (
        f"(CASE WHEN {value.sql} = trunc({value.sql}) THEN trunc({value.sql})::text::numeric::text || '.0'"
        f" ELSE {value.sql}::text END)"
    )


def unified(walk: Walk, values: Sequence[Value]) -> list[Value]:
    """Bring the branches of one expression (CASE, coalesce) to one type; NULL fits any."""
    known = [value for value in values if value.type is not None]
    kinds = {value.kind for value in known}
    holds = {value.holds for value in known}
    if len(holds) <= 1 and len(kinds) <= 1:
        return list(values)
    if all(each.is_number or each is Holds.JSON for each in holds):
        return _unified_numbers(walk, values)
    if holds <= {Holds.TEXT, Holds.JSON}:
        return _unified_texts(walk, values)
    names = " and ".join(sorted(holds))
    return refuse(f"its branches are of different kinds ({names}), which no type of PostgreSQL holds")


def _unified_numbers(walk: Walk, values: Sequence[Value]) -> list[Value]:
    numbers = [as_number(walk, value) for value in values]
    kinds = {value.kind for value in numbers if value.type is not None}
    holds = {value.holds for value in numbers if value.type is not None}
    joint = holds.pop() if len(holds) == 1 else Holds.NUMBER
    if TypeKind.DOUBLE in kinds or TypeKind.REAL in kinds:
        return [_retyped(value, as_double(walk, value), DOUBLE, joint) for value in numbers]
    return [_retyped(value, value.sql, BIGINT if kinds <= INTEGERS else NUMERIC, joint) for value in numbers]


def _unified_texts(walk: Walk, values: Sequence[Value]) -> list[Value]:
    kinds = {value.kind for value in values if value.constant is None and value.type is not None}
    if len(kinds) == 1 and Holds.JSON not in {value.holds for value in values}:
        (kind,) = kinds
        fitted = [_fitted(value, kind, values) for value in values]
        if all(value is not None for value in fitted):
            return [value for value in fitted if value is not None]
    return [_retyped(value, as_text(walk, value), TEXT, Holds.TEXT) for value in values]


def _fitted(value: Value, kind: TypeKind | None, values: Sequence[Value]) -> Value | None:
    """A constant as the one type that the other branches have, where that type can hold it."""
    if value.constant is None or kind is TypeKind.TEXT:
        return value
    wanted = next(each.type for each in values if each.kind is kind and each.constant is None)
    try:
        return replace(value, sql=literal(value.constant, wanted), type=wanted) if wanted else None
    except UnfitError:
        return None


def _retyped(value: Value, sql: str, type_: TargetType, holds: Holds) -> Value:
    if value.type is None:
        return replace(NULL, sql=f"NULL::{type_.sql}", type=type_, holds=holds)
    return replace(value, sql=sql, type=type_, holds=holds)
