"""Tables that must be tried together: a thousand at once would use up the locks that a server has for everybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from shared.records.plan import ObjectPlan, TablePlan

AT_ONCE: Final = 200
"""Tables that are tried together without asking which belong together: each takes about 5 locks with its TOAST table
and keys, and a server with PostgreSQL's defaults has room for 6,400 (64 max_locks_per_transaction, 100 connections)."""


def groups_of(tables: Sequence[TablePlan], objects: Iterable[ObjectPlan]) -> list[list[TablePlan]]:
    """Group the tables that a job makes: with those linked by foreign keys, and last, all that an object needs.

    What is tried of one group can be taken back before the next, but for the last.
    """
    made = [table for table in tables if table.creates]
    if len(made) <= AT_ONCE:
        return [made]
    needed = {name for each in objects for name in each.needs}
    apart: list[list[TablePlan]] = []
    together: list[TablePlan] = []
    for component in _components(made):
        if any(table.name in needed for table in component):
            together += component
        elif apart and len(apart[-1]) + len(component) <= AT_ONCE:
            apart[-1] += component
        else:
            apart.append(component)
    return [*apart, together]


def _components(tables: Sequence[TablePlan]) -> list[list[TablePlan]]:
    by_name = {table.name: table for table in tables}
    linked: dict[str, set[str]] = {name: set() for name in by_name}
    for table in tables:
        for key in table.foreign_keys:
            if key.parent in linked:
                linked[table.name].add(key.parent)
                linked[key.parent].add(table.name)
    found: list[list[TablePlan]] = []
    while by_name:
        component: list[TablePlan] = []
        waiting = [next(iter(by_name))]
        while waiting:
            name = waiting.pop()
            if name in by_name:
                component.append(by_name.pop(name))
                waiting += linked[name]
        found.append(component)
    return found
