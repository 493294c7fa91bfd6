"""Recording a job where the answer to the commit may be lost: whether the job is there is asked, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from producer.freezing import FrozenSource
from producer.records import JobInterruptedError, Listener
from producer.services import Target
from shared.errors import ConvoyError, TransientError, UnreachableError
from shared.ledger.jobs import lock_starts
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.tables import jobs

_PATIENCE_S: Final = 120.0
"""A restart of PostgreSQL, recovery included, is over by then."""


def record_surely(
    target: Target, source: FrozenSource, listener: Listener, record: Callable[[SqlAlchemyLedger], int]
) -> int:
    """Record a job in one transaction; its snapshot stays unless it is certain that there is no job.

    Args:
        target: Where the ledger is.
        source: What the job reads.
        listener: Is told where the answer was lost.
        record: Records the job, and returns its id.

    Raises:
        ConvoyError: where the job is not recorded, or nobody can say whether it is.
        JobInterruptedError: after Ctrl-C, where it is.
    """
    begun: list[int] = []

    def record_anew(ledger: SqlAlchemyLedger) -> None:
        begun.clear()
        begun.append(record(ledger))

    try:
        target.transact("recording the job", record_anew)
    except BaseException as error:
        if not begun:
            raise
        source.keep()  # whatever becomes of the question
        if not _is_there(target, begun[0], source):
            source.release()
            raise
        if not isinstance(error, ConvoyError):
            msg = f"interrupted: job {begun[0]} is recorded; go on with: producer resume {begun[0]}"
            raise JobInterruptedError(msg) from None
        listener.warn(f"the connection was lost as job {begun[0]} was recorded; it is there, and goes on")
    source.keep()
    return begun[0]


def _is_there(target: Target, job_id: int, source: FrozenSource) -> bool:
    """Whether the job was recorded, asked when its transaction has ended, whoever was told of that."""
    attempts = Retrying(
        retry=retry_if_exception_type((UnreachableError, TransientError)),
        wait=wait_exponential(multiplier=0.5, max=5),
        stop=stop_after_delay(_PATIENCE_S),
        reraise=True,
    )
    try:
        return attempts(lambda: _look(target, job_id, source))
    except (UnreachableError, TransientError) as error:
        msg = (
            f"{error}; whether job {job_id} was recorded is not known, so its snapshot {source.url} is kept:"
            " `producer jobs` shows the job, if there is one, once the target is back"
        )
        raise UnreachableError(msg) from error


def _look(target: Target, job_id: int, source: FrozenSource) -> bool:
    with target.ledger(f"asking whether job {job_id} was recorded") as ledger:
        lock_starts(ledger)
        if ledger.run(sa.select(sa.func.to_regclass(jobs.fullname)))[0][0] is None:  # made with its first job
            return False
        mine = (jobs.c.id == job_id, jobs.c.snapshot_url == source.url, jobs.c.fingerprint == source.fingerprint)
        return bool(ledger.run(sa.select(jobs.c.id).where(*mine)))
