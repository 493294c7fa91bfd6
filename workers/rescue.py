"""What the controller does every few seconds: look for lost work in every running job."""

from __future__ import annotations

from shared.errors import ConvoyError
from shared.ledger.jobs import running_jobs
from shared.redact import redact
from workers.context import WorkerContext


def rescue_running(context: WorkerContext) -> str:
    """Rescue every job that has not ended.

    Returns:
        What was found, in a few words, for Flower and the log.
    """
    try:
        context.check_ledger()
    except ConvoyError as error:
        return redact(f"nothing to do: {error}")
    with context.store.transaction() as ledger:
        jobs = running_jobs(ledger)
    found = [context.dispatcher.rescue(job_id) for job_id in jobs]
    return f"{len(jobs)} running jobs, {sum(one.chunks for one in found)} lost chunks put back"
