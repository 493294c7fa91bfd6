"""Statements that are built once a process.

Building a statement of SQLAlchemy takes several times as long as sending it and reading its rows (counting a table's
chunks: 730 µs of a processor, 110 µs once it is built), and a chunk takes a dozen of them. PostgreSQL reads and plans
such a statement once a session.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, ParamSpec

import sqlalchemy as sa
from sqlalchemy.sql.base import Executable

_P = ParamSpec("_P")
_BOUND: Final[dict[str, sa.types.TypeEngine[Any]]] = {
    "int": sa.BigInteger(),
    "int | None": sa.BigInteger(),
    "str": sa.Text(),
    "str | None": sa.Text(),
    "float": sa.Double(),
    "float | None": sa.Double(),
}
"""By its annotation, how an argument is bound; one of another kind is a part of the statement."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement, and the values to run it with."""

    name: str
    """Of the statement in a session of PostgreSQL's; `pg_stat_activity` shows it."""
    statement: Executable
    values: dict[str, Any]


def prepared(build: Callable[_P, Executable]) -> Callable[_P, Prepared]:
    """Let a function that builds a statement build it once, with parameters in the place of its arguments.

    Args:
        build: Those of its arguments that are annotated as int, str or float, or one of them or None, are parameters of
            the statement, so nothing may be decided by their values. There is one statement for each combination of
            the others (a state, a bool). None may be left out.
    """
    signature = inspect.signature(build)
    kinds = {name: str(parameter.annotation) for name, parameter in signature.parameters.items()}
    parameters = {
        name: sa.bindparam(f"given_{name}", None, type_=_BOUND[kind]) for name, kind in kinds.items() if kind in _BOUND
    }

    @functools.cache
    def built(fixed: tuple[Any, ...]) -> tuple[str, Executable]:
        others = iter(fixed)
        arguments = {name: parameters[name] if name in parameters else next(others) for name in kinds}
        call = inspect.BoundArguments(signature, arguments)
        which = "".join(f"_{value}" for value in fixed)
        return f"{build.__module__.rpartition('.')[2]}{build.__name__}{which}".lower(), build(*call.args, **call.kwargs)

    @functools.wraps(build)
    def bind(*args: _P.args, **kwargs: _P.kwargs) -> Prepared:
        given = signature.bind(*args, **kwargs).arguments
        name, statement = built(tuple(value for name, value in given.items() if name not in parameters))
        return Prepared(name, statement, {parameter.key: given[name] for name, parameter in parameters.items()})

    return bind
