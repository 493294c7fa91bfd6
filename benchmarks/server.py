"""The server that every program loads into: the embedded PostgreSQL, a fresh database for each run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

import psutil
import psycopg2

from producer.local_postgres import start_postgres, stop_postgres
from shared.settings import load_settings

_BURIAL_S = 0.5
"""The server counts what a session took when it has buried it."""


class Server:
    """The embedded server of one folder, while the block runs.

    Args:
        home: Its folder, and that of the fleets that load into it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._settings = load_settings(home=home)

    def __enter__(self) -> Self:
        """Start it."""
        self.url = start_postgres(self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it; its data stays."""
        stop_postgres(self._settings)

    def database(self, name: str) -> contextlib.AbstractContextManager[str]:
        """A fresh database after a checkpoint, dropped at the end; its URL."""
        return database(self.url, name)

    def processor_seconds(self) -> float:
        """What all its processes have taken so far, the ended sessions' included."""
        time.sleep(_BURIAL_S)
        postmaster = _postmaster(self.url)
        taken = postmaster.cpu_times()
        total = float(taken.children_user + taken.children_system + taken.user + taken.system)
        for process in postmaster.children():
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:2])
        return total

    def version(self) -> str:
        """The server's version."""
        return str(one(self.url, "SHOW server_version"))


def _postmaster(url: str) -> psutil.Process:
    folder = Path(str(one(url, "SHOW data_directory")))
    return psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """A fresh database beside the server's own, after a checkpoint; its URL."""
    run_sql(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}", "CHECKPOINT")
    parts = urlsplit(server)
    try:
        yield parts._replace(path=f"/{name}").geturl()
    finally:
        run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


def run_sql(url: str, *statements: str) -> None:
    """Run statements outside a transaction."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def rows_of(url: str, question: str) -> list[tuple[object, ...]]:
    """Ask a question."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return list(cursor.fetchall())


def one(url: str, question: str) -> object:
    """Ask for one value."""
    return rows_of(url, question)[0][0]


def address(url: str) -> tuple[str, str]:
    """The folder of the server's socket, and the database's name."""
    parts = urlsplit(url)
    return unquote(parse_qs(parts.query)["host"][0]), parts.path.lstrip("/")
