from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from workers import timing
from workers.timing import ChunkTimer, Stage


class Clock:
    """A clock that goes on only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """What time it is."""
        return self.now

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The timer's clock in the test's hand."""
    made = Clock()
    monkeypatch.setattr(timing, "monotonic", made)
    return made


def test_each_second_counts_for_the_innermost_stage(clock: Clock) -> None:
    """Reading that a conversion asks for is reading, and what is left of the conversion is its own."""
    timer = ChunkTimer()

    def batches() -> Iterator[int]:
        for number in range(3):
            clock.go_on(2)
            yield number

    with timer.stage(Stage.CONVERT):
        for _ in timer.each(Stage.READ, batches()):
            clock.go_on(1)
            with timer.stage(Stage.WRITE):
                clock.go_on(4)
    times = timer.times()
    assert (times.read_s, times.convert_s, times.write_s) == (6, 3, 12)


def test_what_somebody_else_measured_is_moved(clock: Clock) -> None:
    """Seconds of writing that lay within the conversion are taken out of it."""
    timer = ChunkTimer()
    with timer.stage(Stage.CONVERT):
        clock.go_on(5)
    timer.move(3, of=Stage.CONVERT, to=Stage.WRITE)
    assert (timer.times().convert_s, timer.times().write_s) == (2, 3)


def test_only_the_end_of_a_transaction_is_its_commit(clock: Clock) -> None:
    """What happens inside the block counts for nothing; a block that fails has no commit."""

    @contextmanager
    def transaction() -> Iterator[str]:
        yield "open"
        clock.go_on(7)

    timer = ChunkTimer()
    with timer.end(Stage.COMMIT, transaction()) as value:
        clock.go_on(1)
    assert (value, timer.commit_s) == ("open", 7)
    with pytest.raises(KeyError), timer.end(Stage.COMMIT, transaction()):
        raise KeyError
    assert timer.commit_s == 7


def test_stages_of_threads_do_not_lie_within_each_other(clock: Clock) -> None:
    """Reading in another thread while a batch is written takes nothing from the writing."""
    timer = ChunkTimer()

    def read() -> None:
        with timer.stage(Stage.READ):
            clock.go_on(2)

    with timer.stage(Stage.WRITE):
        reader = threading.Thread(target=read)
        reader.start()
        reader.join()
        clock.go_on(1)
    assert (timer.times().read_s, timer.times().write_s) == (2, 3)
