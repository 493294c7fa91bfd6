"""The worlds that are explored: each as small as what it is about allows."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from protocolkit.states import World

_OPENS: Final = frozenset({"cancel", "resume", "requeue", "verify"})

WORLDS: Final = MappingProxyType(
    {
        "two workers, two chunks": World(),
        "two workers, three chunks": World(chunks=3, slots=3),
        "messages as they are": World(queue=True),
        "messages of builds": World(queue=True, chunks=1, slots=1, builds=2, failures=False),
        "a crash of PostgreSQL": World(outages=1, failures=False),
        "two failovers": World(chunks=1, slots=1, outages=2, failovers=True),
        "a chunk that is split": World(chunks=1, slots=2, splits=True),
        "split while the rest is planned": World(
            chunks=2, slots=3, splits=True, begins_planned=False, verifies=False, failures=False
        ),
        "cancelled while it is planned": World(
            begins_planned=False, workers=1, operator=frozenset({"cancel", "resume"}), failures=False
        ),
        "builds as tasks": World(chunks=1, slots=1, builds=2),
        "an operator at work": World(chunks=1, slots=1, operator=_OPENS, openings=2, differences=True),
        "an operator who pauses": World(operator=frozenset({"pause", "cancel"}), failures=False),
        "an operator and two chunks": World(operator=_OPENS, workers=1, attempts=1),
        "an operator and messages": World(queue=True, chunks=1, slots=1, operator=_OPENS | {"pause"}, workers=1),
        "nothing is verified": World(verifies=False),
    }
)
