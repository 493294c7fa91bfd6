"""What an attempt says of its chunk: claim, hold, finish, fail; and the rescue of chunks that lost their worker.

Every update is guarded by state and attempt: 'no row updated' is an answer, not an accident.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSON, JSONB

from shared.ledger.codec import chunk_of
from shared.ledger.intervals import seconds
from shared.ledger.pausing import give_back_chunk, goes_on
from shared.ledger.prepared import prepared
from shared.ledger.session import Ledger
from shared.ledger.states import ChunkState, TableState
from shared.ledger.tables import chunks, jobs, rejects, tables
from shared.ledger.turns import give_back, hold_turn, move_turn
from shared.records.keys import RawText, Value, encode_value
from shared.records.plan import TablePlan
from shared.records.source import StorageClass
from shared.records.work import Chunk, CopyResult, Reject

_ERROR_LENGTH: Final = 1000
"""Characters of an error that the ledger keeps; longer ones repeat themselves."""
_REJECTS_LENGTH: Final = 1_000_000
"""Characters and bytes of rejected rows that are sent together; a longer row goes alone."""
_WIDE: Final = 65_536
"""Characters or bytes from which a value of such a row is sent as it is."""
_LONGEST_DELAY_S: Final = 300.0
"""Past five minutes a retry helps nobody who waits."""


def _since(moment: sa.ColumnElement[Any]) -> Any:
    """Seconds from a moment to now, by PostgreSQL's clock; NULL where there was no such moment."""
    return sa.extract("epoch", sa.func.clock_timestamp() - moment)


def _is_overdue(task_limit_s: float | None) -> sa.ColumnElement[bool]:
    return sa.false() if task_limit_s is None else _since(chunks.c.started_at) >= task_limit_s


def claim_if_pending(ledger: Ledger, chunk_id: int, worker: str) -> Chunk | None:
    """Note attempt, worker and start time; None where the chunk isn't pending, isn't due, or its job has ended.

    None as well where the job is paused or may not copy one more now: the chunk is sent again when it may.
    """
    claimed = claim_or_wait(ledger, chunk_id, worker, patience_s=0.0)
    return claimed if isinstance(claimed, Chunk) else None


def claim_or_wait(ledger: Ledger, chunk_id: int, worker: str, *, patience_s: float) -> Chunk | float | None:
    """Claim a chunk as `claim_if_pending` does, or say in how many seconds its turn may come, if that is soon.

    Args:
        ledger: A transaction, which holds back others' claims of the same job where that has a limit of load.
        chunk_id: The chunk.
        worker: Who claims it.
        patience_s: The longest wait that is answered; where it would be longer, the chunk is given back.
    """
    chunk = _claimed(ledger.run(_claim(chunk_id, worker, if_unlimited=True)))
    if chunk is not None:
        return chunk
    turn = hold_turn(ledger, chunk_id)
    if give_back_chunk(ledger, chunk_id) or turn is None:  # asked once the job is held: nobody pauses it now
        return None
    if turn.seconds <= 0:
        chunk = _claimed(ledger.run(_claim(chunk_id, worker, if_unlimited=False)))
        if chunk is not None:
            move_turn(ledger, chunk.job_id, chunk.source_bytes, turn.limits)
        return chunk
    if turn.seconds <= patience_s:
        return turn.seconds
    give_back(ledger, chunk_id)
    return None


def _claimed(rows: Sequence[Any]) -> Chunk | None:
    return chunk_of(rows[0]) if rows else None


@prepared
def _claim(chunk_id: int, worker: str, *, if_unlimited: bool) -> sa.Update:
    limits = jobs.c.max_load.is_(None) if if_unlimited else sa.true()
    active = sa.exists().where(jobs.c.id == chunks.c.job_id, limits)
    return (
        sa.update(chunks)
        .where(
            chunks.c.id == chunk_id,
            chunks.c.state == ChunkState.PENDING,
            sa.or_(chunks.c.not_before.is_(None), chunks.c.not_before <= sa.func.clock_timestamp()),
            goes_on(chunks.c.job_id),
            active,
        )
        .values(
            state=ChunkState.COPYING,
            attempt=chunks.c.attempt + 1,
            worker=worker,
            started_at=sa.func.clock_timestamp(),
            not_before=None,
            error=None,
            wait_s=_since(chunks.c.enqueued_at),
        )
        .returning(chunks)
    )


