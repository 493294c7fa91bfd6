"""What `producer resume` can do for a job that has ended: take a cancelled one up again, or say what else there is."""

from __future__ import annotations

from producer.wording import state
from shared.errors import OperatorError
from shared.ledger.jobs import lock_starts, move_job, reopen_tables, requeue_chunks
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JobState
from shared.ledger.unfinished import successor_of
from shared.records.work import Job
from shared.setting_aside import take_away_again


def why_not_resumed(job: Job, *, source_changed: bool) -> str:
    """Say of an ended job that was not cancelled why nothing of it waits, and what can be done instead."""
    if job.state == JobState.FAILED:
        what = "nothing of it waits to be resumed"
        if not source_changed:
            what += f"; `producer requeue {job.id}` takes up what failed"
        return f"job {job.id} has ended as failed: {what}"
    return f"job {job.id} is {state(job.state)}: there is nothing left to do"


def refuse_rolled_back(job: Job) -> None:
    """Refuse to do anything more for a job whose tables are gone.

    Raises:
        OperatorError: says so, and how to copy anew.
    """
    if job.state == JobState.ROLLED_BACK:
        msg = f"job {job.id} was rolled back: nothing of it is left to go on with; `producer start` copies anew"
        raise OperatorError(msg)


def open_again(ledger: SqlAlchemyLedger, job: Job) -> int:
    """Put what a cancelled job did not do back to where it waits; returns its chunks that wait.

    Raises:
        OperatorError: where another job has taken its place since.
    """
    refuse_taken_over(ledger, job)
    chunks = requeue_chunks(ledger, job.id, cancelled=True)
    reopen_tables(ledger, job.id)
    take_away_again(ledger, job.id)
    move_job(ledger, job.id, JobState.COPYING)
    return chunks


def refuse_taken_over(ledger: SqlAlchemyLedger, job: Job) -> None:
    """Refuse to copy into tables that another job copies into, or has copied into since this one ended.

    Rows of two jobs would be there beside each other, or older ones over newer. No job starts until the caller's
    transaction ends.

    Raises:
        OperatorError: names the other job and the tables.
    """
    lock_starts(ledger)
    other = successor_of(ledger, job.id)
    if other is not None:
        names = ", ".join(other.tables[:5]) + (" …" if len(other.tables) > 5 else "")
        msg = (
            f"job {job.id} is {state(job.state)}, and job {other.job_id} ({state(other.state)}) has copied into the"
            f" same tables since ({names}): go on with that one, or copy anew with `producer start`"
        )
        raise OperatorError(msg)
