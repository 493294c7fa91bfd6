"""Celery as producer and workers share it: settings that were measured to be safe, and sending by name.

Where a setting's reason is not told beside it, it stands in Celery's documentation under the same name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from celery import Celery, chord
from celery.schedules import schedule
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.broker_errors import finding_and_advice
from shared.errors import OperatorError, UnreachableError
from shared.messages import (
    BUILD_INDEX,
    CARRY_TABLES,
    CONTROL_QUEUE,
    COPY_CHUNK,
    FINISH_JOB,
    FINISH_TABLE,
    PRIORITIES,
    PROBE,
    QUEUES,
    RESCUE,
    ROUTES,
    VERIFY_CHUNK,
)
from shared.redact import redact
from shared.settings import Settings, shown

_VISIBILITY_MARGIN_S: Final = 600
"""Redis hands a message out again after the visibility time-out; it must outlast the longest task."""
_CHORD_EXPIRES_S: Final = 7 * 24 * 3600
_SOFT_SHUTDOWN_S: Final = 20
"""A stopped worker lets its tasks end for so long, then puts their messages back."""
_CONNECT_TIMEOUT_S: Final = 5
_SOCKET_TIMEOUT_S: Final = 15


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Celery's configuration for this broker and these time-outs.

    Raises:
        OperatorError: where no broker is set, or it needs a result URL of its own.
    """
    return {
        "broker_url": _verifying(settings.broker),
        "result_backend": _verifying(result_url(settings)),
        **_content(),
        **_queues(),
        **_delivery(settings),
        **_redis(settings),
        **_worker(),
        "beat_scheduler": "celery.beat:Scheduler",  # nothing kept in a file: its moments mean nothing after a restart
        "beat_schedule": {
            "rescue": {
                "task": RESCUE,
                "schedule": schedule(settings.rescue_interval_s, nowfun=_steady_now),
                "options": {"queue": CONTROL_QUEUE},  # no `expires`: a worker whose clock is fast would drop them all
            }
        },
    }


def _steady_now() -> datetime:
    """A clock for beat that nobody sets: after a wall clock was put back an hour, nothing would be due for an hour."""
    return datetime.fromtimestamp(time.monotonic(), UTC)


def result_url(settings: Settings) -> str:
    """Where chords are counted: the setting, else the broker's Redis, one database further.

    Raises:
        OperatorError: where the broker is not Redis and no result URL is set.
    """
    if settings.result_url is not None:
        return settings.result_url.get_secret_value()
    url = urlsplit(settings.broker)
    if url.scheme == "redis+socket":
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        database = int(query.get("virtual_host", "0").strip("/") or 0)
        # Celery's backends call a Unix socket by another name than kombu's transports.
        return urlunsplit(url._replace(scheme="socket", query=urlencode(query | {"virtual_host": str(database + 1)})))
    if url.scheme not in ("redis", "rediss"):
        msg = f"the broker {shown(settings.broker_url)} cannot count chords: set PGCONVOY_RESULT_URL to a Redis URL"
        raise OperatorError(msg)
    database = int(url.path.strip("/") or 0)
    return urlunsplit(url._replace(path=f"/{database + 1}"))


def _verifying(url: str) -> str:
    """Make TLS ask for a certificate it can trust where the URL does not say: kombu would take any, silently."""
    if not url.startswith("rediss://") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def _content() -> dict[str, Any]:
    return {
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "result_extended": False,
        "task_ignore_result": True,  # the ledger holds results; chords are counted all the same
    }


def _queues() -> dict[str, Any]:
    return {
        "task_queues": [Queue(name) for name in QUEUES],
        "task_default_queue": CONTROL_QUEUE,
        "task_create_missing_queues": False,
        "task_routes": {task: {"queue": queue} for task, queue in ROUTES.items()},
    }


def _delivery(settings: Settings) -> dict[str, Any]:
    return {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,  # at once and without limit: the ledger caps attempts
        "worker_prefetch_multiplier": 1,
        "task_time_limit": settings.task_time_limit_s,
        "task_publish_retry_policy": {"max_retries": 3, "interval_start": 0.2, "interval_max": 2},
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "broker_channel_error_retry": True,  # a full Redis would end the worker
        "broker_connection_timeout": _CONNECT_TIMEOUT_S,
        "result_backend_always_retry": True,  # Redis away for a moment would lose a chord's count
        "result_backend_max_retries": 20,
        "result_chord_ordered": False,
        "result_chord_expires": _CHORD_EXPIRES_S,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # a running copy may commit
    }


def _redis(settings: Settings) -> dict[str, Any]:
    if not settings.broker.startswith(("redis", "rediss", "sentinel")):
        return {}
    return {
        "broker_transport_options": {
            "visibility_timeout": settings.task_time_limit_s + _VISIBILITY_MARGIN_S,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,  # with 10, lost messages come back after 100 s
            "socket_timeout": _SOCKET_TIMEOUT_S,
            "socket_connect_timeout": _CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "health_check_interval": 15,
        },
        "redis_socket_timeout": _SOCKET_TIMEOUT_S,
        "redis_socket_connect_timeout": _CONNECT_TIMEOUT_S,
        "redis_socket_keepalive": not settings.broker.startswith("redis+socket"),
    }


