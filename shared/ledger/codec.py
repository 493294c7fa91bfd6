"""Records of the ledger as JSON and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from shared.records.keys import decode_range, decode_value
from shared.records.load import Load, MaxLoad
from shared.records.plan import JobOptions, ObjectGrade, ObjectPlan, TablePlan
from shared.records.source import SourceVersion, Unreadable
from shared.records.work import Chunk, CopyPath, Job, JobTable, Mismatch, MismatchKind, Reject

_PLAN: Final = TypeAdapter(TablePlan)
_OPTIONS: Final = TypeAdapter(JobOptions)
_GRADES: Final = TypeAdapter(tuple[ObjectGrade, ...])
_OBJECTS: Final = TypeAdapter(tuple[ObjectPlan, ...])
_VERSIONS: Final = TypeAdapter(tuple[SourceVersion, ...])
_UNREADABLE: Final = TypeAdapter(tuple[Unreadable, ...])
_MAX_LOAD: Final = TypeAdapter(MaxLoad)
_LOAD: Final = TypeAdapter(Load)


def encode_plan(plan: TablePlan) -> Any:
    """Render a table's plan as JSON."""
    return _PLAN.dump_python(plan, mode="json")


def encode_options(options: JobOptions) -> Any:
    """Render a job's options as JSON."""
    return _OPTIONS.dump_python(options, mode="json")


def encode_grades(grades: Sequence[ObjectGrade]) -> Any:
    """Render grades as JSON."""
    return _GRADES.dump_python(tuple(grades), mode="json")


def decode_grades(document: Any) -> tuple[ObjectGrade, ...]:
    """Read grades."""
    return _GRADES.validate_python(document)


def encode_objects(objects: Sequence[ObjectPlan]) -> Any:
    """Render the objects of a job as JSON."""
    return _OBJECTS.dump_python(tuple(objects), mode="json")


def decode_objects(document: Any) -> tuple[ObjectPlan, ...]:
    """Read the objects of a job."""
    return _OBJECTS.validate_python(document)


def encode_versions(versions: Sequence[SourceVersion]) -> Any:
    """Render a source's versions as JSON."""
    return _VERSIONS.dump_python(tuple(versions), mode="json")


def encode_unreadable(unreadable: Sequence[Unreadable]) -> Any:
    """Render what could not be read as JSON."""
    return _UNREADABLE.dump_python(tuple(unreadable), mode="json")


def encode_max_load(limits: MaxLoad) -> Any:
    """Render the load that a job may make as JSON."""
    return _MAX_LOAD.dump_python(limits, mode="json")


def decode_max_load(document: Any) -> MaxLoad:
    """Read the load that a job may make."""
    return _MAX_LOAD.validate_python(document)


def encode_load(load: Load) -> Any:
    """Render a measured load as JSON."""
    return _LOAD.dump_python(load, mode="json")


def chunk_of(row: Any) -> Chunk:
    """Read a row of `chunks`."""
    return Chunk(
        id=row.id,
        job_id=row.job_id,
        table_id=row.table_id,
        number=row.number,
        key_range=decode_range(row.key_range),
        state=row.state,
        attempt=row.attempt,
        worker=row.worker,
        rows_expected=row.rows_expected,
        source_bytes=row.source_bytes,
        lost=row.lost,
        rows=row.rows,
        fingerprint=row.fingerprint,
        rejects=row.rejects,
        path=None if row.path is None else CopyPath(row.path),
        error=row.error,
    )


def table_of(row: Any) -> JobTable:
    """Read a row of `tables`."""
    return JobTable(
        id=row.id,
        job_id=row.job_id,
        state=row.state,
        plan=_PLAN.validate_python(row.plan),
        planned=row.planned,
        error=row.error,
        oid=row.oid,
        settled_xid=row.settled_xid,
    )


def job_of(row: Any) -> Job:
    """Read a row of `jobs`."""
    return Job(
        id=row.id,
        state=row.state,
        source_url=row.source_url,
        snapshot_url=row.snapshot_url,
        fingerprint=row.fingerprint,
        target_schema=row.target_schema,
        options=_OPTIONS.validate_python(row.options),
        grades=decode_grades(row.grades),
        created_at=row.created_at,
        ended_at=row.ended_at,
        error=row.error,
        objects=decode_objects(row.objects),
        versions=_VERSIONS.validate_python(row.versions),
        unreadable=_UNREADABLE.validate_python(row.unreadable),
        max_load=None if row.max_load is None else decode_max_load(row.max_load),
        in_flight=row.in_flight,
        load=None if row.load is None else _LOAD.validate_python(row.load),
        paused_at=row.paused_at,
    )


def reject_of(row: Any) -> Reject:
    """Read a row of `rejects`."""
    return Reject(
        key=tuple(decode_value(part) for part in row.key),
        values=tuple(decode_value(value) for _, value in row.row),
        column=row.column_name,
        reason=row.reason,
    )


def mismatch_of(row: Any) -> Mismatch:
    """Read a row of `mismatches`."""
    return Mismatch(
        kind=MismatchKind(row.kind),
        key_columns=tuple(row.key_columns),
        key=tuple(decode_value(value) for value in row.key),
        column=row.column_name,
        source=row.source_value,
        target=row.target_value,
    )
