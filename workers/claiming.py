"""Claiming a chunk, and waiting a little for its turn where its job has a limit of bytes a second."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from shared.ledger.attempts import claim_or_wait, mark_started, release_if_current
from shared.ledger.jobs import read_job_and_table
from shared.ledger.session import Ledger
from shared.ledger.states import TableState
from shared.ledger.turns import PATIENCE_S
from shared.records.work import Chunk, Job, JobTable
from workers.context import WorkerContext
from workers.split_chunk import split_if_long
from workers.stopping import given_back_at_exit

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

    Where it would take too long it is split, and its first part claimed instead.

    PostgreSQL says when its turn comes; this process's clock only bounds how long it waits here.
    """
    patience = PATIENCE_S
    while True:
        with context.store.transaction() as ledger:
            found = claim_or_wait(ledger, chunk_id, context.worker, patience_s=patience)
            claimed = _claimed(ledger, found) if isinstance(found, Chunk) else None
        if claimed is not None:
            with given_back_at_exit(context, partial(release_if_current, chunk=claimed.chunk)):
                part = split_if_long(context, claimed.job, claimed.chunk, claimed.table.plan)
            if part is None:
                return claimed
            chunk_id = part
            continue
        if not isinstance(found, float):
            return None
        wait = min(found, _LOOK_S)
        time.sleep(wait)
        patience -= wait


def _claimed(ledger: Ledger, chunk: Chunk) -> Claimed:
    job, table = read_job_and_table(ledger, chunk.table_id)
    if table.state == TableState.PENDING:
        mark_started(ledger, chunk.table_id)
    return Claimed(chunk=chunk, job=job, table=table)