def _worker() -> dict[str, Any]:
    return {
        "worker_send_task_events": True,  # for Flower
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_soft_shutdown_timeout": _SOFT_SHUTDOWN_S,
        "worker_max_tasks_per_child": 1000,  # leak guards
        "worker_max_memory_per_child": 1_000_000,  # KiB
        "worker_proc_alive_timeout": 30,
        "worker_enable_remote_control": True,
    }


class Broker:
    """Sends pgconvoy's tasks by name.

    Args:
        settings: With a broker.
        app: Celery's application where there is one already (in a worker).
    """

    def __init__(self, settings: Settings, app: Celery | None = None) -> None:
        self._shown = shown(settings.broker_url)
        if app is None:
            app = Celery("pgconvoy", set_as_current=False)
            app.conf.update(celery_settings(settings))
        _watch_no_results(app)
        self._app = app

    def check(self) -> None:
        """Connect once.

        Raises:
            UnreachableError: where the broker does not answer or refuses the login.
        """
        with self._reported(), self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=_CONNECT_TIMEOUT_S)

    def send_copies(self, table_id: int, chunk_ids: Sequence[int]) -> None:
        """Send a chord: copy_chunk for each chunk, then finish_table."""
        self._send_chord(COPY_CHUNK, table_id, chunk_ids)

    def send_comparisons(self, table_id: int, chunk_ids: Sequence[int]) -> None:
        """Send a chord: verify_chunk for each chunk, then finish_table."""
        self._send_chord(VERIFY_CHUNK, table_id, chunk_ids)

    def send_builds(self, job_ids: Sequence[int]) -> None:
        """Send build_index once for each of the ids: who gets it builds the largest index that waits."""
        for job_id in job_ids:
            self._send(BUILD_INDEX, job_id)

    def send_small_tables(self, table_ids: Sequence[int]) -> None:
        """Send carry_tables for several small tables at once."""
        self._send(CARRY_TABLES, *table_ids)

    def send_finish_table(self, table_id: int) -> None:
        """Send finish_table on its own."""
        self._send(FINISH_TABLE, table_id)

    def send_finish_job(self, job_id: int) -> None:
        """Send finish_job."""
        self._send(FINISH_JOB, job_id)

    def waiting(self) -> int:
        """How many messages for a job's work wait in the queues, those in workers' hands aside.

        What beat asks of a controller is not among them: it may wait for ever where there is none.
        """
        queues = set(ROUTES.values()) - {CONTROL_QUEUE}
        with self._reported(), self._app.connection_for_write() as connection, connection.channel() as channel:
            return sum(Queue(name)(channel).queue_declare(passive=False).message_count for name in queues)

    def probe(self, source: dict[str, str], *, timeout_s: float) -> dict[str, dict[str, Any]]:
        """Ask every worker what it can see.

        Args:
            source: The arguments of the probe: ``url`` of the snapshot or source, nothing secret.
            timeout_s: How long to wait for answers.

        Returns:
            For each worker's name its answer, as `workers.probe` makes it, with ``processes`` added.
        """
        with self._reported():
            inspect = self._app.control.inspect(timeout=timeout_s)
            return dict(inspect._request(PROBE, **source) or {})  # noqa: SLF001 - the documented way to call one's own command

    def _send(self, task: str, *numbers: int) -> None:
        with self._reported():
            self._app.send_task(task, args=numbers, queue=ROUTES[task])

    def _send_chord(self, task: str, table_id: int, chunk_ids: Sequence[int]) -> None:
        header = [self._signature(task, chunk_id) for chunk_id in chunk_ids]
        with self._reported():
            chord(header, self._signature(FINISH_TABLE, table_id), app=self._app).apply_async()

    def _signature(self, task: str, number: int) -> Any:
        priority = PRIORITIES.get(task, 0)
        return self._app.signature(task, args=(number,), immutable=True, queue=ROUTES[task], priority=priority)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn what Celery, kombu and the Redis client raise for an absent broker into our error."""
        try:
            yield
        except (OperationalError, OSError, RedisError) as error:
            said = _first_line(error)
            finding, advice = finding_and_advice(said)
            msg = f"the broker {self._shown} {finding} ({said}): {advice}"
            raise UnreachableError(msg) from error


def _watch_no_results(app: Celery) -> None:
    """Keep Celery from subscribing to each result of a chord's header: nobody waits for one, the ledger tells.

    Each takes memory and a channel of Redis, and at exit Celery would try for 20 s to unsubscribe from a local
    fleet's Redis that is gone (seen with 5.7.0: ``AsyncResult.__del__``, "Retry limit exceeded").
    """
    consumer = getattr(app.backend, "result_consumer", None)
    if consumer is not None:
        consumer.consume_from = lambda _task_id: None


def _first_line(error: BaseException) -> str:
    return redact(str(error).strip().split("\n", 1)[0]) or type(error).__name__
