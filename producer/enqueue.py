"""Chunks into the ledger and from there into the queue, while the source is still being walked.

Chunks are planned from what the ledger says of a table and from the frozen source, so planning that broke off is
walked again by whoever resumes the job, and comes to the same chunks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import Final

from producer.services import Target
from producer.survey import chunks_of
from shared.dispatch import Dispatcher
from shared.errors import SourceChangedError
from shared.ledger.jobs import mark_planned, read_job, read_tables, record_chunks, record_whole_tables
from shared.ledger.small_tables import SMALL_BYTES
from shared.ledger.states import JOB_ENDS
from shared.points import Point, reach
from shared.records.work import Job, JobTable, PlannedChunk
from shared.source.kinds import open_source
from shared.source.reader import SourceReader

_TABLES_AT_ONCE: Final = 100
"""Small tables recorded in one transaction: a fraction of a second, so that workers begin while the rest is planned."""
_ASK_EVERY_S: Final = 0.5
"""How often a table is asked meanwhile for chunks to send: the longer it is, the more the asking takes."""


def plan_chunks(target: Target, dispatcher: Dispatcher, job_id: int, look: Callable[[], object]) -> None:
    """Record and send the chunks of every table that is not planned yet: first some of each, then the rest.

    Args:
        target: Where the ledger is.
        dispatcher: Sends what the ledger says.
        job_id: The job.
        look: Called after each batch, so that progress is shown meanwhile.

    Raises:
        SourceChangedError: where the source is not what the job was planned from.
        SourceError: where it cannot be read.
    """
    with target.ledger(f"reading the plan of job {job_id}") as ledger:
        job = read_job(ledger, job_id, brief=True)
        waiting = [table for table in read_tables(ledger, job_id) if not table.planned]
    if not waiting:
        return
    with open_source(job.snapshot_url, frozen=job.options.snapshot) as reader:
        refuse_changed(reader, job)
        small = [table for table in waiting if _is_small(table)]
        planners = [_Planner(target, dispatcher, job, table, reader) for table in waiting if not _is_small(table)]
        # The first round gives every table something to do; then one after the other is planned to its end.
        begun = [planner for planner in planners if planner.record_batch(look)]
        for first in range(0, len(small), _TABLES_AT_ONCE):
            _record_small(target, dispatcher, job, small[first : first + _TABLES_AT_ONCE], reader)
            look()
        for planner in begun:
            while planner.record_batch(look):
                pass


def refuse_changed(reader: SourceReader, job: Job) -> None:
    """Refuse a source that is not the one that the job was planned from.

    Raises:
        SourceChangedError: says so.
    """
    if reader.fingerprint() != job.fingerprint:
        raise SourceChangedError.since(job.id, job.snapshot_url)


def _is_small(table: JobTable) -> bool:
    return table.plan.rows * table.plan.row_bytes <= SMALL_BYTES


def _record_small(
    target: Target, dispatcher: Dispatcher, job: Job, small: Sequence[JobTable], reader: SourceReader
) -> None:
    """Record all chunks of small tables at once, and send them."""
    planned = {table.id: tuple(_chunks(job, table, reader)) for table in small}
    with target.ledger(f"recording chunks of {len(small)} small tables") as ledger:
        # Held, so that a job which is cancelled meanwhile gets no chunk after its end.
        if read_job(ledger, job.id, lock=True, brief=True).state in JOB_ENDS:
            return
        record_whole_tables(ledger, job.id, planned)
    dispatcher.send_small_tables(job.id)


class _Planner:
    """Walks one table's keys, a batch of chunks at a time."""

    def __init__(self, target: Target, dispatcher: Dispatcher, job: Job, table: JobTable, reader: SourceReader) -> None:
        self._target = target
        self._dispatcher = dispatcher
        self._job = job
        self._table = table
        self._next_number = 1
        self._asked = -math.inf
        self._chunks = _chunks(job, table, reader)

    def record_batch(self, look: Callable[[], object]) -> bool:
        """Record and send the next chunks; False where none is left, or the job has ended meanwhile."""
        size = self._target.settings.plan_batch_chunks
        batch = list(islice(self._chunks, size))
        is_last = len(batch) < size
        with self._target.ledger(f"recording chunks of table {self._table.plan.read.table}") as ledger:
            # Held, so that a job which is cancelled meanwhile gets no chunk after its end.
            if read_job(ledger, self._job.id, lock=True, brief=True).state in JOB_ENDS:
                return False
            record_chunks(ledger, self._job.id, self._table.id, self._next_number, batch)
            if is_last:
                mark_planned(ledger, self._table.id)
            reach(Point.PLANNING, self._table.id)
        reach(Point.PLANNED_NOT_SENT, self._table.id)
        self._next_number += len(batch)
        self._send(is_last=is_last)
        look()
        return not is_last

    def _send(self, *, is_last: bool) -> None:
        if is_last:
            self._dispatcher.send_work(self._table.id)
        elif monotonic() - self._asked >= _ASK_EVERY_S:
            self._dispatcher.send_copies(self._table.id)
            self._asked = monotonic()


def _chunks(job: Job, table: JobTable, reader: SourceReader) -> Iterator[PlannedChunk]:
    if job.options.schema_only:
        return iter(())
    return chunks_of(reader, table.plan, job.options.chunk_bytes, small_tail=job.options.small_tail)
