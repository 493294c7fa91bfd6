"""How one chunk is verified: hold it, read both sides afresh, compare every value, record."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from shared.compare.chunks import compare_chunk
from shared.ledger.begun import begin_comparison, release_comparison
from shared.ledger.comparisons import (
    hold_uncompared,
    record_compare_failure,
    record_comparison,
    rejects_of,
)
from shared.ledger.jobs import read_job_and_table
from shared.points import Point, reach
from workers.context import WorkerContext
from workers.failures import is_surprise, left_to_rescue, sentence_of
from workers.kept import swells
from workers.retrying import delay_before_retry
from workers.stopping import given_back_at_exit

log = logging.getLogger(__name__)


@left_to_rescue
def verify_chunk(context: WorkerContext, chunk_id: int) -> str:
    """Compare one chunk, or find that there is nothing to do; never raises, so that the chord goes on.

    Returns:
        What happened, in a few words, for Flower and the log.
    """
    try:
        return _verify(context, chunk_id)
    except Exception as error:
        sentence = sentence_of(error)
        log.warning("chunk %s was not compared: %s", chunk_id, sentence, exc_info=is_surprise(error))
        with suppress(SQLAlchemyError), context.store.transaction() as ledger:
            delay_s = delay_before_retry(context.settings, error)
            record_compare_failure(ledger, chunk_id, f"not compared: {sentence}", delay_s=delay_s)
        return f"not compared: {sentence}"


def _verify(context: WorkerContext, chunk_id: int) -> str:
    with context.store.alone() as ledger:
        refused = begin_comparison(ledger, chunk_id, most=context.settings.max_attempts)
    if refused is not None:
        return refused
    with given_back_at_exit(context, partial(release_comparison, chunk_id=chunk_id)):
        return _compare(context, chunk_id)


def _compare(context: WorkerContext, chunk_id: int) -> str:
    with context.store.transaction() as ledger:
        chunk = hold_uncompared(ledger, chunk_id)
        if chunk is None:
            return "nothing to do: compared already, somebody is at it, or its job is paused or has ended"
        job, table = read_job_and_table(ledger, chunk.table_id)
        rejected = rejects_of(ledger, chunk_id) if chunk.rejects else ()
        reach(Point.COMPARING, chunk.id)
        begun = monotonic()
        with (
            context.source_for_reads(job) as reader,
            context.arrow_for_reads(f"verify chunk {chunk_id}", job.id, keep=not swells(table.plan)) as connection,
        ):
            comparison = compare_chunk(reader, connection, table.plan, chunk.key_range, rejected=rejected)
            context.refuse_changed(reader, job)
        record_comparison(ledger, chunk, replace(comparison, seconds=monotonic() - begun))
    return f"compared {comparison.rows} rows, {comparison.found} mismatches"
