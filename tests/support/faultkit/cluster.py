"""A PostgreSQL of one test module's own, over TCP: it may be killed, restarted, filled up and left for its standby."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg2
from fleetkit.processes import alive, await_true, tail
from fleetkit.run_folder import note_started, run_folder

_ACCOUNT: Final = "pgserver"
"""PostgreSQL does not run as root; the embedded server's package makes this account, and `TestPostgres` sees to it."""
PASSWORD: Final = "Sesame-7-open"
"""Planted in every URL, although the server trusts everybody: no message may show it."""
_SETTINGS: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
full_page_writes = off
wal_level = replica
max_wal_senders = 4
max_connections = 40
shared_buffers = 32MB
log_min_messages = warning
"""
_numbers = itertools.count(1)


class Cluster:
    """One server with its files, which go when it is closed."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self.folder = folder
        self.data = folder / "data"
        self.port = _free_port()

    @classmethod
    def make(cls, programs: Path, settings: str = "") -> Cluster:
        """Make a cluster and start it.

        Args:
            programs: Where PostgreSQL's programs are (`TestPostgres.programs`).
            settings: Lines for its postgresql.conf.
        """
        cluster = cls(programs, _folder())
        shutil.copytree(_template(programs), cluster.data, symlinks=True)
        cluster.set(_SETTINGS + settings)
        cluster._own()
        cluster.start()
        return cluster

    def url_of(self, database: str, *, port: int | None = None, user: str = "postgres") -> str:
        """The URL of a database; `port`: of a wire to it."""
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def set(self, settings: str) -> None:
        """Add lines to its configuration; they count from the next start on."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(settings + "\n")

    def start(self) -> None:
        """Start it and wait until it answers; what a killed server left behind is waited for."""
        self.set(f"port = {self.port}")
        await_true(self._started, f"PostgreSQL in {self.folder}\n{tail(self.folder / 'log')}", seconds=60)
        note_started(self.pid)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: ``immediate`` as after a crash, without writing out what was not yet, or ``fast``, in order."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def kill(self) -> None:
        """SIGKILL the postmaster: its other processes notice and end."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        await_true(lambda: not alive(pid), "the postmaster is gone")

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def standby(self, port: int) -> Cluster:
        """Copy it and start the copy as a streaming standby.

        Args:
            port: Where the standby reaches this server: a wire's, so that it can be cut off.
        """
        other = Cluster(self._programs, _folder())
        self._run(
            *("pg_basebackup", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-D", str(other.data)),
            *("-R", "-X", "stream", "-c", "fast", "--no-sync"),
        )
        other.start()
        return other

    def close(self) -> None:
        """Stop it, if it runs, and remove its files."""
        with suppress(OSError, subprocess.CalledProcessError, ValueError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The postmaster."""
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make a database and yield its name; drop it afterwards, if the server still runs."""
        name = f"d{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0")
        yield name
        with suppress(psycopg2.Error):
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement outside a transaction."""
        with closing(psycopg2.connect(self.url_of(database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def _started(self) -> bool:
        try:
            log = str(self.folder / "log")
            self._run("pg_ctl", "-D", str(self.data), "-l", log, "-t", "20", "-s", "-w", "start")
        except subprocess.CalledProcessError:
            return False
        return True

    def _own(self) -> None:
        """Give all files to the account that the server runs as."""
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, _ACCOUNT, _ACCOUNT)

    def _run(self, program: str, *arguments: str) -> None:
        run_program(self._programs, program, *arguments)


@functools.cache
def _template(programs: Path) -> Path:
    """Files of a fresh cluster, made once a run."""
    folder = _folder()
    options = ("-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "-N")
    run_program(programs, "initdb", "-D", str(folder / "data"), *options)
    return folder / "data"


def run_program(programs: Path, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as the account that may."""
    subprocess.run(
        [programs / program, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        user=_ACCOUNT if os.geteuid() == 0 else None,
        cwd="/",
    )


def _folder() -> Path:
    folder = run_folder() / f"cluster{next(_numbers)}"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(folder, _ACCOUNT, _ACCOUNT)
    return folder


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
