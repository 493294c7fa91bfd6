"""Rows that verification found to differ, copied again by their keys; then what differed is compared once more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from producer.commands import verify
from producer.records import JobEnd, Listener
from producer.replaying import own_triggers_off
from producer.services import Target, open_ledger
from producer.starting import go_on
from producer.wording import counted
from shared.compare.target_rows import match_places
from shared.ledger.jobs import hold_job, move_job, read_job, read_tables
from shared.ledger.repairs import Differing, count_mismatches, differing_chunks, hold_differing, reopen_differing
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JobState
from shared.records.keys import EVERYTHING, ChunkRange, NullKeys, SourceRow, Value
from shared.records.plan import CompareBy, LoadPath, OnConflict, TablePlan
from shared.records.source import ChunkKeyKind
from shared.records.work import Job, JobTable, MismatchKind
from shared.settings import Settings
from shared.source.kinds import open_source
from shared.source.reader import SourceReader
from shared.target.careful_writer import write_carefully
from shared.target.mending import mended
from shared.target.surplus import remove_rows

_BATCH_ROWS: Final = 1_000
_MOST_ROUNDS: Final = 1_000
"""Of each comparison at most 1,000 mismatches are listed, so a million rows that differ take as many rounds."""


@dataclass(frozen=True, slots=True)
class _Repaired:
    """What one round did."""

    written: int = 0
    removed: int = 0
    refused: tuple[str, ...] = ()
    """Reasons, one for each row that the target did not take."""

    def __add__(self, other: _Repaired) -> _Repaired:
        return _Repaired(self.written + other.written, self.removed + other.removed, self.refused + other.refused)


def verify_and_repair(settings: Settings, job_id: int | None, listener: Listener) -> JobEnd:
    """Compare every value of a job's tables; copy again the rows that differ, and compare those chunks again.

    Goes on as long as each round leaves fewer mismatches. Rows that are missing or differ are read from the source by
    their keys and written over what is there; rows that the source does not have are removed where the job made the
    table and no other row refers to them. Tables that are compared without a key are only told about.

    Raises:
        OperatorError: as `producer.commands.verify`.
    """
    end = verify(settings, job_id, listener, to_repair=True)
    with open_ledger(settings) as target:
        left = _mismatches(target, end.progress.job)
        for _ in range(_MOST_ROUNDS):
            if not left or not _repair(target, end.progress.job, listener):
                break
            repaired = go_on(target, end.progress.job, listener, again=True)
            assert isinstance(repaired, JobEnd)  # noqa: S101 - narrows the type: nothing was detached
            end, before, left = replace(repaired, skipped=end.skipped), left, _mismatches(target, end.progress.job)
            if left >= before:
                break
    return end


def _mismatches(target: Target, job_id: int) -> int:
    with target.ledger(f"counting the mismatches of job {job_id}") as ledger:
        return count_mismatches(ledger, job_id)


def _repair(target: Target, job_id: int, listener: Listener) -> bool:
    """Repair what is listed; False where nothing could be."""
    with target.ledger(f"reading job {job_id}") as ledger:
        job = read_job(ledger, job_id)
        work = {table: differing_chunks(ledger, table.id) for table in read_tables(ledger, job_id)}
    work = {table: chunks for table, chunks in work.items() if chunks}
    for table in [table for table in work if _has_no_key(table.plan)]:
        del work[table]
        listener.warn(
            f"table {table.plan.read.table} has no key to find its rows by, so they cannot be repaired one by one:"
            f" copy it anew with `producer start --tables {table.plan.read.table} --recreate`"
        )
    with open_source(job.snapshot_url, frozen=job.options.snapshot) as reader:
        done = [_repair_chunk(target, reader, table, chunk) for table, chunks in work.items() for chunk in chunks]
    total = sum(done, _Repaired())
    _tell(job, total, listener)
    if not total.written and not total.removed:
        return False

    def take_back(ledger: SqlAlchemyLedger) -> None:
        hold_job(ledger, job_id)
        for table in work:
            reopen_differing(ledger, table.id)
        move_job(ledger, job_id, JobState.VERIFYING)

    target.transact(f"taking back what was said of job {job_id}", take_back)
    return True


def _tell(job: Job, total: _Repaired, listener: Listener) -> None:
    listener.say(
        f"job {job.id}: {counted(total.written, 'row')} copied again, {counted(total.removed, 'row')} removed that the"
        " source does not have"
    )
    if total.refused:
        listener.warn(f"{counted(len(total.refused), 'row')} could not be copied again; the first: {total.refused[0]}")


def _has_no_key(plan: TablePlan) -> bool:
    return not plan.match_key or plan.compare_by is CompareBy.MULTISET


def _repair_chunk(target: Target, reader: SourceReader, table: JobTable, chunk_id: int | None) -> _Repaired:
    """Repair the rows of one chunk, or those that only the table as a whole showed, in one transaction."""
    plan = _overwriting(table.plan)

    def repair(ledger: SqlAlchemyLedger) -> _Repaired:
        found = hold_differing(ledger, table.id, chunk_id)
        extra = _keys(found, {MismatchKind.EXTRA})
        wanted = _keys(found, {MismatchKind.MISSING, MismatchKind.DIFFERENT})
        rows = _rows_of(reader, plan, found, wanted) if wanted else iter(())
        keys = wanted | extra
        with own_triggers_off(ledger, plan), mended(ledger.connection, plan, keys, job=table.job_id, table=table.id):
            removed = remove_rows(ledger.connection, plan, extra) if plan.creates else 0
            connection = ledger.connection.connection.dbapi_connection
            result = write_carefully(connection, rows, plan, reject_orphans=True)
        return _Repaired(result.rows, removed, tuple(reject.reason for reject in result.rejects))

    return target.transact(f"repairing table {plan.read.table}", repair)


def _overwriting(plan: TablePlan) -> TablePlan:
    """The plan of a table that is filled already; one that was there before keeps what its job was told to do."""
    return replace(plan, load=LoadPath.UPSERT, on_conflict=OnConflict.UPDATE) if plan.creates else plan


def _keys(found: Differing, kinds: Collection[MismatchKind]) -> frozenset[tuple[Value, ...]]:
    """The keys of mismatches; without those that hold NULL, which name no single row."""
    keys = (mismatch.key for mismatch in found.mismatches if mismatch.kind in kinds)
    return frozenset(key for key in keys if key and None not in key)


def _rows_of(
    reader: SourceReader, plan: TablePlan, found: Differing, wanted: Collection[tuple[Value, ...]]
) -> Iterator[Sequence[SourceRow]]:
    """Read the rows of some keys: by walking their chunk, since another key than the chunk's may tell them apart."""
    places = match_places(plan)
    for key_range in _ranges(plan, found):
        for batch in reader.read_rows(plan.read, key_range, batch_rows=_BATCH_ROWS):
            rows = [row for row in batch if tuple(row.values[place] for place in places) in wanted]
            if rows:
                yield rows


def _ranges(plan: TablePlan, found: Differing) -> Iterable[ChunkRange]:
    if found.chunk is not None:
        return (found.chunk.key_range,)
    nullable = plan.read.chunk_key.kind is not ChunkKeyKind.NONE and plan.read.chunk_key.nullable
    return (NullKeys(), EVERYTHING) if nullable else (EVERYTHING,)
