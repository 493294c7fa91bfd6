"""Plain statements in a transaction over either driver: the careful path writes its rows so beside columns too.

Both send several statements at once where nothing is bound to them, and both say by name what PostgreSQL says of an
error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import adbc_driver_manager
import psycopg2

from shared.target.driver_errors import diagnostic

DRIVER_ERRORS: Final = (adbc_driver_manager.Error, psycopg2.Error)
_SAVEPOINT: Final = "pgconvoy_careful"
_BEGIN: Final = f"SAVEPOINT {_SAVEPOINT}; "
_END: Final = f"RELEASE SAVEPOINT {_SAVEPOINT}"
_BACK: Final = f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and the values that are bound to its ``$1``, ``$2`` …, where the session binds any."""

    sql: str
    values: tuple[str | bytes, ...] = ()


class RowSession(Protocol):
    """Statements of a transaction."""

    binds: bool
    """Whether a statement may have bound values: they are not copied as often as what stands in the statement."""

    def run(self, statement: str) -> None:
        """Execute a statement."""

    def fetch(self, query: str) -> Sequence[Sequence[Any]]:
        """Execute a query and return its rows."""

    def run_in_savepoint(self, statements: Sequence[Statement]) -> None:
        """Execute statements in a savepoint, which stands when one of them raises: `undo` then."""

    def undo(self) -> None:
        """Take back what was done since the savepoint."""

    def place_of(self, error: BaseException) -> int | None:
        """Where in the first statement of a savepoint PostgreSQL found an error, in characters from 0."""


def row_session(connection: Any) -> RowSession:
    """The session of a connection of psycopg2 or of ADBC (begun by `shared.target.connections.begin`)."""
    return _AdbcSession(connection) if hasattr(connection, "adbc_connection") else _PsycopgSession(connection)


class _PsycopgSession:
    binds = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def fetch(self, query: str) -> Sequence[Sequence[Any]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def run_in_savepoint(self, statements: Sequence[Statement]) -> None:
        self.run(_in_savepoint(statements))

    def undo(self) -> None:
        self.run(_BACK)

    def place_of(self, error: BaseException) -> int | None:
        return _position(error, before=len(_BEGIN))


class _AdbcSession:
    binds = True

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._before = 0

    def run(self, statement: str) -> None:
        # As an update it is sent as it is: the driver neither prepares it nor asks what it answers, which costs the
        # server as much again for a statement of a thousand rows.
        with self._connection.cursor() as cursor:
            cursor.adbc_statement.set_sql_query(statement)
            cursor.adbc_statement.execute_update()

    def fetch(self, query: str) -> Sequence[Sequence[Any]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def run_in_savepoint(self, statements: Sequence[Statement]) -> None:
        bound = any(statement.values for statement in statements)
        self._before = 0 if bound else len(_BEGIN)
        if not bound:
            self.run(_in_savepoint(statements))
            return
        self.run(_BEGIN)
        for statement in statements:
            with self._connection.cursor() as cursor:
                cursor.execute(statement.sql, statement.values or None)
        self.run(_END)

    def undo(self) -> None:
        self.run(_BACK)

    def place_of(self, error: BaseException) -> int | None:
        return _position(error, before=self._before)


def _in_savepoint(statements: Sequence[Statement]) -> str:
    return f"{_BEGIN}{'; '.join(statement.sql for statement in statements)}; {_END}"


def _position(error: BaseException, *, before: int) -> int | None:
    """PostgreSQL counts from 1, and from the beginning of all that was sent."""
    said = diagnostic(error, "statement_position")
    return int(said) - 1 - before if said else None
