"""A batch of a source's columns as PostgreSQL's wire types, and the places of the rows that do not fit.

A column whose values do not all fit is halved until those that do not stand alone; all other rows travel as columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.records.plan import TablePlan, TargetColumn, TypeKind
from shared.records.stored import Mask, Parts, StoredBatch, merged
from shared.target.convert import WIRE_TYPES, not_arrowable, to_wire, written
from shared.target.convert_numbers import same_scale
from shared.target.convert_texts import refuse_duplicate_names
from shared.target.value_rules import Unfit, UnfitError

_MOST_MISFITS: Final = 8
"""Where more than one row in so many does not fit, finding them takes longer than going row by row."""
_FEW: Final = 64
"""So few rows are never too many."""

_Convert: TypeAlias = Callable[[pa.Array], pa.Array]
_Places: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A batch told apart."""

    rows: pa.Table
    """The rows that fit, in wire types, named as in the target."""
    places: _Places
    """Where each of them stood in the batch."""
    misfits: _Places
    """Where the others stood."""


def too_many(misfits: int, rows: int) -> bool:
    """Whether so many of so many rows are better written row by row, together with all others."""
    return misfits > max(_FEW, rows // _MOST_MISFITS)


def to_target_where_fit(batch: StoredBatch, plan: TablePlan) -> Fitted:
    """Convert the rows of which every value fits.

    Raises:
        NotArrowableError: where nothing of a column can travel as Arrow, or too many values do not fit.
    """
    places = {column.name: place for place, column in enumerate(plan.columns)}
    misfit = np.zeros(batch.rows, np.bool_)
    converted = {
        column: _converted_parts(batch.columns[places[column.name]], column, plan, misfit)
        for column in written(plan.columns)
    }
    kept = None if not misfit.any() else ~misfit
    rows = batch.rows if kept is None else int(kept.sum())
    arrays = {
        column.name: _joined([part.fitting(kept) for part in parts], column, rows)
        for column, parts in converted.items()
    }
    return Fitted(rows=pa.Table.from_pydict(arrays), places=np.flatnonzero(~misfit), misfits=np.flatnonzero(misfit))


@dataclass(frozen=True, slots=True)
class _Converted:
    """A part of a column without the rows that were known to be misfits when it was converted."""

    array: pa.Array
    without: Mask | None

    def fitting(self, kept: Mask | None) -> pa.Array:
        """Leave out those that came to be known later, too."""
        if kept is None:
            return self.array
        if self.without is not None:
            kept = kept[~self.without]
        return self.array if kept.all() else self.array.filter(pa.array(kept))


def _converted_parts(parts: Parts, column: TargetColumn, plan: TablePlan, misfit: Mask) -> list[_Converted]:
    """Convert the parts of a column in which there is anything, and mark what does not fit in the mask."""
    convert = _converter(column, plan)
    found = [_converted(part, column, convert, misfit) for part in parts]
    return [part for part in found if part is not None]


def _converted(part: pa.Array, column: TargetColumn, convert: _Convert, misfit: Mask) -> _Converted | None:
    """Convert a part, and mark what does not fit as long as there is more of it; None where nothing is left."""
    without: Mask | None = None
    while True:
        some = part if without is None else part.filter(pa.array(~without))
        if some.null_count == len(some):
            return None
        try:
            return _Converted(convert(some), without)
        except UnfitError as unfit:
            rows = np.arange(len(misfit)) if without is None else np.flatnonzero(~without)
            _mark(some, unfit, column, convert, misfit, rows)
            if too_many(int(misfit.sum()), len(misfit)):
                raise not_arrowable(column, unfit.reason) from None
        without = misfit.copy()


def _converter(column: TargetColumn, plan: TablePlan) -> _Convert:
    if column.type.kind not in WIRE_TYPES:
        raise not_arrowable(column, Unfit.CAREFUL_ONLY)
    # Nobody chose jsonb after asking whether it holds every value, where the table was there before or the profile
    # saw a part of it. For other tables, the profile has answered that before.
    asks = column.type.kind is TypeKind.JSONB and (plan.sampled or not plan.creates)

    def convert(part: pa.Array) -> pa.Array:
        wire = to_wire(part, column)
        if asks:
            refuse_duplicate_names(wire)
        return wire

    return convert


def _joined(arrays: list[pa.Array], column: TargetColumn, rows: int) -> pa.Array:
    """Put the converted parts together."""
    if not arrays:
        return pa.nulls(rows, WIRE_TYPES[column.type.kind])
    if column.type.kind is TypeKind.NUMERIC and len(arrays) > 1:
        try:
            arrays = same_scale(arrays)
        except UnfitError as unfit:
            raise not_arrowable(column, unfit.reason) from None
    return merged(arrays)


def _mark(
    part: pa.Array, unfit: UnfitError, column: TargetColumn, convert: _Convert, misfit: Mask, rows: _Places
) -> None:
    """Mark the values of a part that do not fit: those that the conversion named, else all of them, by halving.

    Raises:
        NotArrowableError: where each of them fits alone.
    """
    places = rows[part.is_valid().to_numpy(zero_copy_only=False)]
    # Of what a rule made of the values first, places may be others than of the values themselves.
    if unfit.bad is not None and column.treatment.is_plain:
        misfit[places[unfit.bad]] = True
        return
    _halve(part.drop_null(), places, convert, misfit)
    if not misfit[places].any():
        raise not_arrowable(column, unfit.reason)


def _halve(values: pa.Array, places: _Places, convert: _Convert, misfit: Mask) -> None:
    if not len(values) or _fit(values, convert) or too_many(int(misfit.sum()), len(misfit)):
        return
    if len(values) == 1:
        misfit[places] = True
        return
    middle = len(values) // 2
    _halve(values.slice(0, middle), places[:middle], convert, misfit)
    _halve(values.slice(middle), places[middle:], convert, misfit)


def _fit(values: pa.Array, convert: _Convert) -> bool:
    try:
        convert(values)
    except UnfitError:
        return False
    return True
