"""Both sides of a whole table as streams of rows in canonical form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from shared.compare.canonical_target import canonical_target, plain_array
from shared.compare.forms import Form, NormaliseTexts
from shared.compare.row_digests import RowForms
from shared.compare.source_batches import reading_of, table_batches, values_of
from shared.compare.target_rows import match_places, null_in_key, select_list
from shared.compare.treated import canonical_treated
from shared.quoting import qualified
from shared.records.keys import Value
from shared.records.plan import TablePlan, TargetColumn
from shared.records.work import Reject
from shared.source.reader import SourceReader

_FORMS_AT_ONCE: Final = 10_000


class TableRows:
    """A table's rows, or some columns of them, on both sides."""

    def __init__(
        self,
        reader: SourceReader,
        connection: Any,
        plan: TablePlan,
        places: Sequence[int],
        *,
        normalise: NormaliseTexts,
        rejected: Iterable[Reject] = (),
        null_keys: bool | None = None,
    ) -> None:
        """Look at a table.

        Args:
            reader: the frozen source.
            connection: ADBC connection to the target.
            plan: the table.
            places: of the columns, among the plan's.
            normalise: see `shared.compare.server_texts`.
            rejected: rows of the source that are left out.
            null_keys: True: only rows with NULL in the match key; False: only those without; None: all.
        """
        self._reader = reader
        self._connection = connection
        self._plan = plan
        self._normalise = normalise
        self.columns: tuple[TargetColumn, ...] = tuple(plan.columns[place] for place in places)
        self._rejected = Counter(tuple(reject.values[place] for place in places) for reject in rejected)
        self._reading = reading_of(plan, places)
        self._null_keys = null_keys
        self._key_places = [list(places).index(place) for place in match_places(plan) if place in places]

    def source(self) -> Iterator[RowForms]:
        """Read the source's rows, rejects left out."""
        return (forms for _, forms in self.source_with_values())

    def source_with_values(self) -> Iterator[tuple[tuple[Value, ...], RowForms]]:
        """Read the source's rows as they are stored, beside their canonical forms; rejects left out."""
        rejects = self._rejected.copy()
        for values, forms in self._source():
            if rejects[values]:
                rejects[values] -= 1
            elif self._null_keys in {None, any(forms[place] is None for place in self._key_places)}:
                yield values, forms

    def target(self) -> Iterator[RowForms]:
        """Read the target's rows. Until the last one is read, the connection can do nothing else."""
        where = "" if self._null_keys is None else f" WHERE ({null_in_key(self._plan)}) = {self._null_keys}"
        table = qualified(self._plan.schema, self._plan.name)
        statement = f"SELECT {select_list(self.columns)} FROM {table} AS t{where}"
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            for batch in cursor.fetch_record_batch():
                for first in range(0, batch.num_rows, _FORMS_AT_ONCE):
                    part = batch.slice(first, _FORMS_AT_ONCE)
                    yield from zip(*map(_target_forms, part.columns, self.columns), strict=True)

    def count_target(self) -> int:
        """Count the target's rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {qualified(self._plan.schema, self._plan.name)}")
            return int(cursor.fetchone()[0])

    def _source(self) -> Iterator[tuple[tuple[Value, ...], RowForms]]:
        for batch in table_batches(self._reader, self._reading, limit=self._plan.row_limit):
            for first in range(0, batch.rows, _FORMS_AT_ONCE):
                rows = np.arange(first, min(batch.rows, first + _FORMS_AT_ONCE))
                values = [values_of(column, rows) for column in batch.columns]
                forms = [
                    canonical_treated(column, target, self._normalise)
                    for column, target in zip(values, self.columns, strict=True)
                ]
                yield from zip(zip(*values, strict=True), zip(*forms, strict=True), strict=True)


def _target_forms(array: Any, column: TargetColumn) -> list[Form]:
    return [canonical_target(value, column.type.kind) for value in plain_array(array).to_pylist()]
