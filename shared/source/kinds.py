"""Which kind of source a URL names, and how each kind is opened and frozen."""

from __future__ import annotations

import re
from pathlib import Path

from shared.errors import SourceError
from shared.records.source import Unreadable
from shared.redact import redact
from shared.source.reader import SourceReader
from shared.source.sqlite import open_sqlite
from shared.source.sqlite_file import look_at, path_of, readable_in_place
from shared.source.sqlite_salvage import salvage_sqlite
from shared.source.sqlite_snapshot import snapshot_sqlite

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")


def open_source(url: str, *, frozen: bool) -> SourceReader:
    """Open a source read-only.

    Args:
        url: ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or a bare path.
        frozen: Whether nobody writes to it any more, as with a snapshot; it is then read without locks.

    Raises:
        SourceError: a sentence that says what is wrong with the URL or with what it names.
    """
    _refuse_other_kinds(url)
    return open_sqlite(url, frozen=frozen)


def is_readable_in_place(url: str) -> bool:
    """Whether a source can be read where it lies; False where changes beside it must be worked into a copy first.

    Raises:
        SourceError: a sentence that says what is wrong with the URL or with what it names.
    """
    _refuse_other_kinds(url)
    path = path_of(url)
    look_at(path)
    return readable_in_place(path) is not None


def snapshot_source(url: str, folder: Path) -> str:
    """Make a consistent copy of a source in `folder`, which is made where it is missing; return the copy's URL.

    Raises:
        SourceError: where the source cannot be read, or the copy cannot be written.
    """
    _refuse_other_kinds(url)
    return snapshot_sqlite(path_of(url), folder)


def salvage_source(url: str, folder: Path) -> tuple[str, tuple[Unreadable, ...]]:
    """Make a copy of a source in `folder`, where it is damaged of what can be read; say what could not.

    Raises:
        SourceError: where not even its schema can be read, or the copy cannot be written.
    """
    _refuse_other_kinds(url)
    return salvage_sqlite(path_of(url), folder)


def _refuse_other_kinds(url: str) -> None:
    found = _SCHEME.match(url)
    if found and found["scheme"].lower() != "sqlite":
        msg = (
            f"{redact(url)} is no source that pgconvoy can read: it reads SQLite files, "
            "as sqlite:///relative/path, sqlite:////absolute/path or the path alone"
        )
        raise SourceError(msg)
