"""The workers that a command works with: behind the operator's broker, or a local fleet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from producer.local_fleet import LocalFleet
from producer.services import Target
from producer.worker_count import workers_for
from shared.broker import Broker
from shared.dispatch import Dispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Workforce:
    """Who does the work: workers of the operator's broker, or a local fleet."""

    dispatcher: Dispatcher
    broker: Broker
    fleet: LocalFleet | None

    def await_broker(self) -> None:
        """Wait until messages can be sent, where that is a local fleet's to say.

        Raises:
            UnreachableError: where the fleet does not start.
        """
        if self.fleet is not None:
            self.fleet.await_broker()


@contextmanager
def open_workforce(target: Target, *, fleet: bool = True) -> Iterator[Workforce]:
    """Reach the workers of the broker; start a local fleet where none is set.

    Args:
        target: Where the ledger is.
        fleet: False: the broker must be set.

    Raises:
        UnreachableError: where the broker does not answer. Of a local fleet, `Workforce.await_broker` tells.
    """
    settings = target.settings
    if settings.broker_url is not None or not fleet:
        broker = Broker(settings)
        broker.check()
        yield Workforce(dispatcher=Dispatcher(target.store, broker, settings), broker=broker, fleet=None)
        return
    with target.ledger("counting the connections that are left") as ledger:
        workers = workers_for(settings, ledger).number
    with LocalFleet(settings, workers=workers) as local:
        urls = {"broker_url": SecretStr(local.broker_url), "result_url": SecretStr(local.result_url)}
        broker = Broker(settings.model_copy(update=urls))
        yield Workforce(dispatcher=Dispatcher(target.store, broker, settings), broker=broker, fleet=local)
