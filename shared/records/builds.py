"""What is built on a loaded table, one key, index or search index each, where each has a task of its own."""

from __future__ import annotations

from dataclasses import dataclass

from shared.records.plan import Grade
from shared.records.source import ObjectKind


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBuild:
    """A build before it is recorded."""

    kind: ObjectKind
    """PRIMARY_KEY, UNIQUE_KEY, INDEX, or VIRTUAL_TABLE for the index of its full-text search."""
    name: str
    """The index's name in the target, which a key's constraint takes over."""
    bytes_expected: int
    """The index's estimated size: the largest is built first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOutcome:
    """What a build came to, as PostgreSQL judged it."""

    there: bool
    """Whether the index is there; False: it is left out, or the table fails."""
    grade: Grade | None = None
    """What the object is less than planned, or None; `reason` says why."""
    reason: str | None = None
    error: str | None = None
    """Why the table fails: its rows violate the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build as an attempt and the table's end need it."""

    id: int
    job_id: int
    table_id: int
    kind: ObjectKind
    name: str
    state: str
    attempt: int
    grade: Grade | None = None
    reason: str | None = None
    error: str | None = None