def is_current(chunk: Chunk) -> sa.ColumnElement[bool]:
    """Whether a chunk is still this attempt's.

    By worker as well as by number: a requeue, and a server that comes back without its last commits, give a number
    out again, and whoever had it before may still be between claiming and holding.
    """
    return _is_attempt(chunk.id, chunk.attempt, chunk.worker)


def _is_attempt(chunk_id: int, attempt: int, worker: str | None) -> sa.ColumnElement[bool]:
    ours = sa.and_(chunks.c.attempt == attempt, chunks.c.worker.is_not_distinct_from(worker))
    return sa.and_(chunks.c.id == chunk_id, chunks.c.state == ChunkState.COPYING.value, ours)


def hold_if_current(ledger: Ledger, chunk: Chunk) -> bool:
    """Lock the chunk's row for this transaction: the lease. False where the attempt is no longer the chunk's own."""
    return bool(ledger.run(_hold(chunk.id, chunk.attempt, chunk.worker)))


@prepared
def _hold(chunk_id: int, attempt: int, worker: str | None) -> sa.Select[Any]:
    return sa.select(chunks.c.id).where(_is_attempt(chunk_id, attempt, worker)).with_for_update(skip_locked=True)


def finish_if_current(ledger: Ledger, chunk: Chunk, result: CopyResult) -> bool:
    """Say `copied` in the transaction that copied; False where the attempt is no longer the chunk's own."""
    statement = _finish(
        chunk_id=chunk.id,
        attempt=chunk.attempt,
        worker=chunk.worker,
        rows=result.rows,
        rejects=len(result.rejects) + result.rejected,
        path=result.path.value,
        fingerprint=result.fingerprint,
        read_s=result.times.read_s,
        convert_s=result.times.convert_s,
        write_s=result.times.write_s,
    )
    return bool(ledger.run(statement))


@prepared
def _finish(  # noqa: PLR0913 - a column each
    *,
    chunk_id: int,
    attempt: int,
    worker: str | None,
    rows: int,
    rejects: int,
    path: str,
    fingerprint: str | None,
    read_s: float,
    convert_s: float,
    write_s: float,
) -> sa.Update:
    return (
        sa.update(chunks)
        .where(_is_attempt(chunk_id, attempt, worker))
        .values(
            state=ChunkState.COPIED.value,
            copied_at=sa.func.clock_timestamp(),
            rows=rows,
            rejects=rejects,
            path=path,
            fingerprint=fingerprint,
            read_s=read_s,
            convert_s=convert_s,
            write_s=write_s,
            commit_s=sa.null(),
        )
        .returning(chunks.c.id)
    )


def note_commit(ledger: Ledger, chunk: Chunk, commit_s: float) -> None:
    """Note how long the commit took, after it; nothing happens where the chunk is another attempt's, or is held.

    Args:
        ledger: A transaction of its own.
        chunk: As it was claimed.
        commit_s: Seconds.
    """
    ledger.run(_note_commit(chunk.id, chunk.attempt, commit_s))


@prepared
def _note_commit(chunk_id: int, attempt: int, commit_s: float) -> sa.Update:
    arrived = chunks.c.state.in_((ChunkState.COPIED, ChunkState.VERIFIED))
    ours = (chunks.c.id == chunk_id, chunks.c.attempt == attempt, arrived)
    free = sa.select(chunks.c.id).where(*ours).with_for_update(skip_locked=True).scalar_subquery()
    return sa.update(chunks).where(chunks.c.id == free).values(commit_s=commit_s)


