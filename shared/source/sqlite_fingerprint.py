"""Tell one content of a SQLite file from another without reading all of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO, Final

from shared.errors import SourceError
from shared.source.sqlite_file import look_at, side_file

_HEADER_BYTES: Final = 100
"""Holds page size, change counter, version-valid-for, schema cookie and page count (fileformat2, section 1.3)."""
_PAGE_BYTES: Final = 4096
"""What is sampled at each place, whatever the database's own page size."""
_FIRST_PAGES: Final = 4
_SPREAD_PAGES: Final = 64
"""Together at most 272 KiB are read, so that asking costs milliseconds also on a network file system."""
_WAL_HEADER_BYTES: Final = 32
"""Holds the salts, which change with every restart of the log (fileformat2, section 4.1)."""
_VERSION: Final = "sqlite1"


def fingerprint(path: Path, *, frozen: bool) -> str:
    """Identify this very content cheaply.

    Of a frozen file nothing counts but its bytes, so a copy on another machine answers the same. Of a live one the
    -wal counts too, with its time of change, since commits go there first.

    Raises:
        SourceError: where the file cannot be read.
    """
    look_at(path)
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as stream:
            _add_sample(digest, stream)
        if not frozen:
            _add_wal(digest, side_file(path, "-wal"))
    except OSError as error:
        msg = f"the source {path} cannot be read: {error.strerror}"
        raise SourceError(msg) from error
    return f"{_VERSION}:{digest.hexdigest()}"


def _add_sample(digest: hashlib.blake2b, stream: BinaryIO) -> None:
    size = stream.seek(0, 2)
    digest.update(size.to_bytes(8))
    stream.seek(0)
    digest.update(stream.read(_HEADER_BYTES))
    for page in _sampled_pages(size):
        stream.seek(page * _PAGE_BYTES)
        digest.update(stream.read(_PAGE_BYTES))


def _sampled_pages(size: int) -> list[int]:
    pages = -(-size // _PAGE_BYTES)
    spread = (pages * place // _SPREAD_PAGES for place in range(_SPREAD_PAGES))
    return sorted({*range(min(_FIRST_PAGES, pages)), *spread, max(pages - 1, 0)})


def _add_wal(digest: hashlib.blake2b, wal: Path) -> None:
    try:
        found = wal.stat()
    except FileNotFoundError:
        return
    if found.st_size:  # a reader leaves an empty one behind: no change
        digest.update(found.st_size.to_bytes(8) + found.st_mtime_ns.to_bytes(8))
        with wal.open("rb") as stream:
            digest.update(stream.read(_WAL_HEADER_BYTES))
