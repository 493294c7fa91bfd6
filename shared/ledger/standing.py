"""Why a table or a job that has not ended does not get on: what its last step met, kept until a step succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from shared.ledger.session import Ledger
from shared.ledger.states import JOB_ENDS, TABLE_ENDS
from shared.ledger.tables import jobs, tables

_LENGTH: Final = 1000
"""Characters of an error that the ledger keeps; longer ones repeat themselves."""


def note_table(ledger: Ledger, table_id: int, error: str) -> None:
    """Keep why a table's step did not end, unless the table has; its next move forgets it."""
    _note(ledger, tables, tables.c.state.not_in(TABLE_ENDS), table_id, error)


def note_job(ledger: Ledger, job_id: int, error: str) -> None:
    """Keep why a job's end did not come about, unless it has; its next move forgets it."""
    _note(ledger, jobs, jobs.c.state.not_in(JOB_ENDS), job_id, error)


def _note(ledger: Ledger, table: sa.Table, unended: sa.ColumnElement[bool], number: int, error: str) -> None:
    # Whoever holds the row is at that very step again: nothing that failed before is news then.
    free = sa.select(table.c.id).where(table.c.id == number, unended).with_for_update(skip_locked=True, key_share=True)
    ledger.run(sa.update(table).where(table.c.id.in_(free.scalar_subquery())).values(error=error[:_LENGTH]))


def read_standing(ledger: Ledger, job_id: int, *, limit: int) -> Sequence[str]:
    """Read what the steps of a job that has not ended met last, tables before the job, at most `limit`."""
    of_tables = sa.select(tables.c.error).where(
        tables.c.job_id == job_id, tables.c.error.is_not(None), tables.c.state.not_in(TABLE_ENDS)
    )
    of_job = sa.select(jobs.c.error).where(
        jobs.c.id == job_id, jobs.c.error.is_not(None), jobs.c.state.not_in(JOB_ENDS)
    )
    return [row.error for row in (*ledger.run(of_tables.limit(limit)), *ledger.run(of_job))][:limit]
