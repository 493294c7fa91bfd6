"""What the model remembers: the ledger, the rows in the target, what waits in the queue, and where each worker is.

All of it is frozen, small, and without clocks: whatever may happen later in time may happen at once here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from shared.ledger.states import BuildState, ChunkState, JobState, TableState


class Chunk(NamedTuple):
    """A chunk of the ledger; its place in `Ledger.chunks` is its number."""

    keys: frozenset[int]
    """The rows that it stands for."""
    state: ChunkState = ChunkState.PENDING
    attempt: int = 0
    sent: bool = False
    compared: bool = False
    compare_sent: bool = False
    claim: int = 0
    """Stands for the worker's name: tells an attempt from its namesake before a requeue, or in a lost second."""


class Build(NamedTuple):
    """A key or index that is built as a task of its own."""

    state: BuildState = BuildState.PENDING
    attempt: int = 0
    sent: bool = False


class Ledger(NamedTuple):
    """What is committed in the target: the ledger of a job with one table, and the table's rows."""

    rows: tuple[int, ...]
    """How often each row is there."""
    chunks: tuple[Chunk | None, ...]
    """None: not planned, or not yet needed for a part."""
    recorded: int = 0
    """How many of the planned chunks planning has come to; all of them: the table is planned."""
    table: TableState = TableState.PENDING
    table_sent: bool = False
    built: bool = False
    """The table has its keys and indexes."""
    builds: tuple[Build | None, ...] = ()
    """None: not recorded."""
    job: JobState = JobState.COPYING
    job_sent: bool = False
    paused: bool = False
    opened: int = 0
    """How often an operator opened the job again; the model's own, to bound it."""


class Phase(enum.IntEnum):
    """Between which two steps a worker is."""

    IDLE = 0
    CLAIMED = 1
    """Its claim of a chunk is committed; nothing is held yet."""
    HELD = 2
    """A transaction holds the chunk's row, and writes."""
    FAILING = 3
    """That transaction is gone, which is yet to be recorded."""
    SPLITTING = 4
    """A transaction holds the chunk's row, and walks its keys."""
    COMPARING = 5
    """A transaction holds a copied chunk's row, and compares."""
    TO_BUILD = 6
    """The table's next step was asked for: build. Nothing is held yet."""
    BUILDING_TABLE = 7
    """A transaction holds the table's row, and builds."""
    TO_CHECK = 8
    """The table's next step was asked for: check. Nothing is held yet."""
    CHECKING = 9
    """A transaction holds the table's row, and looks at it as a whole."""
    BUILD_CLAIMED = 10
    BUILD_HELD = 11
    FINISHING = 12
    """A transaction holds the job's row, and has seen that its tables have ended."""
    HALF_COMMITTED = 13
    """Rows are committed and their word is not: no worker of ours is ever here."""


class Worker(NamedTuple):
    """A worker process; one that dies is replaced by an idle one, and its transaction is rolled back."""

    phase: Phase = Phase.IDLE
    number: int = 0
    """Of the chunk, or the build, that it is at."""
    attempt: int = 0
    claim: int = 0


class Task(NamedTuple):
    """A message in the queue."""

    name: str
    number: int = 0


class State(NamedTuple):
    """Everything."""

    ledger: Ledger
    workers: tuple[Worker, ...]
    queue: frozenset[Task] = frozenset()
    undurable: tuple[Ledger, ...] = ()
    """What a crash of PostgreSQL may go back to: the ledger before each commit that did not wait for the disk."""
    outages: int = 0
    """How many there were; the model's own, to bound them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How large the model is and what may happen in it."""

    chunks: int = 2
    """That planning cuts; each stands for one row, and for two where chunks are split."""
    slots: int = 2
    """Chunks that the ledger may have, parts of split ones among them."""
    begins_planned: bool = True
    workers: int = 2
    attempts: int = 2
    builds: int = 0
    verifies: bool = True
    splits: bool = False
    queue: bool = False
    """Messages are sent, lost and forgotten as they are. False: any message may come at any time, doubled, late,
    forged, which says more of what must never be, and less of whether all comes to its end."""
    crashes: bool = True
    """Workers die between any two steps."""
    failures: bool = True
    """Copying, and building, may fail."""
    differences: bool = False
    """A comparison may find a difference."""
    outages: int = 0
    """How often PostgreSQL dies and comes back without the commits that did not wait for the disk."""
    failovers: bool = False
    """It comes back as another server that lacks the last commits, whether they waited for the disk or not."""
    operator: frozenset[str] = frozenset()
    """Of cancel, resume, requeue, verify, pause."""
    openings: int = 1
    """How often the operator opens a job again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The protocol's rules; a test breaks one at a time, and the model must notice."""

    claim_asks_state: bool = True
    claim_asks_job: bool = True
    claim_asks_pause: bool = True
    hold_asks_attempt: bool = True
    hold_asks_worker: bool = True
    rescue_asks_lock: bool = True
    rescue_runs: bool = True
    commit_is_one: bool = True
    """Rows and word in one transaction."""
    ledger_in_target: bool = True
    """Rows and word are lost together or not at all."""
    failure_asks_attempt: bool = True
    lost_messages_are_forgotten: bool = True
    split_holds: bool = True
    split_waits_for_planning: bool = True
    planning_asks_job: bool = True
    check_asks_again: bool = True
    finish_asks_tables: bool = True
    finish_counts_cancelled: bool = True
    reopening_holds_job: bool = True
    verify_builds_first: bool = True
