"""What the producer and the controller do: plan, send, rescue."""

from __future__ import annotations

from collections.abc import Iterator

from protocolkit.base import (
    Move,
    Steps,
    holds_chunk,
    holds_job,
    holds_table,
    is_uncompared,
    recorded,
    set_build,
    set_chunk,
)
from protocolkit.states import Chunk, Ledger, Phase, State, Task
from shared.ledger.states import JOB_ENDS, BuildState, ChunkState
from shared.ledger.steps import Step


class Sending(Steps):
    """Planning, sending, rescuing."""

    def _sending(self, state: State) -> Iterator[Move]:
        ledger = state.ledger
        runs = ledger.job not in JOB_ENDS
        if ledger.recorded < self.world.chunks and (runs or not self.rules.planning_asks_job):
            yield Move("plan", "step", self.commit(state, self._plan(ledger), durable=True))
        if not runs:
            return
        if self.rules.rescue_runs:
            yield from self._rescue(state)
        if not self.world.queue:
            return
        if not ledger.paused:
            yield Move("send", "step", self._send(state))
        if not state.queue and self.rules.lost_messages_are_forgotten:
            yield Move("forget lost messages", "step", self.commit(state, self._forget(state)))
        for task in state.queue:
            yield Move(f"the queue loses {task}", "fault", state._replace(queue=state.queue - {task}))

    def _plan(self, ledger: Ledger) -> Ledger:
        """Record the next chunk, unless its number is taken."""
        number = ledger.recorded
        if ledger.chunks[number] is None:
            ledger = set_chunk(ledger, number, Chunk(self.planned[number]))
        return ledger._replace(recorded=number + 1)

    def _send(self, state: State) -> State:
        """Note what the table or the job needs as sent, and send it."""
        ledger, step = state.ledger, self.step_of(state.ledger)
        news: set[Task] = set()
        match step:
            case Step.COPY | Step.COMPARE:
                ledger, news = _sent_chunks(state, step)
            case Step.INDEX:
                ledger, news = _sent_builds(ledger)
            case Step.NOTHING if not ledger.job_sent and not holds_job(state):
                ledger, news = ledger._replace(job_sent=True), {Task("finish job")}
            case Step.BUILD | Step.CHECK | Step.FAIL | Step.CANCEL if not ledger.table_sent and not holds_table(state):
                ledger, news = ledger._replace(table_sent=True), {Task("finish table")}
        return self.commit(state, ledger)._replace(queue=state.queue | news)

    def _rescue(self, state: State) -> Iterator[Move]:
        ledger, rules = state.ledger, self.rules
        for number, chunk in recorded(ledger):
            if chunk.state is ChunkState.COPYING and not (rules.rescue_asks_lock and holds_chunk(state, number)):
                put_back = self.put_back(chunk, used_up=chunk.attempt >= self.world.attempts)
                yield Move(f"rescue chunk {number}", "step", self.commit(state, set_chunk(ledger, number, put_back)))
        for number, build in enumerate(ledger.builds):
            held = any(w.phase is Phase.BUILD_HELD and w.number == number for w in state.workers)
            if build is not None and build.state is BuildState.BUILDING and not held:
                lost = set_build(ledger, number, self.build_put_back(build))
                yield Move(f"rescue build {number}", "step", self.commit(state, lost))

    def _forget(self, state: State) -> Ledger:
        ledger = state.ledger
        for number, chunk in recorded(ledger):
            if chunk.state is ChunkState.PENDING:
                ledger = set_chunk(ledger, number, chunk._replace(sent=False))
            elif is_uncompared(chunk) and not holds_chunk(state, number):
                ledger = set_chunk(ledger, number, chunk._replace(compare_sent=False))
        for number, build in enumerate(ledger.builds):
            if build is not None and build.state is BuildState.PENDING:
                ledger = set_build(ledger, number, build._replace(sent=False))
        table_sent = ledger.table_sent and holds_table(state)
        return ledger._replace(table_sent=table_sent, job_sent=ledger.job_sent and holds_job(state))


def _sent_chunks(state: State, step: Step) -> tuple[Ledger, set[Task]]:
    ledger, news = state.ledger, set()
    for number, chunk in recorded(state.ledger):
        if step is Step.COPY and chunk.state is ChunkState.PENDING and not chunk.sent:
            ledger = set_chunk(ledger, number, chunk._replace(sent=True))
            news.add(Task("copy", number))
        elif (
            step is Step.COMPARE and is_uncompared(chunk) and not chunk.compare_sent and not holds_chunk(state, number)
        ):
            ledger = set_chunk(ledger, number, chunk._replace(compare_sent=True))
            news.add(Task("compare", number))
    return ledger, news


def _sent_builds(ledger: Ledger) -> tuple[Ledger, set[Task]]:
    sent = ledger
    for number, build in enumerate(ledger.builds):
        if build is not None and build.state is BuildState.PENDING and not build.sent:
            sent = set_build(sent, number, build._replace(sent=True))
    return sent, set() if sent == ledger else {Task("build")}
