"""Where a chunk's time goes: seconds by stage, by a clock that nobody sets."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import local
from time import monotonic
from typing import TypeVar

from shared.records.work import CopyTimes

T = TypeVar("T")


class Stage(enum.StrEnum):
    """What a worker does with a chunk; the ledger has a column for each."""

    READ = "read"
    CONVERT = "convert"
    WRITE = "write"
    COMMIT = "commit"


class _Within(local):
    """Of each thread: seconds that stages within the running one took."""

    seconds = 0.0


class ChunkTimer:
    """Adds up the seconds that one chunk took, stage by stage.

    Stages may lie within each other (a read that a write asks for): each second counts for the innermost one of its
    thread. Stages that run in threads side by side count once each; one stage must not run in two threads at once.
    """

    def __init__(self) -> None:
        self._spent = dict.fromkeys(Stage, 0.0)
        self._within = _Within()

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Count what happens inside for a stage."""
        outer, self._within.seconds = self._within.seconds, 0.0
        begun = monotonic()
        try:
            yield
        finally:
            whole = monotonic() - begun
            self._spent[stage] += whole - self._within.seconds
            self._within.seconds = outer + whole

    def each(self, stage: Stage, items: Iterable[T]) -> Iterator[T]:
        """Hand items on; the time that it takes to get them counts for a stage."""
        iterator = iter(items)
        while True:
            with self.stage(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
            del item  # the next one may be as large

    @contextmanager
    def end(self, stage: Stage, block: AbstractContextManager[T]) -> Iterator[T]:
        """Enter a block; what it does when it ends without an error counts for a stage."""
        with block as value:
            yield value
            begun = monotonic()
        self._spent[stage] += monotonic() - begun

    def move(self, seconds: float, *, of: Stage, to: Stage) -> None:
        """Count seconds that somebody else measured within a stage for another one."""
        self._spent[of] -= seconds
        self._spent[to] += seconds

    def times(self) -> CopyTimes:
        """What was spent until now on what is recorded with the rows."""
        spent = self._spent
        return CopyTimes(read_s=spent[Stage.READ], convert_s=spent[Stage.CONVERT], write_s=spent[Stage.WRITE])

    @property
    def commit_s(self) -> float:
        """Seconds that the commit took; 0 before it."""
        return self._spent[Stage.COMMIT]
