"""What a function of SQLite becomes, as a record: the code that translates calls and the docs both read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from shared.records.plan import Grade
from shared.schema.dialect.values import Value
from shared.schema.dialect.walk import Walk

Build: TypeAlias = Callable[[Walk, Sequence[Value]], Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of SQLite."""

    name: str
    least: int
    """The fewest arguments."""
    most: int | None
    """The most arguments; None: any number."""
    build: Build | None = None
    """None: it is refused, and the note says why."""
    grade: Grade = Grade.EXACT
    """Of its translation where its arguments are of the types that it is meant for."""
    note: str = ""
    """What differs, or why it is refused, in a clause."""
    aggregate: bool = False

    @property
    def arity(self) -> str:
        """For people: ``2``, ``1 to 3``, ``1 or more``."""
        if self.most is None:
            return f"{self.least} or more"
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"

    def takes(self, arguments: int) -> bool:
        """Whether it can be called with that many arguments."""
        return self.least <= arguments and (self.most is None or arguments <= self.most)
