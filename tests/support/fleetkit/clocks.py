"""A process whose clock is wrong: what it sees of the time of day is moved, what it measures is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_LIBRARY = Path("vendor", "libfaketime", "src", "libfaketime.so.1")


def library() -> Path | None:
    """The library that moves a clock; None where it isn't installed, or is another system's."""
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / _LIBRARY
    return path if path.exists() else None


def wrong_clock(hours: int) -> dict[str, str]:
    """What a process's environment needs so that its clock is so many hours fast, or slow."""
    path = library()
    assert path is not None, "ask `library` first"
    kept = {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": str(path), "FAKETIME": f"{hours * 3600:+d}", **kept}
