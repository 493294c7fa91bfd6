"""The storm of the soak can be had again."""

from __future__ import annotations

import itertools

from soak.faults import FAULTS
from soak.storm import WEIGHTS, storm

_MANY = 2000


def test_the_same_seed_gives_the_same_storm() -> None:
    """Faults, victims and pauses are drawn from the seed alone."""
    steps = [list(itertools.islice(storm(seed), _MANY)) for seed in (7, 7, 8)]
    assert steps[0] == steps[1]
    assert steps[0] != steps[2]


def test_a_storm_knows_every_fault_and_lets_work_go_on_in_between() -> None:
    """Each fault comes in time, can be done, and comes at least a second after the one before."""
    steps = list(itertools.islice(storm(1), _MANY))
    assert {step.fault for step in steps} == set(WEIGHTS) == set(FAULTS)
    assert min(step.pause_s for step in steps) >= 1
    assert {step.pick(3) for step in steps} == {0, 1, 2}
