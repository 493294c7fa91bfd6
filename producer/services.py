"""The target with its ledger, which every command on a job works with; for workers see `producer.workforce`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from producer.local_postgres import start_postgres
from shared.errors import ConflictError, OperatorError
from shared.ledger.engine import LedgerStore
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.upgrade import check_ledger
from shared.settings import Settings, shown
from shared.target.connections import SessionSettings, connect_rows, translate_error

T = TypeVar("T")
_TRIES: Final = 6
"""PostgreSQL takes a second to see a deadlock, and each ends one transaction: so many that lock the same rows at the
same moments are not met twice in a row."""
_LONGEST_PAUSE_S: Final = 1.0
"""The other transaction, which was let through, has its lock by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target and its ledger."""

    settings: Settings
    """With the target's URL, also where it is the embedded server's."""
    store: LedgerStore
    embedded: bool

    @property
    def shown(self) -> str:
        """Its URL for people."""
        return shown(self.settings.target_url)

    @contextmanager
    def ledger(self, doing: str) -> Iterator[SqlAlchemyLedger]:
        """Run statements in one transaction; a driver's error is translated, `doing` says what failed.

        Raises:
            ConvoyError: what the driver's error means.
        """
        try:
            with self.store.transaction() as ledger:
                yield ledger
        except sa.exc.DBAPIError as error:
            raise translate_error(error, what=doing) from error

    def transact(self, doing: str, act: Callable[[SqlAlchemyLedger], T]) -> T:
        """Do something in one transaction as `ledger` does; again where PostgreSQL ended it for another one's sake.

        For whatever changes more than one row: workers hold some of them, and PostgreSQL breaks a deadlock by ending
        either side. Of such a transaction nothing is left, so that all of it is done again.

        Args:
            doing: Says what failed.
            act: What is done, with nothing outside the transaction changed.

        Raises:
            ConvoyError: what the driver's error means; a deadlock only after several tries.
        """

        def once() -> T:
            with self.ledger(doing) as ledger:
                return act(ledger)

        attempts = Retrying(
            retry=retry_if_exception_type(ConflictError),
            wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_PAUSE_S),
            stop=stop_after_attempt(_TRIES),
            reraise=True,
        )
        return attempts(once)


@contextmanager
def open_target(settings: Settings, *, make: bool = False) -> Iterator[Target]:
    """Open the target, or the embedded PostgreSQL where none is set.

    Args:
        settings: As they were read.
        make: Whether an embedded server is made where there is none yet.

    Raises:
        OperatorError: where no target is set and there is no embedded server to look at.
    """
    embedded = settings.target_url is None
    if embedded:
        if not make and not has_embedded_data(settings):
            msg = (
                f"no target is set and there is no embedded PostgreSQL in {settings.home} yet:"
                " set PGCONVOY_TARGET_URL (or --target), or make one with `producer start`"
            )
            raise OperatorError(msg)
        settings = settings.model_copy(update={"target_url": SecretStr(start_postgres(settings))})
    store = LedgerStore(lambda: connect(settings), pool_size=settings.ledger_pool_size)
    try:
        yield Target(settings=settings, store=store, embedded=embedded)
    finally:
        store.close()


@contextmanager
def open_ledger(settings: Settings) -> Iterator[Target]:
    """Open a target that must hold a ledger of this version.

    Raises:
        OperatorError: where it has none yet, or one of another version.
    """
    with open_target(settings) as target:
        with target.ledger("looking for the ledger") as ledger:
            check_ledger(ledger.connection)
        yield target


def has_embedded_data(settings: Settings) -> bool:
    """Whether an embedded server was made in this home."""
    return (settings.home.expanduser() / "postgres" / "PG_VERSION").exists()


def has_running_server(settings: Settings) -> bool:
    """Whether the embedded server of this home runs; looking at it changes nothing then."""
    return (settings.home.expanduser() / "postgres" / "postmaster.pid").exists()


def connect(settings: Settings) -> Any:
    """Connect to the target with psycopg2.

    Raises:
        ConvoyError: as `connect_rows` says.
    """
    session = SessionSettings(
        application_name="pgconvoy producer",
        connect_timeout_s=settings.connect_timeout_s,
        lock_timeout_s=settings.lock_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        durable=True,
    )
    return connect_rows(settings.target, session)
