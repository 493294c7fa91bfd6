"""Types of PostgreSQL as an operator writes them, in PostgreSQL's own spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NoReturn

from shared.records.plan import TargetType, TypeKind
from shared.schema.names import fold

MAX_CHARACTERS: Final = 10_485_760
"""The longest length that varchar and char may be declared with (MaxAttrSize in PostgreSQL's htup_details.h)."""

_WORD: Final = r'(?:[^\W\d][\w$]*|"(?:[^"\0]|"")+")'
_TYPE: Final = re.compile(
    rf"(?P<words>{_WORD}(?:\.{_WORD})?(?:\s+{_WORD})*)\s*"
    r"(?:\(\s*(?P<modifiers>[\w-]+(?:\s*,\s*[\w-]+)*)\s*\))?\s*"
    rf"(?P<after>{_WORD}(?:\s+{_WORD})*)?\s*"
    r"(?P<dimensions>(?:\[\d*\]\s*)*)"
)
_SPELLINGS: Final[Mapping[str, tuple[TypeKind, str]]] = MappingProxyType(
    {
        "smallint": (TypeKind.SMALLINT, "smallint"),
        "int2": (TypeKind.SMALLINT, "smallint"),
        "integer": (TypeKind.INTEGER, "integer"),
        "int": (TypeKind.INTEGER, "integer"),
        "int4": (TypeKind.INTEGER, "integer"),
        "bigint": (TypeKind.BIGINT, "bigint"),
        "int8": (TypeKind.BIGINT, "bigint"),
        "real": (TypeKind.REAL, "real"),
        "float4": (TypeKind.REAL, "real"),
        "double precision": (TypeKind.DOUBLE, "double precision"),
        "float8": (TypeKind.DOUBLE, "double precision"),
        "float": (TypeKind.DOUBLE, "double precision"),
        "numeric": (TypeKind.NUMERIC, "numeric"),
        "decimal": (TypeKind.NUMERIC, "numeric"),
        "dec": (TypeKind.NUMERIC, "numeric"),
        "text": (TypeKind.TEXT, "text"),
        "citext": (TypeKind.TEXT, "citext"),
        "varchar": (TypeKind.TEXT, "character varying"),
        "character varying": (TypeKind.TEXT, "character varying"),
        "char varying": (TypeKind.TEXT, "character varying"),
        "bpchar": (TypeKind.TEXT, "bpchar"),
        "char": (TypeKind.TEXT, "character"),
        "character": (TypeKind.TEXT, "character"),
        "bytea": (TypeKind.BYTEA, "bytea"),
        "boolean": (TypeKind.BOOLEAN, "boolean"),
        "bool": (TypeKind.BOOLEAN, "boolean"),
        "timestamp": (TypeKind.TIMESTAMP, "timestamp without time zone"),
        "timestamp without time zone": (TypeKind.TIMESTAMP, "timestamp without time zone"),
        "timestamptz": (TypeKind.TIMESTAMPTZ, "timestamp with time zone"),
        "timestamp with time zone": (TypeKind.TIMESTAMPTZ, "timestamp with time zone"),
        "date": (TypeKind.DATE, "date"),
        "time": (TypeKind.TIME, "time without time zone"),
        "time without time zone": (TypeKind.TIME, "time without time zone"),
        "timetz": (TypeKind.OTHER, "time with time zone"),
        "time with time zone": (TypeKind.OTHER, "time with time zone"),
        "uuid": (TypeKind.UUID, "uuid"),
        "json": (TypeKind.JSON, "json"),
        "jsonb": (TypeKind.JSONB, "jsonb"),
        "bit": (TypeKind.OTHER, "bit"),
        "bit varying": (TypeKind.OTHER, "bit varying"),
        "varbit": (TypeKind.OTHER, "bit varying"),
    }
)
"""By what an operator may write (PostgreSQL's documentation, table 8.1): the family, and how PostgreSQL says it."""
_MODIFIED_WITHIN: Final = frozenset({"timestamp", "time"})
"""Types that take their modifier after the first word: ``timestamp(3) with time zone``."""
_ONE_NUMBER: Final = frozenset({"character varying", "character", "bpchar"})
_SERIALS: Final = frozenset({"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"})
_FIELD: Final = "(?:year|month|day|hour|minute|second)"
_INTERVAL: Final = re.compile(f"interval {_FIELD}(?: to {_FIELD})?")
_SINGLE_BITS: Final = 24
"""Up to so many bits float(n) is real, from there to 53 double precision."""


class TypeTextError(ValueError):
    """A text that cannot be a type; it says why, in a clause."""


def read_type(text: str) -> TargetType:
    """Read a type as an operator writes it: ``int4``, ``varchar(20)``, ``timestamptz(3)``, ``inet``, ``mood[]``.

    A word that PostgreSQL does not know itself is taken for the name of a type in the target; PostgreSQL will say.

    Raises:
        TypeTextError: for what cannot be a type at all.
    """
    found = _TYPE.fullmatch(text.strip())
    if found is None:
        _refuse(text, "")
    words = _plain(found["words"])
    modifiers = tuple(part.strip() for part in (found["modifiers"] or "").split(",") if part.strip())
    after = _plain(found["after"] or "")
    element = _read(text, f"{words} {after}".strip(), modifiers)
    dimensions = found["dimensions"].count("[")
    if not dimensions:
        return element
    # PostgreSQL keeps neither how many dimensions were declared nor their sizes.
    return TargetType(kind=TypeKind.OTHER, sql=f"{element.sql}[]")


def _read(text: str, words: str, modifiers: tuple[str, ...]) -> TargetType:
    if words in _SERIALS:
        _refuse(text, "which is no type but a shorthand: write smallint, integer or bigint")
    known = _SPELLINGS.get(words)
    if known is None:
        if " " in re.sub(r'"(?:[^"]|"")+"', "", words) and not _INTERVAL.fullmatch(words):
            _refuse(text, "")
        return TargetType(kind=TypeKind.OTHER, sql=words + (f"({','.join(modifiers)})" if modifiers else ""))
    kind, sql = known
    if words == "float" and modifiers:
        return _float(text, modifiers)
    return TargetType(kind=kind, sql=_modified(text, sql, modifiers))


def _plain(words: str) -> str:
    """One space between words, letters as PostgreSQL folds them, quoted names as they are."""
    parts = re.findall(rf"{_WORD}|\.", words)
    folded = " ".join(part if part.startswith('"') else fold(part) for part in parts)
    return folded.replace(" . ", ".")


def _float(text: str, modifiers: tuple[str, ...]) -> TargetType:
    (bits,) = _numbers(text, modifiers, at_most=1)
    if not 1 <= bits <= 53:
        _refuse(text, "whose precision is from 1 to 53")
    kind = TypeKind.REAL if bits <= _SINGLE_BITS else TypeKind.DOUBLE
    return TargetType(kind=kind, sql=kind.value)


def _modified(text: str, sql: str, modifiers: tuple[str, ...]) -> str:
    if not modifiers:
        return "character(1)" if sql == "character" else sql
    if sql == "numeric":
        precision, scale = (*_numbers(text, modifiers, at_most=2), 0)[:2]
        return f"numeric({precision},{scale})"
    head, _, rest = sql.partition(" ")
    if head in _MODIFIED_WITHIN:
        (digits,) = _numbers(text, modifiers, at_most=1)
        return f"{head}({digits}) {rest}"
    if sql in _ONE_NUMBER or head == "bit":
        (length,) = _numbers(text, modifiers, at_most=1)
        return f"{'character' if sql == 'bpchar' else sql}({length})"
    return _refuse(text, f"but {sql} takes nothing in parentheses")


def _numbers(text: str, modifiers: tuple[str, ...], *, at_most: int) -> tuple[int, ...]:
    if len(modifiers) > at_most or not all(re.fullmatch(r"-?\d{1,9}", part, re.ASCII) for part in modifiers):
        _refuse(text, "with something else than numbers, or too many of them, in parentheses")
    return tuple(int(part) for part in modifiers)


def _refuse(text: str, why: str) -> NoReturn:
    msg = f"{text!r}, {why}" if why else f"{text!r}, which is no type of PostgreSQL"
    raise TypeTextError(msg)
