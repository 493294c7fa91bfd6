"""A SQLite file as a source: everything that `shared.source.reader.SourceReader` promises."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
from adbc_driver_sqlite import dbapi

from shared.errors import NotArrowableError, SourceError
from shared.records.keys import EVERYTHING, ChunkRange, Key, KeyRange, SourceRow, Value
from shared.records.plan import ProfileMode, TableRead
from shared.records.source import ChunkKey, SourceCatalog, SourceTable, StorageClass, TableProfile
from shared.records.stored import BatchSize, StoredAs, StoredBatch
from shared.source import sqlite_read
from shared.source.sqlite_arrow import connect_columns
from shared.source.sqlite_batches import read_batches
from shared.source.sqlite_catalog import read_catalog
from shared.source.sqlite_check import find_damage
from shared.source.sqlite_file import SqliteFile, damaged, open_file, path_of, translated
from shared.source.sqlite_fingerprint import fingerprint
from shared.source.sqlite_keys import column_sql, table_sql, walk, where
from shared.source.sqlite_profile import Profiler
from shared.source.sqlite_utf16 import UTF_8, read_exactly, refuse_invalid, select_of
from shared.source.sqlite_virtual_rows import opening_statements

_NUMBERS: Final = frozenset({StorageClass.INTEGER, StorageClass.REAL})


def open_sqlite(url: str, *, frozen: bool = False) -> SqliteReader:
    """Open a SQLite file read-only.

    Args:
        url: ``sqlite:///relative``, ``sqlite:////absolute`` or a bare path.
        frozen: Whether nobody writes to it any more, as with a snapshot; it is then read without locks.

    Raises:
        SourceError: where it is missing, a folder, unreadable, empty, no database, encrypted or damaged.
    """
    return SqliteReader(open_file(path_of(url), frozen=frozen), frozen=frozen)


class SqliteReader:
    """A SQLite file, open for reading; make one with `open_sqlite`.

    Every method may raise SourceError (damage, an unknown table) and TransientError (a lock, the disk).
    """

    def __init__(self, file: SqliteFile, *, frozen: bool) -> None:
        self._file = file
        self._frozen = frozen
        self._sqlite = file.connect()
        self._adbc: dbapi.Connection | None = None
        self._profiler: Profiler | None = None
        with translated(file.path, "opening it"):
            self._encoding = read_exactly(self._sqlite)
        self._select = select_of(self._encoding)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._sqlite.close()
        if self._profiler is not None:
            self._profiler.close()
            self._profiler = None
        if self._adbc is not None:
            self._adbc.close()
            self._adbc = None

    def fingerprint(self) -> str:
        """Identify this very content cheaply: another file, or a changed one, answers otherwise."""
        return fingerprint(self._file.path, frozen=self._frozen)

    def check(self) -> None:
        """Look for damage.

        Raises:
            SourceError: with SQLite's first finding.
        """
        with translated(self._file.path, "checking it"):
            finding = find_damage(self._sqlite)
        if finding is not None:
            raise SourceError(damaged(self._file.path, finding))

    def catalog(self) -> SourceCatalog:
        """Read the schema."""
        with translated(self._file.path, "reading its schema"):
            return read_catalog(self._sqlite)

    def profile(self, table: SourceTable, *, processes: int = 1, mode: ProfileMode = ProfileMode.FULL) -> TableProfile:
        """Look at every value of a table, or at a sample of a large one."""
        with translated(self._file.path, f"surveying the values of table {table.name!r}"):
            self._profiler = self._profiler or Profiler(self._file, self._encoding)
            return self._profiler.profile(table, processes=processes, sample=mode is ProfileMode.SAMPLE)

    def count_rows(self, table: str) -> int:
        """Count the rows of a table."""
        with translated(self._file.path, f"counting the rows of table {table!r}"):
            row = self._sqlite.execute(f"SELECT count(*) FROM {table_sql(table)}").fetchone()
        return int(row[0])

    def walk_keys(self, table: str, chunk_key: ChunkKey, *, step: int, within: KeyRange = EVERYTHING) -> Iterator[Key]:
        """Yield the key of each `step`-th row of a range in key order (at offsets step, 2*step, …), NULL keys aside."""
        with translated(self._file.path, f"walking the keys of table {table!r}"):
            yield from walk(self._sqlite, table, chunk_key, step=step, within=within, select=self._select)

    def has_null_keys(self, table: str, chunk_key: ChunkKey) -> bool:
        """Whether rows with a NULL chunk key exist."""
        if not chunk_key.nullable:
            return False
        key = column_sql(chunk_key.columns[0])
        with translated(self._file.path, f"looking for NULL keys in table {table!r}"):
            row = self._sqlite.execute(f"SELECT 1 FROM {table_sql(table)} WHERE {key} IS NULL LIMIT 1").fetchone()
        return row is not None

    def read_arrow(
        self,
        read: TableRead,
        key_range: ChunkRange,
        *,
        suspects: Sequence[str] | None = None,
        as_numbers: Sequence[str] = (),
    ) -> pa.Table:
        """Read a chunk as Arrow columns in the storage of the source: int64, double, string, binary.

        The columns are named by position ("0", "1", …) in the order of ``read.columns``. A column without any
        value is of type null. Rows come in chunk-key order.

        Args:
            read: The table, its chunk key and columns.
            key_range: The chunk.
            suspects: Columns that may mix storage classes, as their profile says; None: any of them.
            as_numbers: Columns whose integers and reals may come together as doubles, since they become numbers in the
                target: SQLite stores a price of 5.00 as an integer. Done only where each integer is a double exactly.

        Raises:
            NotArrowableError: where a column of the chunk mixes storage classes, a text is not valid UTF-8, or it is
                computed by whichever SQLite reads it.
        """
        with translated(self._file.path, f"reading {key_range} of table {read.table!r}"):
            if self._encoding != UTF_8:
                refuse_invalid(self._sqlite, read, key_range)
            rows = self._count(read, key_range)
            table = sqlite_read.read_arrow(self._arrow_connection(), read, key_range, rows=rows)
            sqlite_read.refuse_computed_texts(self._sqlite, read, table)
        suspected = set(read.columns if suspects is None else suspects)
        could_be = [
            name
            for name, column in zip(read.columns, table.columns, strict=True)
            if name in suspected
            and sqlite_read.could_be_mixed(column)
            and not (name in as_numbers and sqlite_read.holds_exact_numbers(column))
        ]
        self._refuse_mixed(read, key_range, could_be, as_numbers)
        return table

    def read_rows(self, read: TableRead, key_range: ChunkRange, *, batch_rows: int) -> Iterator[Sequence[SourceRow]]:
        """Read a chunk row by row with each value's own storage class, in chunk-key order, in batches."""
        with translated(self._file.path, f"reading {key_range} of table {read.table!r}"):
            yield from sqlite_read.read_rows(self._sqlite, read, key_range, batch_rows=batch_rows, select=self._select)

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
            NotArrowableError: where a text of a UTF-16 file is not valid, or texts are computed by whichever SQLite
                reads them, or the columns are too many to ask for by class.
        """
        with translated(self._file.path, f"reading {key_range} of table {read.table!r}"):
            if self._encoding != UTF_8:
                refuse_invalid(self._sqlite, read, key_range)
            computed = [read.columns.index(name) for name in sqlite_read.computed_columns(self._sqlite, read)]
            for batch in read_batches(self._arrow_connection(), read, key_range, looks, size):
                for place in computed:
                    if any(
                        pa.types.is_string(part.type) and len(part) > part.null_count for part in batch.columns[place]
                    ):
                        raise sqlite_read.computed_text(read, read.columns[place])
                yield batch

    def read_by_keys(self, read: TableRead, keys: Iterable[Sequence[Value]]) -> Iterator[SourceRow]:
        """Read single rows by their chunk keys (none of them NULL), each value with its own storage class.

        Raises:
            NotArrowableError: where a key is not that of exactly one row.
        """
        with translated(self._file.path, f"reading rows of table {read.table!r}"):
            yield from sqlite_read.read_by_keys(self._sqlite, read, keys, select=self._select)

    def storage_classes(
        self, read: TableRead, key_range: ChunkRange, columns: Sequence[str]
    ) -> dict[str, frozenset[StorageClass]]:
        """Ask which storage classes occur in some columns of a chunk, NULL aside."""
        with translated(self._file.path, f"reading {key_range} of table {read.table!r}"):
            return sqlite_read.storage_classes(self._sqlite, read, key_range, columns)

    def _count(self, read: TableRead, key_range: ChunkRange) -> int:
        clause = where(read.chunk_key, key_range)
        row = self._sqlite.execute(
            f"SELECT count(*) FROM {table_sql(read.table)} {clause.sql}", clause.values
        ).fetchone()
        return int(row[0])

    def _refuse_mixed(
        self, read: TableRead, key_range: ChunkRange, columns: Sequence[str], as_numbers: Sequence[str]
    ) -> None:
        classes = self.storage_classes(read, key_range, columns)
        numbers = [name for name in as_numbers if classes.get(name) == _NUMBERS]
        with translated(self._file.path, f"reading {key_range} of table {read.table!r}"):
            exact = sqlite_read.are_exact_doubles(self._sqlite, read, key_range, numbers)
        for name in columns:
            if len(classes[name]) > 1 and not (exact and name in numbers):
                found = " and ".join(sorted(classes[name]))
                msg = f"column {name!r} mixes {found} in {key_range} of table {read.table!r}"
                raise NotArrowableError(msg)

    def _arrow_connection(self) -> dbapi.Connection:
        if self._adbc is None:
            self._adbc = connect_columns(self._file.uri, opening_statements(self._sqlite))
        return self._adbc
