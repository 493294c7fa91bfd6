"""Chunks that would take too long: what is expected of them, and their parts in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from shared.ledger.attempts import is_current
from shared.ledger.jobs import read_job
from shared.ledger.session import Ledger
from shared.ledger.states import JOB_ENDS, ChunkState
from shared.ledger.tables import chunks, tables
from shared.records.keys import encode_range
from shared.records.work import Chunk, PlannedChunk

_NEIGHBOURS: Final = 50
"""On each side: their rows are most alike, and the ledger finds them by an index however many chunks there are."""
_LIKE: Final = 4
"""A chunk of a quarter of the size says what this one may take; of a few rows it took the way to the ledger alone."""


def expected_seconds(ledger: Ledger, chunk: Chunk) -> float | None:
    """How long a chunk may take, by what its neighbours took for their bytes; None where there is none to go by."""
    taken = sa.extract("epoch", chunks.c.copied_at - chunks.c.started_at)
    statement = sa.select(sa.func.sum(taken), sa.cast(sa.func.sum(chunks.c.source_bytes), sa.Double)).where(
        chunks.c.table_id == chunk.table_id,
        chunks.c.number.between(chunk.number - _NEIGHBOURS, chunk.number + _NEIGHBOURS),
        chunks.c.state.in_([ChunkState.COPIED, ChunkState.VERIFIED]),
        chunks.c.source_bytes * _LIKE >= max(chunk.source_bytes, 1),
    )
    seconds, bytes_ = ledger.run(statement)[0]
    return float(seconds) / bytes_ * chunk.source_bytes if bytes_ else None


def replace_if_current(ledger: Ledger, chunk: Chunk, parts: Sequence[PlannedChunk]) -> int | None:
    """Put pending parts in the place of a chunk that this attempt holds; returns the id of the first one.

    The chunk itself goes, so that whoever still has it in hand finds nothing to hold. The first part takes its number,
    the others follow after all there are: chunks that are being copied keep theirs.

    Returns:
        None where the chunk stays: its attempt was overtaken, its job has ended, or its table is not wholly planned (a
        later planning would record what it cuts under those numbers).
    """
    # Locked: no two chunks take the same numbers, and a job that ends meanwhile gets no chunk after its end.
    job = read_job(ledger, chunk.job_id, lock=True)
    planned = ledger.run(sa.select(tables.c.planned).where(tables.c.id == chunk.table_id))[0].planned
    if job.state in JOB_ENDS or not planned:
        return None
    if not ledger.run(sa.delete(chunks).where(is_current(chunk)).returning(chunks.c.id)):
        return None
    last = ledger.run(sa.select(sa.func.max(chunks.c.number)).where(chunks.c.table_id == chunk.table_id))[0][0]
    last = max(last or 0, chunk.number)
    rows = [
        {
            "job_id": chunk.job_id,
            "table_id": chunk.table_id,
            "number": last + place if place else chunk.number,
            "key_range": encode_range(part.key_range),
            "rows_expected": part.rows,
            "source_bytes": part.source_bytes,
        }
        for place, part in enumerate(parts)
    ]
    made = ledger.run(sa.insert(chunks).values(rows).returning(chunks.c.id, chunks.c.number))
    return next(int(row.id) for row in made if row.number == chunk.number)
