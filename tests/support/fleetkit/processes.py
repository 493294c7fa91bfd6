"""Waiting for a condition, and looking at the processes that a test started."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

POLL_SECONDS = 0.02
T = TypeVar("T")


class NeverTrueError(AssertionError):
    """What a test waited for did not come about within its bound."""


def await_true(condition: Callable[[], T], what: str, *, seconds: float = 60) -> T:
    """Ask `condition` until its answer is true, and return that answer.

    The bound only keeps a broken test from hanging; it is no assertion about speed.

    Raises:
        NeverTrueError: naming `what` was waited for, after `seconds`.
    """
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            msg = f"waited {seconds:g} s in vain: {what}"
            raise NeverTrueError(msg)
        time.sleep(POLL_SECONDS)
    return answer


def tail(path: Path, *, lines: int = 40) -> str:
    """Return the last lines of a log, or a note that there is none."""
    if not path.exists():
        return f"({path} was never written)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
