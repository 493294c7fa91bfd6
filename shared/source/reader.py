"""What every kind of source must be able to do; `shared.source.sqlite` is the first."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from shared.records.keys import EVERYTHING, ChunkRange, Key, KeyRange, SourceRow, Value
from shared.records.plan import ProfileMode, TableRead
from shared.records.source import ChunkKey, SourceCatalog, SourceTable, StorageClass, TableProfile
from shared.records.stored import BatchSize, StoredAs, StoredBatch

__all__ = ["SourceKind", "SourceReader", "SourceRow"]


class SourceReader(Protocol):
    """A frozen source, open for reading. Not shared between threads unless a method says so."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """Close what was opened; leaving the reader as a context manager does the same."""

    def fingerprint(self) -> str:
        """Identify this very content cheaply: another file, or a changed one, answers otherwise."""

    def check(self) -> None:
        """Look for damage.

        Raises:
            SourceError: with the first finding.
        """

    def catalog(self) -> SourceCatalog:
        """Read the schema."""

    def profile(self, table: SourceTable, *, processes: int = 1, mode: ProfileMode = ProfileMode.FULL) -> TableProfile:
        """Look at every value of a table, or at a sample of a large one, in up to so many processes.

        Rows are counted exactly either way, and so are the NULLs of columns in primary and unique keys.
        """

    def count_rows(self, table: str) -> int:
        """Count the rows of a table."""

    def walk_keys(self, table: str, chunk_key: ChunkKey, *, step: int, within: KeyRange = EVERYTHING) -> Iterator[Key]:
        """Yield the key of each `step`-th row of a range in key order (at offsets step, 2*step, …), NULL keys aside."""

    def has_null_keys(self, table: str, chunk_key: ChunkKey) -> bool:
        """Whether rows with a NULL chunk key exist."""

    def read_arrow(
        self,
        read: TableRead,
        key_range: ChunkRange,
        *,
        suspects: Sequence[str] | None = None,
        as_numbers: Sequence[str] = (),
    ) -> pa.Table:
        """Read a chunk as Arrow columns in the storage of the source: int64, double, string, binary.

        The columns are named by position ("0", "1", …) in the order of ``read.columns``. A column without
        any value is of type null. Rows come in chunk-key order.

        Args:
            read: The table and its columns.
            key_range: The chunk.
            suspects: Columns that may mix storage classes and are asked about first; None: all of them.
            as_numbers: Columns whose integers and reals may come together as doubles, since they become numbers in the
                target: SQLite stores a price of 5.00 as an integer. Done only where each integer is a double exactly.

        Raises:
            NotArrowableError: where a column of the chunk mixes storage classes, or a text is not valid UTF-8.
        """

    def read_rows(self, read: TableRead, key_range: ChunkRange, *, batch_rows: int) -> Iterator[Sequence[SourceRow]]:
        """Read a chunk row by row with each value's own storage class, in chunk-key order, in batches."""

    def read_batches(
        self, read: TableRead, key_range: ChunkRange, looks: Sequence[StoredAs], size: BatchSize
    ) -> Generator[StoredBatch, None, None]:
        """Read a chunk as one stream of batches of columns, in chunk-key order; memory holds one or two of them.

        Args:
            read: The table, its chunk key and columns.
            key_range: The chunk.
            looks: What is known of each column.
            size: How much is read at once.

        Raises:
            NotArrowableError: where the chunk can be read row by row alone.
        """

    def read_by_keys(self, read: TableRead, keys: Iterable[Sequence[Value]]) -> Iterator[SourceRow]:
        """Read single rows by their chunk keys (none of them NULL), each value with its own storage class.

        Raises:
            NotArrowableError: where a key is not that of exactly one row.
        """

    def storage_classes(
        self, read: TableRead, key_range: ChunkRange, columns: Sequence[str]
    ) -> dict[str, frozenset[StorageClass]]:
        """Ask which storage classes occur in some columns of a chunk, NULL aside."""


class SourceKind(Protocol):
    """How a source is opened and frozen."""

    def open(self, url: str) -> SourceReader:
        """Open a source read-only.

        Raises:
            SourceError: a sentence that says what is wrong with it.
        """

    def snapshot(self, url: str, folder: Path) -> str:
        """Make a consistent copy of the source in `folder` and return its URL."""
