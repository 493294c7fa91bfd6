"""SQLite's JSON functions, -> and ->>, on jsonb."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote_text
from shared.records.plan import Grade, TypeKind
from shared.schema.dialect.conversions import as_number, as_text
from shared.schema.dialect.functions import Function
from shared.schema.dialect.values import JSONB, JSONS, NULL, Holds, Value, constant, integer, text, truth
from shared.schema.dialect.walk import Handler, Walk, refuse
from shared.schema.literals import UnfitError, literal
from shared.schema.names import fold

NULL_IS_JSON: Final = "NULL passes as JSON, as it does in SQLite from version 3.45 on"
STRICT_JSON: Final = "a text that is no JSON, or JSON5 that newer versions of SQLite read, is an error"
DEEP_JSON: Final = "JSON of more than 1,000 levels is valid, which SQLite takes for none"
JSON_TEXT: Final = "JSON that becomes a text is spelled by PostgreSQL: its spaces, the order of its names, its numbers"
_STEP: Final = re.compile(r'\.(?:"([^"]*)"|([^."\[\]]+))|\[(#-)?(\d+)\]')


def _document(walk: Walk, value: Value) -> str:
    """A JSON document as jsonb."""
    if value.kind in JSONS:
        return value.sql if value.kind is TypeKind.JSONB else f"{value.sql}::jsonb"
    if isinstance(value.constant, str):
        return _constant_document(value.constant)
    if value.kind is TypeKind.TEXT:
        walk.doubt(STRICT_JSON)
        return f"{value.sql}::jsonb"
    return refuse(f"{value.sql} is no JSON text")


def _constant_document(document: str) -> str:
    try:
        return literal(document, JSONB)
    except UnfitError as error:
        return refuse(str(error))


def path_of(path: str) -> list[str]:
    """The steps of a path ($.a."b c"[0]) as PostgreSQL counts them.

    Raises:
        UntranslatableError: for paths of another shape.
    """
    steps, position = [], 1
    while path[:1] == "$" and position < len(path):
        found = _STEP.match(path, position)
        if found is None:
            break
        quoted, name, backwards, number = found.groups()
        if number is None:
            steps.append(quoted if quoted is not None else name)
        else:
            steps.append(f"-{number}" if backwards else number)
        position = found.end()
    if path[:1] != "$" or position < len(path) or "-0" in steps:
        refuse(f"the JSON path {path!r} is not translated")
    return steps


def _found(walk: Walk, document: Value, steps: Sequence[str]) -> str:
    sql = _document(walk, document)
    if not steps:
        return sql
    if any(re.fullmatch(r"-?\d+", step) for step in steps):
        walk.doubt("a path's number finds a name of digits in an object, too")
    array = ", ".join(quote_text(step) for step in steps)
    return f"({sql} #> ARRAY[{array}])"


def _steps_after_arrow(value: Value) -> list[str]:
    """The right side of -> and ->>: a path, a name or a position."""
    if isinstance(value.constant, int):
        return [str(value.constant)]
    if not isinstance(value.constant, str):
        return refuse("-> and ->> are translated for constant paths")
    return path_of(value.constant) if value.constant[:1] == "$" else [value.constant]


def _value_at(walk: Walk, document: Value, steps: Sequence[str]) -> Value:
    """What stands at a path as SQL has it; JSON's null is NULL."""
    found = _found(walk, document, steps)
    return Value(sql=f"NULLIF({found}, 'null'::jsonb)", type=JSONB, holds=Holds.JSON)


def _json_extract(walk: Walk, arguments: Sequence[Value]) -> Value:
    document, path, *more = arguments
    if document.type is None or path.type is None:
        return NULL
    if more or not isinstance(path.constant, str):
        return refuse("json_extract is translated for one constant path")
    return _value_at(walk, document, path_of(path.constant))


def _arrow(walk: Walk, node: Any) -> Value:
    document, path = walk.values((node.this, node.expression))
    if document.type is None:
        return NULL
    return Value(sql=_found(walk, document, _steps_after_arrow(path)), type=JSONB, holds=Holds.TEXT)


def _double_arrow(walk: Walk, node: Any) -> Value:
    document, path = walk.values((node.this, node.expression))
    return NULL if document.type is None else _value_at(walk, document, _steps_after_arrow(path))


