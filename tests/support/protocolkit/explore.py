"""Looks at every state that the model can come to, and holds each of them, and each step, to what is promised."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from protocolkit.base import Move, recorded
from protocolkit.states import Ledger, Phase, Rules, State, World
from protocolkit.steps import Protocol
from shared.ledger.states import JOB_ENDS, ChunkState, JobState, TableState

_ARRIVED = (ChunkState.COPIED, ChunkState.VERIFIED)


class BrokenPromiseError(AssertionError):
    """A state, or a step, that must not be; says how the model came there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What was looked at."""

    states: int
    steps: int
    ends: int


def explore(world: World, rules: Rules = Rules()) -> Explored:  # noqa: B008 - frozen
    """Look at every state, breadth first.

    Raises:
        BrokenPromiseError: at the first state or step that breaks a promise, by a shortest way to it; or for a state
            from which, with no further fault and no operator, the job comes to no end.
    """
    protocol = Protocol(world, rules)
    start = protocol.start()
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    before: dict[State, list[State]] = {}
    waiting = deque([start])
    steps = 0
    while waiting:
        state = waiting.popleft()
        _hold(_of_state(protocol, state.ledger), state, "", came_from)
        moves = list(protocol.moves(state))
        _hold(_of_rescue(state, moves), state, "", came_from)
        for move in moves:
            if move.state == state:
                continue
            steps += 1
            _hold(_of_step(state, move), state, move.name, came_from)
            if move.kind == "step":
                before.setdefault(move.state, []).append(state)
            if move.state not in came_from:
                came_from[move.state] = (state, move.name)
                waiting.append(move.state)
    ends = [state for state in came_from if state.ledger.job in JOB_ENDS]
    _all_come_to_an_end(came_from, before, ends)
    return Explored(states=len(came_from), steps=steps, ends=len(ends))


def _of_state(protocol: Protocol, ledger: Ledger) -> Iterator[str]:
    """What a committed ledger must never say."""
    if max(ledger.rows) > 1:
        yield "a row is there twice"
    for number, chunk in recorded(ledger):
        there = {ledger.rows[key] for key in chunk.keys}
        if there != {int(chunk.state in _ARRIVED)}:
            yield f"chunk {number} says {chunk.state}, and of its rows there are {sorted(there)}"
    chunks = [chunk for _, chunk in recorded(ledger)]
    if ledger.job is JobState.COMPLETED and ledger.table is not TableState.COMPLETED:
        yield f"the job is completed, and its table is {ledger.table}"
    if ledger.table is TableState.COMPLETED:
        wanted = (ChunkState.VERIFIED,) if protocol.world.verifies else _ARRIVED
        if any(chunk.state not in wanted for chunk in chunks):
            yield f"the table is completed, and its chunks are {[chunk.state.value for chunk in chunks]}"
        if set(ledger.rows) != {1}:
            yield f"the table is completed, and rows are missing: {ledger.rows}"
        if not ledger.built:
            yield "the table is completed, and has no keys"


def _of_rescue(state: State, moves: list[Move]) -> Iterator[str]:
    """Of a job that runs, a chunk that nobody holds can be put back."""
    if state.ledger.job in JOB_ENDS:
        return
    held = {worker.number for worker in state.workers if worker.phase in (Phase.HELD, Phase.SPLITTING)}
    for number, chunk in recorded(state.ledger):
        if chunk.state is ChunkState.COPYING and number not in held:
            afters = (move.state.ledger.chunks[number] for move in moves if move.name == f"rescue chunk {number}")
            if not any(after is not None and after.state is not ChunkState.COPYING for after in afters):
                yield f"chunk {number} lost its worker and cannot be rescued"


def _of_step(state: State, move: Move) -> Iterator[str]:
    """What no single step may do."""
    yield from _of_held(state, move)
    was, now = state.ledger, move.state.ledger
    stands = was.job in JOB_ENDS or was.paused
    if not stands or now.job is not was.job or state.outages != move.state.outages:
        return
    why = "the job is paused" if was.paused else "the job has ended"
    for number, (chunk, after) in enumerate(zip(was.chunks, now.chunks, strict=True)):
        begins = after is not None and after.state is ChunkState.COPYING
        if begins and (chunk is None or chunk.state is not ChunkState.COPYING):
            yield f"chunk {number} begins although {why}"
        if was.job in JOB_ENDS and chunk is None and after is not None:
            yield f"chunk {number} is recorded after the job's end"


def _of_held(state: State, move: Move) -> Iterator[str]:
    """Whoever holds a chunk has it to itself, and writes as its current attempt or not at all."""
    was, now = state.ledger, move.state.ledger
    for worker in state.workers:
        if worker.phase is not Phase.HELD:
            continue
        chunk = was.chunks[worker.number]
        if worker in move.state.workers and chunk != now.chunks[worker.number]:
            yield f"chunk {worker.number} changes while its worker holds it"
        if sum(now.rows) > sum(was.rows) and worker not in move.state.workers:
            current = chunk is not None and (chunk.attempt, chunk.claim) == (worker.attempt, worker.claim)
            if not current:
                yield f"an overtaken attempt commits the rows of chunk {worker.number}"


def _all_come_to_an_end(
    came_from: dict[State, tuple[State, str] | None], before: dict[State, list[State]], ends: list[State]
) -> None:
    """From every state somebody's steps alone, without faults and without operators, come to an end of the job."""
    comes = set(ends)
    waiting = deque(ends)
    while waiting:
        for state in before.get(waiting.popleft(), ()):
            if state not in comes:
                comes.add(state)
                waiting.append(state)
    for state in came_from:
        if state not in comes:
            _hold(iter(["the job never comes to an end"]), state, "", came_from)


def _hold(broken: Iterator[str], state: State, last: str, came_from: dict[State, tuple[State, str] | None]) -> None:
    for promise in broken:
        way = [last] if last else []
        at: State | None = state
        while at is not None and (step := came_from[at]) is not None:
            at, name = step
            way.append(name)
        msg = f"{promise}, after: " + "; ".join(reversed(way)) + f"\n{state}"
        raise BrokenPromiseError(msg)
