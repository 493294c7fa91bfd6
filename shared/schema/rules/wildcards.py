"""Names and patterns of rules, compared as SQLite compares names."""

from __future__ import annotations

import fnmatch
from typing import Final

from shared.schema.names import fold

_WILD: Final = frozenset("*?[")


def is_pattern(text: str) -> bool:
    """Whether a rule's name may match several: it holds ``*``, ``?`` or ``[``."""
    return not _WILD.isdisjoint(text)


def matches(pattern: str, name: str) -> bool:
    """Whether a name is the one that a rule names, A to Z in any case, or fits its pattern.

    In a pattern ``*`` stands for any characters, ``?`` for one, ``[abc]`` for one of them and ``[!abc]`` for any other;
    in brackets all of them stand for themselves: ``[*]``, ``[?]``, ``[[]``.
    """
    if is_pattern(pattern):
        return fnmatch.fnmatchcase(fold(name), fold(pattern))
    return fold(pattern) == fold(name)
