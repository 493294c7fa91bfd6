"""A plan tried on PostgreSQL, in a savepoint that is always rolled back: a grade is what PostgreSQL said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from shared.records.plan import BuildPhase, ObjectPlan, SchemaPlan, TablePlan
from shared.target import ddl
from shared.target.statements import has_schema, run, see_extensions, taken_back
from shared.target.trials.batches import batches_of, takes_foreign_keys, takes_whole
from shared.target.trials.groups import groups_of
from shared.target.trials.objects import Places, is_free, objects_as_taken
from shared.target.trials.tables import table_as_taken, with_foreign_keys
from shared.target.trials.trial import Trial, UntriableError

LOCK_TIMEOUT_S: Final = 3
"""How long a trial waits for a lock of somebody else's: others queue up behind it for so long."""
_SCRATCH: Final = "pgconvoy_trial"
"""Where tables are tried whose place another has until the job replaces it; never committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What PostgreSQL takes of a plan."""

    plan: SchemaPlan
    """Without what it refused, which its grades name with the reason."""
    notes: tuple[str, ...] = ()
    """What could not be tried, and why."""


def try_plan(connection: Connection, plan: SchemaPlan, *, schema: str, ours: Collection[ObjectPlan] = ()) -> Tried:
    """Make everything that a plan makes, each part in a savepoint, and take it all back.

    Args:
        connection: In a transaction of the caller's, which is left as it was.
        plan: Fitted onto the target as it is.
        schema: The target schema.
        ours: What earlier jobs made there: it may be replaced. Whatever else has an object's name is left alone.

    Raises:
        OperatorError: where PostgreSQL takes a table in no form.
        ConvoyError: where the connection is lost.
    """
    if not plan.objects and not any(table.creates for table in plan.tables):
        return Tried(plan=plan)
    trial = Trial(connection=connection)
    try:
        with taken_back(connection):
            run(connection, f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
            taken = _as_taken(trial, plan, schema, Places(connection, schema, ours))
    except UntriableError as error:
        return Tried(plan=plan, notes=(f"nothing was tried on PostgreSQL: {error}",))
    return Tried(plan=taken, notes=tuple(dict.fromkeys(trial.notes)))


def _as_taken(trial: Trial, plan: SchemaPlan, schema: str, places: Places) -> SchemaPlan:
    """Make everything in the order in which jobs make it."""
    displaced = [each for each in plan.tables if each.creates and _is_displaced(each, schema, places)]
    staged = _staged(plan.tables, schema, displaced)
    for name in sorted({schema, *(table.schema for table in staged)}):
        _make_schema(trial, name)
    before = objects_as_taken(trial, _of(plan, BuildPhase.BEFORE), places)
    see_extensions(trial.connection)
    taken: dict[str, TablePlan] = {}
    *apart, last = groups_of(staged, plan.objects)
    for group in apart:
        with taken_back(trial.connection):
            taken |= _group_as_taken(trial, group)
    taken |= _group_as_taken(trial, last)
    after = _after(trial, plan, places, displaced)
    return SchemaPlan(
        tables=tuple(replace(taken.get(table.name, table), schema=table.schema) for table in plan.tables),
        grades=trial.outcomes.regraded(plan.grades),
        objects=(*before, *after),
    )


def _group_as_taken(trial: Trial, group: Sequence[TablePlan]) -> dict[str, TablePlan]:
    """Try tables that belong together, by target name: all of them, then their foreign keys."""
    tables = [table for batch in batches_of(group) for table in _batch_as_taken(trial, batch)]
    made = [table for table in tables if table.name not in trial.untried]
    keyed = [table for batch in batches_of(made) for table in _batch_with_foreign_keys(trial, batch)]
    return {table.name: table for table in keyed}


def _batch_as_taken(trial: Trial, batch: Sequence[TablePlan]) -> Sequence[TablePlan]:
    return batch if takes_whole(trial, batch) else [table_as_taken(trial, table) for table in batch]


def _batch_with_foreign_keys(trial: Trial, batch: Sequence[TablePlan]) -> Sequence[TablePlan]:
    if not trial.untried and takes_foreign_keys(trial, batch):
        return batch
    return [with_foreign_keys(trial, table) for table in batch]


def _is_displaced(table: TablePlan, schema: str, places: Places) -> bool:
    """Whether another table stands where this one ends, until the job replaces it."""
    return schema in {table.schema, table.swap_into} and places.holds(table.name)


def _staged(tables: Sequence[TablePlan], schema: str, displaced: Collection[TablePlan]) -> list[TablePlan]:
    """The tables where they can be tried: beside those whose places they take, which live on meanwhile."""
    if not any(table.schema == schema for table in displaced):
        return list(tables)
    return [replace(each, schema=_SCRATCH) if each.creates and each.schema == schema else each for each in tables]


def _make_schema(trial: Trial, name: str) -> None:
    # Looked for first: CREATE SCHEMA IF NOT EXISTS asks for the right to make one even where it is there.
    if not has_schema(trial.connection, name):
        refused = trial.make(ddl.create_schema(name), f"making schema {name}")
        if refused is not None:
            raise UntriableError(refused.reason)


def _of(plan: SchemaPlan, phase: BuildPhase) -> Iterable[ObjectPlan]:
    return (each for each in plan.objects if each.phase is phase)


def _after(trial: Trial, plan: SchemaPlan, places: Places, displaced: Sequence[TablePlan]) -> tuple[ObjectPlan, ...]:
    planned = tuple(_of(plan, BuildPhase.AFTER))
    if not planned or not displaced:
        return objects_as_taken(trial, planned, places)
    names = ", ".join(table.name for table in displaced[:3]) + (" …" if len(displaced) > 3 else "")
    trial.notes.append(f"views and triggers were not tried: the tables that the job replaces are there ({names})")
    return tuple(each for each in planned if is_free(trial, each, places))
