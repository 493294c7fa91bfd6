"""How many processors this process may use: what the machine has, less what affinity and control groups withhold."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUPS: Final = Path("/proc/self/cgroup")


def usable_cores(groups: Path = _GROUPS, own: Path = _OWN_GROUPS) -> int:
    """Count the processors that may run at once for this process, rounded up; at least 1.

    Args:
        groups: Where control groups are mounted (Linux; elsewhere there are none).
        own: Which of them this process is in.
    """
    quotas = [*_quotas(groups, own)]
    return max(1, min([_allowed(), *(math.ceil(quota) for quota in quotas)]))


def _allowed() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1


def _quotas(groups: Path, own: Path) -> Iterator[float]:
    """Processors that each control group around this process allows; a group without a limit yields none."""
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2: one hierarchy
            yield from _limits(groups, path, "cpu.max")
        elif "cpu" in controllers.split(","):
            yield from _limits(groups / "cpu", path, "cpu.cfs_quota_us", "cpu.cfs_period_us")


def _limits(root: Path, path: str, *names: str) -> Iterator[float]:
    """Read a group's limit and those of all around it; inside a container the path may lead nowhere, the root does."""
    group = root / path.strip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(root):
            return
        words = " ".join(_read(folder / name) for name in names).split()
        if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
            yield int(words[0]) / int(words[1])


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
