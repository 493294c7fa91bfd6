"""What `producer cancel` does: nothing more begins, what runs ends, and what the job took away is put back."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import Final

from producer.reading import job_id_of, progress_of
from producer.records import JobInterruptedError, JobProgress
from producer.services import Target, open_ledger
from producer.wording import counted, state
from shared.errors import OperatorError
from shared.ledger.jobs import cancel_job, read_job
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JOB_ENDS
from shared.ledger.suspended import end_idle_chunks, is_suspended
from shared.ledger.turns import count_copying
from shared.setting_aside import put_back_if_idle
from shared.settings import Settings
from shared.target.build_sessions import end_builds

_LOOK_S: Final = 0.1
_BUILD_LOOKS: Final = 20
"""PostgreSQL ends a build within milliseconds; two seconds later it is left to end by itself."""


def cancel(settings: Settings, job_id: int | None, tell: Callable[[str], None] = lambda _text: None) -> JobProgress:
    """End a job: chunks that run are waited for, indexes in the making are given up, what waits is not begun.

    Args:
        settings: Where the ledger is.
        job_id: The job; None: the latest.
        tell: Is told what is waited for.

    Raises:
        OperatorError: where the job has ended already, and nothing of it runs any more.
        JobInterruptedError: after Ctrl-C; the job is cancelled all the same.
    """
    with open_ledger(settings) as target:
        job_id = job_id_of(target, job_id)
        _cancel_and_drain(target, job_id, tell)
        return progress_of(target, job_id)


def _cancel_and_drain(target: Target, job_id: int, tell: Callable[[str], None]) -> None:
    """End a job and wait until nobody works at its chunks any more; harmless when run again after an interruption.

    Args:
        target: Where the ledger is.
        job_id: The job.
        tell: Is told what is waited for.

    Raises:
        OperatorError: where the job has ended already and nothing of it runs.
        JobInterruptedError: after Ctrl-C; the job is cancelled all the same.
    """
    _end_builds(target, job_id)  # they hold rows that are moved now
    target.transact(f"cancelling job {job_id}", lambda ledger: _cancel(ledger, job_id))
    _end_builds(target, job_id)  # those that began meanwhile
    try:
        _drain(target, job_id, tell)
    except KeyboardInterrupt:
        msg = (
            f"interrupted: job {job_id} is cancelled, and what runs of it ends by itself; `producer cancel {job_id}`"
            " waits for that again"
        )
        raise JobInterruptedError(msg) from None


def _cancel(ledger: SqlAlchemyLedger, job_id: int) -> None:
    if cancel_job(ledger, job_id):
        return
    found = read_job(ledger, job_id, brief=True)
    if not is_suspended(ledger, job_id) and not count_copying(ledger, job_id):
        msg = f"job {job_id} is {state(found.state)} already: there is nothing to cancel"
        raise OperatorError(msg)


def _end_builds(target: Target, job_id: int) -> None:
    """End what the job builds just now (indexes, foreign keys), and wait a moment until it has ended."""
    for _ in range(_BUILD_LOOKS):
        with target.ledger(f"ending what job {job_id} builds") as ledger:
            if not end_builds(ledger.connection, job_id):
                return
        sleep(_LOOK_S)


def _drain(target: Target, job_id: int, tell: Callable[[str], None]) -> None:
    """Wait for the chunks that are written; what is claimed and has no holder is taken back."""
    told = False
    while not _is_idle(target, job_id):
        if not told:
            with target.ledger(f"counting what runs of job {job_id}") as ledger:
                running = count_copying(ledger, job_id)
            tell(f"job {job_id} is cancelled; waiting for {counted(running, 'chunk')} of it to end")
            told = True
        sleep(_LOOK_S)


def _is_idle(target: Target, job_id: int) -> bool:
    """Whether nothing of a cancelled job is written any more, and its tables have what they went without."""

    def put_back(ledger: SqlAlchemyLedger) -> bool:
        if read_job(ledger, job_id, lock=True, brief=True).state not in JOB_ENDS:
            return True  # somebody has resumed it
        return end_idle_chunks(ledger, job_id) and put_back_if_idle(ledger, job_id)

    return target.transact(f"putting back foreign keys and triggers that job {job_id} took away", put_back)
