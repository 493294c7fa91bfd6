"""What `producer pause` and `producer unpause` do: hold a job where it is, as long as one likes, and let it go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import sqlalchemy as sa

from producer.services import Target, open_ledger
from producer.wording import moment, state
from shared.errors import OperatorError, UnreachableError
from shared.ledger.jobs import read_job
from shared.ledger.pausing import count_running, pause_job, unpause_job
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JOB_ENDS
from shared.records.work import Job
from shared.settings import Settings
from shared.target.connections import translate_error

_LOOK_S: Final = 0.1
_LOOKS: Final = 30
"""Who claims or plans holds a job's row for some milliseconds; three seconds later it is the job's end that does."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView:
    """A job that is held or goes on. JSON of `producer pause` and `producer unpause`."""

    job: int
    paused_at: datetime | None
    """Since when nothing of it begins; None: it goes on."""
    running: int
    """Chunks, and builds of keys and indexes, that are under way: a paused job ends these."""
    note: str | None = None
    """What the operator should know beside that."""


def pause(settings: Settings, job_id: int | None) -> PauseView:
    """Begin nothing more of a job until it is unpaused; what runs ends.

    Args:
        settings: Where the ledger is.
        job_id: The job; None: the latest.

    Raises:
        OperatorError: where there is no such job, it has ended, is paused already, or is at its last step.
    """
    with open_ledger(settings) as target:
        job = _running_job(target, job_id, "pause")
        if job.paused_at is not None:
            raise OperatorError(_paused_already(job))
        since = _soon(target, job, pause_job)
        if since is None:
            raise OperatorError(_why_not_paused(_running_job(target, job.id, "pause")))
        with target.ledger("counting what runs") as ledger:
            return PauseView(job=job.id, paused_at=since, running=count_running(ledger, job.id))


def unpause(settings: Settings, job_id: int | None) -> PauseView:
    """Let a paused job go on: with a broker what waits is sent at once, else whoever waits for the job sends it.

    Args:
        settings: Where the ledger is, and the workers.
        job_id: The job; None: the latest.

    Raises:
        OperatorError: where there is no such job, it has ended, or is not paused.
    """
    with open_ledger(settings) as target:
        job = _running_job(target, job_id, "unpause")
        if job.paused_at is None or not _soon(target, job, unpause_job):
            msg = f"job {job.id} is not paused: `producer status {job.id}` shows where it is"
            raise OperatorError(msg)
        note = _send(target, job.id)
        with target.ledger("counting what runs") as ledger:
            return PauseView(job=job.id, paused_at=None, running=count_running(ledger, job.id), note=note)


def _running_job(target: Target, job_id: int | None, verb: str) -> Job:
    with target.ledger("reading the job") as ledger:
        job = read_job(ledger, job_id, brief=True)
    if job.state in JOB_ENDS:
        msg = f"job {job.id} is {state(job.state)}: there is nothing to {verb} any more"
        raise OperatorError(msg)
    return job


def _soon(target: Target, job: Job, act: Callable[[SqlAlchemyLedger, int], T]) -> T | None:
    """Do it as soon as nobody holds the job's row; gives up where that takes longer than work does."""
    for _ in range(_LOOKS):
        done = target.transact(f"pausing job {job.id}", lambda ledger: act(ledger, job.id))
        if done:
            return done
        time.sleep(_LOOK_S)
    return None


def _paused_already(job: Job) -> str:
    assert job.paused_at is not None  # noqa: S101 - narrows the type
    return f"job {job.id} is paused already, since {moment(job.paused_at)}; go on with: producer unpause {job.id}"


def _why_not_paused(job: Job) -> str:
    if job.paused_at is not None:
        return _paused_already(job)
    return (
        f"job {job.id} is at its last step (foreign keys, views, triggers), which is one transaction and leaves nothing"
        f" to pause: wait for its end, or break it off with `producer cancel {job.id}`"
    )


def _send(target: Target, job_id: int) -> str | None:
    """Send what waits where that is ours to do; says who does it else."""
    if target.settings.broker_url is None:
        return f"whoever waits for it sends its work; where nobody does any more: producer resume {job_id}"
    from producer.workforce import open_workforce  # noqa: PLC0415 - Celery, which nothing else here needs

    try:
        with open_workforce(target) as workforce:
            workforce.dispatcher.send_all(job_id)
    except UnreachableError as error:
        return f"{error}; the controller, or `producer resume {job_id}`, sends its work once it answers"
    except sa.exc.DBAPIError as error:
        said = translate_error(error, what="sending its work")
        return f"{said}; the controller, or `producer resume {job_id}`, sends it"
    return None
