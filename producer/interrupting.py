"""Ctrl-C and SIGTERM: the first interrupts, later ones wait until what it started is stopped in order."""

from __future__ import annotations

import signal
import sys
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Interruption:
    """Raises KeyboardInterrupt once: a second one would tear apart the stopping of a fleet."""

    def __init__(self) -> None:
        self._interrupted = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self._interrupted:
            sys.stderr.write("still stopping, a moment\n")
            return
        self._interrupted = True
        raise KeyboardInterrupt


def interrupt_once() -> None:
    """Let this process be interrupted once, by Ctrl-C or SIGTERM; what was ignored from outside (nohup) stays so."""
    interruption = _Interruption()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interruption)
