"""Which rows of a chunk the target does not hold already, found by reading its rows beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from shared.records.keys import ChunkRange, KeyRange
from shared.records.plan import CompareBy, OnConflict, TablePlan, TargetColumn, TypeKind
from shared.target.held_rows import HeldBatch, HeldRows, Places
from shared.target.key_forms import is_loose
from shared.target.same_values import same_values
from shared.target.upsert import changeable

_Finder: TypeAlias = Callable[[int, int], Iterable[HeldBatch]]

_PROBED_ROWS: Final = 2_000
"""Looked at first, of chunks that have several times as many: milliseconds, where a chunk takes half a second."""
_PROBE_FROM: Final = 4 * _PROBED_ROWS
_PAYS_FROM: Final = 0.5
"""The share of equal rows from which reading the target pays: it takes a third of what the upsert takes."""
_SAME_BY_WIRE: Final = frozenset(
    {
        TypeKind.SMALLINT,
        TypeKind.INTEGER,
        TypeKind.BIGINT,
        TypeKind.TEXT,
        TypeKind.BYTEA,
        TypeKind.BOOLEAN,
        TypeKind.TIMESTAMP,
        TypeKind.TIMESTAMPTZ,
        TypeKind.DATE,
        TypeKind.TIME,
        TypeKind.UUID,
    }
)
"""Kinds of which PostgreSQL takes two values for equal only where their wire forms are the same."""
_BLANK_PADDED: Final = ("character(", "bpchar", "char(")


def differing(connection: Any, rows: pa.Table, plan: TablePlan, key_range: ChunkRange) -> pa.Table | None:
    """Leave out the rows that the target holds already with the very same values, as `shared.target.upsert` has it.

    Reads the target within the caller's transaction and locks nothing.

    Args:
        connection: ADBC's.
        rows: A chunk in wire types.
        plan: Its table.
        key_range: The chunk's.

    Returns:
        The other rows, in their order. None where all are better upserted: too many of the first ones differ, equal
        rows are to be told by their keys alone, or two rows might share a key, which the upsert has to see.
    """
    if not rows.num_rows or plan.on_conflict is not OnConflict.UPDATE or not changeable(plan):
        return None
    find = _finder(connection, rows, plan, key_range)
    if find is None:
        return None
    comparing = _Comparing(rows, plan)
    probed = _PROBED_ROWS if rows.num_rows >= _PROBE_FROM else rows.num_rows
    comparing.note(find(0, probed))
    if comparing.equal[:probed].mean() < _PAYS_FROM:
        return None
    if probed < rows.num_rows:
        comparing.note(find(probed, rows.num_rows))
    return rows.filter(pa.array(~comparing.equal))


class _Comparing:
    """Notes which rows the target holds."""

    def __init__(self, rows: pa.Table, plan: TablePlan) -> None:
        self.equal = np.zeros(rows.num_rows, np.bool_)
        self._columns = [(rows.column(each.name), each.type.kind) for each in changeable(plan)]

    def note(self, held: Iterable[HeldBatch]) -> None:
        """Compare rows of the target with those of their keys."""
        for batch in held:
            same = np.ones(len(batch.places), np.bool_)
            for (new, kind), values in zip(self._columns, batch.columns, strict=True):
                same &= same_values(_taken(new, batch.places), values, kind)
            self.equal[batch.places[same]] = True


def _finder(connection: Any, rows: pa.Table, plan: TablePlan, key_range: ChunkRange) -> _Finder | None:
    """Find the target's rows of the chunk's rows from one place to another; None where keys may be shared."""
    keys = rows.select(plan.match_key)
    numbers = _ascending(keys) if _is_ranged(plan, key_range) else None
    if numbers is None and not _are_distinct(keys, plan):
        return None
    held = HeldRows(connection, plan, changeable(plan))
    if numbers is None:
        return lambda first, end: held.by_keys(keys, first, end)
    return lambda first, end: held.by_range(numbers, first, end)


def _is_ranged(plan: TablePlan, key_range: ChunkRange) -> bool:
    """Whether the chunk's rows are those of a range of the target's integer key."""
    return plan.compare_by is CompareBy.RANGE and len(plan.match_key) == 1 and isinstance(key_range, KeyRange)


def _ascending(keys: pa.Table) -> Places | None:
    """The keys as numbers; None where one is missing, or they do not ascend, as a chunk read by its key does."""
    (column,) = keys.columns
    if column.null_count or not pa.types.is_integer(column.type):
        return None
    numbers: Places = column.cast(pa.int64()).to_numpy()
    return numbers if (numbers[1:] > numbers[:-1]).all() else None


def _are_distinct(keys: pa.Table, plan: TablePlan) -> bool:
    columns = [column for column in plan.columns if column.name in plan.match_key]
    return all(map(_is_same_by_wire, columns)) and keys.group_by(keys.column_names).aggregate([]).num_rows == len(keys)


def _is_same_by_wire(column: TargetColumn) -> bool:
    padded = column.type.sql == "character" or column.type.sql.startswith(_BLANK_PADDED)
    return column.type.kind in _SAME_BY_WIRE and not is_loose(column) and not padded


def _taken(column: pa.ChunkedArray, places: Places) -> pa.Array:
    """Some rows of a column; without copying where they lie beside each other."""
    if not len(places):
        return pa.array([], column.type)
    first, count = int(places[0]), len(places)
    if places[-1] - first == count - 1 and (np.diff(places) == 1).all():
        return _one_array(column.slice(first, count))
    return _one_array(column.take(pa.array(places)))


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
