"""What worker processes take while a job runs: the most memory of each, and the processors' time of all."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_LOOK_SECONDS = 0.25
"""How often workers are looked for and asked. The kernel keeps each one's peak, so that none is missed in between; a
worker's last quarter of a second of processor time may be."""
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_MARK = "workers.celery_app"


class Watched:
    """What was seen of the workers until now."""

    def __init__(self) -> None:
        self._processor: dict[int, float] = {}
        self.peak_mb = 0.0
        """The largest resident set of one process, pages that it shares with others included."""

    @property
    def processor_s(self) -> float:
        """Of all of them, until each was last seen."""
        return sum(self._processor.values())

    def look(self) -> None:
        """Ask every worker once."""
        for process in _workers():
            try:
                self._processor[process.pid] = sum(process.cpu_times()[:2])
                self.peak_mb = max(self.peak_mb, _peak_mb(process))
            except (psutil.Error, OSError):
                continue  # it has ended


@contextmanager
def watching() -> Iterator[Watched]:
    """Watch the workers below this process while the block runs."""
    watched, stop = Watched(), threading.Event()

    def watch() -> None:
        while not stop.wait(_LOOK_SECONDS):
            watched.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        stop.set()
        thread.join()


def _workers() -> Iterator[psutil.Process]:
    for process in psutil.Process().children(recursive=True):
        try:
            if _MARK in " ".join(process.cmdline()):
                yield process
        except psutil.Error:
            continue


def _peak_mb(process: psutil.Process) -> float:
    """The peak where the kernel tells it (Linux), else the size now; in MB of 10**6 bytes."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        found = _PEAK.search(status.read_text())
        return int(found[1]) * 1024 / 1e6 if found else 0.0  # the kernel's kB are KiB
    return float(process.memory_info().rss) / 1e6
