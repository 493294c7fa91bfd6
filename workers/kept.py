"""What a worker process keeps open from one use to the next: connections for columns, and sources for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Final

import adbc_driver_manager

from shared.errors import NotArrowableError
from shared.quoting import quote_text
from shared.records.plan import TablePlan
from shared.source.reader import SourceReader
from shared.target.connections import begin, rollback

_INHERITED: Final[list[object]] = []
"""What a parent process opened: never used here and never closed, since closing it here would end it there."""
_WIDE: Final = 8 * 1024 * 1024
"""Bytes of a value beyond which a connection is not kept: libpq's buffers grow to the widest message and stay so.
Measured with values of 50 MB: 64 MB for what was sent, and as much again for what was received."""


def swells(plan: TablePlan) -> bool:
    """Whether a table's values leave a connection with large buffers."""
    return any((column.longest or 0) > _WIDE for column in plan.columns)


class KeptConnection:
    """One ADBC connection of this process at most, outside a transaction while nobody uses it.

    Opening one takes 30 to 90 ms, the more tables the target has: the driver reads every type, each table's row type
    among them. Measured on 500 tables: 85 ms to open, 0.3 ms to take up again.

    Args:
        connect: Opens a connection (dbapi, autocommit off).
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = Lock()
        self._idle: Any = None
        self._newest_job = 0

    @contextmanager
    def use(self, name: str, job_id: int, *, keep: bool = True) -> Iterator[Any]:
        """Hand the connection out for one transaction, which is rolled back where the user did not commit it.

        It is closed instead of kept after any error of the server's or the driver's.

        Args:
            name: What pg_stat_activity shows meanwhile.
            job_id: The job it is for. A type that was made after the connection was opened (citext, by the producer)
                is unknown to the driver, so a newer job gets a newer connection: its types were made before it.
            keep: False: it is closed after this use, for what it holds by then (see `swells`).

        Raises:
            ConvoyError: where none can be opened.
        """
        connection = self._begun(name, job_id)
        try:
            yield connection
        except NotArrowableError as error:
            # Said by ourselves, before the server had to refuse anything: the connection is as good as before.
            self._put_back(connection, healthy=keep and error.__cause__ is None)
            raise
        except BaseException:
            self._put_back(connection, healthy=False)
            raise
        self._put_back(connection, healthy=keep)

    def close(self) -> None:
        """Close it where it is idle; the next use opens another."""
        idle = self._take()
        if idle is not None:
            _close(idle)

    def abandon(self) -> None:
        """Forget a connection that a parent process opened, without closing it there."""
        _INHERITED.append(self._idle)
        self._idle = None

    def _begun(self, name: str, job_id: int) -> Any:
        """Begin a transaction on the idle connection, or on a new one where there is none or the server ended it."""
        idle = self._take()
        if idle is not None and job_id <= self._newest_job:
            with suppress(adbc_driver_manager.Error):
                return _begin(idle, name)
        if idle is not None:
            _close(idle)
        self._newest_job = max(job_id, self._newest_job)
        fresh = self._connect()
        try:
            return _begin(fresh, name)
        except BaseException:
            _close(fresh)
            raise

    def _take(self) -> Any:
        with self._lock:
            idle, self._idle = self._idle, None
        return idle

    def _put_back(self, connection: Any, *, healthy: bool) -> None:
        if not (healthy and _ended(connection)):
            _close(connection)
            return
        with self._lock:
            surplus, self._idle = self._idle, connection
        if surplus is not None:
            _close(surplus)


def _begin(connection: Any, name: str) -> Any:
    # Named before the transaction: waiting for a replica rolls that back at every look.
    connection.adbc_connection.set_autocommit(True)
    _name(connection, name)
    begin(connection)
    return connection


def _name(connection: Any, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET application_name TO {quote_text(name)}")


def _ended(connection: Any) -> bool:
    """Roll back what was not committed, and stay outside a transaction; False where the server is gone."""
    try:
        rollback(connection)
        connection.adbc_connection.set_autocommit(True)
        with connection.cursor() as cursor:
            cursor.execute("RESET application_name")  # so that who looks sees that it is idle
    except adbc_driver_manager.Error:
        return False
    return True


def _close(connection: Any) -> None:
    with suppress(adbc_driver_manager.Error):
        connection.close()


class KeptSources:
    """Sources that stay open between the uses of one message, each read by one use at a time.

    Opening a SQLite file parses its whole schema: 12 ms for 500 tables. Between messages nothing stays open, so that a
    snapshot which is removed gives its disk space back.
    """

    def __init__(self) -> None:
        self._idle: dict[tuple[str, bool], SourceReader] = {}
        self._keeping = False

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep what is opened in this block open until its end."""
        self._keeping = True
        try:
            yield
        finally:
            self._keeping = False
            self._close_idle()

    @contextmanager
    def use(self, url: str, *, frozen: bool, open_reader: Callable[[], SourceReader]) -> Iterator[SourceReader]:
        """Hand out the open reader of a source, or open it; after an error it is closed."""
        reader = self._idle.pop((url, frozen), None) or open_reader()
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        if self._keeping:
            self._idle[url, frozen] = reader
        else:
            reader.close()

    def abandon(self) -> None:
        """Forget what a parent process opened, without closing it there."""
        _INHERITED.append(self._idle)
        self._idle = {}

    def _close_idle(self) -> None:
        while self._idle:
            _, reader = self._idle.popitem()
            reader.close()
