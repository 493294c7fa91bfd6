"""The load that an operator allows, as the command line writes it: ``20MB/s``, ``connections=40``, ``lag=5s``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Final

from shared.errors import OperatorError
from shared.records.load import MaxLoad

_NUMBER: Final = re.compile(r"\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))\s*(?P<unit>[^\d\s].*?)?\s*")
_BYTES: Final = MappingProxyType(
    {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
    | {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
)
_SECONDS: Final = MappingProxyType({"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0})
_FORMS: Final = "20MB/s, connections=40 or lag=5s"


def max_load_of(given: Sequence[str] | None) -> MaxLoad | None:
    """Read limits of load; None where none is given.

    Raises:
        OperatorError: where one cannot be read, is not above 0, or is given twice.
    """
    limits = None
    for text in given or ():
        limits = _with(limits or MaxLoad(), _limit(text), text)
    return limits


def _with(limits: MaxLoad, more: MaxLoad, text: str) -> MaxLoad:
    values, news = asdict(limits), {name: value for name, value in asdict(more).items() if value is not None}
    if any(values[name] is not None for name in news):
        msg = f"the limit {text!r} is the second of its kind: give one of {_FORMS} each at most once"
        raise OperatorError(msg)
    return MaxLoad(**(values | news))


def _limit(text: str) -> MaxLoad:
    """Read one limit."""
    kind, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        return MaxLoad(bytes_per_s=_bytes_per_s(text))
    match kind.lower():
        case "connections":
            return MaxLoad(connections=_connections(text, value))
        case "lag":
            return MaxLoad(lag_s=_measured(text, value, _SECONDS))
    msg = f"the limit {text!r} is of an unknown kind {kind!r}: write {_FORMS}"
    raise OperatorError(msg)


def _bytes_per_s(text: str) -> float:
    amount, slash, span = text.rpartition("/")
    if not slash or span.strip().lower() not in ("s", "sec", "second"):
        msg = f"the limit {text!r} cannot be read: bytes are limited a second, as in 20MB/s; or write {_FORMS}"
        raise OperatorError(msg)
    return max(1.0, _measured(text, amount, _BYTES))


def _connections(text: str, value: str) -> int:
    number, unit = _split(text, value)
    if unit or not number.is_integer():
        msg = f"the limit {text!r} is no whole number of connections: write it as in connections=40"
        raise OperatorError(msg)
    return int(number)


def _measured(text: str, value: str, units: MappingProxyType[str, int] | MappingProxyType[str, float]) -> float:
    number, unit = _split(text, value)
    if unit.lower() not in units:
        finding = f"the unknown unit {unit!r}" if unit else "no unit"
        msg = f"the limit {text!r} has {finding}: there are {', '.join(units)}, as in {_FORMS}"
        raise OperatorError(msg)
    return number * units[unit.lower()]


def _split(text: str, value: str) -> tuple[float, str]:
    found = _NUMBER.fullmatch(value)
    if found is None:
        msg = f"the limit {text!r} cannot be read: write {_FORMS}"
        raise OperatorError(msg)
    number = float(found["number"])
    if number <= 0 or not math.isfinite(number):
        msg = f"the limit {text!r} is not above 0: to stop a job, end it with `producer cancel` and resume it later"
        raise OperatorError(msg)
    return number, found["unit"] or ""
