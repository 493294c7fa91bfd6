"""Jobs and tables in the ledger: recording, moving from state to state, reading."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from shared.errors import OperatorError
from shared.ledger.codec import (
    chunk_of,
    decode_grades,
    encode_grades,
    encode_max_load,
    encode_objects,
    encode_options,
    encode_plan,
    encode_unreadable,
    encode_versions,
    job_of,
    table_of,
)
from shared.ledger.load_rule import FIRST
from shared.ledger.prepared import prepared
from shared.ledger.session import Ledger
from shared.ledger.states import (
    JOB_ENDS,
    TABLE_ENDS,
    ChunkState,
    JobState,
    TableState,
    sources_of,
)
from shared.ledger.tables import chunks, jobs, tables
from shared.records.keys import encode_range
from shared.records.plan import ObjectGrade, TablePlan
from shared.records.work import Chunk, Job, JobTable, NewJob, PlannedChunk
from shared.redact import redact

_START_LOCK: Final = 0x70676376
"""Advisory lock that only one starting producer holds at a time ('pgcv' in ASCII)."""
_ERROR_LENGTH: Final = 2000
_OF_OBJECTS: Final = frozenset({"grades", "objects", "versions", "unreadable"})
_BRIEF: Final = tuple(
    sa.literal_column("'[]'::jsonb", JSONB).label(c.name) if c.name in _OF_OBJECTS else c for c in jobs.c
)
"""A job's columns where nobody asks for what it says of its objects."""
_ROWS_A_STATEMENT: Final = 200
"""Rows that one INSERT records: a round trip is then nothing beside them, and the statement stays under a megabyte."""


def lock_starts(ledger: Ledger) -> None:
    """Let one producer at a time look for running jobs and record its own, until its transaction ends."""
    ledger.run(sa.select(sa.func.pg_advisory_xact_lock(_START_LOCK)))


def refuse_running(ledger: Ledger, plans: Sequence[TablePlan]) -> None:
    """Refuse tables that another job has not ended with.

    Raises:
        OperatorError: names the job, its state and the tables, and what to do.
    """
    wanted = sa.tuple_(tables.c.target_schema, tables.c.target_name).in_([(plan.schema, plan.name) for plan in plans])
    statement = (
        sa.select(jobs.c.id, jobs.c.state, sa.func.array_agg(tables.c.target_name).label("names"))
        .join(tables, tables.c.job_id == jobs.c.id)
        .where(jobs.c.state.not_in(JOB_ENDS), wanted)
        .group_by(jobs.c.id)
        .order_by(jobs.c.id)
    )
    rows = ledger.run(statement)
    if rows:
        job = rows[0]
        names = ", ".join(sorted(job.names)[:5]) + (" …" if len(job.names) > 5 else "")
        msg = (
            f"job {job.id} is {job.state} and copies into the same tables ({names}): wait for it with"
            f" `producer resume {job.id}`, or end it with `producer cancel {job.id}`"
        )
        raise OperatorError(msg)


def record_job(ledger: Ledger, job: NewJob) -> int:
    """Record a job and return its id."""
    statement = (
        sa.insert(jobs)
        .values(
            source_url=redact(job.source_url),
            snapshot_url=job.snapshot_url,
            fingerprint=job.fingerprint,
            target_schema=job.target_schema,
            options=encode_options(job.options),
            grades=encode_grades(job.grades),
            objects=encode_objects(job.objects),
            versions=encode_versions(job.versions),
            unreadable=encode_unreadable(job.unreadable),
            max_load=None if job.max_load is None else encode_max_load(job.max_load),
            in_flight=FIRST if job.max_load is not None and job.max_load.by_number else None,
        )
        .returning(jobs.c.id)
    )
    return int(ledger.run(statement)[0].id)


def record_table(ledger: Ledger, job_id: int, position: int, plan: TablePlan) -> int:
    """Record a table of a job and return its id."""
    statement = sa.insert(tables).values(_table_row(job_id, position, plan)).returning(tables.c.id)
    return int(ledger.run(statement)[0].id)


def record_tables(ledger: Ledger, job_id: int, plans: Sequence[TablePlan]) -> None:
    """Record the tables of a job in the order of enqueueing, many in a statement."""
    rows = [_table_row(job_id, position, plan) for position, plan in enumerate(plans, start=1)]
    for first in range(0, len(rows), _ROWS_A_STATEMENT):
        ledger.run(sa.insert(tables).values(rows[first : first + _ROWS_A_STATEMENT]))


