"""What `producer throttle` does: change how much load a running job may make, or tell what holds now."""

from __future__ import annotations

from dataclasses import dataclass

from producer.held import lag_note, throttle_of
from producer.records import Throttle
from producer.services import Target, open_ledger
from producer.wording import state
from shared.errors import OperatorError
from shared.ledger.jobs import read_job
from shared.ledger.load import adjust, measure, refuse_blind, set_max_load
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JOB_ENDS
from shared.records.load import Load, MaxLoad
from shared.records.work import Job
from shared.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleView:
    """A job's limits and the load as it is now. JSON of `producer throttle`."""

    job: int
    throttle: Throttle | None
    """None: the job may make any load."""
    load: Load
    """Measured just now."""
    note: str | None = None
    """What the operator should know of these limits."""


def throttle(settings: Settings, job_id: int | None, limits: MaxLoad | None, *, off: bool) -> ThrottleView:
    """Let a running job make so much load from now on, or any, or only tell.

    Args:
        settings: Where the ledger is.
        job_id: The job; None: the latest.
        limits: They take the place of all that were there; None: they stay as they are.
        off: No limits any more.

    Raises:
        OperatorError: where there is no such job, or it has ended; or where the load cannot be seen.
    """
    with open_ledger(settings) as target:
        job_id = target.transact("limiting the load of the job", lambda ledger: _limit(ledger, job_id, limits, off=off))
        return _view(target, job_id)


def _limit(ledger: SqlAlchemyLedger, job_id: int | None, limits: MaxLoad | None, *, off: bool) -> int:
    """Set the limits of a running job, if any are to be set; returns its id."""
    job = read_job(ledger, job_id)
    _refuse_ended(job)
    if limits is not None:
        refuse_blind(ledger, limits)
    if (limits is not None or off) and not set_max_load(ledger, job.id, limits):
        _refuse_ended(read_job(ledger, job.id))
    return job.id


def _view(target: Target, job_id: int) -> ThrottleView:
    target.transact(f"measuring the load for job {job_id}", lambda ledger: adjust(ledger, job_id))
    with target.ledger(f"measuring the load for job {job_id}") as ledger:
        job, load = read_job(ledger, job_id), measure(ledger, job_id)
    note = None if job.max_load is None else lag_note(job.max_load, replicas=load.replicas)
    return ThrottleView(job=job_id, throttle=throttle_of(job), load=load, note=note)


def _refuse_ended(job: Job) -> None:
    if job.state in JOB_ENDS:
        msg = f"job {job.id} is {state(job.state)}: there is nothing to hold back any more"
        raise OperatorError(msg)
