"""What PostgreSQL and its drivers say, as pgconvoy's errors: one sentence, by what the caller should do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

import adbc_driver_manager
import psycopg2

from shared.errors import (
    ConflictError,
    ConvoyError,
    ExhaustedError,
    MissingParentError,
    OperatorError,
    PermanentError,
    TransientError,
    UnreachableError,
)
from shared.redact import redact

_MAX_DETAIL: Final = 300
"""Characters of PostgreSQL's DETAIL that are shown: it may quote a whole row."""
_PRIMARY: Final = "PG_DIAG_MESSAGE_PRIMARY"
_DETAIL: Final = "PG_DIAG_MESSAGE_DETAIL"

_CONFLICT: Final = (
    "40001",  # serialization failure
    "40P01",  # deadlock
)
_TRANSIENT: Final = (
    "08",  # connection exceptions
    "57P0",  # the server shuts down, crashed, or starts up
    "55P03",  # lock not available in time
    "57014",  # somebody cancelled the statement: of time-outs there is none
    "25P03",  # idle in a transaction for too long: the connection is gone
    "25006",  # no writes now: reached while a standby takes over, or closed to writers for a while
)
_MISSING_PARENT: Final = "23503"
"""foreign_key_violation; the parent row may be on its way."""
_EXHAUSTED: Final = "53"
"""Insufficient resources: disk, memory, connections, or a limit of the configuration."""
_WHAT_TO_DO: Final = MappingProxyType(
    {
        "53100": "make room on the target's disk",
        "53200": "give the target more memory, or run fewer worker processes",
        "53300": "raise the target's max_connections, or run fewer worker processes",
        "53400": "raise the limit in the target's configuration",
        "25006": "name the primary where this is a standby, else set the target's default_transaction_read_only to off",
        "42501": "the target's role lacks that right; docs/security.md lists what it needs",
    }
)
_REFUSED_LOGIN: Final = ("28", "3D000")
_OPERATOR: Final = ("42501",)
_KINDS: Final[tuple[tuple[tuple[str, ...], type[ConvoyError]], ...]] = (
    (_CONFLICT, ConflictError),
    (_TRANSIENT, TransientError),
    (_REFUSED_LOGIN, UnreachableError),
    (_OPERATOR, OperatorError),
)
_DATA: Final = (
    "22",  # data exceptions: a value that a type refuses
    "23502",  # NOT NULL
    "23505",  # unique
    "23514",  # CHECK
    "23P01",  # exclusion
    "42804",  # a value of another type than its column
    "54000",  # a row or index entry beyond PostgreSQL's limits
    "54001",  # JSON of more levels than max_stack_depth allows
)
_STATUS: Final = re.compile(r"^[A-Z_]+: (?:\[libpq\] )?")
"""What ADBC writes before a message: ``IO: [libpq]``."""
_SERVER_MESSAGE: Final = re.compile(r"(?:ERROR|FATAL|PANIC): +(.+)")
"""What the server said, where a driver gives it only inside a text of its own."""
_BELOW_MESSAGE: Final = re.compile(r"\n(?:Query was:|LINE \d)")
_NEVER_CONNECTED: Final = (
    "connection to server",
    "could not translate host name",
    "could not connect to server",
    "failed to connect",
    "timeout expired",
)
_NOT_YET: Final = ("starting up", "shutting down", "recovery mode")
_NO_CONNECTION_LEFT: Final = ("too many clients", "remaining connection slots")
_BAD_URL: Final = ("invalid dsn", "invalid uri", "invalid connection option", "invalid integer value")


