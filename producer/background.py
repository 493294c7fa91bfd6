"""A local fleet without its terminal: `producer resume` in a session of its own, with a log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from producer.records import Detached
from producer.services import Target
from shared.settings import Settings


def go_on_in_background(target: Target, job_id: int) -> Detached:
    """Let a process of its own run the fleet and wait for the job; it ends when the job does."""
    home = target.settings.home.expanduser().absolute()
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"job-{job_id}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own program; the job's id is a number
            [sys.executable, "-P", "-m", "producer", "resume", str(job_id)],
            env=os.environ | environment_of(target.settings),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Detached(job=job_id, pid=process.pid, log=str(log), target=target.shown)


def environment_of(settings: Settings) -> dict[str, str]:
    """Every setting that was given, wherever from, as another process of ours reads it."""
    return {
        f"PGCONVOY_{name.upper()}": _as_text(getattr(settings, name))
        for name in settings.model_fields_set - settings.FILE_ONLY
        if getattr(settings, name) is not None
    }


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.expanduser().absolute() if isinstance(value, Path) else value)
