"""Views, triggers and the like tried on PostgreSQL; none may take the place of what no job made."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import Connection, text

from shared.errors import ConvoyError
from shared.grading import Less
from shared.quoting import qualified
from shared.records.plan import Grade, ObjectPlan
from shared.records.source import ObjectKind
from shared.target.trials.trial import Trial

_TAKEN: Final = text("""
    SELECT relname AS name,
           CASE relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view' WHEN 'S' THEN 'a sequence'
                        WHEN 'i' THEN 'an index' ELSE 'a table' END AS kind
      FROM pg_catalog.pg_class WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema)
    UNION ALL
    SELECT proname, :function
      FROM pg_catalog.pg_proc WHERE pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema)
""")
_FUNCTION: Final = "a function"


class Places:
    """The names in the target schema that are taken, and by whom."""

    def __init__(self, connection: Connection, schema: str, ours: Collection[ObjectPlan]) -> None:
        """Look them up; `ours` are the objects of earlier jobs, which may be replaced."""
        found = connection.execute(_TAKEN, {"schema": schema, "function": _FUNCTION})
        self._taken = {row.name: row.kind for row in found}
        self._schema = schema
        self._names = {each.name for each in ours}
        self._statements = "\n".join(statement for each in ours for statement in each.statements)

    def holds(self, name: str) -> bool:
        """Whether anything has a name."""
        return name in self._taken

    def in_the_way(self, planned: ObjectPlan) -> str:
        """Say what an object would replace that no job made; empty where there is nothing."""
        statements = "\n".join(planned.statements)
        makes_relation = planned.graded_as is not None and planned.graded_as.kind is not ObjectKind.TRIGGER
        for name, kind in self._taken.items():
            as_function = kind == _FUNCTION and qualified(self._schema, name) in statements
            as_relation = kind != _FUNCTION and makes_relation and name == planned.name
            if (as_function or as_relation) and not self._is_ours(name):
                return f"{kind} of the name {name} is there already, and not of a job's making: rename it, or drop it"
        return ""

    def _is_ours(self, name: str) -> bool:
        return name in self._names or qualified(self._schema, name) in self._statements


def objects_as_taken(trial: Trial, planned: Iterable[ObjectPlan], places: Places) -> tuple[ObjectPlan, ...]:
    """Make objects in their order, each in a savepoint; returns those that PostgreSQL takes."""
    return tuple(each for each in planned if is_free(trial, each, places) and _is_taken(trial, each))


def is_free(trial: Trial, planned: ObjectPlan, places: Places) -> bool:
    """Refuse what would replace something that no job made."""
    reason = places.in_the_way(planned)
    return not reason or _refuse(trial, planned, reason)


def _is_taken(trial: Trial, planned: ObjectPlan) -> bool:
    if trial.untried.intersection(planned.needs):
        trial.notes.append(f"{planned.name} was not tried: neither was a table that it needs")
        return True
    what = f"making {planned.name}"
    try:
        refused = trial.make(planned.statements, what)
    except ConvoyError as error:
        trial.note(what, error)
        return True
    return refused is None or _refuse(trial, planned, f"PostgreSQL refuses it: {refused.said}")


def _refuse(trial: Trial, planned: ObjectPlan, reason: str) -> bool:
    if planned.graded_as is not None:
        trial.outcomes.add(planned.graded_as, planned.table, Less(grade=Grade.REFUSED, reason=reason))
    return False
