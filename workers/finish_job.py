"""The end of a job: foreign keys, identities, statistics, and the state that its tables add up to."""

from __future__ import annotations

from collections.abc import Sequence

from shared.ledger.jobs import move_job, read_job, read_tables
from shared.ledger.progress import read_progress
from shared.ledger.queueing import open_tables
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JOB_ENDS, JobState, TableState
from shared.records.plan import ForeignKeyPlan, Grade, GradedAs, TablePlan
from shared.records.source import ObjectKind
from shared.records.work import TableProgress
from shared.target import ddl
from workers.context import WorkerContext
from workers.failures import left_to_rescue
from workers.objects import attempt, existing_objects, grade_object, is_identity, run


@left_to_rescue
def finish_job(context: WorkerContext, job_id: int) -> str:
    """End a job whose tables have all ended, in one transaction that holds the job's row; harmless when run twice.

    Returns:
        Where the job is now, for Flower and the log.
    """
    with context.store.transaction() as ledger:
        job = read_job(ledger, job_id, lock=True)
        if job.state in JOB_ENDS:
            return f"job {job_id} is {job.state} already"
        if open_tables(ledger, job_id):
            return f"job {job_id} still has tables to do"
        move_job(ledger, job_id, JobState.VERIFYING)
        completed = [table.plan for table in read_tables(ledger, job_id) if table.state == TableState.COMPLETED]
        for plan in completed:
            _add_foreign_keys(ledger, job_id, plan, completed)
        for plan in completed:
            _continue_identities(ledger, plan)
            run(ledger, ddl.analyze(plan))
        state, error = _outcome(read_progress(ledger, job_id))
        move_job(ledger, job_id, state, error=error)
    return f"job {job_id} is {state}"


def _outcome(tables: Sequence[TableProgress]) -> tuple[JobState, str | None]:
    """Add the tables' ends up to the job's."""
    failed = [table.name for table in tables if table.state == TableState.FAILED]
    if failed:
        names = ", ".join(failed[:5]) + (" …" if len(failed) > 5 else "")
        return JobState.FAILED, f"{len(failed)} of {len(tables)} tables failed: {names}"
    rejects = sum(table.rejects for table in tables)
    if rejects:
        return JobState.COMPLETED_WITH_REJECTS, f"{rejects} rows are in the rejects: `producer rejects` lists them"
    return JobState.COMPLETED, None


def _add_foreign_keys(ledger: SqlAlchemyLedger, job_id: int, plan: TablePlan, completed: Sequence[TablePlan]) -> None:
    """Add a table's foreign keys NOT VALID, then validate each; what the rows violate stays NOT VALID, graded so."""
    there = existing_objects(ledger, plan)
    parents = {table.name for table in completed}
    for key in plan.foreign_keys:
        graded_as = key.graded_as or GradedAs(kind=ObjectKind.FOREIGN_KEY, name=key.name)
        refusal = _add_foreign_key(ledger, plan, key, there=key.name in there, complete=key.parent in parents)
        planned = Grade.APPROXIMATED if graded_as.doubt else Grade.EXACT, graded_as.doubt
        grade, reason = refusal or planned
        grade_object(ledger, job_id, plan, graded_as, grade=grade, reason=reason)


def _add_foreign_key(
    ledger: SqlAlchemyLedger, plan: TablePlan, key: ForeignKeyPlan, *, there: bool, complete: bool
) -> tuple[Grade, str] | None:
    """Add and validate a foreign key; returns what is less than planned and why, or None."""
    if not complete:
        return Grade.REFUSED, f"its parent table {key.parent} is not complete; the end of `producer requeue` adds it"
    if not there:
        refused = attempt(ledger, ddl.foreign_key(plan, key), f"adding foreign key {key.name} of table {plan.name}")
        if refused is not None:
            return Grade.REFUSED, refused.reason
    validation = ddl.validate_constraint(plan, key.name)
    refused = attempt(ledger, validation, f"validating foreign key {key.name} of table {plan.name}")
    if refused is not None:
        return Grade.APPROXIMATED, f"left NOT VALID, so that it binds new rows alone: {refused.reason}"
    return None


def _continue_identities(ledger: SqlAlchemyLedger, plan: TablePlan) -> None:
    """Let identities go on after the highest id that the source ever gave out and after max(id)."""
    for column in plan.columns:
        if column.identity:
            made = ddl.identity(plan, column)
            if made is not None and not is_identity(ledger, plan, column):
                run(ledger, made)
            run(ledger, ddl.continue_identity(plan, column))