def translate_error(error: Exception, *, what: str) -> ConvoyError:
    """Say in one of pgconvoy's errors what a driver raised; `what` names what was being done, and to which thing.

    Takes errors of ADBC, of psycopg2 and of SQLAlchemy around them; what is one of pgconvoy's already stays itself.
    Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
    if isinstance(error, ConvoyError):
        return error
    driver_error = original(error)
    kind = _kind(driver_error)
    advice = _WHAT_TO_DO.get(_scarcity(driver_error) or sqlstate_of(driver_error) or "", "")
    return kind(f"{what}: {said_by(driver_error)}{f': {advice}' if advice else ''}")


def original(error: BaseException) -> BaseException:
    """Take the driver's error out of SQLAlchemy's."""
    wrapped = getattr(error, "orig", None)
    return wrapped if isinstance(wrapped, BaseException) else error


def sqlstate_of(error: BaseException) -> str | None:
    """Read the SQLSTATE; None where the server said none, as when the connection was lost."""
    code = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    return str(code) if code else None


def diagnostic(error: BaseException, name: str) -> str:
    """Read one of PostgreSQL's fields of an error, named as psycopg2 names them (column_name); empty: it said none."""
    diagnostics = getattr(error, "diag", None)
    if diagnostics is not None:
        return getattr(diagnostics, name) or ""
    return dict(_adbc_details(error)).get(f"PG_DIAG_{name.upper()}", "")


def is_data_error(error: BaseException) -> bool:
    """Whether PostgreSQL refused a value or a row, rather than the statement, the moment or the user."""
    return (sqlstate_of(error) or "").startswith(_DATA)


def is_missing_parent(error: BaseException) -> bool:
    """Whether PostgreSQL refused a row because of a foreign key."""
    return sqlstate_of(error) == _MISSING_PARENT


def said_by(error: BaseException) -> str:
    """Render what PostgreSQL or its driver said, on one line, without passwords, with the SQLSTATE where known."""
    message, detail = _parts(error)
    code = sqlstate_of(error)
    sentence = _one_line(message) or type(error).__name__
    if detail:
        sentence += f" ({_cut(_one_line(detail))})"
    return redact(f"{sentence} [SQLSTATE {code}]" if code else sentence)


def _kind(error: BaseException) -> type[ConvoyError]:
    code = sqlstate_of(error)
    if _scarcity(error):
        return ExhaustedError
    if code is None:
        return _kind_without_code(error)
    if code == _MISSING_PARENT:
        return MissingParentError
    return next((kind for codes, kind in _KINDS if code.startswith(codes)), PermanentError)


def _scarcity(error: BaseException) -> str:
    """The SQLSTATE of what the server has none to spare of, also where libpq gives the text alone; else empty."""
    code = sqlstate_of(error)
    if code is None and any(sign in str(error).lower() for sign in _NO_CONNECTION_LEFT):
        return "53300"
    return code if code is not None and code.startswith(_EXHAUSTED) else ""


def _kind_without_code(error: BaseException) -> type[ConvoyError]:
    """Judge by the text: libpq gives no SQLSTATE for failed logins and lost connections."""
    text = str(error).lower()
    if any(sign in text for sign in _BAD_URL):
        return OperatorError
    if any(sign in text for sign in _NEVER_CONNECTED):
        return TransientError if any(sign in text for sign in _NOT_YET) else UnreachableError
    lost = adbc_driver_manager.OperationalError, psycopg2.OperationalError, psycopg2.InterfaceError
    return TransientError if isinstance(error, lost) else PermanentError


def _parts(error: BaseException) -> tuple[str, str]:
    diagnostics = getattr(error, "diag", None)
    if diagnostics is not None and diagnostics.message_primary:
        return diagnostics.message_primary, diagnostics.message_detail or ""
    details = dict(_adbc_details(error))
    return details.get(_PRIMARY) or _first_lines(str(error)), details.get(_DETAIL, "")


def _adbc_details(error: BaseException) -> Iterator[tuple[str, str]]:
    found: Any = getattr(error, "details", None) or ()
    for name, value in found:
        yield _decoded(name), _decoded(value)


def _decoded(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def _first_lines(text: str) -> str:
    """Keep the server's message, or else the driver's without its hints and the statement below."""
    spoken = _SERVER_MESSAGE.search(text)
    if spoken:
        return spoken[1]
    kept = _BELOW_MESSAGE.split(_STATUS.sub("", text), maxsplit=1)[0]
    lines = [line for line in kept.splitlines() if not line.startswith("\t")]
    return "; ".join(line.strip() for line in lines if line.strip())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"
