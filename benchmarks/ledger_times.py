"""What the ledger says of a job's times: from the first claim on, by PostgreSQL's clock."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

from benchmarks.server import one, rows_of
from shared.ledger.codec import table_of
from shared.records.plan import TablePlan

PARTS = ("read", "convert", "write", "commit")
"""What a chunk's time is made of; the rest is claim, connection and Python between them."""
_JOB = "SELECT max(id) FROM pgconvoy.jobs"
_SPANS = f"""
WITH tables AS (
    SELECT t.id, t.ended_at, min(c.started_at) AS begun, max(c.copied_at) AS copied,
           -- Comparisons are sent when the keys are built; without any, the table ends then.
           coalesce(min(c.compare_sent_at), min(c.compared_at - make_interval(secs => c.compare_s)), t.ended_at)
               AS built
      FROM pgconvoy.tables t LEFT JOIN pgconvoy.chunks c ON c.table_id = t.id
     WHERE t.job_id = ({_JOB}) GROUP BY t.id
)
SELECT extract(epoch FROM max(copied) - min(begun))::float8,
       extract(epoch FROM max(built) - min(begun))::float8,
       extract(epoch FROM max(ended_at) - max(built))::float8,
       extract(epoch FROM max(ended_at) - min(begun))::float8
  FROM tables
"""
_SUMS = f"""
SELECT count(*), coalesce(sum(rows), 0)::int8, coalesce(sum(rejects), 0)::int8,
       coalesce(sum(read_s), 0), coalesce(sum(convert_s), 0), coalesce(sum(write_s), 0), coalesce(sum(commit_s), 0),
       coalesce(sum(wait_s), 0), coalesce(sum(compare_s), 0), string_agg(DISTINCT path, ', ')
  FROM pgconvoy.chunks WHERE job_id = ({_JOB})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTimes:
    """The latest job's times, in seconds."""

    rows_s: float
    """First chunk claimed to last chunk committed."""
    copying_s: float
    """First chunk claimed to last chunk committed and keys built."""
    verifying_s: float
    """From there to the end of the last table."""
    tables_s: float
    """First chunk claimed to the end of the last table."""
    chunks: int
    rows: int
    rejects: int
    parts: dict[str, float]
    """Sums over all chunks: read, convert, write, commit; wait is from a message's sending to the claim."""
    paths: str


def latest_job(url: str) -> LedgerTimes:
    """Read the times of the job that was recorded last."""
    (spans,) = rows_of(url, _SPANS)
    (sums,) = rows_of(url, _SUMS)
    rows, copying, verifying, tables = (float(str(span or 0.0)) for span in spans)
    chunks, found, rejects, read, convert, write, commit, wait, compare, paths = sums
    named = zip((*PARTS, "wait", "compare"), (read, convert, write, commit, wait, compare), strict=True)
    return LedgerTimes(
        rows_s=rows,
        copying_s=copying,
        verifying_s=verifying,
        tables_s=tables,
        chunks=int(str(chunks)),
        rows=int(str(found)),
        rejects=int(str(rejects)),
        parts={name: float(str(seconds)) for name, seconds in named},
        paths=str(paths or ""),
    )


def latest_plans(url: str) -> list[TablePlan]:
    """Read how the latest job made its tables, largest first, so that others can load into the same."""
    columns = "id, job_id, state, plan, planned, error, oid, settled_xid"
    found = rows_of(url, f"SELECT {columns} FROM pgconvoy.tables WHERE job_id = ({_JOB}) ORDER BY bytes_expected DESC")
    return [table_of(SimpleNamespace(**dict(zip(columns.split(", "), row, strict=True)))).plan for row in found]


def rejects(url: str) -> int:
    """Count the rejects of the latest job."""
    return int(str(one(url, f"SELECT count(*) FROM pgconvoy.rejects WHERE job_id = ({_JOB})")))
