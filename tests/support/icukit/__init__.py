"""A PostgreSQL of the system's own packages, which has ICU and citext where the suite's embedded one has neither."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg2
from fleetkit.run_folder import note_started

_FOLDERS = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu put the programs of each version."""
_ACCOUNT = "postgres"
"""PostgreSQL does not run as root; the packages make this account."""
_SETTINGS = "-c listen_addresses= -c fsync=off -c shared_buffers=16MB -c log_min_messages=error"


def programs() -> Path | None:
    """The newest version's programs with citext, or None."""
    found = [folder / "bin" for folder in _FOLDERS.glob("*") if (folder / "bin" / "initdb").exists()]
    extension = Path("/usr/share/postgresql")
    found = [each for each in found if (extension / each.parent.name / "extension" / "citext.control").exists()]
    return max(found, key=lambda each: int(each.parent.name), default=None)


class IcuPostgres:
    """A server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._programs = folder
        self._numbers = itertools.count(1)
        self._data = Path(tempfile.mkdtemp(prefix="pgc-icu-"))

    @property
    def folder(self) -> Path:
        """Where its files are; what is put there before `start` becomes its own."""
        return self._data

    def start(self, settings: str = "") -> None:
        """Make the cluster and start it, with settings (``-c name=value …``) beside the suite's."""
        if os.geteuid() == 0:
            for path in (self._data, *self._data.iterdir()):
                shutil.chown(path, _ACCOUNT)
        data = str(self._data / "data")
        self._run("initdb", "-D", data, "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "-U", _ACCOUNT, "-N")
        options = f"{_SETTINGS} -k {self._data} {settings}"
        self._run("pg_ctl", "-D", data, "-o", options, "-l", str(self._data / "log"), "-w", "start")
        note_started(int((self._data / "data" / "postmaster.pid").read_text().splitlines()[0]))

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._run("pg_ctl", "-D", str(self._data / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._data, ignore_errors=True)

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Make a database and yield its URL; drop it afterwards."""
        name = f"t{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield self._url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _url(self, database: str) -> str:
        return f"postgresql://{_ACCOUNT}@/{database}?host={quote(str(self._data), safe='')}"

    def _execute(self, statement: str) -> None:
        with closing(psycopg2.connect(self._url("postgres"))) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            user=_ACCOUNT if os.geteuid() == 0 else None,
            cwd=self._data,
        )
