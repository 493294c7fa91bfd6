"""The end of a job: foreign keys, identities, statistics, views and triggers, and the state its tables add up to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext

from shared.grading import Less, Outcomes
from shared.ledger.jobs import move_job, read_job, read_tables
from shared.ledger.pausing import give_back_job
from shared.ledger.progress import read_progress
from shared.ledger.queueing import open_tables
from shared.ledger.session import SqlAlchemyLedger, wait_for_disk
from shared.ledger.standing import note_job
from shared.ledger.states import JOB_ENDS, JobState, TableState
from shared.points import Point, reach
from shared.records.plan import BuildPhase, ForeignKeyPlan, Grade, GradedAs, ObjectPlan, TablePlan, TargetColumn
from shared.records.source import ObjectKind
from shared.records.work import Job, JobTable, TableProgress
from shared.setting_aside import put_all_back
from shared.target import ddl
from shared.target.build_sessions import give_memory, name_build
from shared.target.made_objects import stands
from shared.target.statements import attempt, run, see_extensions
from shared.target.violations import orphans
from shared.way_back import noting_made
from workers.context import WorkerContext
from workers.failures import noted_and_left_to_rescue
from workers.objects import existing_objects, is_identity, left_not_valid, less, record_outcomes
from workers.swap import swap_if_complete


@noted_and_left_to_rescue(note_job)
def finish_job(context: WorkerContext, job_id: int) -> str:
    """End a job whose tables have all ended, in one transaction that holds the job's row; harmless when run twice.

    Returns:
        Where the job is now, for Flower and the log.
    """
    with context.store.transaction() as ledger:
        job = read_job(ledger, job_id, lock=True)
        if job.state in JOB_ENDS:
            return f"job {job_id} is {job.state} already"
        if job.paused_at is not None:
            give_back_job(ledger, job_id)
            return f"job {job_id} is paused"
        if open_tables(ledger, job_id):
            return f"job {job_id} still has tables to do"
        move_job(ledger, job_id, JobState.VERIFYING)
        tables = read_tables(ledger, job_id)
        completed = [table.plan for table in tables if table.state == TableState.COMPLETED]
        _be_ready_to_build(context, ledger, job_id)
        outcomes = Outcomes()
        for plan in completed:
            _add_foreign_keys(ledger, plan, completed, outcomes)
        for plan in completed:
            _continue_identities(ledger, plan, outcomes)
        if completed:
            run(ledger.connection, ddl.analyze(completed))
        tables, unmoved = swap_if_complete(ledger, job, tables)
        put_all_back(ledger, job_id, outcomes)
        with _noting_made(ledger, job):
            _make_objects(ledger, job, tables, outcomes)
        record_outcomes(ledger, job_id, outcomes)
        reach(Point.FINISHING, job_id)
        state, error = _outcome(read_progress(ledger, job_id), unreadable=len(job.unreadable))
        if unmoved:
            state, error = JobState.FAILED, unmoved
        move_job(ledger, job_id, state, error=error)
        wait_for_disk(ledger)
    return f"job {job_id} is {state}"


def _be_ready_to_build(context: WorkerContext, ledger: SqlAlchemyLedger, job_id: int) -> None:
    """Let `producer cancel` end what follows, and give it the memory that foreign keys are validated with."""
    settings = context.settings
    name_build(ledger.connection, job_id, "foreign keys")
    give_memory(
        ledger.connection,
        at_once=1,
        memory_mb=settings.maintenance_work_mem_mb,
        workers=settings.maintenance_workers,
    )


def _outcome(tables: Sequence[TableProgress], *, unreadable: int) -> tuple[JobState, str | None]:
    """Add the tables' ends up to the job's."""
    failed = [table.name for table in tables if table.state == TableState.FAILED]
    if failed:
        names = ", ".join(failed[:5]) + (" …" if len(failed) > 5 else "")
        return JobState.FAILED, f"{len(failed)} of {len(tables)} tables failed: {names}"
    cancelled = [table.name for table in tables if table.state == TableState.CANCELLED]
    if cancelled:
        names = ", ".join(cancelled[:5]) + (" …" if len(cancelled) > 5 else "")
        found = f"{len(cancelled)} of {len(tables)} tables were cancelled: {names}"
        return JobState.CANCELLED, f"{found}; `producer resume` goes on with them"
    rejects = sum(table.rejects for table in tables)
    parts = "1 part" if unreadable == 1 else f"{unreadable:,} parts"
    lost = [f"{parts} of the source could not be read: `producer report` names them"] if unreadable else []
    rows = "1 row is" if rejects == 1 else f"{rejects:,} rows are"
    kept = [f"{rows} in the rejects: `producer rejects` lists them"] if rejects else []
    if lost or kept:
        return JobState.COMPLETED_WITH_REJECTS, "; ".join([*kept, *lost])
    return JobState.COMPLETED, None


def _add_foreign_keys(
    ledger: SqlAlchemyLedger, plan: TablePlan, completed: Sequence[TablePlan], outcomes: Outcomes
) -> None:
    """Add a table's foreign keys NOT VALID, then validate each; what the rows violate stays NOT VALID, graded so."""
    if not plan.foreign_keys:
        return
    there = existing_objects(ledger, plan)
    parents = {table.name for table in completed}
    for key in plan.foreign_keys:
        graded_as = key.graded_as or GradedAs(kind=ObjectKind.FOREIGN_KEY, name=key.name)
        found = _add_foreign_key(ledger, plan, key, there=key.name in there, complete=key.parent in parents)
        outcomes.add(graded_as, plan.read.table, found)