def fail_if_current(
    ledger: Ledger, chunk: Chunk, error: str, *, retry: bool, max_attempts: int, delay_s: float
) -> ChunkState | None:
    """Put the chunk back with the time of its next attempt, or fail it for good.

    Args:
        ledger: A transaction of its own, since the copy's was rolled back.
        chunk: As it was claimed.
        error: One sentence, redacted.
        retry: Whether another attempt may help.
        max_attempts: Attempts a chunk gets.
        delay_s: Seconds before the second attempt; doubles with each one.

    Returns:
        The chunk's new state; None where the attempt is no longer the chunk's own.
    """
    again = retry and chunk.attempt < max_attempts
    wait = min(delay_s * 2 ** (chunk.attempt - 1), _LONGEST_DELAY_S)
    state = ChunkState.PENDING if again else ChunkState.FAILED
    statement = (
        sa.update(chunks)
        .where(is_current(chunk))
        .values(
            state=state,
            enqueued_at=None,
            not_before=sa.func.clock_timestamp() + seconds(wait) if again else None,
            error=error[:_ERROR_LENGTH],
        )
        .returning(chunks.c.id)
    )
    return state if ledger.run(statement) else None


def release_if_current(ledger: Ledger, chunk: Chunk) -> bool:
    """Give a chunk back whose attempt its own process gave up; False where the attempt is no longer the chunk's own.

    Nothing of that attempt is left, so that its number is used again: stopping workers uses no attempt up.
    """
    statement = (
        sa.update(chunks)
        .where(is_current(chunk))
        .values(state=ChunkState.PENDING, attempt=chunks.c.attempt - 1, not_before=None)
        .returning(chunks.c.id)
    )
    return bool(ledger.run(statement))


def rescue_lost(
    ledger: Ledger, job_id: int, *, grace_s: float, max_attempts: int, task_limit_s: float | None = None
) -> int:
    """Put back every chunk that says `copying` while nobody holds its row; returns how many there were.

    Args:
        ledger: A transaction of its own.
        job_id: The job to look at.
        grace_s: Seconds since the claim, by PostgreSQL's clock, that cover the moment between claiming and holding.
        max_attempts: Attempts a chunk gets; a chunk whose last one lost its worker is failed.
        task_limit_s: How long Celery lets a task run; an attempt that took as long was ended for that, which counts
            as two lost workers.
    """
    lost = (
        sa.select(chunks.c.id)
        .where(
            chunks.c.job_id == job_id,
            chunks.c.state == ChunkState.COPYING,
            chunks.c.started_at < sa.func.clock_timestamp() - seconds(grace_s),
        )
        .with_for_update(skip_locked=True)
        .cte("lost")
    )
    used_up = chunks.c.attempt >= max_attempts
    statement = (
        sa.update(chunks)
        .where(chunks.c.id == lost.c.id)
        .values(
            state=sa.case((used_up, ChunkState.FAILED.value), else_=ChunkState.PENDING.value),
            enqueued_at=None,
            not_before=None,
            lost=chunks.c.lost + sa.case((_is_overdue(task_limit_s), 2), else_=1),
            error=sa.func.concat("worker ", chunks.c.worker, " was lost during attempt ", chunks.c.attempt),
        )
        .returning(chunks.c.id)
    )
    return len(ledger.run(statement))


def record_rejects(
    ledger: Ledger, chunk: Chunk, plan: TablePlan, found: Sequence[Reject], *, more: bool = False
) -> None:
    """Keep rejected rows whole, in the transaction that copies the rest of the chunk.

    Those of an earlier copy are forgotten, unless these are `more` of the same one.
    """
    if found and not more:
        ledger.run(sa.delete(rejects).where(rejects.c.chunk_id == chunk.id))
    few: list[dict[str, str | None]] = []
    characters = 0
    for reject in found:
        width = sum(len(part) for part in reject.values if isinstance(part, str | bytes))
        if width > _REJECTS_LENGTH:
            ledger.run(_alone(chunk, reject, plan))
            continue
        if characters + width > _REJECTS_LENGTH:
            ledger.run(_all_of(chunk, few))
            few, characters = [], 0
        few.append(_kept(reject, plan))
        characters += width
    if few:
        ledger.run(_all_of(chunk, few))


def _of(chunk: Chunk) -> dict[str, int]:
    return {"job_id": chunk.job_id, "table_id": chunk.table_id, "chunk_id": chunk.id}


def _kept(reject: Reject, plan: TablePlan) -> dict[str, str | None]:
    """What is kept of a reject, as texts."""
    value = _blamed(reject, plan)
    raw = _raw(value)
    return {
        "key": json.dumps([encode_value(part) for part in reject.key]),
        "column_name": reject.column,
        "storage_class": _storage_class(value),
        "row": json.dumps(_row(reject, plan)),
        "reason": reject.reason[:_ERROR_LENGTH],
        "raw": None if raw is None else raw.hex(),
    }


