"""Connections to the ledger: one small pool a process, made when first asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg2
import sqlalchemy as sa

from shared.ledger.session import SqlAlchemyLedger

_FRESH_S: Final = 0.5
"""A connection that served so lately is taken for alive: of the statements of a small table every fifth was a ping."""


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_if_old(connection: Any, record: Any, _proxy: Any) -> None:
    """Ask whether a connection is alive; SQLAlchemy opens another where DisconnectionError says that it is not."""
    used_at = record.info.get("used_at")
    if used_at is None or time.monotonic() - used_at < _FRESH_S:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except psycopg2.Error as error:
        msg = "the server closed it"
        raise sa.exc.DisconnectionError(msg) from error


class LedgerStore:
    """The ledger of one target.

    Args:
        connect: Opens a psycopg2 connection to the target, with its session settings made.
        pool_size: Connections that this process keeps at most.
    """

    def __init__(self, connect: Callable[[], Any], *, pool_size: int) -> None:
        self.engine = sa.create_engine("postgresql+psycopg2://", creator=connect, pool_size=pool_size, max_overflow=0)
        self._alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        sa.event.listen(self.engine, "checkin", _note_use)
        sa.event.listen(self.engine, "checkout", _ping_if_old)

    @contextmanager
    def transaction(self) -> Iterator[SqlAlchemyLedger]:
        """Run statements in one transaction: committed at the end, rolled back on an error."""
        with self.engine.begin() as connection:
            yield SqlAlchemyLedger(connection)

    @contextmanager
    def alone(self) -> Iterator[SqlAlchemyLedger]:
        """Run statements that are each a transaction of their own: one round trip instead of three."""
        with self._alone.connect() as connection:
            yield SqlAlchemyLedger(connection)

    def close(self) -> None:
        """Close this process's own connections."""
        self.engine.dispose()

    def abandon(self) -> None:
        """Forget connections that a parent process opened, without closing them there."""
        self.engine.dispose(close=False)
