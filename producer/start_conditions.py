"""What must hold around the start of the embedded PostgreSQL, and is as it was afterwards."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let two producers that start at once make one cluster and one server."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def plain_locale() -> Iterator[None]:
    """Make the cluster the same on every machine; initdb refuses a LANG that the machine does not have."""
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "C"
    try:
        yield
    finally:
        if before is None:
            del os.environ["LC_ALL"]
        else:
            os.environ["LC_ALL"] = before


@contextmanager
def standing_in(folder: Path) -> Iterator[None]:
    """Stand in a folder that the server's user may stand in; the caller's own may be closed to it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def parents_stay_closed(*paths: Path) -> Iterator[None]:
    """Take back the reading of parent folders that the package gives to everybody when it runs as root.

    The server then runs as a user of its own, which needs to pass through them and no more.
    """
    before = {parent: stat.S_IMODE(parent.stat().st_mode) for path in paths for parent in path.parents}
    try:
        yield
    finally:
        for parent, mode in before.items():
            if stat.S_IMODE(parent.stat().st_mode) != mode:
                parent.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)
