"""A batch of a source's columns as PostgreSQL's wire types, and the places of the rows that do not fit.

A column whose values do not all fit is halved until those that do not stand alone; all other rows travel as columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

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

_Convert = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A batch told apart."""

    rows: pa.Table
    """The rows that fit, in wire types, named as in the target."""
    places: npt.NDArray[np.int64]
    """Where each of them stood in the batch."""
    misfits: npt.NDArray[np.int64]
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
    columns = [(column, batch.columns[places[column.name]]) for column in written(plan.columns)]
    misfit = np.zeros(batch.rows, np.bool_)
    arrays: dict[str, pa.Array] = {}
    for column, parts in columns:
        convert = _converter(column, plan)
        try:
            arrays[column.name] = _joined(parts, column, convert, batch.rows)
        except UnfitError as unfit:
            _mark(parts, convert, misfit)
            if too_many(int(misfit.sum()), batch.rows):
                raise not_arrowable(column, unfit.reason) from None
    if misfit.any():
        fitting = pa.array(~misfit)
        arrays = {
            column.name: _fitting(arrays.get(column.name), parts, column, plan, fitting) for column, parts in columns
        }
    return Fitted(rows=pa.Table.from_pydict(arrays), places=np.flatnonzero(~misfit), misfits=np.flatnonzero(misfit))


def _fitting(
    whole: pa.Array | None, parts: Parts, column: TargetColumn, plan: TablePlan, fitting: pa.Array
) -> pa.Array:
    """Leave the misfits out of a column; one that had some is converted without them."""
    if whole is not None:
        return whole.filter(fitting)
    rows = fitting.true_count
    try:
        return _joined(tuple(part.filter(fitting) for part in parts), column, _converter(column, plan), rows)
    except UnfitError as unfit:  # values that each fit, but not together
        raise not_arrowable(column, unfit.reason) from None


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


def _joined(parts: Parts, column: TargetColumn, convert: _Convert, rows: int) -> pa.Array:
    """Convert each part and put them together."""
    kind = column.type.kind
    arrays = [convert(part) for part in parts if part.null_count < len(part)]
    if kind is TypeKind.NUMERIC and len(arrays) > 1:
        arrays = same_scale(arrays)
    return merged(arrays) if arrays else pa.nulls(rows, WIRE_TYPES[kind])


def _mark(parts: Parts, convert: _Convert, misfit: Mask) -> None:
    """Mark the rows whose value does not fit."""
    for part in parts:
        places = np.flatnonzero(part.is_valid().to_numpy(zero_copy_only=False) & ~misfit)
        _halve(part.take(pa.array(places)), places, convert, misfit)


def _halve(values: pa.Array, places: npt.NDArray[np.int64], convert: _Convert, misfit: Mask) -> None:
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
