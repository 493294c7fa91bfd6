"""What is asked of each column's values, in SQL: the questions that its declared type and storage classes raise."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from shared.records.source import StorageClass
from shared.source.sqlite_moments import SHAPES
from shared.source.sqlite_raised import Asked

TRUTH_VALUES: Final = ("true", "false", "t", "f", "yes", "no", "y", "n", "on", "off")
_DOUBLE_DIGITS: Final = 17
"""The most significant digits that the shortest text of a double has."""
EXACT_POWER: Final = 22
"""The highest power of ten that a double holds exactly."""
JSON_FUNCTION: Final = "pgconvoy_judge_json"
FRACTION_FUNCTION: Final = "pgconvoy_fraction_digits"
TEXT_FUNCTION: Final = "pgconvoy_judge_text"
SHORT_TEXTS: Final = "short_texts"
"""Field of the one question whose answer is a text: all short texts of a key range, joined."""
REALS_BEYOND: Final = "reals_beyond"
"""Field of the question how many reals may have more digits after the point than any before."""
LARGEST: Final = "largest_magnitude"
"""Field of the question for the largest magnitude of a real, infinity included."""
SHORT_BYTES: Final = 256
"""Texts up to here are judged together. Measured: 60 to 110 ns a text that is joined with others, as much as `instr`
takes to look for U+0000 alone, and 400 ns by a call of a Python function."""
_YEARS_S: Final = (315_532_800, 4_102_444_800)
"""1980-01-01 and 2100-01-01 in seconds since 1970."""
EPOCHS: Final = tuple(
    (field, _YEARS_S[0] * unit, _YEARS_S[1] * unit)
    for field, unit in (("epoch_s", 1), ("epoch_ms", 1_000), ("epoch_us", 1_000_000))
)
"""Questions for moments counted in some unit since 1970, each with its least moment and its end."""
JULIAN_YEARS: Final = (2_444_239.5, 2_488_069.5)
"""The same as Julian days."""


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


def _of_integers(column: str, asked: Asked) -> Iterator[_Answer]:
    yield "integer_min", "min", column, Merge.LEAST
    yield "integer_max", "max", column, Merge.MOST
    if asked.epochs:
        yield from _epochs(column)


def _epochs(column: str) -> Iterator[_Answer]:
    for field, least, end in EPOCHS:
        yield field, "sum", f"({column} >= {least} AND {column} < {end})", Merge.ADD


def _of_reals(column: str, asked: Asked) -> Iterator[_Answer]:
    # CAST holds on to the ends of int64, and a real is compared with an integer exactly; -2**63 alone is both.
    integral = f"{column} = CAST({column} AS INTEGER) AND {column} > -9223372036854775808.0"
    yield "integral_reals", "count", _one_if(integral), Merge.ADD
    # Guarded also where reals are expected: the magnitude of the least integer is an error.
    yield LARGEST, "max", f"CASE WHEN typeof({column}) = 'real' THEN abs({column}) END", Merge.MOST
    if asked.epochs:
        yield from _epochs(column)
        least, end = JULIAN_YEARS
        yield "julian_days", "sum", f"({column} >= {least} AND {column} < {end})", Merge.ADD


def _of_texts(column: str, asked: Asked) -> Iterator[_Answer]:
    yield "longest_text", "max", _bytes_of(column), Merge.MOST
    if asked.booleans:
        yield "boolean_texts", "sum", f"(lower({column}) IN {TRUTH_VALUES})", Merge.ADD
    if asked.uuids:
        yield "uuid_texts", "count", _one_if(_is_uuid(column)), Merge.ADD
    if asked.json:
        yield "json_answers", "sum", f"{JSON_FUNCTION}(CAST({column} AS BLOB))", Merge.ADD


def _bytes_of(column: str) -> str:
    # As a blob: length() of a text ends at U+0000, and a text that is not valid would not reach a Python function.
    return f"length(CAST({column} AS BLOB))"


def _of_blobs(column: str, asked: Asked) -> Iterator[_Answer]:
    yield "blob_bytes", "sum", f"length({column})", Merge.ADD
    yield "longest_blob", "max", f"length({column})", Merge.MOST
    if asked.uuids:
        yield "uuid_blobs", "sum", f"(length({column}) = 16)", Merge.ADD


def infinity_questions(column: str) -> Iterator[Question]:
    """Ask what the largest magnitude hides where it is infinity."""
    real = f"typeof({column}) = 'real' AND abs({column})"
    yield Question("infinities", f"count({_one_if(f'{real} = 9e999')})")
    yield Question("largest_real", f"max(CASE WHEN {real} < 9e999 THEN abs({column}) END)", Merge.MOST)


def short_texts(column: str) -> Question:
    """Ask for all short texts at once, joined by commas."""
    return Question(SHORT_TEXTS, f"group_concat(CASE WHEN {_is_short(column)} THEN {column} END)")


def empty_texts(column: str) -> Question:
    """Count the texts of no character."""
    return Question("empty_texts", f"sum(typeof({column}) = 'text' AND {column} = '' COLLATE BINARY)")


def text_bytes(column: str) -> Question:
    """Add up the bytes of texts."""
    return Question("text_bytes", f"sum(CASE WHEN typeof({column}) = 'text' THEN {_bytes_of(column)} END)")


def judged(column: str, *, short: bool | None = None) -> Question:
    """Judge texts one by one: the short ones, the long ones, or all of them."""
    lengths = {None: "1", True: _is_short(column), False: f"NOT ({_is_short(column)})"}
    condition = f"typeof({column}) = 'text' AND {lengths[short]}"
    return Question("text_answers", f"sum(CASE WHEN {condition} THEN {TEXT_FUNCTION}(CAST({column} AS BLOB)) END)")


def _is_short(column: str) -> str:
    return f"typeof({column}) = 'text' AND {_bytes_of(column)} <= {SHORT_BYTES}"


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


def reals_beyond(column: str, digits: int) -> str:
    """Hold for reals that may have more digits after the point than `digits`."""
    small = f"abs({column}) < {largest_with_digits_beyond(digits)!r}"
    return f"typeof({column}) = 'real' AND NOT {has_decimals_at_most(column, digits)} AND {small}"


def largest_with_digits_beyond(digits: int) -> float:
    """The magnitude below which alone a real has more digits after the point than `digits`."""
    # A real from 10**m up spends m + 1 of its digits before the point.
    return float(f"1e{_DOUBLE_DIGITS - 1 - digits}")


def has_decimals_at_most(column: str, digits: int) -> str:
    """Hold where a real's shortest text is known to have at most so many digits after the point.

    Where an integer divided by 10**digits, and so rounded once, is the real itself, that decimal reads back as it, and
    the shortest text has no more digits after the point. Where the test says no, digits are counted one by one.
    """
    if digits > EXACT_POWER:
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
