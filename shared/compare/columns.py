"""One column of paired rows: which of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from shared.compare.canonical_target import canonical_target, plain_array
from shared.compare.forms import Form, NormaliseTexts
from shared.compare.source_batches import NUMBERS, Column, values_of
from shared.compare.surely_equal import EXACT_INTEGERS
from shared.compare.text_bytes import Rows
from shared.compare.treated import canonical_moments
from shared.compare.treated_columns import surely_equal_treated, treated_column
from shared.records.plan import TargetColumn, TargetType

_FORMS_AT_ONCE: Final = 10_000
"""Values in Python objects at once: a few megabytes."""


class Difference(NamedTuple):
    """Two values of one row that are not the same."""

    row: int
    source: Form
    target: Form


def differences(
    source: Column, target: pa.Array, column: TargetColumn, normalise: NormaliseTexts
) -> Iterator[Difference]:
    """Find the rows in which a source column and a target column of the same length differ."""
    target = plain_array(target)
    source = _numbers(treated_column(source, column), column.type)
    for rows in _doubtful(source, target, column):
        left = canonical_moments(values_of(source, rows), column, normalise)
        right = [canonical_target(value, column.type.kind) for value in target.take(pa.array(rows)).to_pylist()]
        for row, source_form, target_form in zip(rows.tolist(), left, right, strict=True):
            if source_form != target_form:
                yield Difference(row, source_form, target_form)


def _numbers(column: Column, type_: TargetType) -> Column:
    """Integers among reals as doubles, where the type takes them for the same."""
    if isinstance(column, pa.Array) or type_.kind not in NUMBERS:
        return column
    fits = all(
        value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) <= EXACT_INTEGERS)
        for value in column
    )
    return pa.array([None if value is None else float(value) for value in column], pa.float64()) if fits else column  # type: ignore[arg-type]  # numbers, as just seen


def _doubtful(source: Column, target: pa.Array, column: TargetColumn) -> Iterator[Rows]:
    if isinstance(source, list):
        rows = np.arange(len(source))
    else:
        rows = np.flatnonzero(~surely_equal_treated(source, target, column))
    for first in range(0, len(rows), _FORMS_AT_ONCE):
        yield rows[first : first + _FORMS_AT_ONCE]