def _table_row(job_id: int, position: int, plan: TablePlan) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "position": position,
        "source_name": plan.read.table,
        "target_schema": plan.swap_into or plan.schema,
        "target_name": plan.name,
        "plan": encode_plan(plan),
        "rows_expected": plan.rows,
        "bytes_expected": int(plan.rows * plan.row_bytes),
    }


def record_chunks(
    ledger: Ledger, job_id: int, table_id: int, first_number: int, planned: Iterable[PlannedChunk]
) -> None:
    """Record chunks, numbered from `first_number`; those recorded by an earlier, interrupted planning stay."""
    _insert_chunks(ledger, [_chunk_row(job_id, table_id, *one) for one in enumerate(planned, first_number)])


def record_whole_tables(ledger: Ledger, job_id: int, planned: Mapping[int, Sequence[PlannedChunk]]) -> None:
    """Record all chunks of several tables, by table id, and that they are planned, in few statements."""
    rows = [
        _chunk_row(job_id, table_id, *one) for table_id, found in planned.items() for one in enumerate(found, start=1)
    ]
    for first in range(0, len(rows), _ROWS_A_STATEMENT):
        _insert_chunks(ledger, rows[first : first + _ROWS_A_STATEMENT])
    ledger.run(sa.update(tables).where(tables.c.id.in_(planned), ~tables.c.planned).values(planned=True))


def _chunk_row(job_id: int, table_id: int, number: int, chunk: PlannedChunk) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "table_id": table_id,
        "number": number,
        "key_range": encode_range(chunk.key_range),
        "rows_expected": chunk.rows,
        "source_bytes": chunk.source_bytes,
    }


def _insert_chunks(ledger: Ledger, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        ledger.run(insert(chunks).values(rows).on_conflict_do_nothing(index_elements=["table_id", "number"]))


def mark_planned(ledger: Ledger, table_id: int) -> None:
    """Say that all chunks of a table are recorded, unless that is said: whoever builds it then is not waited for."""
    ledger.run(sa.update(tables).where(tables.c.id == table_id, ~tables.c.planned).values(planned=True))


def move_job(ledger: Ledger, job_id: int, to: JobState, *, error: str | None = None) -> bool:
    """Move a job if the move is legal from where it is; False where it isn't."""
    statement = (
        sa.update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(sources_of(to)))
        .values(
            state=to,
            ended_at=sa.func.clock_timestamp() if to in JOB_ENDS else None,
            finish_sent_at=None,
            paused_at=None if to in JOB_ENDS else jobs.c.paused_at,
            error=None if error is None else error[:_ERROR_LENGTH],
        )
        .returning(jobs.c.id)
    )
    return bool(ledger.run(statement))


def move_table(ledger: Ledger, table_id: int, to: TableState, *, error: str | None = None, begun: int = 0) -> bool:
    """Move a table if the move is legal from where it is; False where it isn't.

    Args:
        ledger: A transaction.
        table_id: The table.
        to: Where to.
        error: Why, in one sentence, where it failed.
        begun: 1 where the move is the beginning of a step (see `begin_step`).
    """
    return bool(ledger.run(_move_table(table_id, to, None if error is None else error[:_ERROR_LENGTH], begun)))


@prepared
def _move_table(table_id: int, to: TableState, error: str | None, begun: int) -> sa.Update:
    return (
        sa.update(tables)
        .where(tables.c.id == table_id, tables.c.state.in_(sources_of(to)))
        .values(
            state=to,
            started_at=sa.func.coalesce(tables.c.started_at, sa.func.clock_timestamp()),
            ended_at=sa.func.clock_timestamp() if to in TABLE_ENDS else None,
            finish_sent_at=None,
            step_begun=begun,
            error=error,
        )
        .returning(tables.c.id)
    )


def cancel_job(ledger: Ledger, job_id: int) -> bool:
    """End a job: what runs ends its chunk, what waits is cancelled; False where the job had ended already."""
    if not move_job(ledger, job_id, JobState.CANCELLED):
        return False
    pending = sa.and_(chunks.c.job_id == job_id, chunks.c.state == ChunkState.PENDING)
    ledger.run(sa.update(chunks).where(pending).values(state=ChunkState.CANCELLED, enqueued_at=None, not_before=None))
    for table in read_tables(ledger, job_id):
        move_table(ledger, table.id, TableState.CANCELLED)
    return True


