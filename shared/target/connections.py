"""Connections to the target: one kind for Arrow, one for rows, both set up so that PostgreSQL drops the dead fast."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote

import adbc_driver_manager
import psycopg2

from shared.errors import ConvoyError, OperatorError
from shared.redact import redact
from shared.target.driver_errors import translate_error

__all__ = ["SessionSettings", "begin", "commit", "connect_arrow", "connect_rows", "rollback", "translate_error"]

_DRIVER_ERRORS: Final = (adbc_driver_manager.Error, psycopg2.Error)
_KEEPALIVE_IDLE_S: Final = 10
_KEEPALIVE_INTERVAL_S: Final = 5
_KEEPALIVE_COUNT: Final = 3
"""A peer that vanished without a word (power, network) is noticed after 10 + 3 * 5 = 25 s, on both sides: short
against the minutes of a chunk that waits for rescue, long against a hiccup of the network."""
_USER_TIMEOUT_MS: Final = 25_000
"""The same bound for data that was sent and never acknowledged (TCP_USER_TIMEOUT)."""
_CHECK_INTERVAL: Final = "2s"
"""How often PostgreSQL looks, while it runs a statement, whether its client is still there."""
_CHECK_SETTING: Final = "client_connection_check_interval"
_USERINFO: Final = re.compile(r"^\w+://(?P<user>[^:]*?):(?P<password>.*)@")
_LEGAL_PASSWORD: Final = re.compile(r"(?:[^@/?#%]|%[0-9A-Fa-f]{2})*")
_ABOUT_TLS: Final = (
    "the URL's sslrootcert names the authority's file, its host is to be one of the certificate's names, and sslcert"
    " and sslkey are this client's own"
)
_WHAT_TO_DO: Final = (
    ("permission denied for database", "GRANT CONNECT ON that DATABASE to the role"),
    ("certificate", _ABOUT_TLS),
    ("SSL ", _ABOUT_TLS),
    ("TLS ", _ABOUT_TLS),
)
_MIN_SECRET: Final = 3
"""A shorter password is not searched for in messages: it would blank out half of every sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session with the target behaves."""

    application_name: str
    """What pg_stat_activity shows."""
    connect_timeout_s: int
    lock_timeout_s: float
    idle_timeout_s: float
    """PostgreSQL ends a transaction that is idle for so long."""
    durable: bool
    """False: synchronous_commit is off, for what is lost together with the record of it."""
    kept: bool = False
    """Whether it stays open between uses; unused for `idle_timeout_s`, PostgreSQL (14 and later) ends it."""
    reads_only: bool = False
    """Each transaction sees one snapshot and can write nothing."""


def connect_arrow(url: str, session: SessionSettings) -> Any:
    """Open an ADBC connection (dbapi, autocommit off) for Arrow and the ledger in one transaction.

    Raises:
        ConvoyError: as `translate_error` says; never with a password.
    """
    from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - brings Arrow, which who connects for rows can do without

    with _translated(url):
        connection = dbapi.connect(_with_parameters(url, session))
        return _set_up(connection, session)


def connect_rows(url: str, session: SessionSettings) -> Any:
    """Open a psycopg2 connection (autocommit off) for the careful path.

    Raises:
        ConvoyError: as `translate_error` says; never with a password.
    """
    with _translated(url):
        connection = psycopg2.connect(_with_parameters(url, session))
        return _set_up(connection, session)


def begin(connection: Any) -> None:
    """Begin a transaction on an ADBC connection in which savepoints serve: `commit` ends it, or `rollback`.

    The driver begins one of its own before a statement outside a transaction, and takes one in which a statement
    failed for none: it could not be rolled back to a savepoint. So this one is begun by a statement.
    """
    connection.adbc_connection.set_autocommit(True)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")


def commit(connection: Any) -> None:
    """Commit what `begin` began."""
    connection.adbc_connection.set_autocommit(False)
    connection.commit()


def rollback(connection: Any) -> None:
    """Roll back what `begin`, or the driver, began."""
    connection.adbc_connection.set_autocommit(False)
    connection.rollback()


def _with_parameters(url: str, session: SessionSettings) -> str:
    """Add libpq's parameters to a URL; what the operator has set there stays."""
    parameters = {
        "application_name": session.application_name,
        "connect_timeout": session.connect_timeout_s,
        "client_encoding": "UTF8",
        "keepalives": 1,
        "keepalives_idle": _KEEPALIVE_IDLE_S,
        "keepalives_interval": _KEEPALIVE_INTERVAL_S,
        "keepalives_count": _KEEPALIVE_COUNT,
        "tcp_user_timeout": _USER_TIMEOUT_MS,
    }
    address, _, query = url.partition("?")
    given = {pair.partition("=")[0] for pair in query.split("&")}
    ours = [f"{name}={percent_encoded(str(value), safe='')}" for name, value in parameters.items() if name not in given]
    return f"{address}?{'&'.join([query, *ours] if query else ours)}"


