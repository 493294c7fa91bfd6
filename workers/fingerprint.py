"""A digest of a chunk's source rows as they were read: what was copied can be told again later."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from shared.source.reader import SourceRow

_DIGEST_BYTES: Final = 16


def fingerprint_of(rows: pa.Table) -> str:
    """Digest columns: their types, lengths and buffers (BLAKE2b, 128 bits, with the reading path in front)."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for column in rows.columns:
        digest.update(f"{column.type}:{len(column)}:{column.null_count};".encode())
        for chunk in column.chunks:
            for buffer in chunk.buffers():
                if buffer is not None:
                    digest.update(memoryview(buffer))
    return "columns:" + digest.hexdigest()


class FingerprintingRows:
    """Hands batches of rows on and digests them on the way."""

    def __init__(self, batches: Iterable[Sequence[SourceRow]]) -> None:
        self._batches = batches
        self._digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def __iter__(self) -> Iterator[Sequence[SourceRow]]:
        """Yield the batches as they come."""
        for batch in self._batches:
            for row in batch:
                self._digest.update(repr(row).encode())
            yield batch

    def close(self) -> None:
        """End the reading, half way too: whoever reads must let go of the source before it is closed."""
        if isinstance(self._batches, Generator):
            self._batches.close()

    def fingerprint(self) -> str:
        """The digest of what was handed on so far."""
        return "rows:" + self._digest.hexdigest()
