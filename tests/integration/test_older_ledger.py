"""A ledger that an older pgconvoy wrote: its jobs are there after the upgrade, and go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ledgerkit import make_older, open_ledger, record
from pydantic import SecretStr

from producer import demonstrating
from shared.errors import OperatorError
from shared.ledger.attempts import claim_if_pending, finish_if_current, hold_if_current
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import cancel_job, read_chunks, read_job, read_table
from shared.ledger.states import ChunkState, JobState
from shared.ledger.upgrade import check_ledger, upgrade_ledger
from shared.records.work import CopyPath, CopyResult
from shared.settings import load_settings

OLDER = "0005"


@pytest.fixture
def store(target_url: str) -> Iterator[LedgerStore]:
    """A ledger in a fresh database."""
    with open_ledger(target_url) as opened:
        yield opened


def copy(store: LedgerStore, chunk_id: int) -> int:
    """Do what a worker does with a chunk; returns the number of the attempt."""
    with store.transaction() as ledger:
        chunk = claim_if_pending(ledger, chunk_id, "w:1")
    assert chunk is not None
    with store.transaction() as ledger:
        assert hold_if_current(ledger, chunk)
        assert finish_if_current(ledger, chunk, CopyResult(path=CopyPath.ARROW_BARE, rows=1, fingerprint="c:0"))
    return chunk.attempt


def test_a_job_that_was_under_way_is_there_and_goes_on(store: LedgerStore) -> None:
    """One table and one of its two chunks were copied: all is read as it was written, and the other chunk is copied."""
    job_id, table_id = record(store, chunks=2)
    with store.transaction() as ledger:
        first, second = (chunk.id for chunk in read_chunks(ledger, table_id))
    copy(store, first)

    def seen() -> object:
        with store.transaction() as ledger:
            return read_job(ledger, job_id), read_table(ledger, table_id), read_chunks(ledger, table_id)

    before = seen()
    make_older(store, OLDER)
    with store.transaction() as ledger, pytest.raises(OperatorError, match=f"the ledger is at version {OLDER}"):
        check_ledger(ledger.connection)
    with store.transaction() as ledger:
        upgrade_ledger(ledger.connection)
        check_ledger(ledger.connection)
    assert seen() == before
    assert copy(store, second) == 1
    with store.transaction() as ledger:
        assert [chunk.state for chunk in read_chunks(ledger, table_id)] == [ChunkState.COPIED] * 2
    another, _ = record(store, chunks=1, name="u")
    assert another == job_id + 1


def test_jobs_of_before_may_be_in_the_states_of_now(store: LedgerStore) -> None:
    """Rolled back was no state of an older ledger: its rule is replaced, and the one that ends have a moment stays."""
    job_id, _ = record(store, chunks=1)
    with store.transaction() as ledger:
        assert cancel_job(ledger, job_id)
    make_older(store, OLDER)
    rolled_back = f"UPDATE pgconvoy.jobs SET state = 'rolled_back' WHERE id = {job_id}"
    with pytest.raises(Exception, match=r"jobs_(state|ended)"), store.transaction() as ledger:
        ledger.connection.exec_driver_sql(rolled_back)
    with store.transaction() as ledger:
        upgrade_ledger(ledger.connection)
        ledger.connection.exec_driver_sql(rolled_back)
    with pytest.raises(Exception, match="jobs_ended"), store.transaction() as ledger:
        ledger.connection.exec_driver_sql(f"UPDATE pgconvoy.jobs SET ended_at = NULL WHERE id = {job_id}")


def test_a_demo_that_an_older_pgconvoy_left_is_cancelled(
    store: LedgerStore, target_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is upgraded before it is asked for earlier demos; other jobs are left alone."""
    demo, _ = record(store, chunks=1)
    other, _ = record(store, chunks=1, name="u")
    with store.transaction() as ledger:
        ledger.connection.exec_driver_sql(
            f"UPDATE pgconvoy.jobs SET target_schema = '{demonstrating.SCHEMA}' WHERE id = {demo}"
        )
    make_older(store, OLDER)
    monkeypatch.setattr(demonstrating, "has_embedded_data", lambda _: True)
    demonstrating._cancel_earlier(load_settings(target_url=SecretStr(target_url)))
    with store.transaction() as ledger:
        states = [read_job(ledger, job_id).state for job_id in (demo, other)]
    assert states == [JobState.CANCELLED, JobState.COPYING]
