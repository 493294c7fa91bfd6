"""The real ledger on a real PostgreSQL goes along with the model, step by step, with a connection for each worker."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from ledgerkit import open_ledger
from protocolkit.base import Move
from protocolkit.real import RealLedger
from protocolkit.states import State, World
from protocolkit.steps import Protocol

from shared.ledger.engine import LedgerStore

_WORLD: Final = World(
    chunks=2,
    slots=4,
    begins_planned=False,
    workers=3,
    attempts=3,
    builds=2,
    splits=True,
    queue=True,
    differences=True,
    operator=frozenset({"cancel", "resume", "requeue", "verify", "pause"}),
    openings=3,
)
_EXAMPLES: Final = int(os.environ.get("PGCONVOY_TEST_EXAMPLES", "40"))
"""Jobs that are led through the protocol, each by up to 80 steps; more by this variable."""
_STEPS: Final = 80
_SELDOM: Final = frozenset({"forget lost messages", "it stays whole"})
"""Steps that would lead round in circles."""


class _Machine(RuleBasedStateMachine):
    """Takes the model's steps on both sides, and holds the one to what the other says."""

    store: LedgerStore
    url: str

    def __init__(self) -> None:
        super().__init__()
        self.protocol = Protocol(_WORLD)
        self.state: State = self.protocol.start()
        self.real = RealLedger(self.store, self.url, _WORLD)
        self.way: list[str] = []

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """Take any step that the model allows."""
        moves = {(move.name, move.worker): move for move in self.protocol.moves(self.state)}
        usual = [move for move in moves.values() if self._leads_on(move)]
        if data.draw(st.integers(0, 3), label="rescue?"):  # always near: it would leave no attempt to itself
            usual = [move for move in usual if not move.name.startswith("rescue")] or usual
        seldom = [move for move in moves.values() if move not in usual]
        if not moves:
            return  # the job has ended for good
        few = bool(seldom) and (not usual or data.draw(st.integers(0, 9), label="fault or operator?") == 5)
        move = data.draw(st.sampled_from(seldom if few else usual), label="step")
        self.way.append(move.name)
        if move.name.startswith("rescue"):
            self._rescue()
            return
        self.real.queue.sent.clear()
        self.real.take(self.state, move)
        assert set(self.real.queue.sent) <= move.state.queue
        self._agree(move.state)

    def _leads_on(self, move: Move) -> bool:
        return move.kind == "step" and move.name not in _SELDOM and move.state != self.state

    def _rescue(self) -> None:
        """The real one looks at all chunks at once."""
        after = self.state
        while rescues := [move for move in self.protocol.moves(after) if move.name.startswith("rescue")]:
            after = rescues[0].state
        self.real.take(self.state, Move("rescue", "step", after))
        self._agree(after)

    def _agree(self, after: State) -> None:
        found = self.real.ledger(after.ledger)
        assert found == after.ledger, f"after {'; '.join(self.way)}:\nreal  {found}\nmodel {after.ledger}"
        self.state = after

    def teardown(self) -> None:
        """Close the connections."""
        self.real.close()


def test_the_real_ledger_does_what_the_model_does(target_url: str) -> None:
    """Three workers, splits, builds, faults and an operator: after each step both say the same."""
    with open_ledger(target_url) as store:
        machine = type("Machine", (_Machine,), {"store": store, "url": target_url})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=_EXAMPLES,
                stateful_step_count=_STEPS,
                phases=[Phase.generate],  # the way that failed is printed; a shorter one would take minutes
                suppress_health_check=list(HealthCheck),
            ),
        )
