"""JSON that is nested more deeply than a program should follow by calling itself: read level by level into a digest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

SHALLOW: Final = 100
"""Levels that are read the usual way; Python's own limit is 1,000 calls, several a level."""
_TOKEN: Final = re.compile(
    r'[ \t\n\r]*(?:(?P<mark>[\[\]{},:])|(?P<scalar>"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"]+)|(?P<end>\Z))', re.DOTALL
)
_QUOTES: Final = "'\""
"""What Python begins a text with."""
_CLOSES: Final = {"]": "[", "}": "{"}

ScalarForm = Callable[[str], str]
"""What one scalar means, as Python shows it, so that equal values are shown alike; ValueError for none."""


def is_deep(text: str) -> bool:
    """Whether arrays and objects of a JSON text lie in each other more than `SHALLOW` deep."""
    if text.count("[") + text.count("{") <= SHALLOW:
        return False
    depth = deepest = 0
    for found in _TOKEN.finditer(text):
        mark = found["mark"]
        depth += mark is not None and mark in "[{"
        depth -= mark is not None and mark in "]}"
        deepest = max(deepest, depth)
    return deepest > SHALLOW


@dataclass(slots=True)
class _Open:
    """An array or object that has not ended yet."""

    kind: str
    members: list[str] = field(default_factory=list)
    """Digests of an array's values."""
    named: dict[str, str] = field(default_factory=dict)
    """Digests of an object's values by name."""
    name: str | None = None
    """Of the value that comes next."""
    expects: str = "value or end"


def deep_digest(text: str, scalar_form: ScalarForm) -> str:
    """Digest a JSON text so that equal values have equal digests, whatever the order of names.

    Raises:
        ValueError: for no JSON, and for a name that stands twice in one object.
    """
    levels = [_Open("top", expects="value")]
    place = 0
    while found := _TOKEN.match(text, place):
        place = found.end()
        if found["end"] is not None:
            break
        mark = found["mark"]
        if mark is None:
            _take_scalar(levels[-1], scalar_form(found["scalar"]))
        elif mark in "[{":
            _require(levels[-1], "value")
            levels.append(_Open(mark, expects="value or end" if mark == "[" else "name or end"))
        elif mark in _CLOSES:
            _end(levels, _CLOSES[mark])
        else:
            _go_on(levels[-1], mark)
    if found is None or len(levels) != 1 or not levels[0].members:
        raise _no_json()
    return levels[0].members[0]


def _take_scalar(level: _Open, form: str) -> None:
    if level.expects in {"name", "name or end"}:
        if level.kind != "{" or form in level.named or form[0] not in _QUOTES:
            raise _no_json()
        level.name, level.expects = form, "colon"
        return
    _require(level, "value")
    _add(level, form)


def _add(level: _Open, form: str) -> None:
    if level.kind == "{":
        level.named[level.name or ""] = form
    else:
        level.members.append(form)
    level.expects = "comma or end" if level.kind != "top" else "nothing"


def _end(levels: list[_Open], kind: str) -> None:
    level = levels.pop()
    if level.kind != kind or not level.expects.endswith("end") or not levels:
        raise _no_json()
    members = level.members if kind == "[" else [f"{name}:{form}" for name, form in sorted(level.named.items())]
    # A digest of digests: the text of the whole would be copied once a level.
    _add(levels[-1], blake2b(f"{kind}{','.join(members)}".encode(), digest_size=16).hexdigest())


def _go_on(level: _Open, mark: str) -> None:
    if mark == ":" and level.expects == "colon":
        level.expects = "value"
    elif mark == "," and level.expects == "comma or end":
        level.expects = "name" if level.kind == "{" else "value"
    else:
        raise _no_json()


def _require(level: _Open, what: str) -> None:
    if not level.expects.startswith(what):
        raise _no_json()


def _no_json() -> ValueError:
    return ValueError("this is no JSON, or a name stands in an object twice")
