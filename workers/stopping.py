"""A worker that is asked to stop: what it has claimed is given back, so that another one takes it up at once.

Celery lets tasks go on for `worker_soft_shutdown_timeout`, then raises SystemExit in each process that still runs one
and puts its message back into the queue. Without a release the message would find a chunk that says `copying`, and
only rescue, after its grace, would see that nobody holds it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from shared.errors import ConvoyError
from shared.ledger.session import Ledger
from workers.context import WorkerContext

log = logging.getLogger(__name__)
LAST_STATEMENT_S: Final = 5
"""A statement that is under way when a process is told to exit may end in so long; then the process is killed. With the
20 s before, a worker ends well within the 60 s after which Docker kills it, and what is around it."""


@contextmanager
def given_back_at_exit(context: WorkerContext, release: Callable[[Ledger], object]) -> Iterator[None]:
    """Release what this process has claimed where it is told to exit; the work's own transaction is over by then.

    Args:
        context: This process's.
        release: Gives it back, in a transaction of its own, if it is still this attempt's.
    """
    try:
        yield
    except SystemExit:
        # Where the ledger is away, rescue finds what nobody holds.
        with suppress(SQLAlchemyError, ConvoyError), context.store.transaction() as ledger:
            release(ledger)
        raise


def kill_after(seconds: float, processes: Callable[[], Iterable[int]]) -> None:
    """Kill processes that are still there after so long: one that waits for PostgreSQL sees no signal till it answers.

    PostgreSQL notices that they are gone, rolls back what they did, and rescue puts it back.

    Args:
        seconds: From now.
        processes: Asked then for their ids.
    """

    def kill() -> None:
        for pid in processes():
            log.warning("process %s did not stop within %.0f s and is killed", pid, seconds)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.daemon = True  # a worker that has stopped in time does not wait for it
    timer.start()
