"""What a worker answers when `producer check` asks what it can see."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from typing import Any

from shared.errors import ConvoyError, SourceError
from shared.ledger.engine import LedgerStore
from shared.ledger.upgrade import check_ledger
from shared.redact import redact
from shared.settings import load_settings
from shared.source.kinds import open_source
from shared.target.connections import SessionSettings, connect_rows

OK = "ok"


def probe(state: Any, url: str) -> dict[str, Any]:
    """Look at source, target and ledger from this worker's parent process.

    Args:
        state: Celery's worker state, for the pool's size and the queues.
        url: The source or snapshot to open; empty: none is asked for.

    Returns:
        ``host``, ``processes``, ``version``, ``queues``; ``source``, ``target`` and ``ledger`` are "ok" or a sentence.
    """
    consumer = state.consumer
    return {
        "host": socket.gethostname(),
        "processes": consumer.pool.num_processes,
        "version": version("pgconvoy"),
        "queues": sorted(queue.name for queue in consumer.task_consumer.queues),
        "source": _finding(lambda: _open(url)) if url else "not asked",
        "target": _finding(_connect),
        "ledger": _finding(_check_ledger),
    }


def _finding(look: Callable[[], None]) -> str:
    try:
        look()
    except ConvoyError as error:
        return redact(str(error))
    except Exception as error:  # noqa: BLE001 - the answer is the report
        return redact(f"{type(error).__name__}: {error}")
    return OK


def _open(url: str) -> None:
    try:
        with open_source(url, frozen=False):
            pass
    except SourceError as error:
        # Whoever reaches the broker can ask for any path: what a file begins with stays here.
        raise SourceError(str(error).split(": it begins with", 1)[0]) from None


def _connect() -> None:
    with closing(_target()):
        pass


def _check_ledger() -> None:
    store = LedgerStore(_target, pool_size=1)
    try:
        with store.transaction() as ledger:
            check_ledger(ledger.connection)
    finally:
        store.close()


def _target() -> Any:
    settings = load_settings()
    session = SessionSettings(
        application_name="pgconvoy probe",
        connect_timeout_s=settings.connect_timeout_s,
        lock_timeout_s=settings.lock_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        durable=True,
    )
    return connect_rows(settings.target, session)
