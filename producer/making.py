"""The job's tables in the target: what is in the way is dropped if asked for, what is missing is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from shared.errors import OperatorError
from shared.ledger.session import SqlAlchemyLedger
from shared.records.plan import TablePlan
from shared.target import ddl

_DEPENDED_ON: Final = "2BP01"
"""dependent_objects_still_exist (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
_SCHEMA_THERE: Final = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name"


def make_tables(ledger: SqlAlchemyLedger, plans: Sequence[TablePlan], *, schema: str, recreate: bool) -> None:
    """Make what the plans say is made, in the caller's transaction.

    Raises:
        OperatorError: with `recreate`, where something else depends on a table that would be dropped.
    """
    made = [plan for plan in plans if plan.creates]
    if made:
        _make_schema(ledger, schema)
    if recreate and made:
        _drop(ledger, made)
    for plan in made:
        _run(ledger, ddl.create_table(plan))


def parents_first(plans: Sequence[TablePlan]) -> tuple[TablePlan, ...]:
    """Order tables so that each comes after those that its foreign keys name; cycles are broken by name."""
    waiting = {plan.name: plan for plan in sorted(plans, key=lambda plan: plan.name)}
    ordered: list[TablePlan] = []
    while waiting:
        free = [plan for plan in waiting.values() if not _parents(plan) & (waiting.keys() - {plan.name})]
        ordered += [waiting.pop(plan.name) for plan in free or [next(iter(waiting.values()))]]
    return tuple(ordered)


def _parents(plan: TablePlan) -> set[str]:
    return {key.parent for key in plan.foreign_keys}


def _make_schema(ledger: SqlAlchemyLedger, schema: str) -> None:
    # Looked for first: CREATE SCHEMA IF NOT EXISTS asks for the right to make one even where it is there.
    if ledger.connection.execute(sa.text(_SCHEMA_THERE), {"name": schema}).first() is None:
        _run(ledger, ddl.create_schema(schema))


def _drop(ledger: SqlAlchemyLedger, plans: Sequence[TablePlan]) -> None:
    try:
        _run(ledger, ddl.drop_tables(plans))
    except DBAPIError as error:
        diagnostics = getattr(error.orig, "diag", None)
        if getattr(error.orig, "pgcode", None) != _DEPENDED_ON or diagnostics is None:
            raise
        dependents = "; ".join((diagnostics.message_detail or "").splitlines())
        msg = (
            f"--recreate would drop tables that something else depends on ({dependents}):"
            " drop that first, or copy its table in the same job"
        )
        raise OperatorError(msg) from error


def _run(ledger: SqlAlchemyLedger, sql: str) -> None:
    # Without parameters, a percent sign in a name stands for itself.
    ledger.connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
