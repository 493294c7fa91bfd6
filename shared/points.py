"""Named points of a chunk's life where a test can stop, kill or fail a worker.

Off unless ``PGCONVOY_POINTS_DIR`` names a folder. There a test arms a point by a file called
``<point>`` or ``<point>.<chunk id>`` that holds one word: ``stop``, ``fail`` or a signal's name (``SIGKILL``).
A process that reaches an armed point with ``stop`` writes ``<file>.reached`` with its process id and waits until
the armed file is gone (or until it is killed); with ``fail`` it raises; with a signal it sends that to itself,
each time. So crashes happen at named points, never after sleeps.
"""

from __future__ import annotations

import enum
import os
import signal
import time
from pathlib import Path

from shared.errors import PermanentError

POINTS_DIR_VARIABLE = "PGCONVOY_POINTS_DIR"
_POLL_SECONDS = 0.02


class Point(enum.StrEnum):
    """The named points."""

    RECORDING = "recording"
    RECORDED = "recorded"
    PLANNING = "planning"
    PLANNED_NOT_SENT = "planned_not_sent"
    TAKEN_NOT_SENT = "taken_not_sent"
    CLAIMED = "claimed"
    HELD = "held"
    COPIED_NOT_COMMITTED = "copied_not_committed"
    COMMITTED_NOT_ACKNOWLEDGED = "committed_not_acknowledged"
    SPLIT_NOT_COMMITTED = "split_not_committed"
    BUILDING = "building"
    BUILT_NOT_COMMITTED = "built_not_committed"
    COMPARING = "comparing"
    CHECKING = "checking"
    FINISHING = "finishing"
    CARRYING = "carrying"


def reach(point: Point, number: int) -> None:
    """Say that this process is at `point` with chunk (or table) `number`; does nothing unless a test armed it.

    Raises:
        PermanentError: where the point is armed with ``fail``.
    """
    folder = os.environ.get(POINTS_DIR_VARIABLE)
    if not folder:
        return
    for armed in (Path(folder) / f"{point}.{number}", Path(folder) / point):
        if armed.exists():
            _act(armed)


def _act(armed: Path) -> None:
    word = armed.read_text().strip()
    if word.startswith("SIG"):
        signal.raise_signal(signal.Signals[word])
    if word == "fail":
        msg = f"made to fail at the point {armed.name}"
        raise PermanentError(msg)
    reached = armed.with_name(armed.name + ".reached")
    reached.write_text(str(os.getpid()))
    while armed.exists():
        time.sleep(_POLL_SECONDS)
    reached.unlink(missing_ok=True)
