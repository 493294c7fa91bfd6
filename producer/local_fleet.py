"""A fleet of this job's own, where no broker is set: a private Redis and worker processes on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from producer.fleet_keeper import NOTHING_RUNS, WORKER_STOP_SECONDS
from producer.fleet_records import end_orphans
from producer.local_redis import PrivateRedis
from producer.worker_count import choose_workers
from shared.errors import UnreachableError
from shared.redact import redact
from shared.settings import Settings

_QUEUES = "copy,verify,control"
_READY_SECONDS = 60  # 1 s where the machine is idle
_SOFT_STOP_SECONDS = 5  # a person waits for it after Ctrl-C; what is not done by then is rolled back and done again
_KEEPER_STOP_SECONDS = WORKER_STOP_SECONDS + 10
_POLL_SECONDS = 0.02
_LOG_LINES = 25
_LOGS_KEPT = 20
_LONGEST_TEMPORARY_FOLDER = 75  # bytes; the socket's path in it must stay under 103


class LocalFleet:
    """Runs the fleet while it is entered; nothing of it is left afterwards, not even where this process is killed.

    The fleet lives in sessions of its own, so Ctrl-C in the terminal reaches the producer alone.
    """

    def __init__(self, settings: Settings, *, workers: int | None = None, app: str = "workers.celery_app") -> None:
        """Prepare a fleet.

        Args:
            settings: what the workers are to know: everything that is set here, the target's URL above all.
            workers: worker processes; None: as the settings say, else by cores.
            app: the Celery application.
        """
        self.is_working = False
        """Whether messages were sent, so that an error may leave tasks that run."""
        self._settings = settings
        self._workers = workers or choose_workers(settings).number
        self._app = app
        self._folder = Path()
        self._keeper: subprocess.Popen[bytes] | None = None
        self.log = Path()
        """Where the workers write."""

    @property
    def broker_url(self) -> str:
        """The private Redis, for Celery's messages; known once the fleet is entered."""
        return PrivateRedis(self._folder).broker_url

    @property
    def result_url(self) -> str:
        """The private Redis, for Celery's results; known once the fleet is entered."""
        return PrivateRedis(self._folder).result_url

    def __enter__(self) -> Self:
        """Start the fleet, which comes while the caller goes on: see `await_broker` and `await_ready`.

        Raises:
            OperatorError: where this machine has no Redis.
        """
        home = self._settings.home.expanduser().resolve()
        records, logs = home / "fleets", home / "logs"
        for folder in (records, logs):
            folder.mkdir(parents=True, exist_ok=True)
        end_orphans(records)
        _forget_old_logs(logs)
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
        self._folder = Path(tempfile.mkdtemp(prefix="pgconvoy-", dir=_short_temporary_folder()))
        self.log = logs / f"{name}-workers.log"
        try:
            redis_command = PrivateRedis(self._folder).command(logs / f"{name}-redis.log")
            self._start_keeper(records / f"{name}.json", redis_command)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the fleet: at once where all is done, else workers end their transactions or give them back first."""
        self._stop(nothing_runs=kind is None or not self.is_working)

    def check(self) -> None:
        """Look whether the fleet still runs.

        Raises:
            UnreachableError: where it ended; the message shows the last lines that the workers wrote.
        """
        if self._keeper is not None and self._keeper.poll() is None:
            return
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:] if self.log.exists() else []
        msg = "\n".join([f"the workers of the local fleet ended; their log is {self.log} and ends:", *lines])
        raise UnreachableError(redact(msg))

    def await_broker(self) -> None:
        """Wait until messages can be sent.

        Raises:
            UnreachableError: where the fleet does not start.
        """
        self._await(PrivateRedis(self._folder).answers)

    def await_ready(self) -> None:
        """Wait until the workers take messages.

        Raises:
            UnreachableError: where they ended instead.
        """
        self._await(PrivateRedis(self._folder).has_consumer)

    def _start_keeper(self, record: Path, redis_command: list[str]) -> None:
        keeper = [sys.executable, "-P", "-m", "producer.fleet_keeper", str(record), str(self._folder)]
        with self.log.open("ab") as log:
            self._keeper = subprocess.Popen(  # noqa: S603 - our own programs
                [*keeper, "--", *redis_command, "--", *self._worker_command()],
                # A folder without Python files: the user's own might hold modules that are called as ours are.
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _worker_command(self) -> list[str]:
        worker = [sys.executable, "-P", "-m", "celery", "-A", self._app, "worker", "-Q", _QUEUES]
        worker += ["-c", str(self._workers), "-n", f"local{os.getpid()}@%h", "--loglevel", "INFO"]
        worker += ["--without-mingle", "--without-gossip"]  # there is no other worker to talk to
        return [*worker, f"worker.soft_shutdown_timeout={_SOFT_STOP_SECONDS}"]

    def _environment(self) -> dict[str, str]:
        """Hand the workers every setting that this process was given, wherever from."""
        given = {
            f"PGCONVOY_{name.upper()}": _as_text(getattr(self._settings, name))
            for name in self._settings.model_fields_set - self._settings.FILE_ONLY
            if getattr(self._settings, name) is not None
        }
        own = {"PGCONVOY_BROKER_URL": self.broker_url, "PGCONVOY_RESULT_URL": self.result_url}
        # SIGTERM then gives running work back in bounded time, instead of waiting for its end.
        return os.environ | given | own | {"REMAP_SIGTERM": "SIGQUIT"}

    def _await(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while not condition():
            self.check()
            if time.monotonic() > end:
                msg = f"the local fleet is not ready after {_READY_SECONDS} s; its log is {self.log}"
                raise UnreachableError(msg)
            time.sleep(_POLL_SECONDS)

    def _stop(self, *, nothing_runs: bool = False) -> None:
        if self._keeper is not None:
            if self._keeper.stdin is not None and not self._keeper.stdin.closed:
                with suppress(BrokenPipeError):  # the keeper has ended already
                    if nothing_runs:
                        self._keeper.stdin.write(NOTHING_RUNS)
                    self._keeper.stdin.close()
            try:
                self._keeper.wait(_KEEPER_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                self._keeper.wait()
                end_orphans(self._settings.home.expanduser().resolve() / "fleets")
        if self._folder.name:
            shutil.rmtree(self._folder, ignore_errors=True)


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.expanduser().resolve() if isinstance(value, Path) else value)


def _short_temporary_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST_TEMPORARY_FOLDER else "/tmp"  # noqa: S108 - mkdtemp is safe there


def _forget_old_logs(logs: Path) -> None:
    oldest_first = sorted(logs.glob("*.log"), key=lambda log: log.stat().st_mtime)
    for log in oldest_first[:-_LOGS_KEPT]:
        log.unlink(missing_ok=True)
