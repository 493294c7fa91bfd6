"""The story of `producer start`: look, freeze, plan, record; then plan chunks, send them, and wait."""

from __future__ import annotations

import time

from producer.background import go_on_in_background
from producer.enqueue import plan_chunks
from producer.freezing import FrozenSource, frozen_source, reading_copy
from producer.held import lag_note
from producer.making import largest_first, make_tables, staged
from producer.planning import draw_plan, fit_to_target, refuse_contradictions, refuse_incomplete
from producer.preflight import check_source, check_target, refuse_lonely_broker
from producer.reading import end_of, progress_of
from producer.recording import record_surely
from producer.records import Detached, JobEnd, JobInterruptedError, Listener
from producer.services import Target, open_target
from producer.trial import abilities_of, tried
from producer.waiting import Watch
from producer.wording import counted
from producer.workforce import Workforce, open_workforce
from shared.broker import Broker
from shared.errors import ConvoyError
from shared.ledger.jobs import lock_starts, move_job, read_job, record_job, record_tables, refuse_running
from shared.ledger.load import count_replicas, refuse_blind
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JobState
from shared.ledger.upgrade import upgrade_ledger
from shared.ledger.way_back import note_places
from shared.points import Point, reach
from shared.records.load import MaxLoad
from shared.records.plan import JobOptions, SchemaPlan
from shared.records.work import Job, NewJob
from shared.setting_aside import put_back_left_over, without_constraints
from shared.settings import Settings
from shared.target.rights import refuse_missing_rights
from shared.way_back import keep_undo, noting_made


def start(
    settings: Settings,
    options: JobOptions,
    listener: Listener,
    *,
    detach: bool = False,
    max_load: MaxLoad | None = None,
) -> JobEnd | Detached:
    """Copy a source into the target.

    Args:
        settings: Where from, where to, and who does it.
        options: What is copied, and how.
        listener: Is told what happens.
        detach: Return as soon as the job goes on without this process.
        max_load: The load that the job may make in the target; None: any.

    Raises:
        ConvoyError: where something that the job needs is missing or wrong; nothing is made then.
        JobInterruptedError: after Ctrl-C; says what becomes of the job.
    """
    refuse_contradictions(options)
    refuse_lonely_broker(settings)
    if not options.salvage:  # which is for sources that may not even open
        check_source(settings)
    if settings.broker_url is not None:
        Broker(settings).check()
    with open_target(settings, make=True) as target:
        check_target(target, options)
        if max_load is not None:
            _check_limits(target, max_load, listener)
        if detach and settings.broker_url is None:
            return go_on_in_background(target, _record(target, options, listener, max_load))
        try:
            with open_workforce(target) as workforce:  # a local fleet starts while the source is looked at
                job_id = _record(target, options, listener, max_load, workforce)
                return _carry_out(target, workforce, job_id, listener, detach=detach)
        except KeyboardInterrupt:
            msg = "interrupted while the workers started or stopped: `producer jobs` shows what there is"
            raise JobInterruptedError(msg) from None


def go_on(
    target: Target, job_id: int, listener: Listener, *, detach: bool = False, again: bool = False
) -> JobEnd | Detached:
    """Do what is left of a recorded job, or see to it that it goes on by itself.

    Args:
        target: Where the ledger is.
        job_id: The job.
        listener: Is told what happens.
        detach: Return as soon as the job goes on without this process.
        again: Send everything again that is not done, whatever the queue may hold.

    Raises:
        UnreachableError: where a service stays away.
        JobInterruptedError: after Ctrl-C; says what becomes of the job.
    """
    if detach and target.settings.broker_url is None:
        return go_on_in_background(target, job_id)
    try:
        with open_workforce(target) as workforce:
            return _carry_out(target, workforce, job_id, listener, detach=detach, again=again)
    except KeyboardInterrupt:
        raise JobInterruptedError(_what_becomes_of(target, job_id)) from None


def _carry_out(
    target: Target,
    workforce: Workforce,
    job_id: int,
    listener: Listener,
    *,
    detach: bool = False,
    again: bool = False,
) -> JobEnd | Detached:
    """Send a recorded job's work and wait for its end, unless it goes on without us."""
    begun = time.monotonic()
    if workforce.fleet is not None:
        workforce.fleet.is_working = True
    try:
        workforce.await_broker()
        watch = _open(target, workforce, job_id, listener)
        _send(target, workforce, job_id, watch, again=again)
        if detach:
            return Detached(job=job_id, pid=None, log=None, target=target.shown)
        watch.wait()
        return end_of(target, job_id, seconds=time.monotonic() - begun)
    except KeyboardInterrupt:
        listener.say("interrupted" if workforce.fleet is None else "interrupted: stopping the workers in order")
        raise JobInterruptedError(_what_becomes_of(target, job_id)) from None


