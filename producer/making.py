"""The job's tables in the target: what is in the way is dropped if asked for, what is missing is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.errors import OperatorError
from shared.ledger.session import SqlAlchemyLedger
from shared.records.plan import BuildPhase, SchemaPlan, TablePlan
from shared.target import ddl
from shared.target.statements import make_schema, run

_VIEWS: Final = text("""
    SELECT relname FROM pg_catalog.pg_class
     WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema)
       AND relkind = 'v' AND relname = ANY (CAST(:names AS text[]))
""")
_DEPENDED_ON: Final = "2BP01"
"""dependent_objects_still_exist (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


def make_tables(ledger: SqlAlchemyLedger, plan: SchemaPlan, *, schema: str, recreate: bool) -> None:
    """Make the tables that a plan makes, and what they need, in the caller's transaction.

    Raises:
        OperatorError: with `recreate`, where something else depends on a table that would be dropped.
    """
    made = [table for table in plan.tables if table.creates]
    before = ddl.objects(plan.objects, BuildPhase.BEFORE)
    if made or plan.objects:
        make_schema(ledger.connection, schema)
    if recreate and made:
        _drop(ledger, made, _views_to_replace(ledger, plan, schema))
    for statement in (*before, *(ddl.create_table(table) for table in made)):
        run(ledger.connection, statement)


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


def _views_to_replace(ledger: SqlAlchemyLedger, plan: SchemaPlan, schema: str) -> Sequence[str]:
    """The views that an earlier job made and this one makes again; a plan holds no view whose name others took."""
    names = [each.name for each in plan.objects if each.phase is BuildPhase.AFTER]
    return ledger.connection.execute(_VIEWS, {"schema": schema, "names": names}).scalars().all()


def _drop(ledger: SqlAlchemyLedger, plans: Sequence[TablePlan], views: Sequence[str]) -> None:
    try:
        if views:
            run(ledger.connection, ddl.drop_views(plans[0].schema, views))
        run(ledger.connection, ddl.drop_tables(plans))
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
