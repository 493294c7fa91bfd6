"""Compares one chunk: every value of every row that the source has in a key range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from shared.compare.columns import differences
from shared.compare.findings import Findings
from shared.compare.rejected import Rejected
from shared.compare.server_texts import ServerTexts
from shared.compare.shown import shown_pair
from shared.compare.source_batches import Column, SourceBatch, chunk_batches, count_rows, reading_of
from shared.compare.target_rows import (
    NOT_THERE,
    KeyPairer,
    Pairer,
    Pairing,
    RangePairer,
    has_null_keys,
    match_places,
)
from shared.compare.text_bytes import Mask, Rows, mask
from shared.compare.treated_columns import treated_column
from shared.errors import PermanentError
from shared.records.keys import ChunkRange, KeyRange, Value
from shared.records.plan import CompareBy, OnConflict, TablePlan
from shared.records.work import Comparison, MismatchKind, Reject
from shared.source.reader import SourceReader


def compare_chunk(
    reader: SourceReader,
    connection: Any,
    plan: TablePlan,
    key_range: ChunkRange,
    *,
    rejected: Sequence[Reject] = (),
) -> Comparison:
    """Compare a chunk of both sides, value by value.

    A table that was there before may hold rows of its own: they are no mismatches. Where its rows were kept on
    purpose (``on_conflict=skip``), only the presence of each key is compared. A table without a key is compared by
    `shared.compare.tables.compare_table`; here its rows are counted alone. So are rows with NULL in the key, where
    the target has any.

    Args:
        reader: the frozen source.
        connection: ADBC connection to PostgreSQL in a transaction; planner settings are changed until its end.
            Nothing is written, so the transaction may be read-only and the server a replica.
        plan: the table.
        key_range: the chunk's.
        rejected: rejects of this chunk: rows that the target must not hold. Where rows are not paired by a range of
            integers, one that it holds is left to `shared.compare.tables.compare_table`.

    Raises:
        PermanentError: where the plan pairs rows in a way that this chunk does not allow.
    """
    if plan.compare_by is CompareBy.MULTISET:
        return Comparison(rows=count_rows(reader, plan.read, key_range))
    comparing = _Comparing(plan, connection, Rejected(rejected))
    pairer = _pairer(connection, plan, key_range)
    by_range = isinstance(pairer, RangePairer)
    rows = 0
    for batch in chunk_batches(reader, reading_of(plan), key_range, keyed=bool(rejected) and not by_range):
        comparing.compare(batch, pairer.pair(batch), key_place=match_places(plan)[0] if by_range else None)
        rows += batch.rows
        del batch  # before the next one is read
    comparing.unpaired(pairer.left_over())
    return comparing.findings.comparison(rows)


class _Comparing:
    """The state of one comparison."""

    def __init__(self, plan: TablePlan, connection: Any, rejected: Rejected) -> None:
        self.findings = Findings(plan.match_key)
        self._plan = plan
        self._connection = connection
        self._normalise = ServerTexts(connection).normalise
        self._null_keys_there: bool | None = None
        self._rejected = rejected
        self._key_places = match_places(plan)

    def compare(self, batch: SourceBatch, pairing: Pairing, *, key_place: int | None) -> None:
        there = pairing.places != NOT_THERE
        rejects = self._rejected.among(batch, key_place)
        self._rows_that(MismatchKind.MISSING, batch, ~there & ~rejects & ~self._left_to_the_table(batch, there))
        if self._plan.creates and key_place is not None:
            # By any other key than integers, a row that arrived may be equal to the reject (two spellings of one uuid,
            # texts that a rule mends): whether the reject is there too, the table's count says.
            self._rows_that(MismatchKind.EXTRA, batch, there & rejects)
        self.unpaired(pairing.extra)
        if self._plan.creates or self._plan.on_conflict is not OnConflict.SKIP:
            self._values(batch, pairing, np.flatnonzero(there & ~rejects))

    def _left_to_the_table(self, batch: SourceBatch, there: Mask) -> Mask:
        """Rows that no lookup finds, since part of their key is NULL: there may be several of one key."""
        nulls = np.zeros(batch.rows, np.bool_)
        if there.all():
            return nulls
        for place in self._key_places:
            nulls |= _nulls(treated_column(batch.columns[place], self._plan.columns[place]))
        if nulls.any() and self._null_keys_there is None:
            self._null_keys_there = has_null_keys(self._connection, self._plan)
        return nulls & bool(self._null_keys_there)

    def unpaired(self, keys: Iterable[tuple[Value, ...]]) -> None:
        """Target rows without a source row: mismatches only where the job made the table."""
        if self._plan.creates:
            for key in keys:
                self.findings.add(MismatchKind.EXTRA, key)

    def _rows_that(self, kind: MismatchKind, batch: SourceBatch, which: Mask) -> None:
        for row in np.flatnonzero(which).tolist():
            self._add(kind, batch, row)

    def _values(self, batch: SourceBatch, pairing: Pairing, rows: Rows) -> None:
        some = batch.only(rows)
        for place, column in enumerate(self._plan.columns):
            target = pairing.target.taken(place, pairing.places[rows])
            for found in differences(some.columns[place], target, column, self._normalise):
                if self.findings.full:
                    self.findings.count(1)
                    continue
                source_text, target_text = shown_pair(found.source, found.target, column.type.kind)
                self.findings.add(
                    MismatchKind.DIFFERENT,
                    some.row(found.row, self._key_places),
                    column=column.name,
                    source=source_text,
                    target=target_text,
                )

    def _add(self, kind: MismatchKind, batch: SourceBatch, row: int) -> None:
        if self.findings.full:
            self.findings.count(1)
        else:
            self.findings.add(kind, batch.row(row, self._key_places))


def _nulls(column: Column) -> Mask:
    if isinstance(column, list):
        return np.array([value is None for value in column], np.bool_)
    return mask(column.is_null())


def _pairer(connection: Any, plan: TablePlan, key_range: ChunkRange) -> Pairer:
    if not plan.match_key:
        msg = f"table {plan.schema}.{plan.name} is to be compared by {plan.compare_by} but has no match key"
        raise PermanentError(msg)
    if plan.compare_by is CompareBy.KEYS or not _has_integer_bounds(key_range):
        return KeyPairer(connection, plan)
    if not isinstance(key_range, KeyRange) or len(plan.match_key) != 1:
        msg = f"table {plan.schema}.{plan.name} cannot be compared by ranges of its key in the chunk {key_range}"
        raise PermanentError(msg)
    return RangePairer(connection, plan, key_range)


def _has_integer_bounds(key_range: ChunkRange) -> bool:
    """Whether the bounds are such as a key of integers has, which a profile of some rows cannot promise."""
    bounds = (key_range.lower, key_range.upper) if isinstance(key_range, KeyRange) else ()
    return all(isinstance(part, int) for bound in bounds if isinstance(bound, tuple) for part in bound)
