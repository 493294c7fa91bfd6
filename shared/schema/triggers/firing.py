"""Which triggers fire which, so that none fires itself in the target that does not in the source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from shared.schema.names import fold
from shared.schema.triggers.source import Event, TriggerSource
from shared.schema.triggers.writes import written_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What fires a trigger, and what it may fire."""

    name: str
    table: str
    """Folded."""
    event: Event
    changes: frozenset[tuple[str, Event]]
    """The tables that its body changes, folded, and how."""

    @classmethod
    def of(cls, name: str, source: TriggerSource, statements: Iterable[Any]) -> Firing:
        """Look at a trigger."""
        changes = frozenset(change for statement in statements for change in _changes(statement))
        return cls(name=name, table=fold(source.table), event=source.event, changes=changes)


def fires_itself(name: str, firings: Sequence[Firing]) -> bool:
    """Whether a trigger's body may come to fire the same trigger again, by way of others or not."""
    start = next(each for each in firings if each.name == name)
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        each = waiting.pop()
        for other in firings:
            if (other.table, other.event) in each.changes and other.name not in reached:
                reached.add(other.name)
                waiting.append(other)
    return name in reached


def _changes(statement: Any) -> list[tuple[str, Event]]:
    table = written_table(statement)
    if isinstance(statement, exp.Insert):
        # Where a key is there, an upsert updates.
        updates = statement.args.get("conflict") or str(statement.args.get("alternative") or "").upper() == "REPLACE"
        return [(table, Event.INSERT), *([(table, Event.UPDATE)] if updates else [])]
    if isinstance(statement, exp.Update):
        return [(table, Event.UPDATE)]
    return [(table, Event.DELETE)] if isinstance(statement, exp.Delete) else []
