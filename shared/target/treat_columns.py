"""What a rule does to whole columns before they become wire types: `shared.target.treat_values`, in Arrow's terms.

What is not here (texts of numbers, columns of many ISO shapes) takes the careful path: `UnfitError`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.records.plan import TargetColumn, TypeKind
from shared.records.rules import NulPolicy, SourceForm
from shared.target.convert_arrays import Int64s, array_of
from shared.target.convert_moments import to_dates, to_timestamps, to_timestamps_utc
from shared.target.treat_values import (
    END_MICROS,
    FIRST_MICROS,
    JULIAN_1970_MILLIS,
    JULIAN_END,
    JULIAN_MILLIS_A_DAY,
    MICROS_A_DAY,
    MOMENT_KINDS,
    REPLACEMENTS,
    UNIX_MICROS,
)
from shared.target.value_rules import MICROSECOND_DIGITS, Unfit, UnfitError, limits_of

_EXACT_REALS: Final = 2.0**53
_NEAR_HALF: Final = 1e-6
"""A product that comes so near to half a microsecond is rounded by exact arithmetic, one by one."""


def treat_texts(array: pa.Array, column: TargetColumn) -> pa.Array:
    """Apply what the rule says of NULs and of empty texts; columns with undecodable ones a reader refuses."""
    treatment = column.treatment
    if not pa.types.is_string(array.type):
        return array
    if treatment.nul is not NulPolicy.REJECT and column.type.kind is not TypeKind.BYTEA:
        array = pc.replace_substring(array, "\0", REPLACEMENTS[treatment.nul])
    if treatment.null_if_empty:
        array = pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
    return array


def to_moments(array: pa.Array, column: TargetColumn, wire_type: pa.DataType) -> pa.Array:
    """Convert a column of the rule's form to dates or timestamps.

    Raises:
        UnfitError: where a value is no moment of that form or none that the type can hold, and for columns that need
            the careful path.
    """
    form, kind = column.treatment.form, column.type.kind
    assert form is not None  # noqa: S101 - tells the type checker what `shared.target.convert` asked before
    if kind not in MOMENT_KINDS:
        raise UnfitError(Unfit.TYPE_HOLDS_NO_MOMENT)
    if form is SourceForm.ISO:
        return _iso(array, column, wire_type)
    micros = _julian(array) if form is SourceForm.JULIAN else _unix(array, UNIX_MICROS[form])
    if kind is TypeKind.DATE:
        days, clock = np.divmod(micros, MICROS_A_DAY)
        if clock.any():
            raise UnfitError(Unfit.NOT_MIDNIGHT)
        return array_of(days.astype(np.int32), array, wire_type)
    if (micros % 10 ** (MICROSECOND_DIGITS - limits_of(column.type).second_digits)).any():
        raise UnfitError(Unfit.TOO_MANY_DIGITS)
    return array_of(micros, array, wire_type)


def _iso(array: pa.Array, column: TargetColumn, wire_type: pa.DataType) -> pa.Array:
    """Read columns of one shape, as nearly all are."""
    limits, kind = limits_of(column.type), column.type.kind
    if not pa.types.is_string(array.type):
        raise UnfitError(Unfit.NO_SUCH_MOMENT)
    if kind is TypeKind.DATE:
        return to_dates(array, wire_type)
    if kind is TypeKind.TIMESTAMP:
        return to_timestamps(array, wire_type, limits)
    try:
        return to_timestamps_utc(array, wire_type, limits)
    except UnfitError:
        return to_timestamps(array, wire_type, limits)


def _unix(array: pa.Array, scale: int) -> Int64s:
    if pa.types.is_integer(array.type):
        return _scaled(array.drop_null().to_numpy(), scale)
    return _rounded(_reals(array), scale)


def _scaled(numbers: Int64s, scale: int) -> Int64s:
    # One less at either end, for a fraction that may be added. (The values between take the careful path.)
    low, high = -(-FIRST_MICROS // scale) + 1, min(END_MICROS, 2**63) // scale - 1
    if ((numbers < low) | (numbers > high)).any():
        raise UnfitError(Unfit.OUT_OF_RANGE)
    return numbers * scale


def _rounded(numbers: npt.NDArray[np.float64], scale: int) -> Int64s:
    """Round the exact product to whole microseconds, halves to the even one."""
    whole = np.floor(numbers)
    if (np.abs(whole) >= _EXACT_REALS).any():
        raise UnfitError(Unfit.OUT_OF_RANGE)
    part = (numbers - whole) * scale  # the difference is exact, the product nearly so
    rounded = _scaled(whole.astype(np.int64), scale) + np.rint(part).astype(np.int64)
    for row in np.flatnonzero(np.abs(np.abs(part - np.rint(part)) - 0.5) < _NEAR_HALF).tolist():
        rounded[row] = round(Fraction(float(numbers[row])) * scale)
    return rounded


def _julian(array: pa.Array) -> Int64s:
    days = array.drop_null().to_numpy().astype(np.float64) if pa.types.is_integer(array.type) else _reals(array)
    if not ((days >= 0) & (days < JULIAN_END)).all():
        raise UnfitError(Unfit.OUT_OF_RANGE)
    millis: Int64s = (days * JULIAN_MILLIS_A_DAY + 0.5).astype(np.int64)
    return (millis - JULIAN_1970_MILLIS) * 1_000


def _reals(array: pa.Array) -> npt.NDArray[np.float64]:
    if not pa.types.is_floating(array.type):
        raise UnfitError(Unfit.CAREFUL_ONLY)
    numbers: npt.NDArray[np.float64] = array.drop_null().to_numpy()
    if not np.isfinite(numbers).all():
        raise UnfitError(Unfit.NO_SUCH_MOMENT)
    return numbers