def _add_foreign_key(
    ledger: SqlAlchemyLedger, plan: TablePlan, key: ForeignKeyPlan, *, there: bool, complete: bool
) -> Less | None:
    """Add and validate a foreign key; returns what is less than planned and why, or None."""
    if not complete and not there:  # it stays where it is: the parent may only have been found to differ, later
        reason = f"its parent table {key.parent} is not complete; the end of `producer requeue` adds it"
        return less(Grade.REFUSED, reason)
    what = f"foreign key {key.name} of table {plan.name}"
    if not there:
        refused = attempt(ledger.connection, ddl.foreign_key(plan, key), f"adding {what}")
        if refused is not None:
            return less(Grade.REFUSED, refused.reason)
    refused = attempt(ledger.connection, ddl.validate_constraint(plan, key.name), f"validating {what}")
    if refused is None:
        return None
    return left_not_valid(orphans(ledger.connection, plan, key) or refused.reason, key.graded_as)


def _make_objects(ledger: SqlAlchemyLedger, job: Job, tables: Sequence[JobTable], outcomes: Outcomes) -> None:
    """Make what belongs to no single table, each in a savepoint; what PostgreSQL refuses is graded so and left out."""
    see_extensions(ledger.connection)
    unswapped = {table.plan.name for table in tables if table.plan.swap_into is not None}  # an old table stands there
    incomplete = unswapped | {table.plan.name for table in tables if table.state != TableState.COMPLETED}
    for each in job.objects:
        if each.phase is not BuildPhase.AFTER:
            continue
        may_stand = not incomplete.isdisjoint(each.needs) and unswapped.isdisjoint(each.needs)
        if may_stand and stands(ledger.connection, job.target_schema, each.name):
            continue  # made at an earlier end of the job: a table that only differs now takes nothing away from it
        found = _make_object(ledger, each, incomplete)
        if each.graded_as is not None:
            outcomes.add(each.graded_as, each.table, found)


def _noting_made(ledger: SqlAlchemyLedger, job: Job) -> AbstractContextManager[None]:
    objects = [each for each in job.objects if each.phase is BuildPhase.AFTER]
    return noting_made(ledger, job.id, [job.target_schema], objects) if objects else nullcontext()


def _make_object(ledger: SqlAlchemyLedger, planned: ObjectPlan, incomplete: Collection[str]) -> Less | None:
    awaited = [name for name in planned.needs if name in incomplete]
    if awaited:
        tables = f"table {awaited[0]} is" if len(awaited) == 1 else f"tables {', '.join(awaited)} are"
        return less(Grade.REFUSED, f"its {tables} not complete; the end of `producer requeue` makes it")
    refused = attempt(ledger.connection, planned.statements, f"making {planned.name}")
    return None if refused is None else less(Grade.REFUSED, f"left out: {refused.reason}")


def _continue_identities(ledger: SqlAlchemyLedger, plan: TablePlan, outcomes: Outcomes) -> None:
    """Let identities go on after the highest id that the source ever gave out and after max(id)."""
    for column in plan.columns:
        if column.identity and plan.creates:
            made = ddl.identity(plan, column)
            if made is not None and not is_identity(ledger, plan, column):
                run(ledger.connection, made)
            run(ledger.connection, ddl.continue_identity(plan, column))
        elif column.identity:
            _continue_sequence(ledger, plan, column, outcomes)


def _continue_sequence(ledger: SqlAlchemyLedger, plan: TablePlan, column: TargetColumn, outcomes: Outcomes) -> None:
    """As for identities, of a table that was there before: its sequence may end early, or be somebody else's."""
    what = "letting its sequence go on after the highest value"
    refused = attempt(ledger.connection, ddl.continue_identity(plan, column), what)
    if refused is not None:
        graded_as = GradedAs(kind=ObjectKind.COLUMN, name=column.source)
        outcomes.add(graded_as, plan.read.table, less(Grade.APPROXIMATED, refused.reason))
