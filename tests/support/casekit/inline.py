"""A workforce inside the test's process: what the ledger asks for is done at once, in order.

For what is copied and how it is judged; delivery by Celery has tests of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from pydantic import SecretStr

from producer.services import Target
from producer.workforce import Workforce
from shared.broker import Broker
from shared.dispatch import Dispatcher
from workers.build_index import build_index
from workers.carry_tables import carry_tables
from workers.context import WorkerContext
from workers.copy_chunk import copy_chunk
from workers.finish_job import finish_job
from workers.finish_table import finish_table
from workers.verify_chunk import verify_chunk


class InlineBroker:
    """Takes the place of the queue and of the workers behind it."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._waiting: deque[Callable[[], Any]] = deque()
        self._busy = False

    def check(self) -> None:
        """Always there."""

    def send_copies(self, table_id: int, chunk_ids: Sequence[int]) -> None:
        """Copy chunks, then look after their table, as a chord does."""
        self._do(
            *(lambda chunk_id=chunk_id: copy_chunk(self._context, chunk_id) for chunk_id in chunk_ids),
            lambda: finish_table(self._context, table_id),
        )

    def send_comparisons(self, table_id: int, chunk_ids: Sequence[int]) -> None:
        """Compare chunks, then look after their table."""
        self._do(
            *(lambda chunk_id=chunk_id: verify_chunk(self._context, chunk_id) for chunk_id in chunk_ids),
            lambda: finish_table(self._context, table_id),
        )

    def send_small_tables(self, table_ids: Sequence[int]) -> None:
        """Carry small tables to their ends."""
        self._do(lambda: carry_tables(self._context, table_ids))

    def send_builds(self, job_ids: Sequence[int]) -> None:
        """Build as many keys and indexes as there are ids."""
        self._do(*(lambda job_id=job_id: build_index(self._context, job_id) for job_id in job_ids))

    def send_finish_table(self, table_id: int) -> None:
        """Look after a table."""
        self._do(lambda: finish_table(self._context, table_id))

    def send_finish_job(self, job_id: int) -> None:
        """End a job."""
        self._do(lambda: finish_job(self._context, job_id))

    def waiting(self) -> int:
        """Nothing waits longer than a call."""
        return 0

    def probe(self, source: dict[str, str], *, timeout_s: float) -> dict[str, dict[str, Any]]:
        """Nobody but ourselves is there."""
        del source, timeout_s
        return {}

    def _do(self, *work: Callable[[], Any]) -> None:
        self._waiting.extend(work)
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting:
                self._waiting.popleft()()
        finally:
            self._busy = False


@contextmanager
def inline_workforce(target: Target, *, fleet: bool = True) -> Iterator[Workforce]:
    """Stand in for `producer.workforce.open_workforce`."""
    del fleet
    # A worker wants to know a broker; nothing is ever sent to this one.
    unused = SecretStr("redis://127.0.0.1:1/0")
    context = WorkerContext(target.settings.model_copy(update={"broker_url": unused}))
    broker = cast("Broker", InlineBroker(context))
    context.dispatcher = Dispatcher(context.store, broker, target.settings)
    try:
        yield Workforce(dispatcher=context.dispatcher, broker=broker, fleet=None)
    finally:
        context.close()