def _json(walk: Walk, arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    if value.type is None:
        return NULL
    document = _document(walk, value)
    if isinstance(value.constant, str) and not re.search(r"\s", value.constant):
        # There is nothing to take out of it.
        return value
    return Value(sql=document, type=JSONB, holds=Holds.TEXT)


def _json_valid(walk: Walk, arguments: Sequence[Value]) -> Value:
    value = arguments[0]
    if value.type is None:
        return NULL
    if not value.not_null and fold(value.sql.rpartition(".")[2].strip('"')) not in walk.settled:
        walk.doubt(NULL_IS_JSON)
    if value.kind in JSONS:
        return truth("true" if value.not_null else f"(CASE WHEN {value.sql} IS NOT NULL THEN true END)")
    if walk.scope.version >= _HAS_IS_JSON and value.kind is TypeKind.TEXT and len(arguments) == 1:
        walk.doubt(DEEP_JSON)
        return truth(f"({value.sql} IS JSON)")
    return refuse(f"json_valid({value.sql}): PostgreSQL can ask that from version 16 on")


def _json_array_length(walk: Walk, arguments: Sequence[Value]) -> Value:
    found = _at(walk, arguments, "json_array_length")
    if found is None:
        return NULL
    length = f"WHEN 'array' THEN jsonb_array_length({found})"
    return integer(f"(CASE jsonb_typeof({found}) {length} ELSE CASE WHEN {found} IS NOT NULL THEN 0 END END)::bigint")


def _at(walk: Walk, arguments: Sequence[Value], name: str) -> str | None:
    if NULL in arguments:
        return None
    document, *paths = arguments
    if paths and not isinstance(paths[0].constant, str):
        return refuse(f"{name} is translated for a constant path")
    return _found(walk, document, path_of(str(paths[0].constant)) if paths else [])


def _json_type(walk: Walk, arguments: Sequence[Value]) -> Value:
    found = _at(walk, arguments, "json_type")
    if found is None:
        return NULL
    return text(
        f"(CASE jsonb_typeof({found}) WHEN 'string' THEN 'text' WHEN 'boolean' THEN {found}::text"
        f" WHEN 'number' THEN CASE WHEN {found}::text ~ '[.eE]' THEN 'real' ELSE 'integer' END"
        f" ELSE jsonb_typeof({found}) END)"
    )


def _json_value(walk: Walk, value: Value) -> str:
    """A value as json_array and json_object take it."""
    if value.type is None:
        return "NULL::text"
    if value.kind in JSONS or value.holds is Holds.JSON or value.constant is not None:
        return value.sql if value.kind is not TypeKind.TEXT else f"{value.sql}::text"
    if value.holds is Holds.INTEGER:
        return as_number(walk, value).sql
    if value.holds is Holds.TEXT:
        return as_text(walk, value)
    return refuse(f"{value.sql} is a {value.holds}, which becomes JSON in another spelling")


def _json_array(walk: Walk, arguments: Sequence[Value]) -> Value:
    walk.not_immutable()
    parts = ", ".join(_json_value(walk, value) for value in arguments)
    return Value(sql=f"jsonb_build_array({parts})", type=JSONB, holds=Holds.TEXT, not_null=True)


def _json_object(walk: Walk, arguments: Sequence[Value]) -> Value:
    walk.not_immutable()
    if len(arguments) % 2:
        return refuse("json_object takes names and values in turn")
    parts = ", ".join(_json_value(walk, value) for value in arguments)
    return Value(sql=f"jsonb_build_object({parts})", type=JSONB, holds=Holds.TEXT, not_null=True)


def _json_quote(walk: Walk, arguments: Sequence[Value]) -> Value:
    (value,) = arguments
    if isinstance(value.constant, str):
        return constant('"' + value.constant.replace("\\", "\\\\").replace('"', '\\"') + '"')
    walk.not_immutable()
    return Value(sql=f"to_jsonb({_json_value(walk, value)})", type=JSONB, holds=Holds.TEXT)


_HAS_IS_JSON: Final = 160000
_CHANGES: Final = "functions that change JSON are not translated"
FUNCTIONS: Final = (
    Function(name="json", least=1, most=1, build=_json, note="the spelling is PostgreSQL's where it becomes a text"),
    Function(name="json_extract", least=2, most=None, build=_json_extract, note="at one constant path"),
    Function(name="json_valid", least=1, most=2, build=_json_valid, note="from PostgreSQL 16 on, and of JSON columns"),
    Function(name="json_array_length", least=1, most=2, build=_json_array_length),
    Function(name="json_type", least=1, most=2, build=_json_type),
    Function(name="json_array", least=0, most=None, build=_json_array, grade=Grade.APPROXIMATED, note=JSON_TEXT),
    Function(name="json_object", least=0, most=None, build=_json_object, grade=Grade.APPROXIMATED, note=JSON_TEXT),
    Function(name="json_quote", least=1, most=1, build=_json_quote, grade=Grade.APPROXIMATED, note=JSON_TEXT),
    *(
        Function(name=name, least=1, most=None, grade=Grade.REFUSED, note=_CHANGES)
        for name in ("json_set", "json_insert", "json_replace", "json_remove", "json_patch")
    ),
)
HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType(
    {exp.JSONExtract: _arrow, exp.JSONExtractScalar: _double_arrow}
)
