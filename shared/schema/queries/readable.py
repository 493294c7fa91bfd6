"""What a SELECT may read, and what is found out while it is translated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.schema.dialect.scope import Named
from shared.schema.names import Names, fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """A table, a view or a WITH table, as FROM sees it."""

    target: str
    """How FROM names it in the target, quoted and qualified."""
    columns: tuple[Named, ...]
    rowid: Named | None = None
    primary_key: tuple[str, ...] = ()
    """Its source columns that make a row unique and are never NULL, folded; empty where none do."""
    left_out: frozenset[str] = frozenset()
    """Columns that it has in the source alone, folded."""
    needs: tuple[str, ...] = ()
    """Target names of the job's tables that it reads."""
    doubts: tuple[str, ...] = ()
    """How what is read from it may differ."""


Find = Callable[[str], Readable]
"""Finds a table or view by its name in the source; raises UntranslatableError with the reason where it is not there."""


@dataclass(slots=True, kw_only=True)
class Notes:
    """What the parts of one statement find out for the whole of it."""

    names: Names
    """The aliases that its relations have in the target, each one once."""
    doubts: dict[str, None] = field(default_factory=dict)
    """In the order in which they were met, each once."""
    needs: dict[str, None] = field(default_factory=dict)
    reads: dict[str, None] = field(default_factory=dict)
    """The tables and views that it reads, by folded source name."""

    def doubt(self, *doubts: str) -> None:
        """Note how the translation may differ."""
        self.doubts.update(dict.fromkeys(doubts))

    def read(self, name: str, readable: Readable) -> None:
        """Note that a table or view is read."""
        self.reads[fold(name)] = None
        self.needs.update(dict.fromkeys(readable.needs))
        self.doubt(*readable.doubts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What surrounds a SELECT: what it may read and what it is part of."""

    find: Find
    notes: Notes
    preserve: bool = False
    """Whether names keep their case in the target."""
    with_tables: Mapping[str, Readable] = field(default_factory=dict)
    """By folded name; they hide tables of that name."""
