"""Every step that somebody may take, each one transaction: whoever sends, workers, operators, and faults."""

from __future__ import annotations

from collections.abc import Iterator

from protocolkit.base import IDLE, Move, become
from protocolkit.beginning import Beginning
from protocolkit.operating import Operating
from protocolkit.sending import Sending
from protocolkit.states import Phase, State, Worker
from protocolkit.working import Working


class Protocol(Sending, Beginning, Working, Operating):
    """All steps of one world under these rules."""

    def moves(self, state: State) -> Iterator[Move]:
        """All that may happen next."""
        yield from self._sending(state)
        yield from (move._replace(worker=IDLE) for move in self._tasks(state))
        for place, worker in enumerate(state.workers):
            if worker != IDLE and worker not in state.workers[:place]:
                yield from (move._replace(worker=worker) for move in self._work(state, worker))
                if self.world.crashes:
                    yield Move("a worker dies", "fault", become(state, worker, IDLE), worker)
        yield from self._outages(state)
        yield from self._operator(state)

    def _outages(self, state: State) -> Iterator[Move]:
        if state.outages >= self.world.outages:
            return
        workers = tuple(sorted(map(_after_outage, state.workers)))
        ledgers = {state.ledger, *state.undurable}
        for ledger in ledgers:
            if not self.rules.ledger_in_target:
                ledger = state.ledger._replace(rows=ledger.rows)  # noqa: PLW2901 - the broken rule's ledger
            after = State(ledger, workers, state.queue, (), state.outages + 1)
            yield Move("PostgreSQL dies and comes back", "fault", after)


def _after_outage(worker: Worker) -> Worker:
    """Who had a transaction open finds it gone."""
    match worker.phase:
        case Phase.HELD | Phase.SPLITTING:
            return worker._replace(phase=Phase.FAILING)
        case Phase.CLAIMED | Phase.FAILING | Phase.BUILD_CLAIMED:
            return worker
    return IDLE
