"""``PYTHONPATH=.:tests/support python -m protocolkit``: how many states each world has, and that all of them hold."""

from __future__ import annotations

from protocolkit.explore import explore
from protocolkit.worlds import WORLDS

if __name__ == "__main__":
    for name, world in WORLDS.items():
        found = explore(world)
        print(f"{found.states:8,} states, {found.steps:9,} steps, {found.ends:7,} ends: {name}")  # noqa: T201 - what it is for
