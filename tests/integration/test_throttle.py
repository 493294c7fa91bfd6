"""A job with a limit of load on a real PostgreSQL: who may claim, what is sent, what is measured and decided."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg2
import pytest
import sqlalchemy as sa
from ledgerkit import open_ledger, record

from shared.errors import OperatorError
from shared.ledger.attempts import claim_if_pending, claim_or_wait, fail_if_current, finish_if_current
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import cancel_job, read_chunks, read_job
from shared.ledger.load import adjust, measure, refuse_blind, set_max_load
from shared.ledger.queueing import tables_waiting, take_pending, take_uncompared
from shared.ledger.tables import chunks, jobs, tables
from shared.ledger.turns import CREDIT_S
from shared.records.load import MaxLoad
from shared.records.work import Chunk, CopyPath, CopyResult

RESULT = CopyResult(path=CopyPath.ARROW_BARE, rows=1, fingerprint="columns:00")
MANY = MaxLoad(connections=1000)


@pytest.fixture
def store(target_url: str) -> Iterator[LedgerStore]:
    """A ledger in a fresh database."""
    with open_ledger(target_url) as opened:
        yield opened


def allow(store: LedgerStore, job_id: int, limits: MaxLoad | None, *, in_flight: int | None = None) -> None:
    """Set a job's limits, and how many chunks may be copied at once."""
    with store.transaction() as ledger:
        assert set_max_load(ledger, job_id, limits)
        if in_flight is not None:
            ledger.run(sa.update(jobs).where(jobs.c.id == job_id).values(in_flight=in_flight))


def ids_of(store: LedgerStore, table_id: int) -> list[int]:
    """A table's chunks, in key order."""
    with store.transaction() as ledger:
        return [chunk.id for chunk in read_chunks(ledger, table_id)]


def claim(store: LedgerStore, chunk_id: int) -> Chunk | None:
    """Claim a chunk if it may be."""
    with store.transaction() as ledger:
        return claim_if_pending(ledger, chunk_id, "w:1")


def put(store: LedgerStore, chunk_ids: list[int], **values: object) -> None:
    """Write into chunks what a test needs."""
    with store.transaction() as ledger:
        ledger.run(sa.update(chunks).where(chunks.c.id.in_(chunk_ids)).values(**values))


def test_no_more_chunks_are_claimed_than_may_be_copied_at_once(store: LedgerStore) -> None:
    """The third of two is refused, without using up an attempt, and goes back to the ledger to be sent again."""
    job_id, table_id = record(store, chunks=3)
    allow(store, job_id, MANY, in_flight=2)
    first, second, third = ids_of(store, table_id)
    with store.transaction() as ledger:
        assert take_pending(ledger, table_id) == (first, second)
    put(store, [third], enqueued_at=sa.func.clock_timestamp())

    claimed = claim(store, first)
    assert claimed is not None
    assert claim(store, second) is not None
    assert claim(store, third) is None

    with store.transaction() as ledger:
        row = ledger.run(sa.select(chunks).where(chunks.c.id == third))[0]
        assert (row.state, row.attempt, row.enqueued_at) == ("pending", 0, None)
        assert take_pending(ledger, table_id) == ()
        assert finish_if_current(ledger, claimed, RESULT)
    with store.transaction() as ledger:
        assert tables_waiting(ledger, job_id) == (table_id,)
        assert take_pending(ledger, table_id) == (third,)
    assert claim(store, third) is not None


