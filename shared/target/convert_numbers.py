"""Columns of integers and reals as the wire types of PostgreSQL's numbers, exactly or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.target.convert_arrays import array_of
from shared.target.value_rules import Limits, Unfit, UnfitError, decimal_fits, real_text

_MAX_DECIMAL_DIGITS: Final = 38
"""Of Arrow's decimal128."""
_INT64_DIGITS: Final = 19
_UNIQUE_DIGITS: Final = 10**15
"""Two decimals of at most 15 digits never share a double (DBL_DIG), so one that names a double is its shortest text."""
_MAX_SCALED: Final = 22
"""10**22 is the largest power of ten that a double holds exactly; division by it rounds correctly."""
_SAMPLE_ROWS: Final = 1000


def to_integers(array: pa.Array, wire_type: pa.DataType) -> pa.Array:
    """Convert int64, or doubles without a fraction, to an integer type that holds all of them."""
    if pa.types.is_floating(array.type) and not _all(pc.equal(pc.trunc(array), array)):
        raise UnfitError(Unfit.FRACTION)
    return _exact_cast(array, wire_type, Unfit.OUT_OF_RANGE)


def to_double(array: pa.Array, wire_type: pa.DataType) -> pa.Array:
    """Keep doubles; convert integers that doubles hold exactly (up to 2**53; Arrow refuses all beyond)."""
    return _exact_cast(array, wire_type, Unfit.INEXACT)


def to_real(array: pa.Array, wire_type: pa.DataType) -> pa.Array:
    """Convert to 4-byte reals that are equal to what they were."""
    if pa.types.is_integer(array.type):
        return _exact_cast(array, wire_type, Unfit.INEXACT)
    narrowed = pc.cast(array, wire_type, safe=False)
    if not _all(pc.equal(pc.cast(narrowed, pa.float64()), array)):
        raise UnfitError(Unfit.INEXACT)
    return narrowed


def to_numeric(array: pa.Array, limits: Limits) -> pa.Array:
    """Convert integers, and doubles by the decimal of their shortest text, to decimal128."""
    if pa.types.is_integer(array.type):
        decimals = pc.cast(array, pa.decimal128(_INT64_DIGITS, 0))
    else:
        decimals = _shortest_decimals(array)
    ends = pc.min_max(decimals)
    smallest_part = Decimal(1).scaleb(-decimals.type.scale)
    for end in (ends["min"].as_py(), ends["max"].as_py()):
        if end is not None and not decimal_fits(end, limits):
            raise UnfitError(Unfit.TOO_MANY_DIGITS)
    if decimals.type.scale > 0 and not decimal_fits(smallest_part, limits):
        raise UnfitError(Unfit.TOO_MANY_DIGITS)
    if limits.precision is not None and limits.scale < 0:
        _refuse_rounding_before_the_point(decimals, limits)
    return decimals


def same_scale(arrays: list[pa.Array]) -> list[pa.Array]:
    """Bring decimal arrays to one type, the widest of them."""
    scale = max(array.type.scale for array in arrays)
    wire_type = pa.decimal128(_MAX_DECIMAL_DIGITS, scale)
    return [_exact_cast(array, wire_type, Unfit.TOO_MANY_DIGITS) for array in arrays]


def _shortest_decimals(array: pa.Array) -> pa.Array:
    numbers: npt.NDArray[np.float64] = array.drop_null().to_numpy()
    if not np.isfinite(numbers).all():
        raise UnfitError(Unfit.OUT_OF_RANGE)
    scale = _shared_scale(numbers[:_SAMPLE_ROWS], 0)
    scale = None if scale is None else _shared_scale(numbers, scale)
    if scale is None:
        return _decimals_by_text(array)
    low = np.rint(numbers * 10.0**scale).astype(np.int64)
    halves = np.stack([low, low >> 63], axis=1)  # two's complement, little-endian: low half, then the sign
    return array_of(halves, array, pa.decimal128(_MAX_DECIMAL_DIGITS, scale))


def _shared_scale(numbers: npt.NDArray[np.float64], first: int) -> int | None:
    """Find the fewest decimals with which every number is an integer of at most 15 digits, or None."""
    with np.errstate(over="ignore", invalid="ignore"):
        for scale in range(first, _MAX_SCALED + 1):
            scaled = np.rint(numbers * 10.0**scale)
            if (np.abs(scaled) >= _UNIQUE_DIGITS).any():
                return None
            if (scaled / 10.0**scale == numbers).all():
                return scale
    return None


def _decimals_by_text(array: pa.Array) -> pa.Array:
    decimals = [None if number is None else Decimal(real_text(number)).normalize() for number in array.to_pylist()]
    scale = max((max(0, -int(d.as_tuple().exponent)) for d in decimals if d is not None), default=0)
    if scale > _MAX_DECIMAL_DIGITS:
        raise UnfitError(Unfit.TOO_MANY_DIGITS)
    try:
        return pa.array(decimals, pa.decimal128(_MAX_DECIMAL_DIGITS, scale))
    except pa.ArrowInvalid:
        raise UnfitError(Unfit.TOO_MANY_DIGITS) from None


def _refuse_rounding_before_the_point(decimals: pa.Array, limits: Limits) -> None:
    if not all(decimal_fits(number, limits) for number in decimals.drop_null().to_pylist()):
        raise UnfitError(Unfit.TOO_MANY_DIGITS)


def _exact_cast(array: pa.Array, wire_type: pa.DataType, reason: Unfit) -> pa.Array:
    try:
        return pc.cast(array, wire_type)
    except pa.ArrowInvalid:
        raise UnfitError(reason) from None


def _all(truths: pa.Array) -> bool:
    return bool(pc.all(truths, min_count=0).as_py())
