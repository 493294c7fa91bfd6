"""The Celery application of the worker fleet: ``celery -A workers.celery_app worker``."""

from __future__ import annotations

import warnings
from typing import Any

from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer

from shared.broker import celery_settings
from shared.logs import set_up_logs
from shared.settings import load_settings
from workers.context import forget_context
from workers.pulse import give_sign_of_life


class SurvivingConsumer(Consumer):
    """A consumer that outlives the loss of Redis.

    Celery 5.7.0 exits with 1 when Redis goes away while a task runs and a pool slot is free: it collects the
    connection and then closes it again, and kombu's channel disconnects the socket that it polls a second time
    (6 of 6 trials; 5.6.3 and 5.5.3 don't). Forgetting that socket first mended it in every trial. It can go when
    test_a_worker_outlives_redis (tests/acceptance/test_crashes.py) passes without it.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Forget the polled socket, then do what Celery does."""
        for channel in _channels(self.connection):
            channel._in_poll = None  # noqa: SLF001 - kombu offers no other way
        with warnings.catch_warnings():
            # Announces that 6.0 changes a default that we set ourselves.
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)


def _channels(connection: Any) -> list[Any]:
    transport = getattr(connection, "_transport", None)
    return list(getattr(transport, "channels", None) or ())


def _configure() -> dict[str, Any]:
    return {**celery_settings(load_settings()), "worker_consumer": f"{__name__}:{SurvivingConsumer.__name__}"}


app = Celery("pgconvoy", include=["workers.tasks"])
app.add_defaults(_configure)


@signals.setup_logging.connect(weak=False)
def _set_up_logs(loglevel: int | str = "INFO", logfile: str | None = None, **_: Any) -> None:
    set_up_logs(loglevel, file=logfile)


@signals.worker_process_init.connect(weak=False)
def _forget_inherited(**_: Any) -> None:
    """No connection may be shared with the parent process."""
    forget_context()


signals.worker_ready.connect(give_sign_of_life, weak=False)
signals.heartbeat_sent.connect(give_sign_of_life, weak=False)
