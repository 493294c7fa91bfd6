"""Rows that are known to be rejects: the target is not expected to hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from shared.compare.source_batches import SourceBatch, values_of
from shared.compare.text_bytes import Mask
from shared.records.keys import Value
from shared.records.work import Reject


class Rejected:
    """The rejects of a chunk, by chunk key; without chunk key, by their values."""

    def __init__(self, rejects: Iterable[Reject]) -> None:
        self._keys: set[tuple[Value, ...]] = set()
        self._rows: Counter[tuple[Value, ...]] = Counter()
        for reject in rejects:
            if reject.key:
                self._keys.add(reject.key)
            else:
                self._rows[reject.values] += 1

    def __bool__(self) -> bool:
        return bool(self._keys or self._rows)

    def among(self, batch: SourceBatch, key_place: int | None) -> Mask:
        """Which rows of a batch are rejects.

        Args:
            batch: rows with their chunk keys, unless `key_place` says which column is the chunk key.
            key_place: the place of the column that is the (integer) chunk key.
        """
        if not self:
            return np.zeros(batch.rows, np.bool_)
        places = range(len(batch.columns))
        if batch.chunk_keys is not None:
            keys: Sequence[tuple[Value, ...]] = batch.chunk_keys
        elif key_place is not None:
            column = batch.columns[key_place]
            keys = [(value,) for value in values_of(column, np.arange(batch.rows))]
        else:
            keys = [()] * batch.rows
        return np.array(
            [key in self._keys if key else self._is_known_row(batch.row(row, places)) for row, key in enumerate(keys)],
            np.bool_,
        )

    def _is_known_row(self, values: tuple[Value, ...]) -> bool:
        if not self._rows[values]:
            return False
        self._rows[values] -= 1
        return True
