"""Which processes belong to a local fleet, on disk: for the next producer, should a fleet's keeper be killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

_END_SECONDS = 5
# Create times come from the boot clock; a corrected clock may move them a little.
_SAME_TIME_SECONDS = 2.0


def write_record(path: Path, folder: Path, leaders: Sequence[int]) -> None:
    """Note a fleet: this process as its keeper, its folder, and the leaders of its process groups."""
    record = {"keeper": _identify(os.getpid()), "folder": str(folder), "leaders": [_identify(pid) for pid in leaders]}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(record))
    draft.replace(path)


def end_orphans(records: Path) -> int:
    """End every fleet whose keeper is gone, remove its folder and record, and say how many there were."""
    orphans = [path for path in records.glob("*.json") if not _is_kept(path)]
    for path in orphans:
        _end(_read(path))
        path.unlink(missing_ok=True)
    return len(orphans)


def _is_kept(path: Path) -> bool:
    record = _read(path)
    return bool(record) and _find(record["keeper"]) is not None


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):  # removed this moment by its keeper, or torn by a full disk
        return {}
    return record if isinstance(record, dict) else {}


def _end(record: dict[str, Any]) -> None:
    leaders = [process for entry in record.get("leaders", ()) if (process := _find(entry)) is not None]
    for process in leaders:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    psutil.wait_procs(leaders, timeout=_END_SECONDS)
    if "folder" in record:
        shutil.rmtree(record["folder"], ignore_errors=True)


def _identify(pid: int) -> dict[str, float]:
    """Name a process by number and time of birth, since numbers are used again."""
    try:
        return {"pid": pid, "born": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess:  # it ended at once; the keeper sees that too
        return {"pid": pid, "born": 0.0}


def _find(entry: dict[str, float]) -> psutil.Process | None:
    try:
        process = psutil.Process(int(entry["pid"]))
        return process if abs(process.create_time() - entry["born"]) < _SAME_TIME_SECONDS else None
    except psutil.NoSuchProcess:
        return None