def _blamed(reject: Reject, plan: TablePlan) -> Value:
    return reject.values[plan.read.columns.index(reject.column)] if reject.column is not None else None


def _row(reject: Reject, plan: TablePlan) -> list[list[Any]]:
    return [[name, encode_value(part)] for name, part in zip(plan.read.columns, reject.values, strict=True)]


def _alone(chunk: Chunk, reject: Reject, plan: TablePlan) -> sa.Insert:
    """Keep one reject with wide values: the server writes their bytes into the document, so that they travel as they
    are, and once.
    """
    value = _blamed(reject, plan)
    wide = {place for place, part in enumerate(reject.values) if isinstance(part, str | bytes) and len(part) > _WIDE}
    narrow = replace(reject, values=tuple(None if place in wide else part for place, part in enumerate(reject.values)))
    document: Any = _json(_row(narrow, plan))
    for place in sorted(wide):
        path = sa.cast(sa.literal(f"{{{place},1}}", sa.Text), sa.ARRAY(sa.Text))
        document = sa.func.jsonb_set(document, path, _wide_document(reject.values[place]))
    return sa.insert(rejects).values(
        **_of(chunk),
        key=_json([encode_value(part) for part in reject.key]),
        column_name=reject.column,
        storage_class=_storage_class(value),
        raw=_raw(value),
        row=document,
        reason=reject.reason[:_ERROR_LENGTH],
    )


def _wide_document(value: Value) -> Any:
    """As `encode_value` writes it."""
    if isinstance(value, str) and "\0" not in value:
        return sa.func.jsonb_build_object(sa.literal("text", sa.Text), sa.literal(value, sa.Text))
    name = "blob" if isinstance(value, bytes) else "raw_text"
    stored = sa.literal(_raw(value), sa.LargeBinary)
    return sa.func.jsonb_build_object(sa.literal(name, sa.Text), sa.func.encode(stored, "hex"))


def _json(document: Any) -> Any:
    """As a text that the server reads, which both drivers can bind."""
    return sa.cast(sa.literal(json.dumps(document), sa.Text), JSONB)


def _all_of(chunk: Chunk, values: Sequence[dict[str, str | None]]) -> sa.Insert:
    """Keep several rejects by one statement, since a dirty chunk has hundreds: they are bound as one document."""
    document = sa.cast(sa.literal(json.dumps(values), sa.Text), JSON)
    names = ("key", "column_name", "storage_class", "row", "reason", "raw")
    each = (
        sa.func.json_to_recordset(document)
        .table_valued(*(sa.column(name, sa.Text) for name in names), name="each")
        .render_derived(with_types=True)
    )
    chosen = [
        *(sa.literal(number, sa.BigInteger).label(name) for name, number in _of(chunk).items()),
        *(sa.cast(each.c[name], JSONB) if name in {"key", "row"} else each.c[name] for name in names[:-1]),
        sa.func.decode(each.c.raw, "hex"),
    ]
    return sa.insert(rejects).from_select([*_of(chunk), *names], sa.select(*chosen))


def mark_started(ledger: Ledger, table_id: int) -> None:
    """Move a table to `copying` when its first chunk begins."""
    ledger.run(_start(table_id))


@prepared
def _start(table_id: int) -> sa.Update:
    waiting = (tables.c.id == table_id, tables.c.state == TableState.PENDING)
    return sa.update(tables).where(*waiting).values(state=TableState.COPYING, started_at=sa.func.clock_timestamp())


def _storage_class(value: Value) -> StorageClass | None:
    match value:
        case None:
            return None
        case int():
            return StorageClass.INTEGER
        case float():
            return StorageClass.REAL
        case bytes():
            return StorageClass.BLOB
    return StorageClass.TEXT


def _raw(value: Value) -> bytes | None:
    match value:
        case None:
            return None
        case RawText(raw=raw):
            return raw
        case bytes():
            return value
        case str():
            return value.encode()
    return repr(value).encode()
