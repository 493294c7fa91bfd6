"""The Celery application of the worker fleet: ``celery -A workers.celery_app worker``."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from traceback import walk_tb
from typing import Any, Final

from billiard import active_children
from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer

from shared.broker import celery_settings
from shared.logs import set_up_logs
from shared.settings import load_settings
from workers.context import forget_context
from workers.forged import why_not_ours
from workers.pulse import give_sign_of_life
from workers.stopping import LAST_STATEMENT_S, kill_after

log = logging.getLogger(__name__)
_RECONNECT_S: Final = 2.0
"""As long as Celery waits where nobody listens."""
_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What kombu meets where an entry of a queue is no message at all."""


class SurvivingConsumer(Consumer):
    """A consumer that outlives the loss of Redis, and whatever is put into its queues.

    Celery 5.7.0 exits with 1 when Redis goes away while a task runs and a pool slot is free: it collects the
    connection and then closes it again, and kombu's channel disconnects the socket that it polls a second time
    (6 of 6 trials; 5.6.3 and 5.5.3 don't). Forgetting that socket first mended it in every trial. It can go when
    test_a_worker_outlives_redis (tests/acceptance/test_crashes.py) passes without it.
    """

    def cancel_active_requests(self) -> None:
        """Tell the processes that still work to exit, as Celery does once they had their time, and see that they do.

        Celery waits for them without limit, and one that waits for PostgreSQL sees no signal till it answers.
        """
        kill_after(LAST_STATEMENT_S, lambda: [process.pid for process in active_children()])
        super().cancel_active_requests()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Forget the polled socket, then do what Celery does."""
        for channel in _channels(self.connection):
            channel._in_poll = None  # noqa: SLF001 - kombu offers no other way
        with warnings.catch_warnings():
            # Announces that 6.0 changes a default that we set ourselves.
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait a little: Celery would try six times a second, as long as Redis is full or refuses something else."""
        super().on_connection_error_before_connected(exc)
        time.sleep(_RECONNECT_S)

    def create_task_handler(self, *given: Any, **options: Any) -> Callable[[Any], Any]:
        """Let Celery see only what `why_not_ours` finds nothing against."""
        handle = super().create_task_handler(*given, **options)
        for channel in _channels(self.connection):
            _drop_unreadable(channel)

        def handle_ours(message: Any) -> Any:
            reason = why_not_ours(message.headers, message.content_type, lambda: message.payload)
            return handle(message) if reason is None else self._drop(message, reason)

        return handle_ours

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop a message whose body kombu could not unpack."""
        self._drop(message, f"its body cannot be unpacked ({type(exc).__name__})")

    def _drop(self, message: Any, reason: str) -> None:
        log.warning("a message that is not pgconvoy's was dropped: %s", reason)
        message.reject_log_error(log, self.connection_errors)


def _drop_unreadable(channel: Any) -> None:
    """Let a channel to Redis drop what is no message, which would end the worker (seen with kombu 5.7.0).

    The entry is out of its list by then, and nobody noted it as unacknowledged.
    """
    for command, read in list(getattr(channel, "handlers", {}).items()):
        channel.handlers[command] = _forgiving(read)


def _forgiving(read: Callable[..., Any]) -> Callable[..., Any]:
    def read_one(**options: Any) -> Any:
        try:
            return read(**options)
        except _UNREADABLE as error:
            if any(frame.f_globals["__name__"].startswith("celery.") for frame, _ in walk_tb(error.__traceback__)):
                raise  # it was read, and something else is wrong
            log.warning("an entry of a queue that is no message was dropped: %s", type(error).__name__)
            return True

    return read_one


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