def _set_up(connection: Any, session: SessionSettings) -> Any:
    """Set the session's parameters and commit them, so that a rollback does not undo them."""
    try:
        _set(connection, _server_settings(session))
        # Platforms without the means to watch a socket refuse it; keepalives must do there.
        with contextlib.suppress(*_DRIVER_ERRORS):
            _set(connection, {_CHECK_SETTING: _CHECK_INTERVAL})
        connection.rollback()
    except BaseException:
        connection.close()
        raise
    return connection


def _server_settings(session: SessionSettings) -> dict[str, str]:
    settings = {
        "lock_timeout": f"{int(session.lock_timeout_s * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{int(session.idle_timeout_s * 1000)}ms",
        # A role or database may bound statements for the application's sake; a chunk takes what it takes.
        "statement_timeout": "0",
        "transaction_timeout": "0",
        "default_transaction_isolation": "read committed",
        "tcp_keepalives_idle": str(_KEEPALIVE_IDLE_S),
        "tcp_keepalives_interval": str(_KEEPALIVE_INTERVAL_S),
        "tcp_keepalives_count": str(_KEEPALIVE_COUNT),
        "tcp_user_timeout": str(_USER_TIMEOUT_MS),
        "TimeZone": "UTC",
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "postgres",
        "extra_float_digits": "3",
        "bytea_output": "hex",
        "standard_conforming_strings": "on",
        "search_path": "pg_catalog",
    }
    if not session.durable:
        settings["synchronous_commit"] = "off"
    if session.kept:
        settings["idle_session_timeout"] = settings["idle_in_transaction_session_timeout"]
    if session.reads_only:
        settings |= {"default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on"}
    return settings


def _set(connection: Any, settings: dict[str, str]) -> None:
    """Set the parameters that this server knows, for the session."""
    wanted = ", ".join(f"('{name.lower()}', '{value}')" for name, value in settings.items())
    statement = (
        "SELECT pg_catalog.set_config(known.name, wanted.value, false)"
        f" FROM (VALUES {wanted}) AS wanted (name, value)"
        " JOIN pg_catalog.pg_settings AS known ON pg_catalog.lower(known.name) = wanted.name"
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.fetchall()
        connection.commit()
    except _DRIVER_ERRORS:
        with contextlib.suppress(*_DRIVER_ERRORS):  # of a connection that is lost: the first error says so
            connection.rollback()
        raise


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    _refuse_unencoded_password(url)
    try:
        yield
    except _DRIVER_ERRORS as error:
        failure = translate_error(error, what=f"cannot open a connection to the target {redact(url)}")
        advice = next((advice for sign, advice in _WHAT_TO_DO if sign in str(failure)), None)
        if advice is not None:
            failure = type(failure)(f"{failure}: {advice}")
        # The driver's own error may quote the password, so it is not kept as the cause.
        raise _without_password(failure, url) from None


def _refuse_unencoded_password(url: str) -> None:
    """Refuse a password that libpq would cut at the wrong place and then quote in part, as the host's name."""
    found = _USERINFO.search(url.partition("?")[0])
    if found and not _LEGAL_PASSWORD.fullmatch(found["password"]):
        msg = f"the password of {found['user']!r} in the target's URL must have its @ / ? # and % percent-encoded"
        raise OperatorError(msg)


def _without_password(failure: ConvoyError, url: str) -> ConvoyError:
    found = _USERINFO.search(url.partition("?")[0])
    if found is None:
        return failure
    text = str(failure)
    for secret in (found["password"], unquote(found["password"])):
        if len(secret) >= _MIN_SECRET:
            text = text.replace(secret, "***")
    return type(failure)(text)
