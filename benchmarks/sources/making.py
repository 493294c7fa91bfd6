"""Writing a source once: the next run finds it by its name, its size and its seed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def made_once(
    path: Path, mark: str, fill: Callable[[sqlite3.Connection], None], *, original: Path | None = None
) -> Path:
    """Write a database to `path`, unless a finished one with this mark is there already.

    Args:
        path: The file.
        mark: What it was made with: sizes and seed. Another mark makes it anew.
        fill: Makes the tables and their rows; what it leaves open is committed.
        original: A database to begin with; None: an empty one.
    """
    done = path.with_suffix(f".{mark}.done")
    if done.exists() and path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    for other in (path, *path.parent.glob(f"{path.stem}.*.done")):
        other.unlink(missing_ok=True)
    if original is not None:
        shutil.copyfile(original, path)
    with closing(fast_connection(path)) as connection:
        fill(connection)
        connection.commit()
    done.touch()
    return path


def fast_connection(path: Path) -> sqlite3.Connection:
    """Open a database that nobody would miss: a crash while it is written costs the file."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -200000")
    return connection


def places(count: int) -> str:
    """Placeholders for so many values."""
    return ", ".join("?" * count)
