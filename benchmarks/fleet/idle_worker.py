"""pgconvoy's own Celery application, but for two functions: chunks are claimed, held and recorded, and no row moves.

``celery -A benchmarks.fleet.idle_worker worker``
"""

from __future__ import annotations

from typing import Any

from shared.ledger.attempts import finish_if_current, hold_if_current
from shared.ledger.session import ArrowLedger
from shared.records.work import Chunk, Comparison, CopyPath, CopyResult, Job
from shared.target.connections import commit
from workers import copy_chunk, verify_chunk
from workers.celery_app import app
from workers.context import WorkerContext

__all__ = ["app"]
_NOTHING = CopyResult(path=CopyPath.ARROW_BARE, rows=0, fingerprint="none")


def _copy_nothing(context: WorkerContext, job: Job, chunk: Chunk, *_: Any, **__: Any) -> CopyResult | None:
    """Do what a copy does with the ledger: hold the chunk and record it in one transaction of an Arrow connection."""
    with context.arrow(f"copy chunk {chunk.id}", job.id) as connection:
        ledger = ArrowLedger(connection)
        if not hold_if_current(ledger, chunk):
            return None
        finish_if_current(ledger, chunk, _NOTHING)
        commit(connection)
    return _NOTHING


def _compare_nothing(*_: Any, **__: Any) -> Comparison:
    return Comparison(rows=0)


copy_chunk._copy = _copy_nothing  # noqa: SLF001 - what is simulated is all else
verify_chunk.compare_chunk = _compare_nothing  # type: ignore[attr-defined]
