"""A digest of a chunk's source rows as they were read: what was copied can be told again later."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Final
from zlib import crc32

import pyarrow as pa

from shared.source.reader import SourceRow

_DIGEST_BYTES: Final = 16
_WIDE: Final = 65_536
"""Characters or bytes from which a value is very wide."""


class ColumnsDigest:
    """Digests columns as they come: their types, lengths and buffers.

    Of each buffer its CRC-32, a fifth of BLAKE2b's cost; of those the BLAKE2b (128 bits, with the reading path in
    front). It tells changes and damage, not forgery.
    """

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def add(self, columns: Iterable[pa.Array]) -> None:
        """Take in some columns of the next rows."""
        for column in columns:
            sums = [crc32(buffer) for buffer in column.buffers() if buffer is not None]
            self._digest.update(f"{column.type}:{len(column)}:{column.null_count}:{sums};".encode())

    def fingerprint(self) -> str:
        """The digest of what was taken in so far."""
        return "columns:" + self._digest.hexdigest()


def fingerprint_of(rows: pa.Table) -> str:
    """Digest a whole chunk's columns."""
    digest = ColumnsDigest()
    digest.add(chunk for column in rows.columns for chunk in column.chunks)
    return digest.fingerprint()


class FingerprintingRows:
    """Hands batches of rows on and digests them on the way."""

    def __init__(self, batches: Iterable[Sequence[SourceRow]]) -> None:
        self._batches = batches
        self._digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def __iter__(self) -> Iterator[Sequence[SourceRow]]:
        """Yield the batches as they come."""
        for batch in self._batches:
            for row in batch:
                self._add(row)
                del row  # before the next ones are read, which may be as wide
            yield batch
            del batch

    def _add(self, row: SourceRow) -> None:
        """Take in a row as it reads, and what is very wide as it is stored: its text would be four times as wide."""
        if not any(isinstance(value, str | bytes) and len(value) > _WIDE for value in row.values):
            self._digest.update(repr(row).encode())
            return
        for value in (*row.key, *row.values):
            stored = value.encode() if isinstance(value, str) else value
            if isinstance(stored, bytes) and len(stored) > _WIDE:
                self._digest.update(f"{type(value).__name__}:{len(stored)}:".encode())
                self._digest.update(stored)
            else:
                self._digest.update(repr(value).encode())

    def close(self) -> None:
        """End the reading, half way too: whoever reads must let go of the source before it is closed."""
        if isinstance(self._batches, Generator):
            self._batches.close()

    def fingerprint(self) -> str:
        """The digest of what was handed on so far."""
        return "rows:" + self._digest.hexdigest()
