"""pgconvoy itself, run as a person runs it: `producer start` with a local fleet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ledger_times import LedgerTimes, latest_job
from benchmarks.server import Server
from benchmarks.watching import watching

_LONGEST_S = 3600
_LOG_LINES = 12
_DONE, _WITH_REJECTS = 0, 1


class RunError(Exception):
    """A program ended otherwise than it should; the text shows the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvoyRun:
    """What one job took."""

    workers: int
    """Processes."""
    seconds: float
    """Command start to prompt, by the clock."""
    worker_mb: float
    """The largest worker process."""
    workers_s: float
    """Processors' time of the worker processes."""
    server_s: float
    """Processors' time of PostgreSQL."""
    times: LedgerTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Convoy:
    """How jobs are run."""

    server: Server
    folder: Path
    """Where snapshots and logs go."""
    workers: int

    def run(
        self, source: Path, url: str, *options: str, workers: int | None = None, rejects: bool = False
    ) -> ConvoyRun:
        """Run one job to its end.

        Args:
            source: What is copied.
            url: The target.
            options: More options of `producer start`.
            workers: How many worker processes; None: as always.
            rejects: Whether the job is to end with rejects.

        Raises:
            RunError: where it ends otherwise.
        """
        workers = workers or self.workers
        command = [sys.executable, "-m", "producer", "start", "--json", "--source", str(source)]
        command += ["--workers", str(workers), *options]
        snapshots, log = self.folder / "snapshots", self.folder / "convoy.log"
        before = self.server.processor_seconds()
        with log.open("w") as output, watching() as watched:
            begin = time.perf_counter()
            code = _run(command, output=output.fileno(), environment=self._environment(url, snapshots))
            seconds = time.perf_counter() - begin
        server_s = self.server.processor_seconds() - before
        shutil.rmtree(snapshots, ignore_errors=True)  # one for each job, as large as the source
        if code != (_WITH_REJECTS if rejects else _DONE):
            raise RunError(ended("producer start", code, log))
        return ConvoyRun(
            workers=workers,
            seconds=seconds,
            worker_mb=watched.peak_mb,
            workers_s=watched.processor_s,
            server_s=server_s,
            times=latest_job(url),
        )

    def _environment(self, url: str, snapshots: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PGCONVOY_")}
        return inherited | {
            "PGCONVOY_HOME": str(self.server.home),
            "PGCONVOY_TARGET_URL": url,
            "PGCONVOY_SNAPSHOT_DIR": str(snapshots),
        }


def _run(command: Sequence[str], *, output: int, environment: dict[str, str]) -> int:
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        timeout=_LONGEST_S,
        check=False,
    ).returncode


def ended(program: str, code: int, log: Path) -> str:
    """Say how a program ended, with the end of its log."""
    lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join([f"{program} ended with {code}; its log ends:", *lines])
