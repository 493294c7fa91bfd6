"""What the controller does every few seconds: look for lost work in every running job."""

from __future__ import annotations

import logging

from sqlalchemy.exc import SQLAlchemyError

from shared.errors import ConvoyError
from shared.ledger.jobs import running_jobs
from workers.context import WorkerContext
from workers.failures import sentence_of

log = logging.getLogger(__name__)


def rescue_running(context: WorkerContext) -> str:
    """Rescue every job that has not ended.

    Returns:
        What was found, in a few words, for Flower and the log.
    """
    try:
        context.check_ledger()
        with context.store.transaction() as ledger:
            jobs = running_jobs(ledger)
        found = [context.dispatcher.rescue(job_id) for job_id in jobs]
    except (ConvoyError, SQLAlchemyError) as error:  # no ledger yet, or a service is away: the next beat tries again
        log.info("nothing was rescued: %s", sentence_of(error))
        return f"nothing was rescued: {sentence_of(error)}"
    chunks, builds = sum(one.chunks for one in found), sum(one.builds for one in found)
    messages = sum(one.messages for one in found)
    lost = f"{chunks} lost chunks and {builds} lost builds put back"
    return f"{len(jobs)} running jobs, {lost}, {messages} lost messages sent again"
