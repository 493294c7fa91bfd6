"""Sends what the ledger says must be done next; used by producer, callbacks and rescue alike.

The chord triggers, the ledger decides (docs/decisions/0002-one-dispatcher.md): everything here may run twice, early or
not at all, and the next rescue mends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.broker import Broker
from shared.ledger.attempts import rescue_lost
from shared.ledger.awaiting import unsent_tables
from shared.ledger.builds import forget_build_messages, rescue_lost_builds, take_builds
from shared.ledger.engine import LedgerStore
from shared.ledger.load import adjust
from shared.ledger.overdue import end_overdue
from shared.ledger.queueing import (
    forget_messages,
    step_of,
    tables_waiting,
    take_finish_job,
    take_finish_table,
    take_pending,
    take_uncompared,
)
from shared.ledger.small_tables import bundles, take_small_tables
from shared.ledger.steps import Step
from shared.points import Point, reach
from shared.settings import Settings

_MESSAGE_GRACE_S: Final = 5.0
"""A message may be in a worker's hands, claimed in a moment, although the queue is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """What a rescue found."""

    chunks: int = 0
    """Chunks that had lost their worker."""
    builds: int = 0
    """Builds of keys and indexes that had lost theirs."""
    messages: int = 0
    """Chunks and builds whose message the queue had lost."""


class Dispatcher:
    """Reads the ledger, sends messages."""

    def __init__(self, store: LedgerStore, broker: Broker, settings: Settings) -> None:
        self._store = store
        self._broker = broker
        self._settings = settings

    def send_work(self, table_id: int) -> None:
        """Send what a table needs next, unless it is under way."""
        with self._store.transaction() as ledger:
            step = step_of(ledger, table_id)
        match step:
            case Step.COPY:
                self.send_copies(table_id)
            case Step.INDEX:
                self._send_builds(table_id)
            case Step.COMPARE:
                self._send_comparisons(table_id)
            case Step.BUILD | Step.CHECK | Step.FAIL | Step.CANCEL:
                self._send_finish_table(table_id)
            case Step.NOTHING:
                pass

    def send_small_tables(self, job_id: int) -> None:
        """Send the small tables of a job that nobody has begun, several in a message, unless they are under way."""
        with self._store.transaction() as ledger:
            found = take_small_tables(ledger, job_id)
        for table_ids in bundles(found):
            self._broker.send_small_tables(table_ids)

    def send_finish_job(self, job_id: int) -> None:
        """Ask for the job's end, if all its tables have ended and nobody asked yet."""
        with self._store.transaction() as ledger:
            due = take_finish_job(ledger, job_id)
        if due:
            self._broker.send_finish_job(job_id)

    def rescue(self, job_id: int) -> Rescued:
        """Put back chunks that lost their worker, send again what the queue lost, and move on what stands still."""
        settings = self._settings
        with self._store.transaction() as ledger:
            adjust(ledger, job_id)
        with self._store.transaction() as ledger:
            grace_s, max_attempts = settings.rescue_grace_s, settings.max_attempts
            task_limit_s = settings.task_time_limit_s
            end_overdue(ledger, job_id, after_s=task_limit_s + grace_s)
            lost = rescue_lost(ledger, job_id, grace_s=grace_s, max_attempts=max_attempts, task_limit_s=task_limit_s)
            builds = rescue_lost_builds(ledger, job_id, grace_s=grace_s, max_attempts=max_attempts)
        forgotten = self._forget(job_id, _MESSAGE_GRACE_S) if self._broker.waiting() == 0 else 0
        self.send_all(job_id)
        return Rescued(chunks=lost, builds=builds, messages=forgotten)

    def send_next(self, job_id: int) -> None:
        """Send what there is room for, in the order of the tables: after a chunk under a limit, or a split one."""
        with self._store.transaction() as ledger:
            waiting = tables_waiting(ledger, job_id)
        for table_id in waiting:
            if not self.send_copies(table_id):
                return

    def resend(self, job_id: int) -> None:
        """Send everything again that isn't done, whatever the queue may hold: for `resume` and `requeue`."""
        self._forget(job_id, 0.0)
        self.send_all(job_id)

    def send_all(self, job_id: int) -> None:
        """Send what each table of a job needs next."""
        self.send_small_tables(job_id)
        with self._store.transaction() as ledger:
            waiting = unsent_tables(ledger, job_id)
        for table_id in waiting:
            self.send_work(table_id)
        self.send_finish_job(job_id)

    def _forget(self, job_id: int, older_than_s: float) -> int:
        with self._store.transaction() as ledger:
            builds = forget_build_messages(ledger, job_id, older_than_s=older_than_s)
            return builds + forget_messages(ledger, job_id, older_than_s=older_than_s)

    def send_copies(self, table_id: int) -> bool:
        """Send the chunks of a table that are to be copied, a chord of them at most; False where nothing is to be sent.

        Cheaper than `send_work`, which counts all chunks of the table to know what it needs.
        """
        with self._store.transaction() as ledger:
            chunk_ids = take_pending(ledger, table_id)
        if chunk_ids:
            reach(Point.TAKEN_NOT_SENT, table_id)
            self._broker.send_copies(table_id, chunk_ids)
        return bool(chunk_ids)

    def _send_comparisons(self, table_id: int) -> None:
        with self._store.transaction() as ledger:
            chunk_ids = take_uncompared(ledger, table_id)
        if chunk_ids:
            self._broker.send_comparisons(table_id, chunk_ids)

    def _send_builds(self, table_id: int) -> None:
        with self._store.transaction() as ledger:
            job_ids = take_builds(ledger, table_id)
        self._broker.send_builds(job_ids)

    def _send_finish_table(self, table_id: int) -> None:
        with self._store.transaction() as ledger:
            due = take_finish_table(ledger, table_id)
        if due:
            self._broker.send_finish_table(table_id)