def requeue_chunks(
    ledger: Ledger, job_id: int, *, table: str | None = None, number: int | None = None, cancelled: bool = False
) -> int:
    """Put failed (and, if asked, cancelled) chunks back with a new count of attempts; returns how many.

    Waits for a job that is being ended: it would not see that its tables are open again.
    """
    hold_job(ledger, job_id)
    states = [ChunkState.FAILED, ChunkState.CANCELLED] if cancelled else [ChunkState.FAILED]
    where = [chunks.c.job_id == job_id, chunks.c.state.in_(states), chunks.c.table_id == tables.c.id]
    if table is not None:
        where.append(sa.or_(tables.c.source_name == table, tables.c.target_name == table))
    if number is not None:
        where.append(chunks.c.number == number)
    statement = (
        sa.update(chunks)
        .where(*where)
        .values(state=ChunkState.PENDING, attempt=0, lost=0, enqueued_at=None, not_before=None, error=None)
        .returning(chunks.c.id)
    )
    return len(ledger.run(statement))


def reopen_tables(ledger: Ledger, job_id: int) -> int:
    """Move ended tables back to where they still have something to do; returns how many.

    A table with pending chunks copies again. A table that failed although none of its chunks did (a key could
    not be built, a comparison failed) is built or compared again.
    """
    reopened = 0
    for table in read_tables(ledger, job_id):
        if table.state not in (TableState.FAILED, TableState.CANCELLED):
            continue
        # No other chunks: what a worker holds would be waited for, and that worker may wait for the job.
        tried = (chunks.c.table_id == table.id, chunks.c.state == ChunkState.COPIED, chunks.c.compare_failures > 0)
        reset = sa.update(chunks).where(*tried).values(compare_failures=0, not_before=None)
        ledger.run(reset)
        reopened += move_table(ledger, table.id, TableState.COPYING)
    return reopened


def reset_comparisons(ledger: Ledger, job_id: int) -> int:
    """Take back every `verified` of a job's copied tables, so that all is compared again; returns the tables.

    A table that had failed or was cancelled may be without its keys: it is built first, which makes what is missing.
    """
    hold_job(ledger, job_id)
    compared = sa.and_(
        chunks.c.job_id == job_id,
        chunks.c.state.in_([ChunkState.COPIED, ChunkState.VERIFIED]),
        chunks.c.table_id == tables.c.id,
        tables.c.state.in_(TABLE_ENDS),
    )
    ledger.run(
        sa.update(chunks)
        .where(compared)
        .values(
            state=ChunkState.COPIED,
            compared_at=None,
            compare_sent_at=None,
            mismatches=0,
            compare_failures=0,
            not_before=None,
            error=None,
        )
    )
    whole = [table for table in read_tables(ledger, job_id) if table.planned and not _has_unfinished(ledger, table.id)]
    return sum(reopen_for_comparison(ledger, table.id) for table in whole)


def reopen_for_comparison(ledger: Ledger, table_id: int) -> bool:
    """Let a table whose rows are all there be compared again, after its keys are built where they may be missing."""
    return move_table(ledger, table_id, TableState.VERIFYING) or move_table(ledger, table_id, TableState.COPYING)


def hold_job(ledger: Ledger, job_id: int) -> None:
    """Hold a job's row until the transaction ends, so that nobody ends the job meanwhile."""
    ledger.run(sa.select(jobs.c.id).where(jobs.c.id == job_id).with_for_update(key_share=True))


def _has_unfinished(ledger: Ledger, table_id: int) -> bool:
    unfinished = chunks.c.state.not_in([ChunkState.COPIED, ChunkState.VERIFIED])
    return bool(ledger.run(sa.select(chunks.c.id).where(chunks.c.table_id == table_id, unfinished).limit(1)))


def read_job(ledger: Ledger, job_id: int | None = None, *, lock: bool = False, brief: bool = False) -> Job:
    """Read a job, or the latest one.

    Args:
        ledger: A transaction.
        job_id: None: the latest one.
        lock: Hold its row until the transaction ends.
        brief: Without what it says of its objects (grades, objects, versions, unreadable): of a thousand tables that
            is a megabyte, and who looks after one chunk asks for none of it.

    Raises:
        OperatorError: where there is no such job.
    """
    rows = ledger.run(_latest_job(brief=brief, lock=lock) if job_id is None else _job(job_id, brief=brief, lock=lock))
    if not rows:
        finding = "there is no job yet" if job_id is None else f"there is no job {job_id}"
        msg = f"{finding} in this target's ledger: `producer jobs` lists them"
        raise OperatorError(msg)
    return job_of(rows[0])


@prepared
def _latest_job(*, brief: bool, lock: bool) -> sa.Select[Any]:
    statement = sa.select(*(_BRIEF if brief else jobs.c)).order_by(jobs.c.id.desc()).limit(1)
    return statement.with_for_update(key_share=True) if lock else statement


