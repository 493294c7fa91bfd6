"""A SQLite file: the URL that names it, what may be wrong with it, and connections to it that never write."""

from __future__ import annotations

import math
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adbc_driver_manager import Error as AdbcError

from shared.errors import ConvoyError, SourceError, TransientError
from shared.source.sqlite_collations import stand_in
from shared.source.sqlite_defences import defend
from shared.source.sqlite_virtual_rows import lay_open

_SCHEME: Final = "sqlite://"
_HEADER: Final = b"SQLite format 3\0"
"""The first 16 bytes of every SQLite 3 database (https://sqlite.org/fileformat2.html, section 1.3.1)."""
_VERSION_2_HEADER: Final = b"** This file contains an SQLite 2"
SIDE_FILES: Final = ("-wal", "-journal")
"""What may lie beside a database and belong to it (https://sqlite.org/tempfiles.html)."""
_ENTROPY_BYTES: Final = 4096
"""How much of a file's beginning is judged; an encrypted database has at least one page of this size."""
_ENCRYPTED_ENTROPY: Final = 7.5
"""Bits a byte. 4,096 random bytes measure 7.94 to 7.97, text below 5, programs and images mostly below 7."""
_LATEST_FORMAT: Final = (4).to_bytes(4)
_FIRST_PAGE_TYPES: Final = (b"\x05", b"\x0d")
"""The first page is an inner page or a leaf of a table's B-tree (fileformat2, section 1.6)."""
_BUSY_SECONDS: Final = 10.0
"""How long a read of a live source waits for a writer's lock."""
_CACHE_KIB: Final = 16 * 1024
"""Page cache of one connection: holds the inner pages of a B-tree of a few 10^8 rows. (Mapping the file instead was
measured: no faster, and its pages count as this process's memory.)"""
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNOPENED: Final = "failed to open"
"""What ADBC's driver says where SQLite could not open the file."""
_PASSING: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteFile:
    """A SQLite database by its path."""

    path: Path
    immutable: bool
    """Nobody writes to it: no locks are taken and no -wal is looked for."""

    @property
    def uri(self) -> str:
        """As SQLite takes it, read-only (https://sqlite.org/uri.html)."""
        return self.path.absolute().as_uri() + "?mode=ro" + ("&immutable=1" if self.immutable else "")

    def connect(self) -> sqlite3.Connection:
        """Open a connection that cannot write; it may be handed from thread to thread, one at a time.

        It finds the rows that virtual tables keep under those tables' names (`sqlite_virtual_rows`).

        Raises:
            SourceError: where SQLite cannot open it.
        """
        with translated(self.path, "opening it"):
            connection = sqlite3.connect(
                self.uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                defend(connection)
                stand_in(connection)
                lay_open(connection)
                connection.execute("PRAGMA query_only = ON")
                connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            except sqlite3.Error:
                connection.close()
                raise
        return connection


def path_of(url: str) -> Path:
    """Read the path out of ``sqlite:///relative``, ``sqlite:////absolute`` or a bare path.

    Raises:
        SourceError: where it names no file.
    """
    path = url
    if url.lower().startswith(_SCHEME):
        rest = url[len(_SCHEME) :]
        path = rest[1:] if rest.startswith("/") else ""
    if path in {"", ":memory:"}:
        msg = f"{url!r} names no file: write sqlite:///relative/path, sqlite:////absolute/path or the path alone"
        raise SourceError(msg)
    if "\0" in path:
        msg = f"{url!r} names no file: no path holds U+0000"
        raise SourceError(msg)
    return Path(path)


def url_of(path: Path) -> str:
    """Name a file by an absolute URL, which means the same to every process."""
    return f"{_SCHEME}/{path.absolute()}"


def open_file(path: Path, *, frozen: bool) -> SqliteFile:
    """Make sure that `path` is a SQLite database that can be read, and how.

    Raises:
        SourceError: a sentence that says what is wrong with it.
    """
    look_at(path)
    file = SqliteFile(path=path, immutable=True) if frozen else readable_in_place(path)
    if file is None:
        msg = (
            f"the source {path} cannot be read where it lies: changes in its -wal or -journal must be worked into it "
            "first, and its folder is not writable; let pgconvoy take a snapshot (leave out --no-snapshot), "
            "or make the folder writable"
        )
        raise SourceError(msg)
    return file


def readable_in_place(path: Path) -> SqliteFile | None:
    """Find out how a live file can be read; None where changes lie beside it that only a writer could work in.

    Raises:
        SourceError: where it is damaged, or no database after all.
    """
    file = SqliteFile(path=path, immutable=False)
    if _can_read(file):
        return file
    # SQLite needs a -shm beside a database in WAL mode and may not make one here. Without anything in a
    # -wal the file alone is the whole database.
    if any(side_file_bytes(path, suffix) for suffix in SIDE_FILES):
        return None
    file = SqliteFile(path=path, immutable=True)
    return file if _can_read(file) else None


def look_at(path: Path) -> None:
    """Judge a file by its first bytes.

    Raises:
        SourceError: where it is missing, a folder, unreadable, empty, no SQLite database or an encrypted one.
    """
    try:
        if odd := _odd_kind(path):  # before it is opened: a pipe would be waited for
            msg = f"the source {path} is {odd}: name a SQLite file"
            raise SourceError(msg)
        with path.open("rb") as stream:
            beginning = stream.read(_ENTROPY_BYTES)
    except FileNotFoundError:
        msg = f"the source {path} does not exist: check the path (a relative one starts at {Path.cwd()})"
    except IsADirectoryError:
        msg = f"the source {path} is a folder: name the SQLite file in it"
    except PermissionError:
        msg = f"the source {path} may not be read by this user: change its permissions or run as its owner"
    except OSError as error:
        msg = f"the source {path} cannot be read: {error.strerror}"
    else:
        msg = _finding(path, beginning)
    if msg:
        raise SourceError(msg)


def _odd_kind(path: Path) -> str:
    """What a path names that is neither a file nor a folder; links are followed."""
    mode = path.stat().st_mode
    kinds = {
        stat.S_ISFIFO: "a pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    return next((name for is_such, name in kinds.items() if is_such(mode)), "")


def _finding(path: Path, beginning: bytes) -> str:
    if beginning.startswith(_HEADER):
        return _encrypted_behind_header(path, beginning)
    if not beginning:
        return (
            f"the source {path} is an empty file, which SQLite takes for a database without tables: "
            "there is nothing to copy, check the path"
        )
    if beginning.startswith(_VERSION_2_HEADER):
        return f"the source {path} is a database of SQLite 2: convert it with `sqlite OLD .dump | sqlite3 NEW` first"
    if len(beginning) == _ENTROPY_BYTES and _entropy(beginning) > _ENCRYPTED_ENTROPY:
        return (
            f"the source {path} is not a SQLite database, or an encrypted one: its first {_ENTROPY_BYTES:,} bytes look "
            "random; decrypt it first (SQLCipher: `SELECT sqlcipher_export('plain')`)"
        )
    return f"the source {path} is not a SQLite database: it begins with {beginning[:16]!r}, check the path"


def _encrypted_behind_header(path: Path, beginning: bytes) -> str:
    """Some ciphers leave the first 16 to 32 bytes as they are, and all that follows looks random."""
    schema_format, page_type = beginning[44:48], beginning[100:101]
    odd = schema_format > _LATEST_FORMAT or page_type not in _FIRST_PAGE_TYPES
    if not odd or _entropy(beginning) <= _ENCRYPTED_ENTROPY:
        return ""
    return (
        f"the source {path} begins like a SQLite database and looks encrypted behind that: decrypt it first, with the "
        "program that wrote it (SQLCipher: `SELECT sqlcipher_export('plain')`)"
    )


def _entropy(sample: bytes) -> float:
    """Shannon entropy in bits a byte."""
    counts = Counter(sample).values()
    return -sum(n / len(sample) * math.log2(n / len(sample)) for n in counts)


def side_file(path: Path, suffix: str) -> Path:
    """Name the -wal, -shm or -journal of a database: beside the file itself, as SQLite does, where `path` is a link."""
    real = path.resolve()
    return real.with_name(real.name + suffix)


def side_file_bytes(path: Path, suffix: str) -> int:
    """Size of a side file; 0 where there is none."""
    try:
        return side_file(path, suffix).stat().st_size
    except FileNotFoundError:
        return 0


def _can_read(file: SqliteFile) -> bool:
    try:
        with translated(file.path, "reading its schema"), closing(file.connect()) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except SourceError as error:
        if is_unopenable(error.__cause__):
            return False
        raise
    return True


def is_unopenable(error: BaseException | None) -> bool:
    """Whether SQLite wants to write beside the file (-shm, hot journal) and may not."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn a driver's error into one of ours that names the file and what was being done.

    Raises:
        SourceError: where the file is damaged or something in it cannot be read.
        TransientError: for a lock, or trouble with disk or memory that may pass.
    """
    try:
        yield
    except (sqlite3.Error, AdbcError, UnicodeDecodeError, MemoryError) as error:
        raise _translate(path, doing, error) from error


def _translate(path: Path, doing: str, error: Exception) -> ConvoyError:
    if isinstance(error, UnicodeDecodeError):  # Python cannot read what SQLite says of a name in it
        return SourceError(damaged(path, f"{doing}: a name in it is not valid UTF-8"))
    if isinstance(error, MemoryError):
        return TransientError(f"the source {path} could not be read just now, {doing}: SQLite has no memory for it")
    if isinstance(error, AdbcError) and _UNOPENED in str(error):
        try:
            look_at(path)  # which tells why: the driver speaks of memory where there is no such file
        except SourceError as why:
            return why
    said = str(error).removeprefix("INVALID_ARGUMENT: ").removeprefix("IO: ").partition("\n")[0]
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGE or "malformed" in said or "is not a database" in said:
        return SourceError(damaged(path, f"{doing}: {said}"))
    if code in _PASSING or (not code and ("locked" in said or "disk I/O error" in said)):
        return TransientError(f"the source {path} could not be read just now, {doing}: {said}")
    return SourceError(f"the source {path} cannot be read, {doing}: {said}")


def damaged(path: Path, finding: str) -> str:
    """Say that a file is damaged, and what can be done."""
    return (
        f"the source {path} is damaged ({finding}): restore it from a backup, or copy what can be read with --salvage"
    )
