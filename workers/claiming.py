"""Claiming a chunk, and waiting a little for its turn where its job has a limit of bytes a second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from shared.ledger.attempts import claim_or_wait, mark_started
from shared.ledger.jobs import read_job, read_table
from shared.ledger.turns import PATIENCE_S
from shared.records.work import Chunk, Job, JobTable
from workers.context import WorkerContext

_LOOK_S: Final = 0.5
"""The limit may be lifted meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A chunk that is ours now, and what it belongs to."""

    chunk: Chunk
    job: Job
    table: JobTable


def claim_in_turn(context: WorkerContext, chunk_id: int) -> Claimed | None:
    """Claim a chunk, after a wait of a few seconds at most; None where there is nothing to do or no room for it.

    PostgreSQL says when its turn comes; this process's clock only bounds how long it waits here.
    """
    patience = PATIENCE_S
    while True:
        with context.store.transaction() as ledger:
            found = claim_or_wait(ledger, chunk_id, context.worker, patience_s=patience)
            if isinstance(found, Chunk):
                table = read_table(ledger, found.table_id)
                mark_started(ledger, found.table_id)
                assert table is not None  # noqa: S101 - the ledger's foreign key says so
                return Claimed(chunk=found, job=read_job(ledger, found.job_id), table=table)
        if found is None:
            return None
        wait = min(found, _LOOK_S)
        time.sleep(wait)
        patience -= wait
