"""Names in the target: folded, within PostgreSQL's limits, and each unique where it must be."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MAX_NAME_BYTES: Final = 63
"""PostgreSQL's NAMEDATALEN - 1; it cuts longer names silently, and two may become one."""

SYSTEM_COLUMNS: Final = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Names that every table of PostgreSQL has already (its documentation, section 5.6; oid is free since 12)."""

_HASH_DIGITS: Final = 8
"""Hexadecimal digits that tell two cut names apart: one chance in 4 * 10^9 that they do not, which the
suffix of a collision then settles."""

_ASCII_UPPER_TO_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenName:
    """A name in the target."""

    name: str
    reason: str = ""
    """Why it is more than the source's name folded, in a clause; empty where it is just that."""


def fold(name: str, *, preserve: bool = False) -> str:
    """Fold a name as PostgreSQL folds an unquoted one in a UTF-8 database: A to Z become lower-case, nothing else.

    `str.lower` would turn Ä into ä, which PostgreSQL does not, so that an unquoted Ä would not be found.
    SQLite compares names in the same way, so folding alone never makes two names of one source equal.
    """
    return name if preserve else name.translate(_ASCII_UPPER_TO_LOWER)


class Names:
    """The names that are taken in one namespace: the relations of a schema, the columns or constraints of a table."""

    def __init__(self, *, preserve: bool = False, taken: Iterable[str] = (), reserved: Iterable[str] = ()) -> None:
        """Start with names that are taken, and with names that PostgreSQL keeps for itself."""
        self._preserve = preserve
        self._taken = set(taken)
        self._reserved = frozenset(reserved)

    def give(self, wanted: str) -> GivenName:
        """Take the name that is nearest to `wanted` and free, and say why where it differs by more than folding."""
        folded = fold(wanted, preserve=self._preserve)
        possible = _possible(folded)
        name = _within_limit(possible)
        reasons = []
        if possible != folded:
            reasons.append("a name of PostgreSQL cannot be empty or hold control characters")
        if name != possible:
            reasons.append(f"a name of PostgreSQL has at most {MAX_NAME_BYTES} bytes")
        if name in self._reserved:
            reasons.append("PostgreSQL keeps the name for a column of its own")
        elif name in self._taken:
            reasons.append("the name is taken")
        name = self._free(name)
        self._taken.add(name)
        return GivenName(name=name, reason=" and ".join(reasons))

    def _free(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self._taken or candidate in self._reserved:
            number += 1
            suffix = f"_{number}"
            candidate = _cut(name, MAX_NAME_BYTES - len(suffix)) + suffix
        return candidate


def _possible(name: str) -> str:
    """Replace what no name can hold (U+0000, lone surrogates) or no terminal shows (control characters)."""
    kept = "".join("_" if unicodedata.category(character) in {"Cc", "Cs"} else character for character in name)
    return kept or "unnamed"


def _within_limit(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{_cut(name, MAX_NAME_BYTES - _HASH_DIGITS - 1)}_{digest}"


def _cut(name: str, limit: int) -> str:
    """Cut a name to at most `limit` bytes, at the border of a character."""
    return name.encode()[:limit].decode(errors="ignore")
