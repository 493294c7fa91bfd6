"""One folder for everything that a run of the suite starts, so that the next run can end what a killed one left."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

_PREFIX = "pgc-tests-"
_OWNER = "owner"
_STARTED = "started"


@functools.cache
def run_folder() -> Path:
    """Return this run's folder, short enough for sockets in it; it goes when the run ends."""
    _end_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (folder / _STARTED).touch()
    (folder / _OWNER).write_text(_identify(os.getpid()))
    atexit.register(_remove, folder, os.getpid())
    return folder


def note_started(pid: int) -> None:
    """Remember a process that must not outlive this run."""
    with (run_folder() / _STARTED).open("a") as started:
        started.write(_identify(pid) + "\n")


def _end_leftovers() -> None:
    """End the processes of runs that were killed, and remove their folders."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another run may clear it at the same moment
            if not _runs((folder / _OWNER).read_text()):
                for started in (folder / _STARTED).read_text().splitlines():
                    _kill(started)
                shutil.rmtree(folder, ignore_errors=True)


def _identify(pid: int) -> str:
    return f"{pid} {psutil.Process(pid).create_time():.0f}"


def _runs(identity: str) -> bool:
    try:
        return _identify(int(identity.split(maxsplit=1)[0])) == identity.strip()
    except psutil.NoSuchProcess:
        return False


def _kill(identity: str) -> None:
    if not _runs(identity):
        return
    pid = int(identity.split(maxsplit=1)[0])
    with suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a process that was forked off
        shutil.rmtree(folder, ignore_errors=True)
