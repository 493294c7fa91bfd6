"""The job's tables in the target: what is missing is made, what replaces others in a staging schema."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.errors import OperatorError
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.unfinished import superseded_jobs
from shared.records.plan import BuildPhase, SchemaPlan, TablePlan
from shared.target import ddl
from shared.target.statements import make_schema, probe, run, see_extensions
from shared.target.swapping import drop_statements, staging_schema, standing

_TABLES_AT_ONCE: Final = 50
"""Tables made in one round trip."""
_DEPENDED_ON: Final = "2BP01"
"""dependent_objects_still_exist (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


def make_tables(ledger: SqlAlchemyLedger, plan: SchemaPlan, *, schema: str) -> None:
    """Make the tables that a plan makes, and what they need, in the caller's transaction."""
    made = [table for table in plan.tables if table.creates]
    if made or plan.objects:
        for name in sorted({schema, *(table.schema for table in made)}):
            make_schema(ledger.connection, name)
    before = ddl.objects(plan.objects, BuildPhase.BEFORE)
    for statement in before:
        run(ledger.connection, statement)
    see_extensions(ledger.connection)
    for first in range(0, len(made), _TABLES_AT_ONCE):
        statements = [ddl.create_table(table) for table in made[first : first + _TABLES_AT_ONCE]]
        run(ledger.connection, ";\n".join(statements))


def staged(ledger: SqlAlchemyLedger, plan: SchemaPlan, job_id: int, schema: str) -> SchemaPlan:
    """Plan tables that replace others into a staging schema of the job's, whence they move at its end (--recreate).

    Raises:
        OperatorError: where something else depends on a table that would be dropped then.
    """
    made = [table for table in plan.tables if table.creates]
    old = standing(ledger.connection, schema, made)
    if not old:
        return plan
    room = staging_schema(job_id)
    moving = [replace(table, schema=room, swap_into=schema, replaces=table.name in old) for table in made]
    _refuse_depended_on(ledger, plan, schema, made)
    for job in superseded_jobs(ledger, schema, [table.name for table in made]):
        run(ledger.connection, ddl.drop_schema_with_tables(staging_schema(job)))
    by_source = {table.read.table: table for table in moving}
    return replace(plan, tables=tuple(by_source.get(table.read.table, table) for table in plan.tables))


def parents_first(plans: Sequence[TablePlan]) -> tuple[TablePlan, ...]:
    """Order tables so that each comes after those that its foreign keys name; cycles are broken by name."""
    waiting = {plan.name: plan for plan in sorted(plans, key=lambda plan: plan.name)}
    ordered: list[TablePlan] = []
    while waiting:
        free = [plan for plan in waiting.values() if not _parents(plan) & (waiting.keys() - {plan.name})]
        ordered += [waiting.pop(plan.name) for plan in free or [next(iter(waiting.values()))]]
    return tuple(ordered)


def largest_first(plans: Sequence[TablePlan]) -> tuple[TablePlan, ...]:
    """Order tables as they are sent: the largest first, so that no worker is left alone with one at the end.

    Tables that were there before keep their order among themselves, which is parents first: they may keep their
    foreign keys while they are loaded. One that large ones wait for goes as early as these would.

    Args:
        plans: Fitted onto the target, parents first.
    """
    there = [plan for plan in plans if not plan.creates]
    # How large the largest is that waits for it.
    awaited = list(itertools.accumulate(map(_bytes, reversed(there)), max))[::-1]
    urgency = {plan.name: size for plan, size in zip(there, awaited, strict=True)}
    return tuple(sorted(plans, key=lambda plan: -urgency.get(plan.name, _bytes(plan))))


def _bytes(plan: TablePlan) -> float:
    return plan.rows * plan.row_bytes


def _parents(plan: TablePlan) -> set[str]:
    return {key.parent for key in plan.foreign_keys}


def _refuse_depended_on(ledger: SqlAlchemyLedger, plan: SchemaPlan, schema: str, made: Sequence[TablePlan]) -> None:
    """Say at once what would stand in the way at the job's end."""
    statements = drop_statements(ledger.connection, made, plan.objects, schema)
    refused = probe(ledger.connection, statements, "dropping tables of the same names")
    if refused is not None:
        then = "drop that first, or copy its table in the same job" if refused.state == _DEPENDED_ON else "mend that"
        msg = f"--recreate would drop tables at the job's end, which PostgreSQL refuses ({refused.said}): {then}"
        raise OperatorError(msg)
