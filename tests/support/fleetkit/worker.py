"""Real `celery worker` processes, as an operator starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import redis

from fleetkit.forked import start_process
from fleetkit.processes import alive, await_true, tail
from fleetkit.run_folder import note_started

_APP = "workers.celery_app"
ALL_QUEUES = ("copy", "verify", "control")


class RunningWorker:
    """A worker's main process with its pool processes; each may be killed on purpose."""

    def __init__(self, process: subprocess.Popen[bytes], broker_url: str, name: str, log: Path) -> None:
        self._process = process
        self._broker_url = broker_url
        self.name = name
        self.log = log

    @property
    def pid(self) -> int:
        """The main process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the main process is there."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the main process ended; None while it runs."""
        return self._process.poll()

    def pool_pids(self) -> list[int]:
        """The pool processes that are there now."""
        try:
            return [child.pid for child in psutil.Process(self.pid).children(recursive=True) if alive(child.pid)]
        except psutil.NoSuchProcess:
            return []

    def log_text(self, *, lines: int = 60) -> str:
        """The last lines that the worker wrote, for messages of failed tests."""
        return tail(self.log, lines=lines)

    def await_ready(self, *, seconds: float = 60) -> RunningWorker:
        """Wait until the worker takes tasks: it then holds a blocking read of its queues on the broker."""
        await_true(self._consumes, f"worker {self.name} ready", seconds=seconds)
        return self

    def kill_pool(self, pid: int | None = None) -> None:
        """SIGKILL one pool process, or all of them; the main process stays."""
        for victim in self.pool_pids() if pid is None else [pid]:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL the whole worker, main process and pool at once: a machine that lost its power."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(20)

    def terminate(self, *, seconds: float = 30) -> int:
        """Ask the worker to stop with SIGTERM, kill what is left after `seconds`; return its exit code."""
        if self.running:
            self._process.terminate()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self.kill()
        return code

    def _consumes(self) -> bool:
        if not self.running:
            msg = f"worker {self.name} ended with {self.exit_code}:\n{self.log_text()}"
            raise RuntimeError(msg)
        # Each worker names its connections by its process; BRPOP on the queues comes after its start is through.
        mine = {connection.laddr for connection in psutil.Process(self.pid).net_connections(kind="tcp")}
        ports = {address.port for address in mine if address}
        with redis.Redis.from_url(self._broker_url) as client:
            return any(
                seen["cmd"] == "brpop" and int(seen["addr"].rpartition(":")[2]) in ports
                for seen in client.client_list()
            )


def start_worker(
    environment: Mapping[str, str],
    *,
    folder: Path,
    name: str = "worker",
    queues: Iterable[str] = ALL_QUEUES,
    concurrency: int = 2,
    app: str = _APP,
    options: Iterable[str] = (),
    by_itself: bool = False,
) -> RunningWorker:
    """Start ``celery -A workers.celery_app worker`` in a session of its own; wait for it with `await_ready`.

    Args:
        environment: what is set beside this process's own environment: ``PGCONVOY_TARGET_URL``,
            ``PGCONVOY_BROKER_URL`` (a ``redis://`` URL of this machine), points (`Points.environment`), …
        folder: where its log goes, and its current folder.
        name: its node name, ``<name>@test``; names must differ within one broker.
        queues: what it consumes.
        concurrency: pool processes.
        app: the application, for tests of this module itself.
        options: further options of ``celery worker``.
        by_itself: not forked off (`fleetkit.forked`), for tests that look at command lines.
    """
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-n", f"{name}@test", "-c", str(concurrency)]
    command += ["-Q", ",".join(queues), "--loglevel", "INFO", "--without-mingle", "--without-gossip", *options]
    start = partial(start_process, "celery") if app == _APP and not by_itself else subprocess.Popen
    with log.open("ab") as output:
        process = start(
            command,
            cwd=folder,
            env=os.environ | {"REMAP_SIGTERM": "SIGQUIT"} | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    note_started(process.pid)
    return RunningWorker(process, environment["PGCONVOY_BROKER_URL"], name, log)
