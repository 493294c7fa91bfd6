"""Calls of functions: each looked up in the tables of functions by its name and the number of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.schema.dialect import number_functions, text_functions
from shared.schema.dialect.functions import Function
from shared.schema.dialect.values import Value
from shared.schema.dialect.walk import Handler, Walk, refuse

FUNCTIONS: Final = (*text_functions.FUNCTIONS, *number_functions.FUNCTIONS)


def find_function(name: str, arguments: int) -> Function | None:
    """The function of that name that takes so many arguments."""
    return next((each for each in FUNCTIONS if each.name == name.lower() and each.takes(arguments)), None)


def _call(walk: Walk, node: Any) -> Value:
    name, arguments = str(node.this), node.expressions
    function = find_function(name, len(arguments))
    if function is None:
        return refuse(f"{name.lower()} is no function that is translated")
    if function.build is None:
        return refuse(f"{function.name}: {function.note}")
    return function.build(walk, walk.values(arguments))


HANDLERS: Final[Mapping[type, Handler]] = MappingProxyType({exp.Anonymous: _call})
