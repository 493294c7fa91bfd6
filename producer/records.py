"""Where a job is and how it ended, as commands return it; the keys of ``--json`` are the fields' names and stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from producer.times import TimesView
from shared.errors import ConvoyError, ExitCode
from shared.ledger.states import JOB_ENDS, JobState
from shared.records.load import Load, MaxLoad
from shared.records.plan import ObjectGrade
from shared.records.work import MismatchKind

_EXIT_CODES = {JobState.COMPLETED: ExitCode.DONE}


class JobInterruptedError(ConvoyError):
    """The operator (or SIGTERM) interrupted the command; the text says what becomes of the job."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLine:
    """One table of a job: where it is and how fast it goes."""

    name: str
    """The source table."""
    state: str
    planned: bool
    """Whether all its chunks are known."""
    chunks: int
    copied: int
    """Chunks whose rows are in the target, verified ones included."""
    verified: int
    failed: int
    rows: int
    """Rows that arrived."""
    rows_expected: int
    rows_verified: int
    bytes: int
    """Source bytes of the chunks that arrived."""
    bytes_expected: int
    bytes_per_s: float | None
    """While it copied; None before its first chunk arrived."""
    seconds_left: float | None
    """Until its rows are there; None where nothing can be said."""
    rejects: int
    mismatches: int
    paths: tuple[str, ...]
    """The copy paths that its chunks took."""
    builds: int
    """Keys and indexes that are built as tasks of their own; 0 where the table is small."""
    builds_ended: int
    error: str | None
    times: TimesView | None = None
    """Where the time of its chunks went; None before the first arrived, and while somebody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """What holds a job back. `throttle` in the JSON of `producer status` and `producer throttle`."""

    max_load: MaxLoad
    in_flight: int | None
    """How many chunks may be copied at once now; None: any number that the limit of bytes lets begin."""
    load: Load | None
    """As it was last measured; None before anybody did."""
    said: str
    """The same in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """A job at one moment. JSON of `producer status`."""

    job: int
    state: str
    error: str | None
    rows: int
    rows_expected: int
    bytes: int
    bytes_expected: int
    chunks: int
    chunks_done: int
    """Chunks that have ended: copied, verified, failed or cancelled."""
    failed: int
    """Chunks."""
    rejects: int
    mismatches: int
    done: float
    """Share of the whole work that is over, verification included: 0 to 1; an ended table has no work left."""
    rows_per_s: float | None
    bytes_per_s: float | None
    """Of the last seconds where somebody watches, else since the job began."""
    seconds_left: float | None
    elapsed_s: float
    """Since the job was recorded, until its end or now."""
    created_at: datetime
    ended_at: datetime | None
    tables: tuple[TableLine, ...]
    times: TimesView | None = None
    """Where the time of its chunks went; None before the first arrived, and while somebody watches."""
    throttle: Throttle | None = None
    """What holds the job back; None: nothing does."""
    paused_at: datetime | None = None
    """Since when nothing of it begins; None: it is not paused."""
    cancelled: int = 0
    """Chunks that were never begun, since the job was cancelled."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in JOB_ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureLine:
    """A chunk that failed for good."""

    table: str
    chunk: int
    key_range: str
    attempts: int
    error: str
    source_changed: bool
    """Whether it failed since the source is another than the job was planned from: requeueing cannot mend that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchLine:
    """One difference between source and target."""

    table: str
    kind: MismatchKind
    key: str
    """As people read it: ``id = 7``; empty for a table without a key."""
    column: str | None
    source: str | None
    target: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """How a job ended. JSON of `producer start`, `resume`, `verify` and `requeue` where they wait."""

    exit_code: ExitCode
    progress: JobProgress
    target: str
    """Where the rows are: the target's URL, redacted."""
    connect: str | None
    """A psql command for them, where the target is the embedded server; else None."""
    stop: str | None
    """A shell command that stops the embedded server; its data stays."""
    verified: bool
    """Whether every chunk was compared and found equal: false with --no-verify and --schema-only."""
    presence_only: tuple[str, ...]
    """Tables of which the presence of each key was compared and no other value: with --on-conflict skip, those that
    were there before."""
    failures: tuple[FailureLine, ...]
    """The first failed chunks, at most 1,000; `progress.failed` counts them all."""
    mismatches: tuple[MismatchLine, ...]
    """The first mismatches, at most 20; `progress.mismatches` counts them all."""
    not_exact: tuple[ObjectGrade, ...]
    """Objects of the source's schema that are approximated or refused."""
    seconds: float | None = None
    """How long this command worked at the job; None where the job had ended before."""
    skipped: tuple[str, ...] = ()
    """Tables that `verify` left out, since not all their rows are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """A job that goes on without this command. JSON of ``--detach`` and of `requeue` with a broker."""

    job: int
    pid: int | None
    """The process that runs the local fleet; None where workers of a broker do the job."""
    log: str | None
    target: str
    """Where the rows go: the target's URL, redacted."""
    requeued: int = 0
    """Chunks that were put back, for `requeue`."""
    exit_code: ExitCode = ExitCode.DONE


class Listener(Protocol):
    """Who is told what happens while a command works."""

    def say(self, text: str) -> None:
        """Tell a step of the story."""

    def warn(self, text: str) -> None:
        """Tell what a person should look at; the command goes on."""

    def show(self, progress: JobProgress) -> None:
        """Show where the job is; called about twice a second."""


def exit_code_of(state: str) -> ExitCode:
    """How a command ends that waited for a job which ended in `state`."""
    return _EXIT_CODES.get(JobState(state), ExitCode.INCOMPLETE)
