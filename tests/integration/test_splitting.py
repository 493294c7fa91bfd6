"""Chunks that are split, in the ledger on a real PostgreSQL: when, into what, and who may still touch the old one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from ledgerkit import open_ledger, record

from shared.ledger.attempts import claim_if_pending, finish_if_current, hold_if_current, rescue_lost
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import cancel_job, read_chunks, read_table, record_chunks, requeue_chunks
from shared.ledger.queueing import step_of, take_pending
from shared.ledger.splitting import expected_seconds, replace_if_current
from shared.ledger.steps import Step
from shared.ledger.tables import chunks, tables
from shared.records.keys import OPEN, KeyRange
from shared.records.work import Chunk, CopyPath, CopyResult, PlannedChunk

RESULT = CopyResult(path=CopyPath.ARROW_BARE, rows=1, fingerprint="columns:00")
PARTS = [
    PlannedChunk(key_range=KeyRange(lower=lower, upper=upper), rows=5, source_bytes=50)
    for lower, upper in ((OPEN, (10,)), ((10,), (20,)), ((20,), OPEN))
]


@pytest.fixture
def store(target_url: str) -> Iterator[LedgerStore]:
    """A ledger in a fresh database."""
    with open_ledger(target_url) as opened:
        yield opened


def claimed(store: LedgerStore, table_id: int, number: int = 1) -> Chunk:
    """Claim a chunk by its number."""
    with store.transaction() as ledger:
        chunk_id = next(chunk.id for chunk in read_chunks(ledger, table_id) if chunk.number == number)
        chunk = claim_if_pending(ledger, chunk_id, "w:1")
    assert chunk is not None
    return chunk


def test_parts_take_the_place_of_their_chunk(store: LedgerStore) -> None:
    """The first part takes its number, the others follow after all there are; each waits for a message of its own."""
    _, table_id = record(store, chunks=2)
    chunk = claimed(store, table_id)
    with store.transaction() as ledger:
        assert hold_if_current(ledger, chunk)
        first = replace_if_current(ledger, chunk, PARTS)
    with store.transaction() as ledger:
        found = read_chunks(ledger, table_id)
        assert [(each.number, each.state, each.attempt) for each in found] == [
            (1, "pending", 0),
            (2, "pending", 0),
            (3, "pending", 0),
            (4, "pending", 0),
        ]
        assert [found[0].key_range, found[2].key_range, found[3].key_range] == [part.key_range for part in PARTS]
        assert found[0].id == first
        assert step_of(ledger, table_id) is Step.COPY
        assert take_pending(ledger, table_id) == tuple(each.id for each in found)


def test_who_still_has_the_split_chunk_in_hand_can_do_nothing_with_it(store: LedgerStore) -> None:
    """An attempt that was rescued and wakes up after the split holds no row, claims nothing and finishes nothing."""
    job_id, table_id = record(store, chunks=1)
    sleeper = claimed(store, table_id)
    with store.transaction() as ledger:
        assert rescue_lost(ledger, job_id, grace_s=0, max_attempts=5) == 1
    second = claimed(store, table_id)
    with store.transaction() as ledger:
        assert replace_if_current(ledger, second, PARTS) is not None
    for late in (sleeper, second):
        with store.transaction() as ledger:
            assert not hold_if_current(ledger, late)
            assert not finish_if_current(ledger, late, RESULT)
            assert claim_if_pending(ledger, late.id, "w:2") is None


def test_a_chunk_stays_whole_where_a_split_could_do_harm(store: LedgerStore) -> None:
    """In an ended job, in a table that is not wholly planned, and for an attempt that was overtaken."""
    job_id, table_id = record(store, chunks=1)
    chunk = claimed(store, table_id)
    with store.transaction() as ledger:
        ledger.run(sa.update(tables).values(planned=False))
        assert replace_if_current(ledger, chunk, PARTS) is None
        ledger.run(sa.update(tables).values(planned=True))
        ledger.run(sa.update(chunks).values(attempt=2))
        assert replace_if_current(ledger, chunk, PARTS) is None
        ledger.run(sa.update(chunks).values(attempt=1))
        assert cancel_job(ledger, job_id)
        assert replace_if_current(ledger, chunk, PARTS) is None
        assert len(read_chunks(ledger, table_id)) == 1


def test_two_splits_at_once_take_different_numbers(store: LedgerStore) -> None:
    """Parts of a second chunk follow after those of the first."""
    _, table_id = record(store, chunks=2)
    for number in (1, 2):
        with store.transaction() as ledger:
            assert replace_if_current(ledger, claimed(store, table_id, number), PARTS) is not None
    with store.transaction() as ledger:
        assert [chunk.number for chunk in read_chunks(ledger, table_id)] == [1, 2, 3, 4, 5, 6]


def test_planning_that_is_walked_again_leaves_parts_alone(store: LedgerStore) -> None:
    """What an interrupted planning records again under numbers that are there changes nothing."""
    job_id, table_id = record(store, chunks=1)
    with store.transaction() as ledger:
        assert replace_if_current(ledger, claimed(store, table_id), PARTS) is not None
        before = read_chunks(ledger, table_id)
        again = PlannedChunk(key_range=KeyRange(lower=OPEN, upper=OPEN), rows=15, source_bytes=150)
        record_chunks(ledger, job_id, table_id, 1, [again])
        assert read_chunks(ledger, table_id) == before
        table = read_table(ledger, table_id)
    assert table is not None
    assert table.planned


def test_lost_workers_are_counted_and_the_tasks_time_limit_counts_twice(store: LedgerStore) -> None:
    """Requeueing begins to count anew."""
    job_id, table_id = record(store, chunks=1)
    counts = []
    for limit in (None, 3600.0, 0.0):
        chunk = claimed(store, table_id)
        with store.transaction() as ledger:
            rescue_lost(ledger, job_id, grace_s=0, max_attempts=3, task_limit_s=limit)
            counts.append(read_chunks(ledger, table_id)[0].lost)
    assert counts == [1, 2, 4]
    with store.transaction() as ledger:
        assert requeue_chunks(ledger, job_id) == 1
        assert read_chunks(ledger, table_id)[0].lost == 0
    assert chunk.attempt == 3


def test_what_neighbours_took_says_what_a_chunk_may_take(store: LedgerStore) -> None:
    """By their bytes; chunks of a few rows, which took the way to the ledger alone, say nothing."""
    _, table_id = record(store, chunks=3)
    small, large, third = (claimed(store, table_id, number) for number in (1, 2, 3))
    with store.transaction() as ledger:
        for chunk, seconds, size in ((small, 1, 10), (large, 30, 3_000_000)):
            finish_if_current(ledger, chunk, RESULT)
            begun = sa.text(f"copied_at - interval '{seconds} s'")
            ledger.run(sa.update(chunks).where(chunks.c.id == chunk.id).values(started_at=begun, source_bytes=size))
        ledger.run(sa.update(chunks).where(chunks.c.id == third.id).values(source_bytes=9_000_000))
        third = next(chunk for chunk in read_chunks(ledger, table_id) if chunk.id == third.id)
        assert expected_seconds(ledger, third) == pytest.approx(90)
        ledger.run(sa.update(chunks).where(chunks.c.id == large.id).values(source_bytes=10))
        assert expected_seconds(ledger, third) is None