def test_sessions_that_race_never_claim_more_than_may_be_copied_at_once(store: LedgerStore, target_url: str) -> None:
    """Twelve sessions claim twelve chunks in the same moment: three get one, whatever the order."""
    job_id, table_id = record(store, chunks=12)
    allow(store, job_id, MANY, in_flight=3)
    begin, claimed = threading.Barrier(12), []

    def race(chunk_id: int) -> None:
        own = LedgerStore(lambda: psycopg2.connect(target_url), pool_size=1)
        try:
            begin.wait()
            claimed.append(claim(own, chunk_id))
        finally:
            own.close()

    racers = [threading.Thread(target=race, args=(chunk_id,)) for chunk_id in ids_of(store, table_id)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(claimed) == 12
    assert sum(chunk is not None for chunk in claimed) == 3


def test_a_paused_job_claims_and_sends_nothing(store: LedgerStore) -> None:
    """With 0 chunks at once there is no message and no claim; without a limit all go at once."""
    job_id, table_id = record(store, chunks=3)
    allow(store, job_id, MANY, in_flight=0)
    chunk_ids = ids_of(store, table_id)
    with store.transaction() as ledger:
        assert take_pending(ledger, table_id) == ()
    assert [claim(store, chunk_id) for chunk_id in chunk_ids] == [None] * 3
    allow(store, job_id, None)
    with store.transaction() as ledger:
        assert take_pending(ledger, table_id) == tuple(chunk_ids)
    assert all(claim(store, chunk_id) for chunk_id in chunk_ids)


def test_under_a_byte_rate_a_chunk_begins_when_the_bytes_of_the_last_may_be_over(store: LedgerStore) -> None:
    """A second chunk waits as long as the first one's bytes take at that rate, though only one is copied at once."""
    job_id, table_id = record(store, chunks=3)
    first, second, third = ids_of(store, table_id)
    put(store, [first, second, third], source_bytes=3_000_000)
    allow(store, job_id, MaxLoad(bytes_per_s=1_000_000))
    with store.transaction() as ledger:
        assert take_pending(ledger, table_id) == (first,)
    assert claim(store, first) is not None
    with store.transaction() as ledger:
        wait = claim_or_wait(ledger, second, "w:1", patience_s=4)
        assert isinstance(wait, float)
        assert 2 < wait <= 3
        assert ledger.run(sa.select(chunks.c.state).where(chunks.c.id == second))[0].state == "pending"
    assert claim(store, second) is None


def test_a_chunk_that_has_to_wait_longer_than_workers_do_is_not_sent(store: LedgerStore) -> None:
    """A byte rate far below a chunk's size leaves the queue empty, not full of messages that nobody may act on."""
    job_id, table_id = record(store, chunks=2)
    first, second = ids_of(store, table_id)
    put(store, [first, second], source_bytes=60_000_000)
    allow(store, job_id, MaxLoad(bytes_per_s=1_000_000))
    assert claim(store, first) is not None
    with store.transaction() as ledger:
        assert take_pending(ledger, table_id) == ()
        assert claim_or_wait(ledger, second, "w:1", patience_s=4) is None
        # When its moment has come it is sent.
        ledger.run(sa.update(jobs).values(paced_until=sa.func.clock_timestamp()))
        assert take_pending(ledger, table_id) == (second,)
    assert claim(store, second) is not None


def test_what_a_job_fell_behind_its_rate_is_caught_up_within_bounds(store: LedgerStore) -> None:
    """After an hour without a chunk, no more than the credit's seconds of bytes begin at once."""
    job_id, table_id = record(store, chunks=20)
    chunk_ids = ids_of(store, table_id)
    put(store, chunk_ids, source_bytes=1_000_000)
    allow(store, job_id, MaxLoad(bytes_per_s=1_000_000))
    with store.transaction() as ledger:
        ledger.run(sa.update(jobs).values(paced_until=sa.text("clock_timestamp() - interval '1 hour'")))
    claimed = sum(claim(store, chunk_id) is not None for chunk_id in chunk_ids)
    assert CREDIT_S <= claimed <= CREDIT_S + 2


def test_comparisons_are_sent_as_many_as_chunks_may_be_in_flight(store: LedgerStore) -> None:
    """A limit by number holds comparisons too; one of bytes does not, since they write nothing."""
    job_id, table_id = record(store, chunks=4)
    for chunk_id in ids_of(store, table_id):
        chunk = claim(store, chunk_id)
        assert chunk is not None
        with store.transaction() as ledger:
            finish_if_current(ledger, chunk, RESULT)
    allow(store, job_id, MANY, in_flight=3)
    with store.transaction() as ledger:
        ledger.run(sa.update(tables).values(state="verifying"))
        assert len(take_uncompared(ledger, table_id)) == 3
        assert take_uncompared(ledger, table_id) == ()
    allow(store, job_id, MaxLoad(bytes_per_s=1))
    with store.transaction() as ledger:
        assert len(take_uncompared(ledger, table_id)) == 1


def test_the_number_follows_the_connections_that_are_busy(store: LedgerStore, target_url: str) -> None:
    """Statements of others beyond the limit pause the job; when they are over it begins again with one chunk."""
    job_id, _ = record(store, chunks=3)
    allow(store, job_id, MaxLoad(connections=1))
    sleeping = [psycopg2.connect(target_url) for _ in range(2)]
    threads = [threading.Thread(target=_sleep, args=(connection,)) for connection in sleeping]
    for thread in threads:
        thread.start()
    try:
        _await_busy(store, job_id, 2)
        assert _decide(store, job_id) == 0
        with store.transaction() as ledger:
            seen = read_job(ledger, job_id).load
        assert seen is not None
        assert seen.connections >= 2
    finally:
        for connection in sleeping:
            connection.cancel()
    for thread in threads:
        thread.join()
    for connection in sleeping:
        connection.close()
    assert _decide(store, job_id) == 1


def _sleep(connection: psycopg2.extensions.connection) -> None:
    with pytest.raises(psycopg2.errors.QueryCanceled), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")


def _await_busy(store: LedgerStore, job_id: int, number: int) -> None:
    for _ in range(1000):
        with store.transaction() as ledger:
            if measure(ledger, job_id).connections >= number:
                return
    pytest.fail("the statements did not begin")


def _decide(store: LedgerStore, job_id: int) -> int | None:
    """Decide at once, as if the last decision were some time ago."""
    with store.transaction() as ledger:
        ledger.run(sa.update(jobs).where(jobs.c.id == job_id).values(load=None))
        adjust(ledger, job_id)
        return read_job(ledger, job_id).in_flight


def test_many_who_watch_a_job_decide_once(store: LedgerStore) -> None:
    """A second decision in the same second changes nothing, so that waiting producers add up to no faster steps."""
    job_id, table_id = record(store, chunks=3)
    allow(store, job_id, MANY, in_flight=1)
    assert claim(store, ids_of(store, table_id)[0]) is not None
    assert _decide(store, job_id) == 2
    with store.transaction() as ledger:
        ledger.run(sa.update(jobs).values(in_flight=1))
        adjust(ledger, job_id)
        assert read_job(ledger, job_id).in_flight == 1


def test_bytes_a_second_are_those_that_chunks_brought_lately(store: LedgerStore) -> None:
    """A chunk's bytes are spread over the time that it took; what came before the last ten seconds does not count."""
    job_id, table_id = record(store, chunks=2)
    first, second = (claim(store, chunk_id) for chunk_id in ids_of(store, table_id))
    assert first is not None
    assert second is not None
    with store.transaction() as ledger:
        finish_if_current(ledger, first, RESULT)
        finish_if_current(ledger, second, RESULT)
    put(store, [first.id], source_bytes=20_000_000, started_at=_ago(20), copied_at=_ago(0))
    put(store, [second.id], source_bytes=9_000_000, started_at=_ago(60), copied_at=_ago(50))
    with store.transaction() as ledger:
        assert measure(ledger, job_id).bytes_per_s == pytest.approx(1_000_000, rel=0.05)


def _ago(seconds: int) -> sa.TextClause:
    return sa.text(f"clock_timestamp() - interval '{seconds} s'")


def test_an_ended_job_gets_no_limits(store: LedgerStore) -> None:
    """False is the answer, and its row stays as it is."""
    job_id, _ = record(store, chunks=1)
    with store.transaction() as ledger:
        assert cancel_job(ledger, job_id)
        assert not set_max_load(ledger, job_id, MANY)


def test_a_failed_attempt_frees_its_place(store: LedgerStore) -> None:
    """What waits for its next attempt is not in flight."""
    job_id, table_id = record(store, chunks=2)
    allow(store, job_id, MANY, in_flight=1)
    first, second = ids_of(store, table_id)
    chunk = claim(store, first)
    assert chunk is not None
    assert claim(store, second) is None
    with store.transaction() as ledger:
        fail_if_current(ledger, chunk, "broken", retry=True, max_attempts=5, delay_s=100)
    assert claim(store, second) is not None


def test_a_role_that_cannot_see_the_load_is_told_what_it_needs(store: LedgerStore, target_url: str) -> None:
    """The statement that grants it is in the message; a limit of bytes needs nothing."""
    with store.transaction() as ledger:
        ledger.run(sa.text("CREATE ROLE blind_carrier LOGIN"))
    try:
        with store.transaction() as ledger:
            ledger.run(sa.text("SET LOCAL ROLE blind_carrier"))
            refuse_blind(ledger, MaxLoad(bytes_per_s=1))
            with pytest.raises(OperatorError, match='GRANT pg_read_all_stats TO "blind_carrier"'):
                refuse_blind(ledger, MaxLoad(lag_s=1))
    finally:
        with store.transaction() as ledger:
            ledger.run(sa.text("DROP ROLE blind_carrier"))