def _check_limits(target: Target, limits: MaxLoad, listener: Listener) -> None:
    with target.ledger("measuring the target's load") as ledger:
        refuse_blind(ledger, limits)
        note = lag_note(limits, replicas=count_replicas(ledger))
    if note is not None:
        listener.warn(note)


def _record(
    target: Target,
    options: JobOptions,
    listener: Listener,
    max_load: MaxLoad | None,
    workforce: Workforce | None = None,
) -> int:
    """Freeze, plan and record a job in one transaction; where it fails, nothing is left."""
    try:
        with frozen_source(target.settings, listener, options) as source:
            with reading_copy(target.settings, source.reader) as reader:
                plan = draw_plan(reader, target.settings, options, listener, abilities=abilities_of(target))
            refuse_incomplete(plan)
            if workforce is not None:
                workforce.await_broker()  # before anything is made
            job_id = record_surely(
                target,
                source,
                listener,
                lambda ledger: _record_plan(ledger, target.settings, options, source, plan, max_load),
            )
            reach(Point.RECORDED, job_id)
    except KeyboardInterrupt:
        msg = "interrupted before the job was recorded: nothing was made"
        raise JobInterruptedError(msg) from None
    rows = sum(table.rows for table in plan.tables)
    listener.say(f"job {job_id}: {counted(len(plan.tables), 'table')}, {counted(rows, 'row')}")
    return job_id


def _record_plan(
    ledger: SqlAlchemyLedger,
    settings: Settings,
    options: JobOptions,
    source: FrozenSource,
    plan: SchemaPlan,
    max_load: MaxLoad | None,
) -> int:
    upgrade_ledger(ledger.connection)
    lock_starts(ledger)
    refuse_running(ledger, plan.tables)
    put_back_left_over(ledger, settings.target_schema)
    plan = fit_to_target(ledger, plan, settings, options)
    refuse_missing_rights(ledger.connection, plan.tables)
    plan = tried(ledger, plan, settings.target_schema).plan
    plan = without_constraints(ledger, plan)
    new = NewJob(
        source_url=source.original,
        snapshot_url=source.url,
        fingerprint=source.fingerprint,
        target_schema=settings.target_schema,
        options=options,
        grades=plan.grades,
        objects=plan.objects,
        versions=source.reader.catalog().versions,
        unreadable=source.unreadable,
        max_load=max_load,
    )
    job_id = record_job(ledger, new)
    if options.recreate:
        plan = staged(ledger, plan, job_id, settings.target_schema)
    schemas = sorted({settings.target_schema, *(table.schema for table in plan.tables)})
    with noting_made(ledger, job_id, schemas, plan.objects):
        make_tables(ledger, plan, schema=settings.target_schema)
    record_tables(ledger, job_id, largest_first(plan.tables))
    note_places(ledger, job_id)
    if options.undo_log:
        keep_undo(ledger, job_id)
    reach(Point.RECORDING, job_id)
    return job_id


def _open(target: Target, workforce: Workforce, job_id: int, listener: Listener) -> Watch:
    def open_job(ledger: SqlAlchemyLedger) -> Job:
        job = read_job(ledger, job_id)
        if job.state == JobState.PLANNED:
            move_job(ledger, job_id, JobState.COPYING)
        return job

    return Watch(target, workforce, target.transact(f"opening job {job_id}", open_job), listener)


def _send(target: Target, workforce: Workforce, job_id: int, watch: Watch, *, again: bool) -> None:
    """Plan what is not planned and send what is not done; both may run twice, so an absent service is waited for."""
    watch.patiently(lambda: plan_chunks(target, workforce.dispatcher, job_id, watch.look))
    send = workforce.dispatcher.resend if again else workforce.dispatcher.send_all
    watch.patiently(lambda: send(job_id))


def _what_becomes_of(target: Target, job_id: int) -> str:
    if target.settings.broker_url is None:
        return f"interrupted: job {job_id} stands still; go on with: producer resume {job_id}"
    try:
        planned = all(table.planned for table in progress_of(target, job_id).tables)
    except ConvoyError:  # the target is away; what is certain is how to go on
        planned = False
    if not planned:
        return (
            f"interrupted: not all chunks of job {job_id} are planned yet, workers copy what is; go on with:"
            f" producer resume {job_id}, end it: producer cancel {job_id}"
        )
    return (
        f"interrupted: job {job_id} goes on; watch it: producer status {job_id} --watch,"
        f" wait for it: producer resume {job_id}, end it: producer cancel {job_id}"
    )
