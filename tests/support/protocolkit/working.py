"""How a worker goes on with what it has begun."""

from __future__ import annotations

from collections.abc import Iterator

from protocolkit.base import (
    IDLE,
    Move,
    Steps,
    become,
    holds_chunk,
    holds_job,
    holds_table,
    is_uncompared,
    recorded,
    set_build,
    set_chunk,
)
from protocolkit.states import Build, Chunk, Phase, State, Worker
from shared.ledger.states import JOB_ENDS, BuildState, ChunkState, JobState, TableState
from shared.ledger.steps import Step


class Working(Steps):
    """Tasks as they go on."""

    def _work(self, state: State, worker: Worker) -> Iterator[Move]:  # noqa: PLR0912, C901 - one line a phase
        match worker.phase:
            case Phase.CLAIMED:
                yield Move("hold", "step", self._hold(state, worker, Phase.HELD))
                if self.world.splits:
                    yield Move("hold to split", "step", self._hold(state, worker, Phase.SPLITTING))
                if self.world.failures:
                    failing = worker._replace(phase=Phase.FAILING)
                    yield Move("the source is away", "fault", become(state, worker, failing))
            case Phase.HELD:
                yield Move("commit rows and word", "step", self._finish(state, worker))
                if self.world.failures:
                    failing = worker._replace(phase=Phase.FAILING)
                    yield Move("copying fails", "fault", become(state, worker, failing))
            case Phase.HALF_COMMITTED:
                yield Move("commit the word", "step", become(self._say_copied(state, worker), worker, IDLE))
            case Phase.FAILING:
                yield from self._record_failure(state, worker)
            case Phase.SPLITTING:
                yield from self._split(state, worker)
            case Phase.COMPARING:
                yield from self._compared(state, worker)
            case Phase.TO_BUILD:
                yield Move("hold the table", "step", self._hold_table(state, worker, TableState.BUILDING))
            case Phase.BUILDING_TABLE:
                yield from self._built(state, worker)
            case Phase.TO_CHECK:
                yield Move("hold the table", "step", self._hold_table(state, worker, TableState.VERIFYING))
            case Phase.CHECKING:
                yield Move("check the table", "step", self._checked(state, worker))
            case Phase.BUILD_CLAIMED:
                yield Move("hold the build", "step", self._hold_build(state, worker))
            case Phase.BUILD_HELD:
                yield from self._index(state, worker)
            case Phase.FINISHING:
                yield Move("end the job", "step", self._finished(state, worker))

    def _is_current(self, chunk: Chunk | None, worker: Worker, *, asks: bool) -> bool:
        if chunk is None or not asks:
            return chunk is not None
        same = chunk.claim == worker.claim or not self.rules.hold_asks_worker
        return chunk.state is ChunkState.COPYING and chunk.attempt == worker.attempt and same

    def _hold(self, state: State, worker: Worker, phase: Phase) -> State:
        asks = self.rules.hold_asks_attempt and (phase is Phase.HELD or self.rules.split_holds)
        held = asks and holds_chunk(state, worker.number)
        if held or not self._is_current(state.ledger.chunks[worker.number], worker, asks=asks):
            return become(state, worker, IDLE)
        return become(state, worker, worker._replace(phase=phase))

    def _finish(self, state: State, worker: Worker) -> State:
        chunk = state.ledger.chunks[worker.number]
        if chunk is None:
            return become(state, worker, IDLE)
        rows = tuple(count + (key in chunk.keys) for key, count in enumerate(state.ledger.rows))
        written = state._replace(ledger=state.ledger._replace(rows=rows))
        if not self.rules.commit_is_one:
            after = self.commit(state, written.ledger)
            return become(after, worker, worker._replace(phase=Phase.HALF_COMMITTED))
        said = self._say_copied(written, worker)
        return become(self.commit(state, said.ledger), worker, IDLE)

    def _say_copied(self, state: State, worker: Worker) -> State:
        chunk = state.ledger.chunks[worker.number]
        if chunk is None or not self._is_current(chunk, worker, asks=True):
            return state
        said = chunk._replace(state=ChunkState.COPIED, compared=False, compare_sent=False)
        return self.commit(state, set_chunk(state.ledger, worker.number, said))

    def _record_failure(self, state: State, worker: Worker) -> Iterator[Move]:
        chunk = state.ledger.chunks[worker.number]
        if chunk is None or not self._is_current(chunk, worker, asks=self.rules.failure_asks_attempt):
            yield Move("overtaken", "step", become(state, worker, IDLE))
        elif not holds_chunk(state, worker.number):  # else the update waits
            ends = {worker.attempt >= self.world.attempts, True}
            for used_up in ends:
                put_back = set_chunk(state.ledger, worker.number, self.put_back(chunk, used_up=used_up))
                name = "fail for good" if used_up else "put back"
                yield Move(name, "step", become(self.commit(state, put_back), worker, IDLE))

    def _split(self, state: State, worker: Worker) -> Iterator[Move]:
        ledger = state.ledger
        chunk = ledger.chunks[worker.number]
        whole = become(state, worker, worker._replace(phase=Phase.CLAIMED))
        last = max((number for number, _ in recorded(ledger)), default=0)
        may = self.is_planned(ledger) or not self.rules.split_waits_for_planning
        if not self._is_current(chunk, worker, asks=self.rules.split_holds) or ledger.job in JOB_ENDS or not may:
            yield Move("it stays whole", "step", whole)
        elif chunk is not None and len(chunk.keys) > 1 and last + 1 < self.world.slots and not holds_job(state):
            keys = sorted(chunk.keys)
            ledger = set_chunk(ledger, worker.number, Chunk(frozenset(keys[:1])))
            ledger = set_chunk(ledger, last + 1, Chunk(frozenset(keys[1:])))
            yield Move("split", "step", become(self.commit(state, ledger), worker, IDLE))
        else:
            yield Move("it stays whole", "step", whole)

    def _compared(self, state: State, worker: Worker) -> Iterator[Move]:
        chunk = state.ledger.chunks[worker.number]
        for differs in {False, self.world.differences}:
            if chunk is None or not is_uncompared(chunk):
                yield Move("nothing to compare", "step", become(state, worker, IDLE))
                continue
            verdict = ChunkState.COPIED if differs else ChunkState.VERIFIED
            said = set_chunk(state.ledger, worker.number, chunk._replace(state=verdict, compared=True))
            name = "a difference" if differs else "verified"
            yield Move(name, "fault" if differs else "step", become(self.commit(state, said), worker, IDLE))

    def _hold_table(self, state: State, worker: Worker, wanted: TableState) -> State:
        may = state.ledger.table is wanted and not holds_table(state)
        if wanted is TableState.VERIFYING and self.rules.check_asks_again:
            may = may and self.step_of(state.ledger) is Step.CHECK
        phase = Phase.BUILDING_TABLE if wanted is TableState.BUILDING else Phase.CHECKING
        return become(state, worker, Worker(phase) if may else IDLE)

    def _built(self, state: State, worker: Worker) -> Iterator[Move]:
        ledger = state.ledger
        if any(
            build is not None and build.state in (BuildState.PENDING, BuildState.BUILDING) for build in ledger.builds
        ):
            yield Move("builds are open", "step", become(state, worker, IDLE))
            return
        if None in ledger.builds:
            made = tuple(Build() if build is None else build for build in ledger.builds)
            yield Move("record builds", "step", become(self.commit(state, ledger._replace(builds=made)), worker, IDLE))
            return
        ways = {any(build is not None and build.state is BuildState.FAILED for build in ledger.builds)}
        for fails in ways | {self.world.failures}:
            after = TableState.VERIFYING if self.world.verifies else TableState.COMPLETED
            news = ledger._replace(table=TableState.FAILED if fails else after, table_sent=False, built=not fails)
            name, kind = ("a key is violated", "fault" if ways != {True} else "step") if fails else ("built", "step")
            yield Move(name, kind, become(self.commit(state, news), worker, IDLE))
            if ways == {True}:
                return

    def _checked(self, state: State, worker: Worker) -> State:
        ledger = state.ledger
        differs = any(chunk.state is ChunkState.COPIED and chunk.compared for _, chunk in recorded(ledger))
        differs = differs or sum(ledger.rows) != len(ledger.rows)  # counted on both sides
        table = TableState.FAILED if differs else TableState.COMPLETED
        return become(self.commit(state, ledger._replace(table=table, table_sent=False)), worker, IDLE)

    def _hold_build(self, state: State, worker: Worker) -> State:
        build = state.ledger.builds[worker.number]
        held = any(w.phase is Phase.BUILD_HELD and w.number == worker.number for w in state.workers)
        current = build is not None and build.state is BuildState.BUILDING and build.attempt == worker.attempt
        may = current and not held and state.ledger.job not in JOB_ENDS
        return become(state, worker, worker._replace(phase=Phase.BUILD_HELD) if may else IDLE)

    def _index(self, state: State, worker: Worker) -> Iterator[Move]:
        build = state.ledger.builds[worker.number]
        assert build is not None
        built = set_build(state.ledger, worker.number, build._replace(state=BuildState.BUILT))
        yield Move("commit index and word", "step", become(self.commit(state, built), worker, IDLE))
        if self.world.failures:
            failed = set_build(state.ledger, worker.number, self.build_put_back(build))
            yield Move("a build fails", "fault", become(self.commit(state, failed), worker, IDLE))

    def _finished(self, state: State, worker: Worker) -> State:
        ledger = state.ledger
        job = JobState.FAILED if ledger.table is TableState.FAILED else JobState.COMPLETED
        if ledger.table is TableState.CANCELLED and self.rules.finish_counts_cancelled:
            job = JobState.CANCELLED
        return become(self.commit(state, ledger._replace(job=job, job_sent=False), durable=True), worker, IDLE)
