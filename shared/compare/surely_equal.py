"""Whole columns settled at once: where both sides are surely equal.

"Surely" means that the canonical forms would be equal too; what is not settled here is no difference yet, but is
left to the canonical forms, value by value. So these shortcuts can be incomplete, but must never be wrong; a
property test holds them against the canonical forms.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.compare.canonical_target import DAYS_TO_2000, MICROSECONDS_TO_2000
from shared.compare.json_columns import equal_but_for_blanks
from shared.compare.moment_columns import ReadColumn, read_dates, read_moments, read_times
from shared.compare.text_bytes import Bytes, Mask, equal_mask, mask, text_bytes, wire_integers
from shared.records.plan import TargetType, TypeKind

EXACT_INTEGERS: Final = 2**53
"""Up to here every integer is a double of its own."""
_EXACT_DIGITS: Final = 15
"""Decimals of so many significant digits are told apart by doubles, so the shortest text of the double that such
a decimal rounds to is that decimal (DBL_DIG; https://en.wikipedia.org/wiki/Double-precision_floating-point_format)."""
_HYPHENS: Final = (8, 13, 18, 23)
_NO_DIGIT: Final = 255

Shortcut: TypeAlias = Callable[[pa.Array, pa.Array], Mask]


def surely_equal(source: pa.Array, target: pa.Array, type_: TargetType) -> Mask:
    """Where a source column and a target column of one length are surely equal; both NULL is equal."""
    both_null = mask(pc.and_(source.is_null(), target.is_null()))
    shortcut = None if type_.sql.startswith(("character(", "bpchar")) else _shortcut(source.type, type_.kind)
    if shortcut is None:
        return both_null
    both_valid = mask(pc.and_(source.is_valid(), target.is_valid()))
    return both_null | (both_valid & shortcut(source, target))


def _shortcut(source: pa.DataType, kind: TypeKind) -> Shortcut | None:
    if pa.types.is_int64(source):
        return _FROM_INTEGERS.get(kind)
    if pa.types.is_float64(source):
        return _FROM_DOUBLES.get(kind)
    if pa.types.is_string(source):
        return _FROM_TEXTS.get(kind)
    return _FROM_BLOBS.get(kind) if pa.types.is_binary(source) else None


def _integers(source: pa.Array, target: pa.Array) -> Mask:
    return equal_mask(source, target.cast(pa.int64()))


def _bits(source: pa.Array, target: pa.Array) -> Mask:
    return equal_mask(source.view(pa.int64()), target.view(pa.int64()))


def _doubles_as_integers(source: pa.Array, target: pa.Array) -> Mask:
    numbers = pc.fill_null(source, 0.0).to_numpy()
    with np.errstate(invalid="ignore"):
        same = numbers == pc.fill_null(target, 0).to_numpy().astype(np.float64)
    return same & (np.abs(numbers) < EXACT_INTEGERS)  # type: ignore[no-any-return]


def _single_bits(source: pa.Array, target: pa.Array) -> Mask:
    numbers = pc.fill_null(source, 0.0).to_numpy()
    with np.errstate(over="ignore", under="ignore"):
        rounded = numbers.astype(np.float32)
    in_range = (np.isinf(rounded) == np.isinf(numbers)) & ((rounded == 0) == (numbers == 0))
    return in_range & (rounded.view(np.int32) == pc.fill_null(target, 0.0).to_numpy().view(np.int32))  # type: ignore[no-any-return]


def _integers_as_doubles(source: pa.Array, target: pa.Array) -> Mask:
    numbers = pc.fill_null(source, 0).to_numpy()
    bits = numbers.astype(np.float64).view(np.int64)
    exact = (numbers <= EXACT_INTEGERS) & (numbers >= -EXACT_INTEGERS)
    return exact & (bits == pc.fill_null(target, 0.0).to_numpy().view(np.int64))  # type: ignore[no-any-return]


def _doubles_as_decimals(source: pa.Array, target: pa.Array) -> Mask:
    numbers = _as_doubles(target)
    if numbers is None:
        return np.zeros(len(source), np.bool_)
    return _few_digits(target) & equal_mask(source, numbers)


def _integers_as_decimals(source: pa.Array, target: pa.Array) -> Mask:
    numbers = _as_doubles(target)
    if numbers is None:
        return np.zeros(len(source), np.bool_)
    return _few_digits(target) & _integers_as_doubles(source, numbers)


def _as_doubles(texts: pa.Array) -> pa.Array | None:
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:  # NaN and infinities in spellings that Arrow does not know
        return None


def _few_digits(texts: pa.Array) -> Mask:
    """Texts without room for more digits than a double can tell apart (point and sign are counted too)."""
    return text_bytes(texts).lengths <= _EXACT_DIGITS


def _decimal_texts(source: pa.Array, target: pa.Array) -> Mask:
    same = equal_mask(source, target)
    if same.all():
        return same
    try:  # exact, or refused: casting to decimal never rounds
        widest = pa.decimal256(76, 20)
        return same | equal_mask(source.cast(widest), target.cast(widest))
    except pa.ArrowInvalid:
        return same


def _truths(source: pa.Array, target: pa.Array) -> Mask:
    return equal_mask(source, target.cast(pa.int64()))


def _integers_as_texts(source: pa.Array, target: pa.Array) -> Mask:
    return equal_mask(source.cast(pa.string()), target)


def _bytes_of_texts(source: pa.Array, target: pa.Array) -> Mask:
    return equal_mask(source.cast(pa.binary()), target)


def _texts(source: pa.Array, target: pa.Array) -> Mask:
    return equal_mask(source, target)


def _timestamps(source: pa.Array, target: pa.Array) -> Mask:
    return _known_equal(read_moments(source, zones=False), target, 8, MICROSECONDS_TO_2000)


def _zoned_timestamps(source: pa.Array, target: pa.Array) -> Mask:
    return _known_equal(read_moments(source, zones=True), target, 8, MICROSECONDS_TO_2000)


def _dates(source: pa.Array, target: pa.Array) -> Mask:
    return _known_equal(read_dates(source), target, 4, DAYS_TO_2000)


def _times(source: pa.Array, target: pa.Array) -> Mask:
    return _known_equal(read_times(source), target, 8, 0)


def _known_equal(read: ReadColumn, target: pa.Array, width: int, origin: int) -> Mask:
    return read.known & (read.numbers - origin == wire_integers(target, width))  # type: ignore[no-any-return]


def _nibbles() -> Bytes:
    table = np.full(256, _NO_DIGIT, np.uint8)
    for value, digit in enumerate("0123456789abcdef"):
        table[[ord(digit), ord(digit.upper())]] = value
    return table


_NIBBLES: Final = _nibbles()


def _uuids(source: pa.Array, target: pa.Array) -> Mask:
    same = np.zeros(len(source), np.bool_)
    binary = text_bytes(target)
    wire = np.zeros((len(target), 16), np.uint8)
    for rows, matrix in binary.of_length(16):
        wire[rows] = matrix.T
    for length in (32, 36):
        for rows, text in text_bytes(source).of_length(length):
            same[rows] = _hex_equal(text, wire[rows].T)
    return same


def _hex_equal(text: Bytes, wire: Bytes) -> Mask:
    good = np.ones(text.shape[1], np.bool_)
    if len(text) == 36:
        for place in _HYPHENS:
            good &= text[place] == ord("-")
        text = np.delete(text, _HYPHENS, axis=0)
    nibbles = _NIBBLES[text]
    good &= (nibbles != _NO_DIGIT).all(axis=0)
    return good & ((nibbles[0::2] << 4 | nibbles[1::2]) == wire).all(axis=0)  # type: ignore[no-any-return]


_FROM_INTEGERS: Final[MappingProxyType[TypeKind, Shortcut]] = MappingProxyType(
    {
        TypeKind.SMALLINT: _integers,
        TypeKind.INTEGER: _integers,
        TypeKind.BIGINT: _integers,
        TypeKind.DOUBLE: _integers_as_doubles,
        TypeKind.NUMERIC: _integers_as_decimals,
        TypeKind.BOOLEAN: _truths,
        TypeKind.TEXT: _integers_as_texts,
        TypeKind.JSON: _integers_as_texts,
    }
)
_FROM_DOUBLES: Final[MappingProxyType[TypeKind, Shortcut]] = MappingProxyType(
    {
        TypeKind.SMALLINT: _doubles_as_integers,
        TypeKind.INTEGER: _doubles_as_integers,
        TypeKind.BIGINT: _doubles_as_integers,
        TypeKind.DOUBLE: _bits,
        TypeKind.REAL: _single_bits,
        TypeKind.NUMERIC: _doubles_as_decimals,
    }
)
_FROM_TEXTS: Final[MappingProxyType[TypeKind, Shortcut]] = MappingProxyType(
    {
        TypeKind.TEXT: _texts,
        TypeKind.JSON: _texts,
        TypeKind.OTHER: _texts,
        TypeKind.JSONB: equal_but_for_blanks,
        TypeKind.BYTEA: _bytes_of_texts,
        TypeKind.NUMERIC: _decimal_texts,
        TypeKind.TIMESTAMP: _timestamps,
        TypeKind.TIMESTAMPTZ: _zoned_timestamps,
        TypeKind.DATE: _dates,
        TypeKind.TIME: _times,
        TypeKind.UUID: _uuids,
    }
)
_FROM_BLOBS: Final[MappingProxyType[TypeKind, Shortcut]] = MappingProxyType(
    {TypeKind.BYTEA: _texts, TypeKind.UUID: _texts}
)
