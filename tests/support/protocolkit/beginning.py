"""What an idle worker does with a message."""

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
from protocolkit.states import Ledger, Phase, State, Task, Worker
from shared.ledger.states import JOB_ENDS, TABLE_MOVES, BuildState, ChunkState, TableState
from shared.ledger.steps import Step


class Beginning(Steps):
    """Tasks as they begin."""

    def _tasks(self, state: State) -> Iterator[Move]:
        if IDLE not in state.workers:
            return
        for task in state.queue if self.world.queue else self._every_task(state):
            for after in self._begin(state._replace(queue=state.queue - {task}), task):
                yield Move(f"{task.name} {task.number} arrives", "step", after)

    def _every_task(self, state: State) -> Iterator[Task]:
        for number, _ in recorded(state.ledger):
            yield Task("copy", number)
            yield Task("compare", number)
        yield Task("finish table")
        yield Task("finish job")
        if self.world.builds:
            yield Task("build")

    def _begin(self, state: State, task: Task) -> Iterator[State]:
        ledger = state.ledger
        if ledger.paused and self.rules.claim_asks_pause:
            yield self.commit(state, _given_back(ledger, task))
            return
        if ledger.job in JOB_ENDS and task.name != "copy":
            yield state
            return
        match task.name:
            case "copy":
                yield self._claim(state, task.number)
            case "compare":
                yield self._compare(state, task.number)
            case "build":
                yield self._claim_build(state)
            case "finish table":
                yield self._finish_table(state)
            case "finish job":
                yield from self._finish_job(state)

    def _claim(self, state: State, number: int) -> State:
        ledger = state.ledger
        chunk = ledger.chunks[number]
        if chunk is None or (chunk.state is not ChunkState.PENDING and self.rules.claim_asks_state):
            return state
        if chunk.attempt >= self.world.attempts and chunk.state is not ChunkState.PENDING:
            return state  # keeps a broken rule's model small
        if ledger.job in JOB_ENDS and self.rules.claim_asks_job:
            return state
        claim = ledger.opened * 4 + state.outages
        attempt = chunk.attempt + 1
        ledger = set_chunk(ledger, number, chunk._replace(state=ChunkState.COPYING, attempt=attempt, claim=claim))
        if ledger.table is TableState.PENDING:
            ledger = ledger._replace(table=TableState.COPYING)
        return become(self.commit(state, ledger), IDLE, Worker(Phase.CLAIMED, number, attempt, claim))

    def _compare(self, state: State, number: int) -> State:
        chunk = state.ledger.chunks[number]
        may = state.ledger.table is TableState.VERIFYING and not holds_chunk(state, number)
        if chunk is None or not is_uncompared(chunk) or not may:
            return state
        return become(state, IDLE, Worker(Phase.COMPARING, number))

    def _claim_build(self, state: State) -> State:
        for number, build in enumerate(state.ledger.builds):
            if build is not None and build.state is BuildState.PENDING:
                attempt = build.attempt + 1
                claimed = build._replace(state=BuildState.BUILDING, attempt=attempt)
                after = self.commit(state, set_build(state.ledger, number, claimed))
                return become(after, IDLE, Worker(Phase.BUILD_CLAIMED, number, attempt))
        return state

    def _finish_table(self, state: State) -> State:
        ledger = state.ledger
        if holds_table(state):
            return state
        match self.step_of(ledger):
            case Step.BUILD:
                if TableState.BUILDING in TABLE_MOVES[ledger.table]:
                    kept = tuple(b if b is not None and b.state is BuildState.BUILT else None for b in ledger.builds)
                    ledger = ledger._replace(table=TableState.BUILDING, table_sent=False, builds=kept)
                return become(self.commit(state, ledger), IDLE, Worker(Phase.TO_BUILD))
            case Step.CHECK:
                return become(state, IDLE, Worker(Phase.TO_CHECK))
            case Step.FAIL:
                return self.commit(state, ledger._replace(table=TableState.FAILED, table_sent=False))
            case Step.CANCEL:
                return self.commit(state, ledger._replace(table=TableState.CANCELLED, table_sent=False))
        return state

    def _finish_job(self, state: State) -> Iterator[State]:
        if holds_job(state):
            return  # it waits for the row
        ledger = state.ledger
        is_open = ledger.table not in (TableState.COMPLETED, TableState.FAILED, TableState.CANCELLED)
        if is_open and self.rules.finish_asks_tables:
            yield state
        else:
            yield become(state, IDLE, Worker(Phase.FINISHING))


def _given_back(ledger: Ledger, task: Task) -> Ledger:
    """What a paused job's message asked for is marked as not sent, so that it is sent again."""
    match task.name:
        case "copy":
            chunk = ledger.chunks[task.number]
            waits = chunk is not None and chunk.state is ChunkState.PENDING
            return set_chunk(ledger, task.number, chunk._replace(sent=False)) if chunk and waits else ledger
        case "compare":
            chunk = ledger.chunks[task.number]
            waits = chunk is not None and is_uncompared(chunk)
            return set_chunk(ledger, task.number, chunk._replace(compare_sent=False)) if chunk and waits else ledger
        case "build":
            for number, build in enumerate(ledger.builds):
                if build is not None and build.state is BuildState.PENDING and build.sent:
                    return set_build(ledger, number, build._replace(sent=False))
            return ledger
        case "finish table":
            open_ = ledger.table not in (TableState.COMPLETED, TableState.FAILED, TableState.CANCELLED)
            return ledger._replace(table_sent=False) if open_ else ledger
    return ledger._replace(job_sent=False)
