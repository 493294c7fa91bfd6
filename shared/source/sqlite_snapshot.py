"""Freeze a SQLite database: a consistent copy of it, -wal included, as one plain file."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.errors import ConvoyError, SourceError
from shared.source.sqlite_file import (
    SIDE_FILES,
    look_at,
    readable_in_place,
    side_file,
    side_file_bytes,
    translated,
    url_of,
)

_STEP_PAGES: Final = 16_384
"""Pages a step of the backup: 64 MiB with usual pages, so that Ctrl-C is heard within a fraction of a second."""
_SPARE_BYTES: Final = 16 * 1024 * 1024
"""Left free on the disk: the ledger's clients and logs may share it."""
_UNUSUAL: Final = re.compile(r"[^\w.-]")
_LONGEST_STEM: Final = 40
"""Characters; a name may have 255 bytes, and moment, number and endings come on top."""
_COPY_ATTEMPTS: Final = 3
"""How often a plain copy is tried again when the source changed meanwhile."""
_UNWRITABLE: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


def snapshot_sqlite(path: Path, folder: Path) -> str:
    """Copy a database into `folder` by SQLite's backup API and return the copy's URL.

    The copy is one moment of the source, whoever writes to it meanwhile; it gets its name when it is whole and on
    disk. The source is only read (SQLite itself may make a -shm beside a database in WAL mode, as for any reader).

    Raises:
        SourceError: where the source cannot be read, or the copy cannot be written.
    """
    look_at(path)
    _make_folder(folder)
    _refuse_full_disk(path, folder)
    unique = f"{_plain_name(path)}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.sqlite"
    whole, partial = folder / unique, folder / f".{unique}.partial"
    try:
        _write(path, partial)
        partial.replace(whole)
        _sync(folder)
    except OSError as error:
        msg = f"the snapshot of {path} cannot be written to {folder}: {error.strerror}; set PGCONVOY_SNAPSHOT_DIR"
        raise SourceError(msg) from error
    finally:
        for leftover in (partial, *(side_file(partial, suffix) for suffix in (*SIDE_FILES, "-shm"))):
            leftover.unlink(missing_ok=True)
    return url_of(whole)


def _plain_name(path: Path) -> str:
    """What of a file's name the copy's keeps: a token after its question mark would stand in the ledger."""
    return _UNUSUAL.sub("_", path.stem.partition("?")[0])[:_LONGEST_STEM] or "source"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the snapshot folder {folder} cannot be made: {error.strerror}; set PGCONVOY_SNAPSHOT_DIR to another one"
        raise SourceError(msg) from error


def _refuse_full_disk(path: Path, folder: Path) -> None:
    needed = path.stat().st_size + side_file_bytes(path, "-wal") + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        msg = (
            f"the snapshot of {path} needs {needed:,} bytes in {folder} and {free:,} are free: make room, "
            "set PGCONVOY_SNAPSHOT_DIR to another disk, or use --no-snapshot on a source that nobody writes to"
        )
        raise SourceError(msg)


def _write(path: Path, partial: Path) -> None:
    with _readable(path, partial.parent) as source:
        if not _is_copied(path, source, partial):
            with closing(_new_database(path, partial)) as copy:
                _back_up(path, source, copy)
    partial.chmod(path.stat().st_mode & 0o777 | 0o600)
    _sync(partial)


def _is_copied(path: Path, source: sqlite3.Connection, partial: Path) -> bool:
    """Copy the file as it lies, where a reader's lock keeps every writer from it; False where it does not.

    Measured: a quarter of the processor time that the backup API takes, and nothing on file systems that share blocks.
    In WAL mode a lock keeps nobody away: a checkpoint writes to the file while others read.
    """
    with translated(path, "copying it into a snapshot"):
        (mode,) = source.execute("PRAGMA main.journal_mode").fetchone()
        if mode == "wal":
            return False
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM main.sqlite_schema").fetchone()
        # A process gives up its locks on a file when it closes it anywhere (https://sqlite.org/howtocorrupt.html,
        # section 2.2): this one does when the copy is whole, and reads nothing through the lock any more.
        file = Path(source.execute("PRAGMA database_list").fetchone()[2])
        before = _moments([file])
        shutil.copyfile(file, partial)
        _refuse_torn(path, before, _moments([file]))
        source.execute("COMMIT")
    with translated(path, f"making its snapshot {partial}"), closing(_new_database(path, partial)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")
    return True


def _refuse_torn(path: Path, before: list[tuple[int, int]], after: list[tuple[int, int]]) -> None:
    """Whoever overwrites a file without asking SQLite (cp, rsync, an editor) waits for no lock."""
    if before != after:
        msg = (
            f"the source {path} was written to by something that heeds no lock of SQLite's while its snapshot was"
            " taken: let that end, then start again"
        )
        raise SourceError(msg)


def _new_database(path: Path, partial: Path) -> sqlite3.Connection:
    with translated(path, f"making its snapshot {partial}"):
        copy = sqlite3.connect(partial, isolation_level=None)
    # The copy is thrown away unless it is whole, so it needs no journal, and it is synced once at the end.
    copy.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
    return copy


def _back_up(path: Path, source: sqlite3.Connection, copy: sqlite3.Connection) -> None:
    try:
        with translated(path, "copying it into a snapshot"):
            # One read transaction over all steps: no other process's commit can make the backup start over.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM main.sqlite_schema").fetchone()
            source.backup(copy, pages=_STEP_PAGES)
            source.execute("COMMIT")
            # A source in WAL mode leaves its mark in the header: the snapshot is one plain file.
            copy.execute("PRAGMA journal_mode = DELETE")
    except ConvoyError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF not in _UNWRITABLE:
            raise
        msg = (
            f"the snapshot of {path} cannot be written ({error.__cause__}): make room on its disk, "
            "or set PGCONVOY_SNAPSHOT_DIR to another one"
        )
        raise SourceError(msg) from error


@contextmanager
def _readable(path: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the source where it lies; else a plain copy of it and of what belongs to it."""
    file = readable_in_place(path)
    if file is not None:
        with closing(file.connect()) as source:
            yield source
        return
    with tempfile.TemporaryDirectory(prefix=".pgconvoy-", dir=folder) as room:
        copied = _copy_with_side_files(path, Path(room))
        with closing(sqlite3.connect(copied, isolation_level=None)) as source:
            yield source


def _copy_with_side_files(path: Path, room: Path) -> Path:
    """Copy a database with its -wal or hot journal, and again if anything moved meanwhile."""
    path = path.resolve()  # what belongs to it lies beside the file, not beside a link to it
    files = [path, *(side_file(path, suffix) for suffix in SIDE_FILES if side_file_bytes(path, suffix))]
    for _ in range(_COPY_ATTEMPTS):
        before = _moments(files)
        for file in files:
            shutil.copyfile(file, room / file.name)
        if _moments(files) == before:
            return room / path.name
    msg = (
        f"the source {path} is being written to and its folder does not let pgconvoy lock it: "
        "make the folder writable for this user, or stop the writer"
    )
    raise SourceError(msg)


def _moments(files: list[Path]) -> list[tuple[int, int]]:
    return [(found.st_size, found.st_mtime_ns) for found in (file.stat() for file in files)]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
