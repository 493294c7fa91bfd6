"""How many processors may be used, where control groups say less than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.cores import usable_cores


@pytest.fixture(autouse=True)
def _sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of sixteen processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)), raising=False)


def groups(folder: Path, own: str, files: dict[str, str]) -> int:
    """Count with these control groups."""
    (folder / "own").write_text(own)
    for name, text in files.items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return usable_cores(folder / "cgroup", folder / "own")


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/app/web\n", {"cpu.max": "max 100000", "app/cpu.max": "400000 100000", "app/web/cpu.max": "max 1"}, 4),
        ("0::/app\n", {"app/cpu.max": "1800000 100000"}, 16),
        ("0::/of/the/host\n", {"cpu.max": "200000 100000"}, 2),
        (
            "3:cpuset:/\n2:cpu,cpuacct:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "700000", "cpu/a/cpu.cfs_period_us": "100000"},
            7,
        ),
        ("2:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ("", {}, 16),
    ],
)
def test_the_narrowest_limit_counts(tmp_path: Path, own: str, files: dict[str, str], cores: int) -> None:
    """Of both versions of control groups, of this process's and of all around it; no limit is none."""
    assert groups(tmp_path, own, files) == cores


def test_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is bound to two processors has two."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5})
    assert usable_cores(tmp_path, tmp_path / "nothing") == 2


def test_a_system_without_either_has_all_its_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MacOS has no affinity and no control groups."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert usable_cores(tmp_path, tmp_path / "nothing") == 10
