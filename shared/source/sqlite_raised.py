"""Which questions a column raises, by its declared type and its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.records.source import SourceColumn, StorageClass

_STRICT_CLASSES: Final = MappingProxyType(
    {
        "INT": StorageClass.INTEGER,
        "INTEGER": StorageClass.INTEGER,
        "REAL": StorageClass.REAL,
        "TEXT": StorageClass.TEXT,
        "BLOB": StorageClass.BLOB,
    }
)
"""Storage class by declared type in STRICT tables (https://sqlite.org/stricttables.html); ANY is left out."""

_TIME_WORDS: Final = re.compile(
    r"date|time|stamp|epoch|creat|modif|change|updat|delet|expir|visit|access|added|install|seen|sent|received|read_on"
    r"|login|synced|refresh|publish|moment|since|until|birth|julian|start|finish|ended|begin|last_|(?:_|\b)(?:at|on|ts|dt|when|day|end)$"
)
"""Names under which numbers are kept that count seconds or days. Generous: three comparisons a value cost 0.04 s a
million rows."""
_TIME_HUMP: Final = re.compile(r"[a-z0-9](?:At|On|Ts|Day|End)$|^last[A-Z]")
_UUID_TYPES: Final = re.compile(
    r"UUID|GUID|UNIQUEIDENTIFIER|CHAR(?:ACTER)?(?:VARYING)?\((?:36|32)\)|(?:BINARY|BLOB|RAW|BYTES|BYTEA)\(16\)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which questions beyond the cheap ones a column raises."""

    moments: bool = False
    epochs: bool = False
    booleans: bool = False
    uuids: bool = False
    json: bool = False
    decimals: bool = False
    """Digits of numbers. Texts have none to count: one that spells a number does not stay a text in a column of
    numeric affinity (https://sqlite.org/datatype3.html, section 3)."""
    reals: bool = False
    """Whether reals belong here, so that the answers about them are 0 rather than None where none occur."""


def affinity(declared_type: str) -> str:
    """Determine a column's affinity by SQLite's five rules (https://sqlite.org/datatype3.html, section 3.1)."""
    declared = declared_type.upper()
    if "INT" in declared:
        return "INTEGER"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if not declared or "BLOB" in declared:
        return "BLOB"
    if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def questions_raised(column: SourceColumn) -> Asked:
    """Say what a column's declared type raises, and of moments counted in numbers what its name raises."""
    declared = column.declared_type.upper()
    spaceless = "".join(declared.split())
    own = affinity(declared)
    moments = "DATE" in declared or "TIME" in declared
    return Asked(
        moments=moments,
        epochs=moments or speaks_of_time(column.name),
        booleans="BOOL" in declared,
        uuids=_UUID_TYPES.search(spaceless) is not None,
        json="JSON" in declared,
        decimals=own == "NUMERIC" or any(word in declared for word in ("NUMERIC", "DECIMAL", "MONEY")),
        reals=own in {"NUMERIC", "REAL"},
    )


def speaks_of_time(name: str) -> bool:
    """Whether a column's name lets expect moments."""
    return bool(_TIME_WORDS.search(name.lower()) or _TIME_HUMP.search(name))


def certain_class(column: SourceColumn, *, strict: bool) -> StorageClass | None:
    """Name the one storage class that a column of a STRICT table can hold; None where SQLite promises none."""
    return _STRICT_CLASSES.get(column.declared_type.upper()) if strict else None


def likely_class(declared_type: str) -> StorageClass:
    """Guess what a column holds, for its first key range."""
    guesses = {
        "INTEGER": StorageClass.INTEGER,
        "TEXT": StorageClass.TEXT,
        "BLOB": StorageClass.BLOB,
        "REAL": StorageClass.REAL,
    }
    return guesses.get(affinity(declared_type), StorageClass.INTEGER)
