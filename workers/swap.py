"""The moment when a job's new tables replace the old ones (--recreate)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared.ledger.jobs import save_plan
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import TableState
from shared.records.work import Job, JobTable
from shared.target.swapping import swap


def swap_if_complete(
    ledger: SqlAlchemyLedger, job: Job, tables: Sequence[JobTable]
) -> tuple[tuple[JobTable, ...], str | None]:
    """Put a job's new tables where the old ones are, once all of them are complete; until then the old ones stay.

    Returns:
        The tables where they are now, and why they could not be put there, or None.
    """
    waiting = [table for table in tables if table.plan.swap_into is not None]
    if not waiting or any(table.state != TableState.COMPLETED for table in tables):
        return tuple(tables), None
    refused = swap(ledger.connection, [table.plan for table in waiting], job.objects, job.target_schema)
    if refused is not None:
        error = (
            f"the old tables stay, the new ones wait in the schema {waiting[0].plan.schema}: {refused.reason};"
            f" mend that, then `producer requeue {job.id}` puts them there"
        )
        return tuple(tables), error
    return tuple(_moved(ledger, table) for table in tables), None


def _moved(ledger: SqlAlchemyLedger, table: JobTable) -> JobTable:
    if table.plan.swap_into is None:
        return table
    plan = replace(table.plan, schema=table.plan.swap_into, swap_into=None)
    save_plan(ledger, table.id, plan)
    return replace(table, plan=plan)
