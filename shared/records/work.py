"""Jobs, tables and chunks as the ledger knows them, and what attempts and comparisons report."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.records.keys import ChunkRange, Value
from shared.records.load import Load, MaxLoad
from shared.records.plan import JobOptions, ObjectGrade, ObjectPlan, TablePlan
from shared.records.source import SourceVersion, Unreadable


class CopyPath(enum.StrEnum):
    """The path that a chunk's rows took; it stands in the ledger."""

    ARROW_BARE = "arrow_bare"
    """Arrow columns, binary COPY straight into a table that the job made."""
    ARROW_UPSERT = "arrow_upsert"
    """Arrow columns, binary COPY into a temporary table, then INSERT … ON CONFLICT."""
    ARROW_COMPARED = "arrow_compared"
    """Arrow columns of both sides compared first; only rows that differ are written, as by ARROW_UPSERT."""
    ARROW_SPLIT = "arrow_split"
    """Arrow columns for the rows that fit, row by row for the few others, in one transaction."""
    CAREFUL_BARE = "careful_bare"
    """Row by row in Python into a table that the job made; refused rows become rejects."""
    CAREFUL_UPSERT = "careful_upsert"
    """Row by row in Python, INSERT … ON CONFLICT; refused rows become rejects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that the target cannot hold, kept whole with the reason."""

    key: tuple[Value, ...]
    """The chunk key; empty where the table has none."""
    values: tuple[Value, ...]
    """The whole row, in the order of the plan's columns."""
    column: str | None
    """The source column whose value does not fit, or None where the row as a whole was refused."""
    reason: str
    """What PostgreSQL or the conversion said, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTimes:
    """Where a chunk's time went, in seconds of the clock; what ran side by side counts once for each."""

    read_s: float = 0.0
    """Reading the source."""
    convert_s: float = 0.0
    """Bringing values to the target's types."""
    write_s: float = 0.0
    """PostgreSQL taking the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSums:
    """Where the time of several chunks went: sums over those that arrived, in seconds."""

    chunks: int = 0
    """How many of them have times; those of an older version have none."""
    workers: int = 0
    """How many processes copied them."""
    wait_s: float = 0.0
    """From a message's sending until a worker was free for it."""
    read_s: float = 0.0
    convert_s: float = 0.0
    write_s: float = 0.0
    commit_s: float = 0.0
    rest_s: float = 0.0
    """Between claim and commit, and none of the others: connecting, opening the source, the ledger."""
    compare_s: float = 0.0


NO_TIMES: Final = TimeSums()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """What copying one chunk wrote, before it is committed."""

    path: CopyPath
    rows: int
    """Rows now in the target because of this chunk (also those that were there and equal)."""
    rejects: tuple[Reject, ...] = ()
    rejected: int = 0
    """Rejects beside those, which are recorded already."""
    fingerprint: str = ""
    """Digest of the source rows as they were read."""
    times: CopyTimes = CopyTimes()


class MismatchKind(enum.StrEnum):
    """How two sides differ."""

    MISSING = "missing"
    """The source has the row, the target has not."""
    EXTRA = "extra"
    """The target has the row, the source has not."""
    DIFFERENT = "different"
    """Both have the row; one column's values differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One difference that verification found."""

    kind: MismatchKind
    key_columns: tuple[str, ...]
    """Target columns that the key is made of; empty for a table without a key."""
    key: tuple[Value, ...]
    column: str | None = None
    """The target column that differs; None for whole rows."""
    source: str | None = None
    """The source's value in canonical form, for people: at most 200 characters; None is NULL or no row."""
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What comparing one chunk, or one whole table, found."""

    rows: int
    """Source rows that were compared."""
    found: int = 0
    """How many mismatches there are."""
    mismatches: tuple[Mismatch, ...] = ()
    """The first of them, at most 1,000."""
    seconds: float | None = None
    """How long it took; None where nobody looked at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One chunk as an attempt needs it."""

    id: int
    job_id: int
    table_id: int
    number: int
    """1-based within its table, in key order."""
    key_range: ChunkRange
    state: str
    attempt: int
    worker: str | None = None
    """Whose attempt it is, or was last; a requeue numbers attempts anew, so that the number alone does not tell."""
    rows_expected: int = 0
    source_bytes: int = 0
    lost: int = 0
    """How often its worker was lost; an attempt that took as long as a task may counts twice."""
    rows: int | None = None
    fingerprint: str | None = None
    rejects: int = 0
    path: CopyPath | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChunk:
    """A chunk before it is recorded."""

    key_range: ChunkRange
    rows: int
    """Rows expected, for progress and time left."""
    source_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One requested copy of a set of tables."""

    id: int
    state: str
    source_url: str
    """Redacted."""
    snapshot_url: str
    """What workers read: the snapshot, or the source itself with --no-snapshot. Never holds a password."""
    fingerprint: str
    target_schema: str
    options: JobOptions
    grades: tuple[ObjectGrade, ...]
    created_at: datetime
    ended_at: datetime | None = None
    error: str | None = None
    objects: tuple[ObjectPlan, ...] = ()
    """What belongs to no single table, in the order in which it is made."""
    versions: tuple[SourceVersion, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    """With --salvage: what of the source could not be read."""
    max_load: MaxLoad | None = None
    """The load that the operator allows; None: any."""
    in_flight: int | None = None
    """How many chunks may be copied at once now; None: any number."""
    load: Load | None = None
    """As it was last measured; None where nobody measured under these limits."""
    paused_at: datetime | None = None
    """Since when nothing of it begins; None: it is not paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job before it is recorded."""

    source_url: str
    """Redacted when it is recorded, whatever the caller did."""
    snapshot_url: str
    fingerprint: str
    target_schema: str
    options: JobOptions
    grades: tuple[ObjectGrade, ...] = ()
    objects: tuple[ObjectPlan, ...] = ()
    versions: tuple[SourceVersion, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    max_load: MaxLoad | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTable:
    """One table of a job."""

    id: int
    job_id: int
    state: str
    plan: TablePlan
    planned: bool
    """Whether all its chunks are recorded."""
    error: str | None = None
    oid: int | None = None
    """PostgreSQL's number of the table in the target; None in jobs of older versions."""
    settled_xid: int | None = None
    """Of a table that the job made, all of whose rows arrived: younger transactions are others'. None: not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProgress:
    """A table's counts for status, progress and reports."""

    table_id: int
    name: str
    state: str
    planned: bool
    chunks: int
    pending: int
    copying: int
    copied: int
    """Chunks whose rows are in the target, verified ones included."""
    verified: int
    failed: int
    cancelled: int
    rows_expected: int
    rows_copied: int
    rows_verified: int
    rejects: int
    mismatches: int
    bytes_expected: int
    bytes_copied: int
    paths: tuple[str, ...]
    """The copy paths that its chunks took."""
    builds: int = 0
    """Keys and indexes that are tasks of their own; 0 where the table is small."""
    builds_ended: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
