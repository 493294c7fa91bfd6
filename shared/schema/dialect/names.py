"""Names and constants: columns, literals, truth values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.quoting import quote
from shared.records.plan import TargetType, TypeKind
from shared.records.source import StorageClass
from shared.schema.constants import INT64_MAX
from shared.schema.declared import Affinity
from shared.schema.dialect.scope import Named, Relation
from shared.schema.dialect.values import NULL, Holds, Value, constant, truth
from shared.schema.dialect.walk import Handler, Walk, refuse, shown

_HOLDS: Final[Mapping[TypeKind, Holds]] = MappingProxyType(
    {
        TypeKind.SMALLINT: Holds.INTEGER,
        TypeKind.INTEGER: Holds.INTEGER,
        TypeKind.BIGINT: Holds.INTEGER,
        TypeKind.BOOLEAN: Holds.INTEGER,
        TypeKind.BYTEA: Holds.BLOB,
        TypeKind.NUMERIC: Holds.NUMBER,
    }
)
_CLASSES: Final = MappingProxyType(
    {
        Holds.INTEGER: frozenset({StorageClass.INTEGER}),
        Holds.REAL: frozenset({StorageClass.INTEGER, StorageClass.REAL}),
        Holds.NUMBER: frozenset({StorageClass.INTEGER, StorageClass.REAL}),
        Holds.TEXT: frozenset({StorageClass.TEXT}),
        Holds.BLOB: frozenset({StorageClass.BLOB}),
    }
)


def column_value(relation: Relation, named: Named) -> Value:
    """What a column holds, by its type in the target and its affinity in the source."""
    sql = f"{relation.target}.{quote(named.name)}" if relation.target else quote(named.name)
    return Value(
        sql=f"({named.inlined})" if named.inlined else sql,
        type=named.type,
        holds=_holds(named),
        affinity=named.affinity,
        collation=named.collation.upper(),
        not_null=named.not_null,
    )


def _holds(named: Named) -> Holds:
    if named.classes is None or not named.classes or _fit(named):
        return holds_of(named.type, named.affinity)
    if named.type.kind is TypeKind.BOOLEAN and set(named.classes) == {StorageClass.TEXT}:
        return Holds.TEXT
    return Holds.MIXED


def _fit(named: Named) -> bool:
    """Whether the values in the source are all of the class that the type stands for."""
    return set(named.classes or ()) <= _CLASSES[holds_of(named.type, named.affinity)]


def holds_of(type_: TargetType, affinity: Affinity) -> Holds:
    """The storage class of what a type stands for; a column of reals holds integers too, but for affinity REAL."""
    if type_.kind in {TypeKind.DOUBLE, TypeKind.REAL}:
        return Holds.REAL if affinity is Affinity.REAL else Holds.NUMBER
    return _HOLDS.get(type_.kind, Holds.TEXT)


def _column(walk: Walk, node: Any) -> Value:
    found = walk.find(node.table, node.name)
    if found is not None:
        return column_value(*found)
    if walk.scope.leaves_out(node.name):
        return refuse(f"the column {shown(node)} is left out of the target")
    if not node.table and node.this.args.get("quoted"):
        # SQLite takes a name in double quotes that no column has for a text.
        return constant(str(node.name))
    return refuse(f"there is no column {shown(node)} that it could name")


def _literal(_: Walk, node: Any) -> Value:
    if node.is_string:
        return constant(str(node.this))
    return constant(_number(str(node.this)))


def _number(text: str) -> int | float:
    try:
        value = int(text)
    except ValueError:
        return float(text)
    return value if -INT64_MAX - 1 <= value <= INT64_MAX else float(value)


def negative_literal(node: Any) -> Value | None:
    """A literal after a minus sign, which SQLite reads as one number."""
    if isinstance(node.this, exp.Literal) and not node.this.is_string:
        return constant(_number("-" + str(node.this.this)))
    return None


def _blob(_: Walk, node: Any) -> Value:
    try:
        return constant(bytes.fromhex(str(node.this)))
    except ValueError:
        return refuse(f"{shown(node)} is no blob")


def _truth(_: Walk, node: Any) -> Value:
    return replace(truth("true" if node.this else "false"), constant=int(node.this), not_null=True)


HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType(
    {
        exp.Column: _column,
        exp.Literal: _literal,
        exp.HexString: _blob,
        exp.Null: lambda *_: NULL,
        exp.Boolean: _truth,
    }
)
