"""Sessions of attempts that have run past their task's time limit: their worker is gone and PostgreSQL has not heard.

A peer that vanished is noticed by keepalives. Where something on the line answers those (a proxy that carries nothing
any more), PostgreSQL waits for the rows of a COPY without end, and no time-out of its own counts there: neither
statement_timeout, nor transaction_timeout, nor the one for idle transactions.

Builds, comparisons and a job's end need none of this: their server works by itself and then waits for the next
statement, idle in its transaction, which PostgreSQL ends after `idle_timeout_s`. Only who looks at a table as a whole
may be idle for as long as any task may run (`LONGEST_BUILD_S`): of two sessions at a comparison one is always idle, and
from the server's side nobody can tell a long one from one whose worker is behind a stalled line.
"""

from __future__ import annotations

import sqlalchemy as sa

from shared.ledger.intervals import seconds
from shared.ledger.session import Ledger
from shared.ledger.states import ChunkState
from shared.ledger.tables import chunks

_ACTIVITY = sa.table(
    "pg_stat_activity", sa.column("pid"), sa.column("datname"), sa.column("usename"), sa.column("application_name")
)


def end_overdue(ledger: Ledger, job_id: int, *, after_s: float) -> int:
    """End the sessions that copy a chunk for longer than any task may run; their chunks are lost then, and rescued.

    Args:
        ledger: A transaction.
        job_id: The job to look at.
        after_s: Seconds since the claim, by PostgreSQL's clock: beyond Celery's time limit, so that nobody is at work.

    Returns:
        How many sessions were told to end.
    """
    overdue = sa.select(sa.func.concat("pgconvoy copy chunk ", chunks.c.id)).where(
        chunks.c.job_id == job_id,
        chunks.c.state == ChunkState.COPYING,
        chunks.c.started_at < sa.func.clock_timestamp() - seconds(after_s),
    )
    ours = sa.and_(
        _ACTIVITY.c.datname == sa.func.current_database(), _ACTIVITY.c.usename == sa.literal_column("current_user")
    )
    names = list(ledger.run(overdue))
    if not names:
        return 0
    chosen = _ACTIVITY.c.application_name.in_([name for (name,) in names])
    return len(ledger.run(sa.select(sa.func.pg_terminate_backend(_ACTIVITY.c.pid)).where(ours, chosen)))
