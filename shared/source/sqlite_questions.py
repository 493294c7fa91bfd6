"""What is asked of each column's values, in SQL: the questions that its declared type and storage classes raise."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from shared.records.source import SourceColumn, StorageClass
from shared.source.sqlite_moments import SHAPES

_TRUTH_VALUES: Final = "('true', 'false', 't', 'f', 'yes', 'no', 'y', 'n', 'on', 'off')"
_EXACT_POWER: Final = 22
"""The highest power of ten that a double holds exactly."""
JSON_FUNCTION: Final = "pgconvoy_judge_json"
FRACTION_FUNCTION: Final = "pgconvoy_fraction_digits"
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


class Merge(enum.Enum):
    """How the answers of several key ranges become one."""

    ADD = "add"
    LEAST = "least"
    MOST = "most"


@dataclass(frozen=True, slots=True)
class Question:
    """One aggregate over a key range."""

    field: str
    """What it answers: a field of `ColumnProfile`, or a name that only the profiler knows."""
    sql: str
    merge: Merge = Merge.ADD


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which questions beyond the cheap ones a declared type raises."""

    moments: bool = False
    booleans: bool = False
    uuids: bool = False
    json: bool = False
    decimals: bool = False
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


def questions_raised(declared_type: str) -> Asked:
    """Say what a declared type raises."""
    declared = declared_type.upper()
    spaceless = "".join(declared.split())
    own = affinity(declared)
    return Asked(
        moments="DATE" in declared or "TIME" in declared,
        booleans="BOOL" in declared,
        uuids=any(word in spaceless for word in ("UUID", "GUID", "CHAR(36)", "CHAR(32)", "BINARY(16)")),
        json="JSON" in declared,
        decimals=own == "NUMERIC" or any(word in declared for word in ("NUMERIC", "DECIMAL", "MONEY")),
        reals=own in {"NUMERIC", "REAL"},
    )


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


def class_questions(column: str) -> Iterator[Question]:
    """Count a column's values by storage class."""
    for storage_class in StorageClass:
        yield Question(f"{storage_class}s", f"sum(typeof({column}) = '{storage_class}')")


def value_questions(column: str, classes: Sequence[StorageClass], asked: Asked) -> Iterator[Question]:
    """Ask about the values themselves.

    Args:
        column: The column's SQL.
        classes: The storage classes that occur in the key range.
        asked: What the declared type raises.
    """
    pure = len(classes) == 1
    for storage_class in classes:
        for field, aggregate, value, merge in _OF_CLASS[storage_class](column, asked):
            guarded = value if pure else f"CASE WHEN typeof({column}) = '{storage_class}' THEN {value} END"
            yield Question(field, f"{aggregate}({guarded})", merge)


def moment_questions(column: str, shapes: Iterable[str], *, pure: bool) -> Iterator[Question]:
    """Count the texts of some shapes of date and time.

    Args:
        column: The column's SQL.
        shapes: Keys of `SHAPES`.
        pure: Whether the key range holds nothing but texts and NULL in the column.
    """
    guard = "" if pure else f"typeof({column}) = 'text' AND "
    for shape in shapes:
        yield Question(shape, f"count({_one_if(guard + SHAPES[shape](column))})")


def _one_if(condition: str) -> str:
    # SQLite stops early in AND and OR only where a WHEN or WHERE asks, not where a value is wanted.
    return f"CASE WHEN {condition} THEN 1 END"


_Answer = tuple[str, str, str, Merge]
"""Field, aggregate function, the SQL of what it aggregates, and how answers merge."""


def _of_integers(column: str, _: Asked) -> Iterator[_Answer]:
    yield "integer_min", "min", column, Merge.LEAST
    yield "integer_max", "max", column, Merge.MOST


def _of_reals(column: str, asked: Asked) -> Iterator[_Answer]:
    # CAST holds on to the ends of int64, and a real is compared with an integer exactly; -2**63 alone is both.
    integral = f"{column} = CAST({column} AS INTEGER) AND {column} > -9223372036854775808.0"
    yield "integral_reals", "count", _one_if(integral), Merge.ADD
    yield "infinities", "sum", f"(abs({column}) = 9e999)", Merge.ADD
    if asked.decimals:
        yield "largest_real", "max", f"CASE WHEN abs({column}) < 9e999 THEN abs({column}) END", Merge.MOST


def _of_texts(column: str, asked: Asked) -> Iterator[_Answer]:
    yield "nul_texts", "sum", f"(instr({column}, char(0)) > 0)", Merge.ADD
    yield "text_bytes", "sum", f"length(CAST({column} AS BLOB))", Merge.ADD
    if asked.booleans:
        yield "boolean_texts", "sum", f"(lower({column}) IN {_TRUTH_VALUES})", Merge.ADD
    if asked.uuids:
        yield "uuid_texts", "count", _one_if(_is_uuid(column)), Merge.ADD
    if asked.json:
        # As a blob, since a text that is not valid UTF-8 would not reach a Python function.
        yield "json_answers", "sum", f"{JSON_FUNCTION}(CAST({column} AS BLOB))", Merge.ADD


def _of_blobs(column: str, asked: Asked) -> Iterator[_Answer]:
    yield "blob_bytes", "sum", f"length({column})", Merge.ADD
    if asked.uuids:
        yield "uuid_blobs", "sum", f"(length({column}) = 16)", Merge.ADD


_OF_CLASS: Final = MappingProxyType(
    {
        StorageClass.INTEGER: _of_integers,
        StorageClass.REAL: _of_reals,
        StorageClass.TEXT: _of_texts,
        StorageClass.BLOB: _of_blobs,
    }
)


def _is_uuid(text: str) -> str:
    plain = f"length({text}) = 32 AND {text} NOT GLOB '*[^0-9a-fA-F]*'"
    places = "????????-????-????-????-????????????"
    bare = f"replace({text}, '-', '')"
    hyphens = f"{text} GLOB '{places}' AND length({bare}) = 32 AND {bare} NOT GLOB '*[^0-9a-fA-F]*'"
    return f"(instr({text}, char(0)) = 0 AND ({plain} OR ({hyphens})))"


def has_decimals_at_most(column: str, digits: int) -> str:
    """Hold where a real's shortest text is known to have at most so many digits after the point.

    Where an integer divided by 10**digits, and so rounded once, is the real itself, that decimal reads back as it, and
    the shortest text has no more digits after the point. Where the test says no, digits are counted one by one.
    """
    if digits > _EXACT_POWER:
        return "0"
    return f"(round({column} * 1e{digits}) / 1e{digits} = {column})"


def fraction_digits(value: float) -> int:
    """Count the digits after the point in the shortest text that reads back as `value`."""
    text = repr(value)
    if "e" in text:
        _, _, exponent = Decimal(text).normalize().as_tuple()
        return max(0, -exponent) if isinstance(exponent, int) else 0
    digits = text.partition(".")[2]
    return 0 if digits in {"0", ""} else len(digits)


def integer_digits(value: float | None) -> int:
    """Count the digits before the point in the shortest text of `value`; 0 below 1, since a leading zero counts not."""
    whole = int(abs(Decimal(repr(value)))) if value is not None else 0
    return len(str(whole)) if whole else 0
