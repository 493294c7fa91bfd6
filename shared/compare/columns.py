"""One column of paired rows: which of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from shared.compare.canonical_source import canonical_column
from shared.compare.canonical_target import canonical_target, plain_array
from shared.compare.forms import Form, NormaliseTexts
from shared.compare.source_batches import NUMBERS, Column, values_of
from shared.compare.surely_equal import EXACT_INTEGERS, surely_equal
from shared.compare.text_bytes import Rows
from shared.records.plan import TargetType

_FORMS_AT_ONCE: Final = 10_000
"""Values in Python objects at once: a few megabytes."""


class Difference(NamedTuple):
    """Two values of one row that are not the same."""

    row: int
    source: Form
    target: Form


def differences(source: Column, target: pa.Array, type_: TargetType, normalise: NormaliseTexts) -> Iterator[Difference]:
    """Find the rows in which a source column and a target column of the same length differ."""
    target = plain_array(target)
    source = _numbers(source, type_)
    for rows in _doubtful(source, target, type_):
        left = canonical_column(values_of(source, rows), type_, normalise)
        right = [canonical_target(value, type_.kind) for value in target.take(pa.array(rows)).to_pylist()]
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


def _doubtful(source: Column, target: pa.Array, type_: TargetType) -> Iterator[Rows]:
    rows = np.arange(len(source)) if isinstance(source, list) else np.flatnonzero(~surely_equal(source, target, type_))
    for first in range(0, len(rows), _FORMS_AT_ONCE):
        yield rows[first : first + _FORMS_AT_ONCE]
