"""What every step is made of: a commit, the rule for the next step, and who holds what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from protocolkit.states import Build, Chunk, Ledger, Phase, Rules, State, Worker, World
from shared.ledger.states import BuildState, ChunkState
from shared.ledger.steps import ChunkCounts, Step, next_step

IDLE = Worker()
_HOLDS_CHUNK = frozenset({Phase.HELD, Phase.SPLITTING, Phase.COMPARING})
_HOLDS_TABLE = frozenset({Phase.BUILDING_TABLE, Phase.CHECKING})


class Move(NamedTuple):
    """One step: who takes it, and what comes of it."""

    name: str
    kind: str
    """``step``: somebody does it sooner or later; ``fault`` and ``operator``: nobody may count on it."""
    state: State
    worker: Worker | None = None
    """Whose step it is, as that worker was before; None: not a worker's."""


class Steps:
    """The steps of one world under these rules."""

    def __init__(self, world: World, rules: Rules = Rules()) -> None:  # noqa: B008 - frozen
        self.world = world
        self.rules = rules
        step = 2 if world.splits else 1
        self.planned = tuple(frozenset(range(n * step, (n + 1) * step)) for n in range(world.chunks))

    def start(self) -> State:
        """The job as its producer has recorded it."""
        world = self.world
        chunks: list[Chunk | None] = [Chunk(keys) if world.begins_planned else None for keys in self.planned]
        ledger = Ledger(
            rows=(0,) * sum(map(len, self.planned)),
            chunks=(*chunks, *[None] * (world.slots - world.chunks)),
            recorded=world.chunks if world.begins_planned else 0,
            builds=(None,) * world.builds,
        )
        return State(ledger=ledger, workers=(IDLE,) * world.workers)

    def commit(self, state: State, ledger: Ledger, *, durable: bool = False) -> State:
        """Commit; what did not wait for the disk may be lost again."""
        if ledger == state.ledger:
            return state
        undurable: tuple[Ledger, ...] = ()
        if state.outages < self.world.outages and (self.world.failovers or not durable):
            undurable = (*state.undurable, state.ledger)[-2:]
        return state._replace(ledger=ledger, undurable=undurable)

    def step_of(self, ledger: Ledger) -> Step:
        """What the table needs next, as the ledger's own rule says."""
        chunks = [chunk for _, chunk in recorded(ledger)]
        ends = (BuildState.BUILT, BuildState.FAILED)
        counts = ChunkCounts(
            total=len(chunks),
            unfinished=sum(chunk.state in (ChunkState.PENDING, ChunkState.COPYING) for chunk in chunks),
            failed=sum(chunk.state is ChunkState.FAILED for chunk in chunks),
            cancelled=sum(chunk.state is ChunkState.CANCELLED for chunk in chunks),
            uncompared=sum(map(is_uncompared, chunks)),
            open_builds=sum(build is not None and build.state not in ends for build in ledger.builds),
        )
        return next_step(ledger.table, counts, planned=self.is_planned(ledger))

    def is_planned(self, ledger: Ledger) -> bool:
        """Whether all chunks are recorded."""
        return ledger.recorded == self.world.chunks

    def put_back(self, chunk: Chunk, *, used_up: bool) -> Chunk:
        """A chunk whose attempt is over and came to nothing."""
        return chunk._replace(state=ChunkState.FAILED if used_up else ChunkState.PENDING, sent=False)

    def build_put_back(self, build: Build) -> Build:
        """A build whose attempt is over and came to nothing."""
        used_up = build.attempt >= self.world.attempts
        return build._replace(state=BuildState.FAILED if used_up else BuildState.PENDING, sent=False)


def recorded(ledger: Ledger) -> Iterator[tuple[int, Chunk]]:
    """The chunks that the ledger has, with their numbers."""
    return ((number, chunk) for number, chunk in enumerate(ledger.chunks) if chunk is not None)


def is_uncompared(chunk: Chunk) -> bool:
    """Whether a chunk is copied and waits to be compared."""
    return chunk.state is ChunkState.COPIED and not chunk.compared


def set_chunk(ledger: Ledger, number: int, chunk: Chunk) -> Ledger:
    """Put a chunk in its place."""
    return ledger._replace(chunks=(*ledger.chunks[:number], chunk, *ledger.chunks[number + 1 :]))


def set_build(ledger: Ledger, number: int, build: Build) -> Ledger:
    """Put a build in its place."""
    return ledger._replace(builds=(*ledger.builds[:number], build, *ledger.builds[number + 1 :]))


def become(state: State, before: Worker, after: Worker) -> State:
    """One worker that was `before` is `after` now; workers have no names, so that fewer states differ."""
    workers = list(state.workers)
    workers.remove(before)
    return state._replace(workers=tuple(sorted([*workers, after])))


def holds_chunk(state: State, number: int) -> bool:
    """Whether a transaction holds a chunk's row."""
    return any(worker.phase in _HOLDS_CHUNK and worker.number == number for worker in state.workers)


def holds_table(state: State) -> bool:
    """Whether a transaction holds the table's row."""
    return any(worker.phase in _HOLDS_TABLE for worker in state.workers)


def holds_job(state: State) -> bool:
    """Whether a transaction holds the job's row."""
    return any(worker.phase is Phase.FINISHING for worker in state.workers)
