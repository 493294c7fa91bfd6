"""What load a job may make, what there is, and how many chunks may therefore be copied at once.

All times are PostgreSQL's; no worker's clock has a say.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from shared.errors import OperatorError
from shared.ledger.codec import decode_max_load, encode_load, encode_max_load
from shared.ledger.intervals import seconds
from shared.ledger.load_rule import FIRST, next_in_flight, pressure_of
from shared.ledger.session import Ledger
from shared.ledger.states import JOB_ENDS
from shared.ledger.tables import jobs
from shared.ledger.turns import count_comparing, count_copying
from shared.records.load import Load, MaxLoad

_WINDOW_S: Final = 10.0
"""Bytes a second are of the last ten seconds: a chunk takes one or a few."""
_DECIDE_S: Final = 1.5
"""The number of chunks is decided once in so long, whoever asks and however many do: a decision needs time to show."""
_STATS_ROLE: Final = "pg_read_all_stats"
"""Who is no member sees neither what others' connections do nor how far replicas are."""

_CONNECTIONS: Final = sa.text(
    "SELECT count(*) AS busy FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()"
)
# replay_lag is NULL where a replica has replayed all there was.
_REPLICAS: Final = sa.text(
    "SELECT count(*) AS replicas, coalesce(extract(epoch FROM max(replay_lag)), 0)::float8 AS lag_s"
    " FROM pg_stat_replication WHERE state IN ('streaming', 'catchup')"
)
_BYTES: Final = sa.text(
    # Each chunk's bytes are spread over the time that it took; those of chunks on their way are not known yet.
    "SELECT clock_timestamp() AS at, coalesce(sum(source_bytes * extract(epoch FROM copied_at - greatest(started_at,"
    " since)) / greatest(extract(epoch FROM copied_at - started_at), 0.001)), 0)::float8 / :window AS bytes_per_s"
    " FROM pgconvoy.chunks, (SELECT clock_timestamp() - make_interval(secs => :window) AS since) AS w"
    " WHERE job_id = :job AND copied_at > since"
)


def measure(ledger: Ledger, job_id: int) -> Load:
    """Look at the target's load, as PostgreSQL's own views tell it."""
    busy = ledger.run(_CONNECTIONS)[0].busy
    replicas = ledger.run(_REPLICAS)[0]
    copied = ledger.run(_BYTES.bindparams(job=job_id, window=_WINDOW_S))[0]
    return Load(
        at=copied.at,
        bytes_per_s=copied.bytes_per_s,
        connections=busy,
        replicas=replicas.replicas,
        lag_s=replicas.lag_s,
    )


def count_replicas(ledger: Ledger) -> int:
    """How many replicas are connected to the target."""
    return int(ledger.run(_REPLICAS)[0].replicas)


def refuse_blind(ledger: Ledger, limits: MaxLoad) -> None:
    """Refuse limits whose load the target's role may not see.

    Raises:
        OperatorError: names the role and the statement that lets it.
    """
    if not limits.by_number:
        return
    statement = sa.text(f"SELECT current_user AS role, pg_has_role('{_STATS_ROLE}', 'USAGE') AS sees")
    found = ledger.run(statement)[0]
    if not found.sees:
        what = "the other connections" if limits.connections is not None else "the replicas"
        msg = (
            f"the target's role {found.role!r} does not see what {what} of the server do, so that --max-load could not"
            f' be kept: let it by GRANT {_STATS_ROLE} TO "{found.role}", or limit bytes a second'
        )
        raise OperatorError(msg)


def set_max_load(ledger: Ledger, job_id: int, limits: MaxLoad | None) -> bool:
    """Allow a job so much load from now on, None: any; False where the job has ended.

    The number of chunks at once begins with what is being copied, and is decided anew by `adjust`.
    """
    in_flight = None
    if limits is not None and limits.by_number:
        in_flight = max(FIRST, count_copying(ledger, job_id))
    statement = (
        sa.update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.not_in(JOB_ENDS))
        .values(
            max_load=None if limits is None else encode_max_load(limits),
            in_flight=in_flight,
            load=None,
            paced_until=None,
        )
        .returning(jobs.c.id)
    )
    return bool(ledger.run(statement))


def adjust(ledger: Ledger, job_id: int) -> None:
    """Measure the load and decide how many chunks may be copied at once, where the job has limits and it is time.

    Whoever finds the job's row held leaves it: another one decides, or a chunk is being claimed.
    """
    seen_at = sa.cast(jobs.c.load["at"].astext, sa.DateTime(timezone=True))
    due = sa.or_(jobs.c.load.is_(None), seen_at < sa.func.clock_timestamp() - seconds(_DECIDE_S))
    statement = (
        sa.select(jobs.c.max_load, jobs.c.in_flight)
        .where(jobs.c.id == job_id, jobs.c.max_load.is_not(None), due)
        .with_for_update(skip_locked=True, key_share=True)
    )
    found = ledger.run(statement)
    if not found:
        return
    limits, load, in_flight = decode_max_load(found[0].max_load), measure(ledger, job_id), None
    if limits.by_number:
        now = FIRST if found[0].in_flight is None else found[0].in_flight
        running = count_copying(ledger, job_id) + count_comparing(ledger, job_id)
        in_flight = next_in_flight(now, pressure=pressure_of(limits, load), running=running)
    ledger.run(sa.update(jobs).where(jobs.c.id == job_id).values(load=encode_load(load), in_flight=in_flight))
