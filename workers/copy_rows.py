"""Rows that go one by one: a whole chunk that columns cannot carry, or the few of one that do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final, Protocol

from shared.records.keys import ChunkRange, SourceRow
from shared.records.plan import LoadPath, TablePlan
from shared.records.work import CopyPath, CopyResult, Reject
from shared.source.reader import SourceReader
from shared.target.careful_writer import CarefulWriter
from workers.fingerprint import FingerprintingRows
from workers.timing import ChunkTimer, Stage

_BATCH_ROWS: Final = 1000
"""Rows in memory at once, unless they are wide: halving so many to find one that is refused takes ten statements."""


class RecordRejects(Protocol):
    """Keeps rejects of a chunk, in the transaction that copies it."""

    def __call__(self, found: Sequence[Reject], *, more: bool) -> None:
        """Keep some; `more`: beside those that were kept before."""


class RowCopy:
    """Writes rows one by one, and hands on what is rejected, so that memory never holds many of them.

    Args:
        writer: Writes them.
        timer: Told where the time goes.
        record: Keeps rejects.
    """

    def __init__(self, writer: CarefulWriter, timer: ChunkTimer, record: RecordRejects) -> None:
        self._writer = writer
        self._timer = timer
        self._record = record
        self.taken = 0
        self.rejected = 0

    @property
    def written(self) -> int:
        """How many rows are in the target."""
        return self._writer.written

    def take(self, rows: Sequence[SourceRow]) -> None:
        """Write some rows."""
        before = self._writer.seconds
        with self._timer.stage(Stage.CONVERT):
            self._writer.take(rows)
        self._timer.move(self._writer.seconds - before, of=Stage.CONVERT, to=Stage.WRITE)
        self._hand_on()
        self.taken += len(rows)

    def settle(self) -> None:
        """Try again what waited for other rows, when there are no more."""
        with self._timer.stage(Stage.WRITE):
            self._writer.settle()
        self._hand_on()

    def _hand_on(self) -> None:
        found = self._writer.rejects
        if found:
            with self._timer.stage(Stage.WRITE):
                self._record(found, more=self.rejected > 0)
            self.rejected += len(found)
            found.clear()


def copy_rows(
    reader: SourceReader,
    connection: Any,
    plan: TablePlan,
    key_range: ChunkRange,
    timer: ChunkTimer,
    record: RecordRejects,
    *,
    reject_orphans: bool,
) -> CopyResult:
    """Copy a key range row by row, part of the caller's transaction; the arguments are those of `copy_columns`.

    Args:
        reader: The source.
        connection: ADBC's, in a transaction that `shared.target.connections.begin` began.
        plan: The table.
        key_range: The chunk.
        timer: Told where the time goes.
        record: Keeps rejects as they are found; the result tells their number alone.
        reject_orphans: As `write_carefully` says.

    Raises:
        MissingParentError, ConvoyError: as `write_carefully` says.
    """
    copy = RowCopy(CarefulWriter(connection, plan, reject_orphans=reject_orphans), timer, record)
    batches = FingerprintingRows(reader.read_rows(plan.read, key_range, batch_rows=_BATCH_ROWS))
    with closing(batches):
        for rows in timer.each(Stage.READ, batches):
            copy.take(rows)
            del rows  # before the next ones are read, which may be as wide
    copy.settle()
    return CopyResult(
        path=CopyPath.CAREFUL_BARE if plan.load is LoadPath.BARE else CopyPath.CAREFUL_UPSERT,
        rows=copy.written,
        rejected=copy.rejected,
        fingerprint=batches.fingerprint(),
        times=timer.times(),
    )
