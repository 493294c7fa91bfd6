"""Whole columns under a rule: most texts need no treatment, and integers that count time are compared at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.compare.canonical_target import DAYS_TO_2000, MICROSECONDS_TO_2000
from shared.compare.moments import MICROSECONDS_A_DAY
from shared.compare.source_batches import Column, packed, values_of
from shared.compare.surely_equal import surely_equal
from shared.compare.text_bytes import Mask, mask, text_bytes, wire_integers
from shared.compare.treated import MICROSECONDS_A_UNIT, treated
from shared.records.plan import TargetColumn, TypeKind
from shared.records.rules import SourceForm

_MOMENTS = frozenset({TypeKind.TIMESTAMP, TypeKind.TIMESTAMPTZ})
_LONGEST = 2**62
"""Microseconds; moments beyond it are left to exact arithmetic."""


def treated_column(column: Column, target: TargetColumn) -> Column:
    """The source's column as its rule makes of its texts; forms of moments stay as they are."""
    if target.treatment.is_plain:
        return column
    if isinstance(column, list):
        return [treated(value, target) for value in column]
    if not pa.types.is_string(column.type) or not _may_need_it(column, target):
        return column
    return packed([treated(value, target) for value in values_of(column, np.arange(len(column)))])


def _may_need_it(column: pa.Array, target: TargetColumn) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:  # not UTF-8
        return True
    texts = text_bytes(column)
    if target.treatment.null_if_empty and not texts.lengths.all():
        return True
    used = texts.data[int(texts.starts[0]) : int(texts.starts[-1])]
    return not used.all()


def surely_equal_treated(source: pa.Array, target: pa.Array, column: TargetColumn) -> Mask:
    """As `surely_equal`, where the source's column was `treated_column`."""
    form = column.treatment.form
    if form is None:
        return surely_equal(source, target, column.type)
    both_null = mask(pc.and_(source.is_null(), target.is_null()))
    unit = MICROSECONDS_A_UNIT.get(form)
    if unit is not None and pa.types.is_int64(source.type):
        return both_null | (mask(source.is_valid()) & mask(target.is_valid()) & _counted(source, target, unit, column))
    if form is SourceForm.ISO and pa.types.is_string(source.type) and column.type.kind in {*_MOMENTS, TypeKind.DATE}:
        return surely_equal(source, target, column.type)
    return both_null


def _counted(source: pa.Array, target: pa.Array, unit: int, column: TargetColumn) -> Mask:
    numbers = pc.fill_null(source, 0).to_numpy()
    within = (numbers < _LONGEST // unit) & (numbers > -_LONGEST // unit)
    moments = np.where(within, numbers, 0) * unit
    if column.type.kind in _MOMENTS:
        return within & (wire_integers(target, 8) == moments - MICROSECONDS_TO_2000)  # type: ignore[no-any-return]
    if column.type.kind is TypeKind.DATE:
        return within & ((wire_integers(target, 4) + DAYS_TO_2000) * MICROSECONDS_A_DAY == moments)  # type: ignore[no-any-return]
    return np.zeros(len(source), np.bool_)