@prepared
def _job(job_id: int, *, brief: bool, lock: bool) -> sa.Select[Any]:
    statement = sa.select(*(_BRIEF if brief else jobs.c)).where(jobs.c.id == job_id)
    return statement.with_for_update(key_share=True) if lock else statement


def grades_of(
    ledger: Ledger, job_id: int, names: Collection[str], of_tables: Collection[str] | None
) -> tuple[ObjectGrade, ...]:
    """What a job says of the objects of these names, whatever their kinds.

    Args:
        ledger: A transaction.
        job_id: The job.
        names: `(id)` is the name of many a table's key.
        of_tables: Source tables; None: any, and objects of no table.
    """
    each = sa.func.jsonb_array_elements(jobs.c.grades).table_valued(sa.column("value", JSONB))
    wanted = [jobs.c.id == job_id, each.c.value["name"].astext.in_(names)]
    if of_tables is not None:
        wanted.append(each.c.value["table"].astext.in_(of_tables))
    statement = sa.select(each.c.value).select_from(jobs.join(each, sa.true())).where(*wanted)
    return decode_grades([row[0] for row in ledger.run(statement)])


def read_jobs(ledger: Ledger) -> tuple[Job, ...]:
    """Read all jobs, latest first."""
    return tuple(job_of(row) for row in ledger.run(sa.select(jobs).order_by(jobs.c.id.desc())))


def running_jobs(ledger: Ledger) -> tuple[int, ...]:
    """The ids of jobs that have not ended."""
    statement = sa.select(jobs.c.id).where(jobs.c.state.not_in(JOB_ENDS)).order_by(jobs.c.id)
    return tuple(row.id for row in ledger.run(statement))


def read_tables(ledger: Ledger, job_id: int) -> tuple[JobTable, ...]:
    """Read the tables of a job, in the order of enqueueing."""
    rows = ledger.run(sa.select(tables).where(tables.c.job_id == job_id).order_by(tables.c.position))
    return tuple(table_of(row) for row in rows)


def read_table(ledger: Ledger, table_id: int, *, lock: bool = False, skip_locked: bool = False) -> JobTable | None:
    """Read one table; with `skip_locked`, None where somebody holds it."""
    rows = ledger.run(_table(table_id, lock=lock, skip_locked=skip_locked))
    return table_of(rows[0]) if rows else None


@prepared
def _table(table_id: int, *, lock: bool, skip_locked: bool) -> sa.Select[Any]:
    statement = sa.select(tables).where(tables.c.id == table_id)
    return statement.with_for_update(skip_locked=skip_locked, key_share=True) if lock else statement


def read_job_and_table(ledger: Ledger, table_id: int) -> tuple[Job, JobTable]:
    """Read a table that is known to be there, and its job, which is read `brief`ly."""
    row = ledger.run(_job_and_table(table_id))[0]
    job = dict(zip(jobs.c.keys(), row[len(tables.c) :], strict=True))
    return job_of(SimpleNamespace(**job)), table_of(row)


@prepared
def _job_and_table(table_id: int) -> sa.Select[Any]:
    of_job = [column.label(f"of_job_{column.name}") for column in _BRIEF]
    return sa.select(*tables.c, *of_job).join(jobs, jobs.c.id == tables.c.job_id).where(tables.c.id == table_id)


def read_chunks(ledger: Ledger, table_id: int) -> tuple[Chunk, ...]:
    """Read the chunks of a table, in key order."""
    rows = ledger.run(sa.select(chunks).where(chunks.c.table_id == table_id).order_by(chunks.c.number))
    return tuple(chunk_of(row) for row in rows)


def save_plan(ledger: Ledger, table_id: int, plan: TablePlan) -> None:
    """Replace a table's plan, where building it showed that it cannot be what was planned."""
    ledger.run(sa.update(tables).where(tables.c.id == table_id).values(plan=encode_plan(plan)))


def add_grades(ledger: Ledger, job_id: int, grades: Sequence[ObjectGrade]) -> None:
    """Say what became of objects while the job ran; what was said of the same object before is replaced."""
    job = ledger.run(sa.select(jobs).where(jobs.c.id == job_id).with_for_update(key_share=True))[0]
    news = {(grade.kind, grade.name, grade.table) for grade in grades}
    kept = [grade for grade in job_of(job).grades if (grade.kind, grade.name, grade.table) not in news]
    ledger.run(sa.update(jobs).where(jobs.c.id == job_id).values(grades=encode_grades([*kept, *grades])))
