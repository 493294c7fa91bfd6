"""One transaction on the ledger, over either driver.

The copy's transaction belongs to the connection that carries the rows: ADBC on the fast path, psycopg2 on
the careful one. The ledger's statements must run on that same connection, so that the rows and the word
`copied` are committed together. They are SQLAlchemy expressions; those that every chunk needs are built once a process
(see `shared.ledger.prepared`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from shared.ledger.prepared import Prepared

_DOLLAR_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]
"""Renders ``$1::BIGINT``, as ADBC and PREPARE take it: both bind by place."""
_KNOWN = "prepared"
"""What of a connection's `info` names the statements that its session knows."""


class Ledger(Protocol):
    """A transaction that ledger statements can run in."""

    def run(self, statement: Executable | Prepared) -> Sequence[Any]:
        """Execute a statement and return its rows as sequences (none for a statement without RETURNING)."""


class SqlAlchemyLedger:
    """The ledger over a SQLAlchemy connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def run(self, statement: Executable | Prepared) -> Sequence[Any]:
        """Execute a statement and return its rows."""
        result = self._execute(statement) if isinstance(statement, Prepared) else self.connection.execute(statement)
        return result.all() if result.returns_rows else ()

    def _execute(self, statement: Prepared) -> sa.CursorResult[Any]:
        """Execute a statement that this session of PostgreSQL's has read and planned, after its first time."""
        rendered = _compiled_once(statement.statement)
        known: set[str] = self.connection.info.setdefault(_KNOWN, set())
        if statement.name not in known:
            self.connection.exec_driver_sql(f"PREPARE {statement.name} AS {rendered}")
            known.add(statement.name)  # a rollback does not take it away
        values = _values(rendered, statement.values)
        places = f" ({', '.join(['%s'] * len(values))})" if values else ""
        return self.connection.exec_driver_sql(f"EXECUTE {statement.name}{places}", values)


def wait_for_disk(ledger: SqlAlchemyLedger) -> None:
    """Let the commit of this transaction wait as long as the server is set to, whatever the session says."""
    ledger.run(sa.text("SET LOCAL synchronous_commit TO DEFAULT"))


def _compiled(statement: Executable) -> SQLCompiler:
    assert isinstance(statement, ClauseElement)  # noqa: S101 - narrows the type: Core statements only
    compiled = statement.compile(dialect=_DOLLAR_DIALECT, compile_kwargs={"render_postcompile": True})
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - DDL has no place in the ledger's statements
    return compiled


_compiled_once = functools.cache(_compiled)
"""For statements that outlive their use."""


def _values(compiled: SQLCompiler, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """In the order of their places."""
    given = compiled.params | dict(values)
    return tuple(given[name] for name in compiled.positiontup or ())


class ArrowLedger:
    """The ledger over an ADBC connection: for statements whose parameters are numbers and texts alone."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, statement: Executable | Prepared) -> Sequence[Any]:
        """Execute a statement and return its rows."""
        if isinstance(statement, Prepared):
            compiled, given = _compiled_once(statement.statement), statement.values
        else:
            compiled, given = _compiled(statement), {}
        parameters = _values(compiled, given)
        with self._connection.cursor() as cursor:
            cursor.execute(str(compiled), parameters or None)
            return tuple(cursor.fetchall())
