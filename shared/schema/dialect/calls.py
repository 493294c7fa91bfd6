"""Calls of functions: each looked up in the tables of functions by its name and the number of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.records.plan import Grade
from shared.schema.dialect.aggregates import AGGREGATES, aggregate
from shared.schema.dialect.aggregates import FUNCTIONS as AGGREGATE_FUNCTIONS
from shared.schema.dialect.functions import Function
from shared.schema.dialect.json_functions import FUNCTIONS as JSON_FUNCTIONS
from shared.schema.dialect.moment_functions import FUNCTIONS as MOMENT_FUNCTIONS
from shared.schema.dialect.number_functions import FUNCTIONS as NUMBER_FUNCTIONS
from shared.schema.dialect.patterns import FUNCTIONS as PATTERN_FUNCTIONS
from shared.schema.dialect.printf import FUNCTIONS as PRINTF_FUNCTIONS
from shared.schema.dialect.text_functions import FUNCTIONS as TEXT_FUNCTIONS
from shared.schema.dialect.values import Value
from shared.schema.dialect.walk import Handler, Walk, refuse

_BY_THE_SESSION: Final = "it asks what the session did before, which PostgreSQL does not keep"
_REFUSED: Final = tuple(
    Function(name=name, least=0, most=None, grade=Grade.REFUSED, note=note)
    for name, note in (
        ("last_insert_rowid", _BY_THE_SESSION),
        ("changes", _BY_THE_SESSION),
        ("total_changes", _BY_THE_SESSION),
        ("sqlite_version", "it is about SQLite itself"),
        ("load_extension", "it is about SQLite itself"),
        ("raise", "it stands in triggers alone"),
    )
)
FUNCTIONS: Final = (
    *TEXT_FUNCTIONS,
    *NUMBER_FUNCTIONS,
    *PATTERN_FUNCTIONS,
    *PRINTF_FUNCTIONS,
    *MOMENT_FUNCTIONS,
    *JSON_FUNCTIONS,
    *AGGREGATE_FUNCTIONS,
    *_REFUSED,
)
"""Every function of SQLite that is known here: the matrix of the docs is made from it, with the window functions."""


def find_function(name: str, arguments: int) -> Function | None:
    """The function of that name that takes so many arguments."""
    found = [each for each in FUNCTIONS if each.name == name.lower() and each.takes(arguments)]
    # min and max of one argument are aggregates.
    return next((each for each in found if each.aggregate), found[0] if found else None)


def _call(walk: Walk, node: Any) -> Value:
    name, arguments = str(node.this), node.expressions
    function = find_function(name, len(arguments))
    if function is None:
        return refuse(f"{name.lower()} is no function that is translated")
    if function.aggregate and function.name in AGGREGATES:
        return aggregate(walk, node, "")
    if function.build is None:
        return refuse(f"{function.name}: {function.note}")
    return function.build(walk, walk.values(arguments))


HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType({exp.Anonymous: _call})
