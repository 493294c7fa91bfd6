"""Which faults come, in which order and on whom: drawn from the seed alone, so that a storm can be had again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

WEIGHTS: Final = {
    "SIGKILL a pool process": 5,
    "SIGKILL a pool process and wait": 3,
    "SIGKILL a worker": 3,
    "SIGKILL a worker and wait": 2,
    "SIGKILL a worker's main process alone": 1,
    "SIGTERM a worker": 2,
    "SIGSTOP a pool process": 2,
    "SIGSTOP a worker": 1,
    "SIGKILL the controller": 2,
    "SIGKILL the producer": 3,
    "SIGINT the producer": 1,
    "SIGTERM the producer": 1,
    "SIGKILL PostgreSQL": 2,
    "PostgreSQL: immediate restart": 2,
    "SIGKILL a PostgreSQL session": 1,
    "pg_terminate_backend": 4,
    "SIGKILL Redis, its data lost": 2,
    "SIGKILL Redis": 2,
    "FLUSHALL": 2,
    "messages twice": 4,
    "cut PostgreSQL's wire": 3,
    "stall PostgreSQL's wire": 1,
    "lose the answer to a COMMIT": 3,
    "cut Redis's wire": 3,
    "stall Redis's wire": 1,
    "a second controller": 1,
    "a second producer": 2,
    "pause": 2,
    "cancel": 1,
    "requeue": 2,
    "failover to a standby that lacks commits": 2,
    "the target's disk is full": 2,
    "no connection is left": 1,
    "somebody else holds a table": 2,
}
"""How often each comes, beside the others."""
_LEAST_PAUSE_S: Final = 1.0
"""Work must go on between two faults, else nothing of interest is hit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One fault, with everything about it that chance decides."""

    number: int
    fault: str
    roll: float
    """From 0 to 1: on which of those that can be hit."""
    hold_s: float
    """How long what is stopped stays so."""
    pause_s: float
    """From the fault before to this one."""

    def pick(self, number: int) -> int:
        """A place among `number` of them."""
        return min(int(self.roll * number), number - 1)


def storm(seed: int) -> Iterator[Step]:
    """The steps of a seed, without end; the same ones each time."""
    chance = random.Random(f"storm {seed}")
    faults, weights = list(WEIGHTS), list(WEIGHTS.values())
    number = 0
    while True:
        number += 1
        (fault,) = chance.choices(faults, weights)
        yield Step(
            number=number,
            fault=fault,
            roll=chance.random(),
            hold_s=chance.uniform(0.3, 4),
            pause_s=_LEAST_PAUSE_S + chance.expovariate(1),
        )
