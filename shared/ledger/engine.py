"""Connections to the ledger: one small pool a process, made when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from shared.ledger.session import SqlAlchemyLedger


class LedgerStore:
    """The ledger of one target.

    Args:
        connect: Opens a psycopg2 connection to the target, with its session settings made.
        pool_size: Connections that this process keeps at most.
    """

    def __init__(self, connect: Callable[[], Any], *, pool_size: int) -> None:
        self.engine = sa.create_engine(
            "postgresql+psycopg2://", creator=connect, pool_size=pool_size, max_overflow=0, pool_pre_ping=True
        )

    @contextmanager
    def transaction(self) -> Iterator[SqlAlchemyLedger]:
        """Run statements in one transaction: committed at the end, rolled back on an error."""
        with self.engine.begin() as connection:
            yield SqlAlchemyLedger(connection)

    def close(self) -> None:
        """Close this process's own connections."""
        self.engine.dispose()

    def abandon(self) -> None:
        """Forget connections that a parent process opened, without closing them there."""
        self.engine.dispose(close=False)
