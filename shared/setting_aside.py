"""Foreign keys and triggers that tables of a job go without while it runs: taken away with it, back at its end."""

from __future__ import annotations

from dataclasses import replace

from shared.errors import OperatorError
from shared.grading import Less, Outcomes
from shared.ledger.jobs import add_grades, read_job, read_tables, save_plan
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JOB_ENDS, TABLE_ENDS
from shared.ledger.suspended import end_idle_chunks, is_suspended, suspended_jobs
from shared.records.plan import Grade, GradedAs, ObjectGrade, SchemaPlan, TablePlan
from shared.records.source import ObjectKind
from shared.records.work import JobTable
from shared.target.suspending import Unlike, put_back, take_away, validate
from shared.way_back import keep_undo, stop_keeping_undo


def without_constraints(ledger: SqlAlchemyLedger, plan: SchemaPlan) -> SchemaPlan:
    """Take away what the tables of a plan set aside, in the caller's transaction, which records the plan.

    What PostgreSQL would not take back stays, and the table's grade says so.

    Raises:
        ConvoyError: where somebody holds a table for too long.
    """
    tables, said = [], {}
    for table in plan.tables:
        taken, refused = take_away(ledger.connection, table)
        tables.append(taken)
        if refused:
            said[table.read.table] = "; ".join(f"it stays: {each.reason}" for each in refused)
    return replace(plan, tables=tuple(tables), grades=tuple(_with_note(grade, said) for grade in plan.grades))


def _with_note(grade: ObjectGrade, said: dict[str, str]) -> ObjectGrade:
    note = said.get(grade.name) if grade.kind is ObjectKind.TABLE else None
    return grade if note is None else replace(grade, reason=f"{grade.reason}; {note}")


def take_away_again(ledger: SqlAlchemyLedger, job_id: int) -> None:
    """Take away what was put back when a job ended, of its tables that get rows again, in the caller's transaction."""
    for table in read_tables(ledger, job_id):
        if table.plan.set_aside is not None and table.state not in TABLE_ENDS:
            taken, _ = take_away(ledger.connection, table.plan)
            save_plan(ledger, table.id, taken)
    if read_job(ledger, job_id, brief=True).options.undo_log:
        keep_undo(ledger, job_id)


def put_all_back(ledger: SqlAlchemyLedger, job_id: int, outcomes: Outcomes) -> None:
    """Put back what the tables of a job go without, and note what is not as it was; harmless when run twice.

    Raises:
        ConvoyError: where somebody holds a table for too long; it can run again.
    """
    tables = [table for table in read_tables(ledger, job_id) if _goes_without(table)]
    for step in (put_back, validate):  # all keys bind new rows before the first of them is checked
        for table in tables:
            for unlike in step(ledger.connection, table.plan):
                _note(outcomes, table.plan, unlike)
    for table in tables:
        save_plan(ledger, table.id, _back(table.plan))
    stop_keeping_undo(ledger, job_id)


def _goes_without(table: JobTable) -> bool:
    return table.plan.set_aside is not None and table.plan.set_aside.away


def _back(plan: TablePlan) -> TablePlan:
    assert plan.set_aside is not None  # noqa: S101 - narrows the type
    return replace(plan, set_aside=replace(plan.set_aside, away=False))


def _note(outcomes: Outcomes, plan: TablePlan, unlike: Unlike) -> None:
    kind = ObjectKind.FOREIGN_KEY if unlike.is_key else ObjectKind.TRIGGER
    reason = f"left NOT VALID, so that it binds new rows alone: {unlike.reason}" if unlike.is_back else unlike.reason
    grade = Grade.APPROXIMATED if unlike.is_back else Grade.REFUSED
    outcomes.add(GradedAs(kind=kind, name=unlike.name), plan.read.table, Less(grade=grade, reason=reason))


def put_back_if_idle(ledger: SqlAlchemyLedger, job_id: int) -> bool:
    """Put back what the tables of an ended job go without, unless a chunk of it is still written.

    Returns:
        False where somebody still writes: ask again.

    Raises:
        ConvoyError: where somebody holds a table for too long; it can run again.
    """
    job = read_job(ledger, job_id, lock=True)
    if job.state not in JOB_ENDS or not is_suspended(ledger, job_id):
        return True
    if not end_idle_chunks(ledger, job_id):
        return False
    outcomes = Outcomes()
    put_all_back(ledger, job_id, outcomes)
    news = outcomes.news(read_job(ledger, job_id).grades)
    if news:
        add_grades(ledger, job_id, news)
    return True


def put_back_left_over(ledger: SqlAlchemyLedger, schema: str) -> None:
    """Put back what ended jobs left away in a target schema: whoever cancelled them was killed in between.

    Raises:
        OperatorError: where a chunk of such a job is still written.
    """
    for job_id in suspended_jobs(ledger, schema):
        if not put_back_if_idle(ledger, job_id):
            msg = f"job {job_id} was cancelled and still writes a chunk: `producer cancel {job_id}` waits for it"
            raise OperatorError(msg)
