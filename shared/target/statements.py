"""Statements that PostgreSQL may refuse: each tried in a savepoint, and what it said kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from shared.target import ddl
from shared.target.driver_errors import original, said_by, sqlstate_of, translate_error

_REFUSALS: Final = (
    "0A",  # a feature that this server does not have
    "21",  # a subquery of more than one row
    "22",  # a value that a type refuses
    "23",  # rows that a constraint refuses
    "2B",  # something depends on it
    "3F",  # no such schema
    "42",  # no such thing, no such right, or no such syntax
    "44",  # WITH CHECK OPTION
    "54",  # beyond one of PostgreSQL's limits
    "55000",  # not in a state for it
    "58P01",  # an extension whose files are not there
    "P0",  # a function that raised
)
"""Classes and codes by which PostgreSQL judges the statement. All others judge the moment (a lock, a lost connection,
a full disk) and say nothing of it. https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_SCHEMA_THERE: Final = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name"
_SEE_EXTENSIONS: Final = """
    SELECT pg_catalog.set_config('search_path', 'pg_catalog' || COALESCE(
        (SELECT string_agg(DISTINCT ', ' || pg_catalog.quote_ident(n.nspname), '')
           FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
          WHERE n.nspname <> 'pg_catalog'), ''), true)
"""
UNIQUE_VIOLATION: Final = "23505"
BEYOND_LIMITS: Final = "54000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What PostgreSQL said when it refused a statement."""

    what: str
    """What was being done, and to which thing."""
    said: str
    """Its message and DETAIL on one line, without passwords, with the SQLSTATE."""
    state: str

    @property
    def reason(self) -> str:
        """All of it in one sentence."""
        return f"{self.what}: {self.said}"


def run(connection: Connection, sql: str) -> Any:
    """Run a statement that has no bound values: a percent sign stands for itself. Returns SQLAlchemy's result."""
    return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def make_schema(connection: Connection, schema: str) -> None:
    """Make a schema where it is not there yet."""
    # Looked for first: CREATE SCHEMA IF NOT EXISTS asks for the right to make one even where it is there.
    if not has_schema(connection, schema):
        run(connection, ddl.create_schema(schema))


def see_extensions(connection: Connection) -> None:
    """Let what is made find the operators of extensions' types, until the transaction or its savepoint ends.

    With pg_catalog alone, a citext column in a view or CHECK would be compared by the operators of text.
    """
    connection.execute(text(_SEE_EXTENSIONS))


def has_schema(connection: Connection, schema: str) -> bool:
    """Whether a schema is there."""
    return connection.execute(text(_SCHEMA_THERE), {"name": schema}).first() is not None


def attempt(connection: Connection, statements: str | Sequence[str], what: str) -> Refusal | None:
    """Run one statement or several in one savepoint; returns what PostgreSQL said where it refused one of them.

    Raises:
        ConvoyError: where the moment was wrong rather than the statement; trying again may mend that.
    """
    try:
        with connection.begin_nested():
            for sql in (statements,) if isinstance(statements, str) else statements:
                run(connection, sql)
    except DBAPIError as error:
        return judged(error, what)
    return None


def judged(error: DBAPIError, what: str) -> Refusal:
    """Take an error for PostgreSQL's judgement of a statement.

    Raises:
        ConvoyError: where it is none: the moment was wrong.
    """
    driver_error = original(error)
    state = sqlstate_of(driver_error)
    if state is None or not state.startswith(_REFUSALS):
        raise translate_error(error, what=what) from error
    return Refusal(what=what, said=said_by(driver_error), state=state)


def probe(connection: Connection, statements: str | Sequence[str], what: str) -> Refusal | None:
    """Run statements as `attempt` does and take them back in any case, with the locks that they took.

    Raises:
        ConvoyError: where the moment was wrong rather than the statement.
    """
    with taken_back(connection):
        return attempt(connection, statements, what)


@contextmanager
def taken_back(connection: Connection) -> Iterator[None]:
    """Take back whatever the block does, with the locks that it takes."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()
