"""A chunk by columns into a table that is loaded bare: batches stream from the source through conversion into COPY.

The few rows that do not fit, or that PostgreSQL refuses, are read again by their keys and go one by one, in the same
transaction. Memory holds a batch or two, however many rows the chunk has and however wide some of them are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shared.records.keys import ChunkRange, SourceRow
from shared.records.plan import TablePlan, TargetColumn, TypeKind
from shared.records.stored import StoredAs, StoredBatch, batch_of, size_of
from shared.records.work import CopyPath, CopyResult
from shared.source.reader import SourceReader
from shared.target.careful_writer import CarefulWriter
from shared.target.convert_split import to_target_where_fit
from shared.target.split_writer import SplitWriter
from workers.copy_rows import RecordRejects, RowCopy
from workers.fingerprint import ColumnsDigest
from workers.timing import ChunkTimer, Stage

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Source bytes of a batch; the columns, their converted form and what the drivers hold are each about as large."""
_NUMBERS: Final = frozenset({TypeKind.NUMERIC, TypeKind.DOUBLE, TypeKind.REAL})
"""Kinds that do not tell 5 from 5.0, which SQLite's NUMERIC affinity mixes in one column."""
_ROWS_AGAIN: Final = 1_000
"""Rows that are read again at once, unless they are wide."""


def copy_columns(
    reader: SourceReader,
    connection: Any,
    plan: TablePlan,
    key_range: ChunkRange,
    timer: ChunkTimer,
    record: RecordRejects,
) -> CopyResult:
    """Copy a key range, part of the caller's transaction.

    Args:
        reader: The source.
        connection: ADBC's, in a transaction that `shared.target.connections.begin` began.
        plan: The table.
        key_range: The chunk.
        timer: Told where the time goes.
        record: Keeps rejects, in the same transaction, as they are found; the result tells their number alone.

    Raises:
        NotArrowableError: where the whole chunk must go row by row; the transaction can only be rolled back.
        ConvoyError: anything else that the source or the target says.
    """
    copy = _ColumnCopy(reader, connection, plan, timer, record)
    looks = [look_of(column, plan) for column in plan.columns]
    size = size_of(looks, row_bytes=plan.row_bytes, batch_bytes=BATCH_BYTES)
    # Closed also where it ends half way: the source cannot be closed while it is read.
    with closing(reader.read_batches(plan.read, key_range, looks, size)) as batches:
        for batch in timer.each(Stage.READ, batches):
            copy.take(batch)
            del batch  # before the next one is read, which may be as large
    return copy.settle()


def look_of(column: TargetColumn, plan: TablePlan) -> StoredAs:
    """How a column is asked for, by what the plan knows of its values."""
    return StoredAs(
        classes=column.classes,
        certain=not plan.sampled,
        longest=None if plan.sampled else column.longest,
        as_number=column.type.kind in _NUMBERS,
    )


class _ColumnCopy:
    """One chunk on its way."""

    def __init__(
        self,
        reader: SourceReader,
        connection: Any,
        plan: TablePlan,
        timer: ChunkTimer,
        record: RecordRejects,
    ) -> None:
        self._reader = reader
        self._plan = plan
        self._timer = timer
        self._record = record
        self._columns = SplitWriter(connection, plan)
        self._rows = RowCopy(CarefulWriter(connection, plan, alone=False), timer, record)
        self._digest = ColumnsDigest()

    def take(self, batch: StoredBatch) -> None:
        """Write a batch: what was read, and what has to be read again."""
        if batch.unread is None:
            self._write(batch)
            return
        for rows in self._read_again(batch, np.flatnonzero(batch.unread)):
            self._write(batch_of(rows), rows)
            rows.clear()  # before the next ones are read, which may be as wide
        self._write(batch.taken(~batch.unread))

    def settle(self) -> CopyResult:
        """End what went row by row, and tell what was done."""
        self._rows.settle()
        return CopyResult(
            path=CopyPath.ARROW_SPLIT if self._rows.taken else CopyPath.ARROW_BARE,
            rows=self._columns.written + self._rows.written,
            rejected=self._rows.rejected,
            fingerprint=self._digest.fingerprint(),
            times=self._timer.times(),
        )

    def _write(self, batch: StoredBatch, rows: list[SourceRow] | None = None) -> None:
        """Write a batch; `rows` are the same as they were read one by one, where they were."""
        with self._timer.stage(Stage.CONVERT):
            self._digest.add(part for parts in batch.columns for part in parts)
            fitted = to_target_where_fit(batch, self._plan)
        with self._timer.stage(Stage.WRITE):
            refused = self._columns.write(fitted.rows)
        others = np.sort(np.concatenate([fitted.misfits, fitted.places[refused]]))
        if not len(others):
            return
        del fitted
        if rows is not None:
            del batch
            self._rows.take([rows[place] for place in others])
            return
        for found in self._read_again(batch, others):
            self._rows.take(found)
            found.clear()

    def _read_again(self, batch: StoredBatch, places: npt.NDArray[np.int64]) -> Iterator[list[SourceRow]]:
        """Read some rows of a batch by their keys."""
        rows = self._reader.read_by_keys(self._plan.read, batch.keys_of(places))
        return self._timer.each(Stage.READ, _bounded(rows))


def _bounded(rows: Iterable[SourceRow]) -> Iterator[list[SourceRow]]:
    """Cut rows into lists of bounded size."""
    held: list[SourceRow] = []
    width = 0
    for row in rows:
        held.append(row)
        width += sum(len(value) for value in row.values if isinstance(value, str | bytes))
        del row
        if len(held) >= _ROWS_AGAIN or width >= BATCH_BYTES:
            yield held
            held, width = [], 0
    if held:
        yield held
