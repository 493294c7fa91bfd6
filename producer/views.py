"""What commands that only look return: plan, jobs, check, rejects, report; ``--json`` is made of the fields' names."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from producer.records import FailureLine, MismatchLine
from producer.times import TimesView
from shared.records.plan import JobOptions, ObjectGrade, TargetColumn
from shared.records.source import SourceVersion, Unreadable
from shared.schema.rules.effects import RuleEffect


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTable:
    """One table of a plan."""

    source: str
    target: str
    """With its schema, unquoted."""
    rows: int
    bytes: int
    """Source bytes, estimated from sampled row widths."""
    chunks: int
    creates: bool
    """False: the table is there already and rows are upserted."""
    load: str
    compare_by: str
    primary_key: tuple[str, ...]
    unique_keys: int
    indexes: int
    foreign_keys: int
    expected_rejects: int
    possible_rejects: int
    """How many more there may be: the profile cannot tell."""
    columns: tuple[TargetColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """What a job would do. JSON of `producer plan`."""

    source: str
    """Redacted."""
    target: str | None
    """Redacted; None: no target was looked at."""
    target_schema: str
    versions: tuple[SourceVersion, ...]
    """What the source says of its schema's version: SQLite's own numbers and the tables of known tools."""
    tables: tuple[PlannedTable, ...]
    rules: tuple[RuleEffect, ...]
    """Every rule of pgconvoy.toml with what it did."""
    grades: tuple[ObjectGrade, ...]
    notes: tuple[str, ...]
    """What the plan could not look at."""
    sql: str
    """The schema as one script for psql."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """One job. JSON of `producer jobs` is a list of these."""

    job: int
    state: str
    source: str
    target_schema: str
    created_at: datetime
    copied_at: datetime | None
    """When its latest rows arrived; None before the first, and for a job without rows."""
    ended_at: datetime | None
    """Its latest end: a later `verify` moves it."""
    tables: int
    rows: int
    error: str | None
    paused_at: datetime | None = None
    """Since when nothing of it begins; None: it is not paused."""


class Outcome(enum.StrEnum):
    """How a check of `producer check` came out."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong, but a person may want to know."""
    WRONG = "wrong"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `producer check`; its JSON is a list of these."""

    what: str
    outcome: Outcome
    text: str
    change: str | None = None
    """The line of postgresql.conf that a finding about a setting of the server asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectLine:
    """One rejected row. JSON of `producer rejects` is a list of these."""

    table: str
    key: tuple[Any, ...]
    """Each value with its storage class, as the ledger keeps it: ``{"integer": "7"}``."""
    column: str | None
    reason: str
    value: Any
    """The value that did not fit, with its storage class; None where the row as a whole was refused."""
    row: dict[str, Any]
    """The whole row: each source column's value with its storage class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """One table in the proof of a copy."""

    source: str
    target: str
    state: str
    rows_source: int
    rows_target: int
    rejects: int
    rows_verified: int
    mismatches: int
    chunks: int
    chunks_by_path: dict[str, int]
    error: str | None
    times: TimesView | None = None
    """Where the time of its chunks went; None where none arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The proof of a copy. JSON of `producer report`."""

    job: int
    state: str
    error: str | None
    source: str
    snapshot: str
    fingerprint: str
    versions: tuple[SourceVersion, ...]
    """What the source says of its schema's version: SQLite's own numbers and the tables of known tools."""
    target_schema: str
    options: JobOptions
    created_at: datetime
    copied_at: datetime | None
    """When its latest rows arrived; None before the first, and for a job without rows."""
    ended_at: datetime | None
    """Its latest end: a later `verify` moves it."""
    seconds: float | None
    """From its beginning until its latest rows arrived, or where it has none, until its end or now."""
    tables: tuple[ReportTable, ...]
    rows_source: int
    rows_target: int
    rejects: int
    rows_verified: int
    presence_only: tuple[str, ...]
    """Tables whose verified rows were compared by their keys alone: with --on-conflict skip, those that were there."""
    mismatches: int
    shown_mismatches: tuple[MismatchLine, ...]
    """The first of them, at most 1,000."""
    failures: tuple[FailureLine, ...]
    """The first failed chunks, at most 1,000."""
    unreadable: tuple[Unreadable, ...]
    """With --salvage: what of the source could not be read."""
    exact_objects: int
    not_exact: tuple[ObjectGrade, ...]
    times: TimesView | None = None
    """Where the time of its chunks went; None where none arrived."""
