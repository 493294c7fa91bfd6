"""What each command does that takes a recorded job up again; `start` and `plan` have stories of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from producer.enqueue import refuse_changed
from producer.preflight import refuse_lonely_broker
from producer.reading import end_of, progress_of
from producer.records import Detached, JobEnd, JobProgress, Listener
from producer.replaying import replay_rejects
from producer.resuming import open_again, refuse_rolled_back, refuse_taken_over, why_not_resumed
from producer.services import Target, open_ledger
from producer.starting import go_on
from producer.wording import counted
from shared.errors import OperatorError
from shared.ledger.jobs import (
    lock_starts,
    move_job,
    read_job,
    read_tables,
    reopen_tables,
    requeue_chunks,
    reset_comparisons,
)
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JOB_ENDS, JobState, TableState
from shared.records.work import Job
from shared.schema.rules.book import read_rules
from shared.setting_aside import take_away_again
from shared.settings import Settings
from shared.source.kinds import open_source


def replay(settings: Settings, job_id: int | None, listener: Listener) -> JobEnd:
    """Try the rejected rows of a job again under the rules as they are now, compare all of it, and wait.

    Raises:
        OperatorError: where the job has not ended or has no rejects, or a rule would change what is copied already.
    """
    refuse_lonely_broker(settings)
    with open_ledger(settings) as target:
        job = _job(target, job_id)
        if job.state not in JOB_ENDS:
            msg = f"job {job.id} is {job.state}: wait for its end with `producer resume {job.id}`, then replay"
            raise OperatorError(msg)
        with open_source(job.snapshot_url, frozen=job.options.snapshot) as reader:
            refuse_changed(reader, job)
            book = read_rules(reader.catalog(), settings.rules, preserve=job.options.preserve_identifiers)
        replay_rejects(target, job, book, listener)
        target.transact(
            f"taking back what was verified of job {job.id}", lambda ledger: _reopen_for_comparison(ledger, job)
        )
        end = go_on(target, job.id, listener, again=True)
        assert isinstance(end, JobEnd)  # noqa: S101 - narrows the type: nothing was detached
        return end


def resume(settings: Settings, job_id: int | None, listener: Listener, *, detach: bool = False) -> JobEnd | Detached:
    """Rebuild whatever the queue lost, plan what is not planned, take cancelled chunks up again, and wait.

    A job that has ended otherwise is only told about.

    Raises:
        OperatorError: where the job was rolled back, or another job has taken its place since it was cancelled.
    """
    refuse_lonely_broker(settings)
    with open_ledger(settings) as target:
        job = _job(target, job_id)
        if job.state in JOB_ENDS and job.state != JobState.CANCELLED:
            end = end_of(target, job.id)
            listener.say(why_not_resumed(job, source_changed=any(failure.source_changed for failure in end.failures)))
            return end
        _refuse_unreadable_source(job)
        if job.state == JobState.CANCELLED:
            chunks = target.transact(f"opening job {job.id} again", lambda ledger: open_again(ledger, job))
            listener.say(f"job {job.id} was cancelled: what is left is taken up again, {counted(chunks, 'chunk')}")
        return go_on(target, job.id, listener, detach=detach, again=True)


def requeue(
    settings: Settings, job_id: int | None, listener: Listener, *, table: str | None, chunk: int | None
) -> JobEnd | Detached:
    """Put failed chunks back into the queue; with a local fleet, wait for the job then.

    Raises:
        OperatorError: where there is nothing to requeue.
    """
    refuse_lonely_broker(settings)
    if chunk is not None and table is None:
        msg = f"--chunk {chunk} needs --table: chunks are numbered within their table"
        raise OperatorError(msg)
    with open_ledger(settings) as target:
        job = _job(target, job_id)
        _refuse_unreadable_source(job)
        broken = _broken_tables(progress_of(target, job.id), table) if chunk is None else ()

        def put_back(ledger: SqlAlchemyLedger) -> int:
            lock_starts(ledger)  # before the job, as whoever starts or rolls back a job does
            chunks = requeue_chunks(ledger, job.id, table=table, number=chunk)
            unswapped = any(each.plan.swap_into is not None for each in read_tables(ledger, job.id))
            if not chunks and not broken and not (unswapped and job.state == JobState.FAILED):
                raise OperatorError(_nothing_to_requeue(job, table, chunk))
            refuse_taken_over(ledger, job)
            reopen_tables(ledger, job.id)
            take_away_again(ledger, job.id)
            move_job(ledger, job.id, JobState.COPYING)
            return chunks

        chunks = target.transact(f"requeueing chunks of job {job.id}", put_back)
        listener.say(f"job {job.id}: {_requeued(chunks, broken)} back in the queue")
        has_broker = settings.broker_url is not None
        done = go_on(target, job.id, listener, detach=has_broker, again=True)
        return Detached(job=job.id, pid=None, log=None, target=target.shown, requeued=chunks) if has_broker else done


def verify(settings: Settings, job_id: int | None, listener: Listener, *, to_repair: bool = False) -> JobEnd:
    """Compare every value of a job's tables again, and wait.

    Args:
        settings: Where the ledger is.
        job_id: The job; None: the latest.
        listener: Is told how it goes.
        to_repair: What differs will be written over, so another job must not have copied into the same tables since.

    Raises:
        OperatorError: where the job has not ended, none of its tables has all its rows, or another job took its place.
    """
    refuse_lonely_broker(settings)
    with open_ledger(settings) as target:
        job = _job(target, job_id)
        if job.state not in JOB_ENDS:
            msg = f"job {job.id} is {job.state}: wait for its end with `producer resume {job.id}`, then verify it"
            raise OperatorError(msg)
        _refuse_unreadable_source(job)
        skipped = _incomplete_tables(progress_of(target, job.id))

        def take_back(ledger: SqlAlchemyLedger) -> None:
            if to_repair:
                refuse_taken_over(ledger, job)
            _reopen_for_comparison(ledger, job)

        target.transact(f"taking back what was verified of job {job.id}", take_back)
        if skipped:
            listener.warn(f"left out, since not all their rows are there: {', '.join(skipped)}")
        end = go_on(target, job.id, listener, again=True)
        assert isinstance(end, JobEnd)  # noqa: S101 - narrows the type: nothing was detached
        return replace(end, skipped=skipped)


def _reopen_for_comparison(ledger: SqlAlchemyLedger, job: Job) -> None:
    if job.options.schema_only:
        msg = f"job {job.id} copied the schema only: there are no rows to compare"
        raise OperatorError(msg)
    if not reset_comparisons(ledger, job.id):
        msg = f"no table of job {job.id} has all its rows: `producer requeue {job.id}` copies what failed"
        raise OperatorError(msg)
    move_job(ledger, job.id, JobState.VERIFYING)


def _job(target: Target, job_id: int | None) -> Job:
    """The job that something is to be done with.

    Raises:
        OperatorError: where there is none, or it was rolled back.
    """
    with target.ledger("reading the job") as ledger:
        job = read_job(ledger, job_id)
    refuse_rolled_back(job)
    return job


def _refuse_unreadable_source(job: Job) -> None:
    """Look at the snapshot before anything is changed.

    Raises:
        SourceError: where it cannot be read.
        SourceChangedError: where it is not what the job was planned from.
    """
    with open_source(job.snapshot_url, frozen=job.options.snapshot) as reader:
        refuse_changed(reader, job)


def _broken_tables(progress: JobProgress, table: str | None) -> tuple[str, ...]:
    """Failed tables whose chunks are all there and equal: a key was not built, or a comparison failed."""
    return tuple(
        line.name
        for line in progress.tables
        if line.state == TableState.FAILED and not line.failed and not line.mismatches and table in (None, line.name)
    )


def _incomplete_tables(progress: JobProgress) -> tuple[str, ...]:
    return tuple(line.name for line in progress.tables if line.copied < line.chunks or not line.planned)


def _nothing_to_requeue(job: Job, table: str | None, chunk: int | None) -> str:
    where = "" if table is None else f" in table {table}" + ("" if chunk is None else f", chunk {chunk}")
    if job.state == JobState.CANCELLED:
        return f"job {job.id} was cancelled and has no failed chunk{where}: `producer resume {job.id}` goes on with it"
    return f"job {job.id} has nothing to requeue{where}: no chunk failed; `producer status {job.id}` shows its tables"


def _requeued(chunks: int, broken: Sequence[str]) -> str:
    parts = [f"{chunks} chunks"] if chunks else []
    if broken:
        parts.append(f"tables {', '.join(broken)}")
    return " and ".join(parts) or "what was left to do at its end is"
