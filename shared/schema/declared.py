"""What a declared type says: SQLite's affinity by its rules, and what people mean by the word."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

NUMERIC_MAX_PRECISION: Final = 1000
"""Most digits that may be declared for PostgreSQL's numeric (its documentation, section 8.1.2)."""


class Affinity(enum.StrEnum):
    """What SQLite turns values into on their way into a column (https://sqlite.org/datatype3.html, section 3)."""

    INTEGER = "integer"
    TEXT = "text"
    BLOB = "blob"
    REAL = "real"
    NUMERIC = "numeric"


class Family(enum.StrEnum):
    """What a declared type means to the people who wrote it, whatever SQLite makes of it."""

    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    TEXT = "text"
    BINARY = "binary"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    TIME = "time"
    UUID = "uuid"
    JSON = "json"
    ANY = "any"
    """No type at all, or a word that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredType:
    """A declared type, read."""

    text: str
    """As written in CREATE TABLE."""
    affinity: Affinity
    family: Family
    arguments: tuple[int, ...] = ()
    """The integers in parentheses: length, or precision and scale."""

    @property
    def shown(self) -> str:
        """The type as reasons name it."""
        return f"declared {self.text}" if self.text.strip() else "declared without a type"

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the type in capitals, what is in parentheses aside."""
        return _words(self.text)

    @property
    def may_be_uuid(self) -> bool:
        """Whether frameworks keep UUIDs in this type: CHAR(32) (Django, SQLAlchemy), CHAR(36), BINARY(16)."""
        if self.family is Family.UUID:
            return True
        fixed_length = self.words in _FIXED_LENGTH
        return fixed_length and self.arguments in {(32,), (36,), (16,)}

    @property
    def scaled(self) -> tuple[int, int] | None:
        """Precision and scale that numeric may be declared with, or None."""
        if self.family is not Family.DECIMAL or not 1 <= len(self.arguments) <= 2:
            return None
        precision, scale = (*self.arguments, 0)[:2]
        return (precision, scale) if 1 <= precision <= NUMERIC_MAX_PRECISION and 0 <= scale <= precision else None


_ASCII_UPPER: Final = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}
"""SQLite knows no other letters: to it '\u0131nt' (a dotless i) is no integer."""
_ARGUMENTS: Final = re.compile(r"\(([^()]*)\)")
_FIXED_LENGTH: Final = frozenset(
    {("CHAR",), ("NCHAR",), ("CHARACTER",), ("NATIVE", "CHARACTER"), ("BINARY",), ("NATIONAL", "CHARACTER")}
)
_STRICT_TYPES: Final = {
    "INT": (Affinity.INTEGER, Family.INTEGER),
    "INTEGER": (Affinity.INTEGER, Family.INTEGER),
    "REAL": (Affinity.REAL, Family.FLOAT),
    "TEXT": (Affinity.TEXT, Family.TEXT),
    "BLOB": (Affinity.BLOB, Family.BINARY),
    "ANY": (Affinity.BLOB, Family.ANY),
}
_FAMILY_WORDS: Final = (
    (Family.UUID, {"UUID", "GUID", "UNIQUEIDENTIFIER", "UUIDFIELD"}),
    (Family.JSON, {"JSON", "JSONB", "JSONTEXT"}),
    (Family.BOOLEAN, {"BOOL", "BOOLEAN"}),
    (Family.TIMESTAMPTZ, {"TIMESTAMPTZ", "DATETIMEOFFSET"}),
    (Family.TIMESTAMP, {"TIMESTAMP", "DATETIME", "DATETIME2", "SMALLDATETIME"}),
    (Family.DATE, {"DATE"}),
    (Family.TIME, {"TIME"}),
    (Family.DECIMAL, {"DECIMAL", "NUMERIC", "DEC", "NUMBER", "MONEY", "SMALLMONEY", "CURRENCY", "FIXED"}),
    (Family.BINARY, {"BINARY", "VARBINARY", "BYTEA", "IMAGE", "RAW"}),
    (Family.TEXT, {"STRING", "NSTRING", "ENUM", "XML", "INET", "CIDR"}),
)
_FAMILY_OF_AFFINITY: Final = {
    Affinity.INTEGER: Family.INTEGER,
    Affinity.TEXT: Family.TEXT,
    Affinity.BLOB: Family.BINARY,
    Affinity.REAL: Family.FLOAT,
    Affinity.NUMERIC: Family.ANY,
}


def read_declared(text: str, *, strict: bool = False) -> DeclaredType:
    """Read a declared type; `strict` says that the table is STRICT, where SQLite holds values to it."""
    if strict and text.upper() in _STRICT_TYPES:
        affinity, family = _STRICT_TYPES[text.upper()]
        return DeclaredType(text=text, affinity=affinity, family=family)
    affinity = affinity_of(text)
    return DeclaredType(text=text, affinity=affinity, family=_family(text, affinity), arguments=_arguments(text))


def affinity_of(text: str) -> Affinity:
    """Apply SQLite's five rules in their order (https://sqlite.org/datatype3.html, section 3.1)."""
    upper = text.translate(_ASCII_UPPER)
    if "INT" in upper:
        return Affinity.INTEGER
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return Affinity.TEXT
    if "BLOB" in upper or not upper.strip():
        return Affinity.BLOB
    if any(word in upper for word in ("REAL", "FLOA", "DOUB")):
        return Affinity.REAL
    return Affinity.NUMERIC


def _family(text: str, affinity: Affinity) -> Family:
    words = _words(text)
    if not words:
        return Family.ANY
    # 'FLOATING POINT' has integer affinity, by the 'int' in its second word; nobody means integers by it.
    if words[0].startswith(("FLOA", "DOUB")):
        return Family.FLOAT
    for family, names in _FAMILY_WORDS:
        if names.intersection(words):
            with_zone = family is Family.TIMESTAMP and {"ZONE", "WITH"} <= set(words)
            return Family.TIMESTAMPTZ if with_zone else family
    return _FAMILY_OF_AFFINITY[affinity]


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.split(r"[\s_]+", _ARGUMENTS.sub(" ", text).upper().strip())) if text.strip() else ()


def _arguments(text: str) -> tuple[int, ...]:
    found = _ARGUMENTS.search(text)
    parts = [part.strip() for part in found[1].split(",")] if found else []
    return tuple(int(part) for part in parts) if all(re.fullmatch(r"\d{1,9}", part) for part in parts) else ()
