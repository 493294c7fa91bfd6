"""The current moment as triggers and columns of SQLite spell it, and what of that a column of the target holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlglot import exp

from shared.records.plan import TypeKind
from shared.schema.names import fold
from shared.schema.queries.outputs import bare

SECONDS: Final = "unix seconds"
MILLISECONDS: Final = "unix milliseconds"
JULIAN: Final = "julian day"
_NUMBERS: Final = frozenset({TypeKind.INTEGER, TypeKind.BIGINT, TypeKind.NUMERIC, TypeKind.DOUBLE, TypeKind.REAL})
_INTEGERS: Final = frozenset({TypeKind.INTEGER, TypeKind.BIGINT})
_UNIX_TO_MILLISECONDS: Final = re.compile(
    r"\(?julianday\('now'\)-2440587\.5\)?\*(?:86400\.0\*1000(?:\.0)?|86400000(?:\.0)?|1000(?:\.0)?\*86400(?:\.0)?)"
)
_PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH24", "%M": "MI", "%S": "SS", "%f": "SS.MS", "%j": "DDD",
        "%F": "YYYY-MM-DD", "%T": "HH24:MI:SS", "%R": "HH24:MI", "%%": '"%"',
    }
)  # fmt: skip
_MOMENT: Final = re.compile(r"YYYY-MM-DD(?:(?: |\"T\")HH24:MI(?::SS(?:\.MS)?)?)?(\"Z\")?")


def form_of(node: Any, kind: TypeKind) -> str | None:
    """The form in which an expression gives the current moment to a column; None for any other expression.

    A form is a pattern of to_char for UTC, `SECONDS`, `MILLISECONDS` or `JULIAN`.
    """
    written = _written(bare(node))
    if written is None:
        return None
    if written in {SECONDS, MILLISECONDS}:
        return _of_number(written, kind)
    if written == JULIAN:
        return JULIAN if kind in {TypeKind.DOUBLE, TypeKind.REAL, TypeKind.NUMERIC} else None
    return _of_pattern(written, kind)


def _of_number(written: str, kind: TypeKind) -> str | None:
    if kind in _NUMBERS or kind is TypeKind.TEXT:
        return written
    # A rule made moments of the column's numbers.
    seconds = "YYYY-MM-DD HH24:MI:SS" + ("" if written == SECONDS else ".MS")
    return {TypeKind.TIMESTAMP: seconds, TypeKind.TIMESTAMPTZ: f'{seconds}"Z"'}.get(kind)


def _of_pattern(pattern: str, kind: TypeKind) -> str | None:
    if kind is TypeKind.TEXT:
        return pattern
    moment = _MOMENT.fullmatch(pattern)
    if kind is TypeKind.TIMESTAMPTZ:
        return (pattern if moment[1] else f'{pattern}"Z"') if moment else None
    if kind is TypeKind.TIMESTAMP:
        return pattern.removesuffix('"Z"') if moment else None
    fits = {TypeKind.DATE: {"YYYY-MM-DD"}, TypeKind.TIME: {"HH24:MI:SS", "HH24:MI", "HH24:MI:SS.MS"}}
    return pattern if pattern in fits.get(kind, set()) else None


def _written(node: Any) -> str | None:
    """What SQLite makes of the moment: a pattern of to_char, or a number."""
    for kind, pattern in _KEYWORDS.items():
        if isinstance(node, kind):
            return pattern
    if isinstance(node, exp.Cast) and "INT" in node.to.sql().upper():
        return _as_integer(bare(node.this))
    if isinstance(node, exp.Mul) and _is_number(node.expression, "1000"):
        return MILLISECONDS if _as_integer(bare(node.this)) == SECONDS else None
    return _called(node)


def _as_integer(node: Any) -> str | None:
    text = re.sub(r"\s+", "", fold(node.sql(dialect="sqlite")))
    rounded = re.fullmatch(r"round\((.*)\)", text)
    if _UNIX_TO_MILLISECONDS.fullmatch(rounded[1] if rounded else text):
        return MILLISECONDS
    found = _written(node)
    return found if found in {SECONDS, MILLISECONDS} else None


def _called(node: Any) -> str | None:
    if not isinstance(node, exp.Anonymous):
        return None
    name, arguments = fold(node.name), node.expressions
    if name == "strftime" and arguments and arguments[0].is_string:
        return _pattern(arguments[0].name) if _is_now(arguments[1:]) else None
    return _FUNCTIONS.get(name) if _is_now(arguments) else None


def _is_now(arguments: list[Any]) -> bool:
    if not arguments:
        return True
    moment = bare(arguments[0])
    now = (moment.is_string and fold(moment.name) == "now") or isinstance(moment, exp.CurrentTimestamp)
    return now and len(arguments) == 1


def _is_number(node: Any, text: str) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.name == text


def _pattern(template: str) -> str | None:
    """A template of strftime as a pattern of to_char."""
    if template == "%s":
        return SECONDS
    parts = re.findall(r"%.|[^%A-Za-z\"\\]+|[A-Za-z\"\\]+|%", template, re.DOTALL)
    pattern = ""
    for part in parts:
        if part in _PARTS:
            pattern += _PARTS[part]
        elif part.startswith("%") or '"' in part or "\\" in part:
            return None
        else:
            pattern += f'"{part}"' if part[0].isalpha() else part
    return pattern


_KEYWORDS: Final[Mapping[type, str]] = MappingProxyType(
    {
        exp.CurrentTimestamp: "YYYY-MM-DD HH24:MI:SS",
        exp.CurrentDate: "YYYY-MM-DD",
        exp.CurrentTime: "HH24:MI:SS",
    }
)
_FUNCTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "datetime": "YYYY-MM-DD HH24:MI:SS",
        "date": "YYYY-MM-DD",
        "time": "HH24:MI:SS",
        "unixepoch": SECONDS,
        "julianday": JULIAN,
    }
)
