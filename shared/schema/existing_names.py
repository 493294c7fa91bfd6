"""Which table and column of the target is meant by a name of the source, where an application made the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from shared.records.plan import SchemaPlan, TablePlan
from shared.schema.names import MAX_NAME_BYTES, fold

_Spelling = Callable[[str, str], str | None]


def matched(planned: Sequence[tuple[str, str]], there: Iterable[str]) -> Mapping[str, str]:
    """Find what stands in the target for names of the source, each for one at most.

    A name that a rule gave comes first, then the source's own spelling, cut as PostgreSQL cuts it, then the folded one,
    then one that differs in case and underscores alone (``user_id`` and ``userId``), where there is no other such.

    Args:
        planned: Names of the source, each with the one that the plan gives it.
        there: The names in the target.

    Returns:
        The target's name by the source's, of those that were found.
    """
    free = list(there)
    found: dict[str, str] = {}
    for spelled in _SPELLINGS:
        for source, name in planned:
            wanted = spelled(source, name)
            if source not in found and wanted in free:
                found[source] = wanted
                free.remove(wanted)
    return found | _loosely([source for source, _ in planned if source not in found], free)


def _loosely(sources: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    of_sources, of_free = Counter(map(_squeezed, sources)), Counter(map(_squeezed, free))
    by_squeezed = {_squeezed(name): name for name in free}
    alone = [name for name in sources if of_sources[_squeezed(name)] == of_free[_squeezed(name)] == 1]
    return {name: by_squeezed[_squeezed(name)] for name in alone}


def _squeezed(name: str) -> str:
    return fold(name).replace("_", "")


def _by_rule(source: str, name: str) -> str | None:
    return name if fold(source) != name else None


def _own(source: str, _name: str) -> str:
    return source.encode(errors="replace")[:MAX_NAME_BYTES].decode(errors="ignore")


def _planned(_source: str, name: str) -> str:
    return name


_SPELLINGS: Final[tuple[_Spelling, ...]] = (_by_rule, _own, _planned)


def named_as_there(plan: SchemaPlan, there: Iterable[str]) -> SchemaPlan:
    """Give the tables of a plan the names that the target has for them; those that it has not keep theirs."""
    found = matched([(table.read.table, table.name) for table in plan.tables], there)
    names = {table.name: found.get(table.read.table, table.name) for table in plan.tables}
    return replace(plan, tables=tuple(_renamed(table, names) for table in plan.tables))


def _renamed(table: TablePlan, names: Mapping[str, str]) -> TablePlan:
    keys = (replace(key, parent=names.get(key.parent, key.parent)) for key in table.foreign_keys)
    return replace(table, name=names[table.name], foreign_keys=tuple(keys))
