"""The ledger's protocol on a real PostgreSQL: claims, leases, guarded updates, rescue, and constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledgerkit import open_ledger, plan_of, record

from shared.errors import OperatorError
from shared.ledger import upgrade
from shared.ledger.attempts import (
    claim_if_pending,
    fail_if_current,
    finish_if_current,
    hold_if_current,
    mark_started,
    note_commit,
    record_rejects,
    rescue_lost,
)
from shared.ledger.comparisons import hold_uncompared, record_comparison, rejects_of
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import (
    cancel_job,
    mark_planned,
    read_chunks,
    read_job,
    read_table,
    record_chunks,
    record_whole_tables,
    refuse_running,
    reopen_tables,
    requeue_chunks,
    reset_comparisons,
)
from shared.ledger.progress import read_mismatches, read_progress
from shared.ledger.queueing import (
    CHORD_SIZE,
    forget_messages,
    hold_step_of,
    step_of,
    take_finish_job,
    take_finish_table,
    take_pending,
    take_uncompared,
)
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.small_tables import take_small_tables
from shared.ledger.states import ChunkState
from shared.ledger.steps import Step
from shared.ledger.tables import SCHEMA, chunks, jobs, metadata, tables
from shared.ledger.upgrade import check_ledger, upgrade_ledger
from shared.records.keys import KeyRange, RawText
from shared.records.work import (
    Chunk,
    Comparison,
    CopyPath,
    CopyResult,
    CopyTimes,
    Mismatch,
    MismatchKind,
    PlannedChunk,
    Reject,
)

RESULT = CopyResult(path=CopyPath.ARROW_BARE, rows=1, fingerprint="columns:00")


@pytest.fixture
def store(target_url: str) -> Iterator[LedgerStore]:
    """A ledger in a fresh database."""
    with open_ledger(target_url) as opened:
        yield opened


def claim(store: LedgerStore, chunk_id: int) -> Chunk:
    """Claim a chunk that must be free."""
    with store.transaction() as ledger:
        chunk = claim_if_pending(ledger, chunk_id, "w:1")
    assert chunk is not None
    return chunk


def chunk_ids(store: LedgerStore, table_id: int) -> list[int]:
    """The ids of a table's chunks in key order."""
    with store.transaction() as ledger:
        return [chunk.id for chunk in read_chunks(ledger, table_id)]


def finish(store: LedgerStore, chunk: Chunk, result: CopyResult = RESULT) -> bool:
    """Hold and finish a chunk in one transaction."""
    with store.transaction() as ledger:
        return hold_if_current(ledger, chunk) and finish_if_current(ledger, chunk, result)


def test_migrations_make_exactly_the_tables_of_the_code(store: LedgerStore) -> None:
    """What Alembic makes and what SQLAlchemy knows are the same, and upgrading twice changes nothing."""
    with store.transaction() as ledger:
        upgrade_ledger(ledger.connection)
        check_ledger(ledger.connection)
        options = {
            "include_schemas": True,
            "version_table_schema": SCHEMA,
            "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
        }
        context = MigrationContext.configure(ledger.connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_migrations_are_named_after_their_versions() -> None:
    """The newest version is told by the files' names, without what runs them."""
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    for revision in ScriptDirectory.from_config(config).walk_revisions():
        assert Path(revision.path).name.startswith(f"{revision.revision}_")


def test_a_ledger_of_a_newer_version_is_refused(store: LedgerStore) -> None:
    """A worker of an older version says which versions meet and what to do."""
    with store.transaction() as ledger:
        ledger.connection.execute(sa.text(f"UPDATE {SCHEMA}.alembic_version SET version_num = '9999'"))
    with store.transaction() as ledger, pytest.raises(OperatorError, match="made by a newer pgconvoy"):
        check_ledger(ledger.connection)


def times_of(store: LedgerStore, chunk_id: int) -> tuple[float | None, ...]:
    """A chunk's times as the ledger holds them: read, convert, write, commit, compare."""
    columns = (chunks.c.read_s, chunks.c.convert_s, chunks.c.write_s, chunks.c.commit_s, chunks.c.compare_s)
    with store.transaction() as ledger:
        return tuple(ledger.run(sa.select(*columns).where(chunks.c.id == chunk_id))[0])


def wait_of(store: LedgerStore, chunk_id: int) -> float | None:
    """How long a chunk's message waited, as the ledger holds it."""
    with store.transaction() as ledger:
        waited: float | None = ledger.run(sa.select(chunks.c.wait_s).where(chunks.c.id == chunk_id))[0][0]
    return waited


def test_a_claim_notes_how_long_the_message_waited(store: LedgerStore) -> None:
    """The wait is from the message's sending to the claim, by PostgreSQL's clock; without a message it is unknown."""
    _, table_id = record(store, chunks=2)
    sent, unsent = chunk_ids(store, table_id)
    with store.transaction() as ledger:
        ledger.run(
            sa.update(chunks)
            .where(chunks.c.id == sent)
            .values(enqueued_at=sa.func.clock_timestamp() - sa.text("interval '90 s'"))
        )
        ledger.run(sa.update(chunks).where(chunks.c.id == unsent).values(enqueued_at=None))
    claim(store, sent)
    claim(store, unsent)
    assert wait_of(store, sent) == pytest.approx(90, abs=10)
    assert wait_of(store, unsent) is None


def test_a_chunk_keeps_where_its_time_went(store: LedgerStore) -> None:
    """Reading, converting and writing are recorded with the rows, the commit after it, the comparison with itself."""
    _, table_id = record(store, chunks=1)
    (chunk_id,) = chunk_ids(store, table_id)
    chunk = claim(store, chunk_id)
    result = replace(RESULT, times=CopyTimes(read_s=1.5, convert_s=0.25, write_s=3.0))
    finish(store, chunk, result)
    assert times_of(store, chunk_id) == (1.5, 0.25, 3.0, None, None)
    with store.transaction() as ledger:
        note_commit(ledger, chunk, 0.125)
    with store.transaction() as ledger:
        record_comparison(ledger, chunk, Comparison(rows=1, seconds=2.0))
    assert times_of(store, chunk_id) == (1.5, 0.25, 3.0, 0.125, 2.0)


def test_a_commit_is_noted_for_its_own_attempt_and_waits_for_nobody(store: LedgerStore) -> None:
    """Another attempt's chunk, one that did not arrive and one that somebody holds are left as they are."""
    _, table_id = record(store, chunks=2)
    mine, other = chunk_ids(store, table_id)
    chunk = claim(store, mine)
    with store.transaction() as ledger:
        note_commit(ledger, chunk, 1.0)
    finish(store, chunk)
    finish(store, claim(store, other))
    with store.transaction() as ledger:
        note_commit(ledger, replace(chunk, attempt=2), 1.0)
    with store.transaction() as holder, store.transaction() as ledger:
        assert hold_uncompared(holder, mine) is not None
        ledger.connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        note_commit(ledger, chunk, 1.0)
    assert times_of(store, mine)[3] is None
    with store.transaction() as ledger:
        note_commit(ledger, chunk, 1.0)
    assert (times_of(store, mine)[3], times_of(store, other)[3]) == (1.0, None)


def test_a_chunk_is_claimed_once(store: LedgerStore) -> None:
    """The second claim of a chunk finds nothing to do, whatever its message says."""
    _, table_id = record(store, chunks=1)
    (chunk_id,) = chunk_ids(store, table_id)
    assert claim(store, chunk_id).attempt == 1
    with store.transaction() as ledger:
        assert claim_if_pending(ledger, chunk_id, "w:2") is None


def test_the_lock_is_the_lease(store: LedgerStore) -> None:
    """A second holder is turned away while the first one's transaction runs, and rescue leaves it alone."""
    job_id, table_id = record(store, chunks=1)
    chunk = claim(store, chunk_ids(store, table_id)[0])
    with store.transaction() as holder:
        assert hold_if_current(holder, chunk)
        with store.transaction() as other:
            assert not hold_if_current(other, chunk)
            assert rescue_lost(other, job_id, grace_s=0, max_attempts=5) == 0


def test_rescue_puts_back_a_chunk_that_nobody_holds(store: LedgerStore) -> None:
    """A claimed chunk without a holder goes back to pending, and the lost attempt can't finish it any more."""
    job_id, table_id = record(store, chunks=1)
    lost = claim(store, chunk_ids(store, table_id)[0])
    with store.transaction() as ledger:
        assert rescue_lost(ledger, job_id, grace_s=3600, max_attempts=5) == 0
        assert rescue_lost(ledger, job_id, grace_s=0, max_attempts=5) == 1
    again = claim(store, lost.id)
    assert again.attempt == 2
    assert not finish(store, lost)
    assert finish(store, again)


def test_rescue_fails_a_chunk_whose_last_attempt_was_lost(store: LedgerStore) -> None:
    """A chunk that kills its worker each time does not run for ever."""
    job_id, table_id = record(store, chunks=1)
    claim(store, chunk_ids(store, table_id)[0])
    with store.transaction() as ledger:
        rescue_lost(ledger, job_id, grace_s=0, max_attempts=1)
        (chunk,) = read_chunks(ledger, table_id)
    assert chunk.state == ChunkState.FAILED
    assert chunk.error == "worker w:1 was lost during attempt 1"


def test_a_failure_waits_longer_each_time_and_ends_after_the_last_attempt(store: LedgerStore) -> None:
    """A transient failure puts the chunk back with the time of its next attempt; the last one fails it."""
    _, table_id = record(store, chunks=1)
    chunk = claim(store, chunk_ids(store, table_id)[0])
    with store.transaction() as ledger:
        state = fail_if_current(ledger, chunk, "deadlock", retry=True, max_attempts=2, delay_s=3600)
        assert state is ChunkState.PENDING
        assert claim_if_pending(ledger, chunk.id, "w:1") is None, "not due yet"
        assert take_pending(ledger, table_id) == ()
        ledger.run(sa.update(chunks).values(not_before=None))
    chunk = claim(store, chunk.id)
    with store.transaction() as ledger:
        assert fail_if_current(ledger, chunk, "deadlock", retry=True, max_attempts=2, delay_s=1) is ChunkState.FAILED


def test_a_permanent_failure_is_not_tried_again(store: LedgerStore) -> None:
    """What a person has to look at fails at once, and the table's next step is to fail."""
    _, table_id = record(store, chunks=1)
    chunk = claim(store, chunk_ids(store, table_id)[0])
    with store.transaction() as ledger:
        fail_if_current(ledger, chunk, "no such column", retry=False, max_attempts=5, delay_s=1)
        assert step_of(ledger, table_id) is Step.FAIL


@pytest.mark.parametrize(
    "values",
    [
        {"state": "copied"},
        {"state": "copying"},
        {"state": "verified"},
        {"state": "failed"},
        {"state": "asleep"},
        {"path": "by hand"},
        {"copied_at": sa.func.now(), "rows": 1, "path": "arrow_bare", "fingerprint": "x"},
    ],
)
def test_no_state_without_its_columns(store: LedgerStore, values: dict[str, object]) -> None:
    """Not even a person with psql can say `copied` without rows, path and fingerprint."""
    record(store, chunks=1)
    with pytest.raises(sa.exc.IntegrityError, match="violates check constraint"), store.transaction() as ledger:
        ledger.run(sa.update(chunks).values(**values))


def test_a_job_cannot_end_without_its_time(store: LedgerStore) -> None:
    """An ended job always says when."""
    record(store, chunks=1)
    with pytest.raises(sa.exc.IntegrityError, match="jobs_ended"), store.transaction() as ledger:
        ledger.run(sa.update(jobs).values(state="completed"))


def test_at_most_a_chord_waits(store: LedgerStore) -> None:
    """A table larger than a chord is enqueued piece by piece, in key order, each chunk once."""
    _, table_id = record(store, chunks=CHORD_SIZE + 10)
    with store.transaction() as ledger:
        first = take_pending(ledger, table_id)
        assert len(first) == CHORD_SIZE
        assert take_pending(ledger, table_id) == ()
    assert list(first) == chunk_ids(store, table_id)[:CHORD_SIZE]
    claim(store, first[0])
    with store.transaction() as ledger:
        assert len(take_pending(ledger, table_id)) == 10


def test_lost_messages_are_sent_again(store: LedgerStore) -> None:
    """What was sent and never claimed is sent again once it is forgotten, and only then."""
    job_id, table_id = record(store, chunks=3)
    with store.transaction() as ledger:
        taken = take_pending(ledger, table_id)
        assert forget_messages(ledger, job_id, older_than_s=3600) == 0
        assert take_pending(ledger, table_id) == ()
        assert forget_messages(ledger, job_id, older_than_s=0) == 3
        assert take_pending(ledger, table_id) == taken


def test_rejects_and_mismatches_come_back_as_they_went_in(store: LedgerStore) -> None:
    """Keys and values keep their storage class through the ledger, NUL and bad UTF-8 included."""
    job_id, table_id = record(store, chunks=1)
    chunk = claim(store, chunk_ids(store, table_id)[0])
    reject = Reject(key=(7,), values=(RawText(b"a\xff"),), column="id", reason="invalid byte sequence")
    result = CopyResult(path=CopyPath.CAREFUL_BARE, rows=0, rejects=(reject,), fingerprint="rows:00")
    with store.transaction() as ledger:
        record_rejects(ledger, chunk, plan_of("t"), result.rejects)
    assert finish(store, chunk, result)
    mismatch = Mismatch(
        kind=MismatchKind.DIFFERENT,
        key_columns=("id",),
        key=("a\0b", b"\xff", 1.5, 2),
        column="x",
        source="a\0",
        target="b",
    )
    with store.transaction() as ledger:
        assert rejects_of(ledger, chunk.id) == (reject,)
        assert take_uncompared(ledger, table_id) == (), "its table is not compared yet"
        ledger.run(sa.update(tables).values(state="verifying"))
        assert take_uncompared(ledger, table_id) == (chunk.id,)
        held = hold_uncompared(ledger, chunk.id)
        assert held is not None
        record_comparison(ledger, held, Comparison(rows=1, found=1, mismatches=(mismatch,)))
        ((name, found),) = read_mismatches(ledger, job_id, limit=10)
        (progress,) = read_progress(ledger, job_id)
    assert (name, found.key, found.source) == ("t", mismatch.key, "a\\0")
    assert (progress.copied, progress.verified, progress.mismatches, progress.rejects) == (1, 0, 1, 1)
    assert progress.paths == ("careful_bare",)


def test_a_second_job_into_the_same_tables_is_refused(store: LedgerStore) -> None:
    """The message names the running job and how to end or wait for it."""
    job_id, _ = record(store, chunks=1)
    with store.transaction() as ledger:
        refuse_running(ledger, [plan_of("another")])
        with pytest.raises(OperatorError, match=rf"job {job_id} is copying .*\(t\): .*producer cancel {job_id}"):
            refuse_running(ledger, [plan_of("another"), plan_of("t")])
        cancel_job(ledger, job_id)
        refuse_running(ledger, [plan_of("t")])


def test_cancel_keeps_what_is_copied_and_what_runs(store: LedgerStore) -> None:
    """Pending chunks are cancelled, a running one ends its chunk, and nothing new is claimed."""
    job_id, table_id = record(store, chunks=3)
    done, running, waiting = chunk_ids(store, table_id)
    assert finish(store, claim(store, done))
    chunk = claim(store, running)
    with store.transaction() as ledger:
        assert cancel_job(ledger, job_id)
        assert not cancel_job(ledger, job_id)
        assert claim_if_pending(ledger, waiting, "w:1") is None
        table = read_table(ledger, table_id)
        assert table is not None
        assert table.state == "cancelled"
    assert finish(store, chunk)
    with store.transaction() as ledger:
        assert [each.state for each in read_chunks(ledger, table_id)] == ["copied", "copied", "cancelled"]
        assert requeue_chunks(ledger, job_id, cancelled=True) == 1
        assert reopen_tables(ledger, job_id) == 1
        assert step_of(ledger, table_id) is Step.COPY


def test_the_jobs_end_is_asked_for_once_and_only_after_its_tables(store: LedgerStore) -> None:
    """finish_job is sent when all tables have ended, not before and not twice."""
    job_id, table_id = record(store, chunks=1)
    with store.transaction() as ledger:
        assert not take_finish_job(ledger, job_id)
        ledger.connection.execute(sa.text(f"UPDATE {SCHEMA}.tables SET state = 'completed', ended_at = now()"))
        assert take_finish_job(ledger, job_id)
        assert not take_finish_job(ledger, job_id)
        assert read_job(ledger, job_id).state == "copying"
        assert read_table(ledger, table_id) is not None


def test_an_unknown_job_is_named(store: LedgerStore) -> None:
    """A job id that doesn't exist gets one sentence."""
    with (
        store.transaction() as ledger,
        pytest.raises(OperatorError, match="there is no job 77 in this target's ledger"),
    ):
        read_job(ledger, 77)


def test_rescue_waits_for_nobody(store: LedgerStore) -> None:
    """An index that takes an hour holds its table's row: rescue passes it by instead of waiting for it."""
    job_id, table_id = record(store, chunks=1)
    assert finish(store, claim(store, chunk_ids(store, table_id)[0]))
    with store.transaction() as ledger:
        ledger.run(sa.update(tables).values(state="verifying"))
        assert take_uncompared(ledger, table_id)
        assert take_finish_table(ledger, table_id)
    with store.transaction() as holder:
        for each in (chunks, tables, jobs):
            holder.run(sa.select(each.c.id).with_for_update())
        with store.transaction() as rescuer:
            rescuer.connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            assert rescue_lost(rescuer, job_id, grace_s=0, max_attempts=5) == 0
            assert forget_messages(rescuer, job_id, older_than_s=0) == 0
            assert hold_step_of(rescuer, table_id) is Step.NOTHING
            assert not take_finish_table(rescuer, table_id)
            assert not take_finish_job(rescuer, job_id)
            assert step_of(rescuer, table_id) is Step.COMPARE
    with store.transaction() as ledger:
        assert forget_messages(ledger, job_id, older_than_s=0) == 1
        assert take_finish_table(ledger, table_id)


def test_sending_small_tables_does_not_wait_for_a_claim(store: LedgerStore) -> None:
    """A claim holds its chunk and then wants the table: a sender that held the table must not wait for the chunk."""
    job_id, table_id = record(store, chunks=1)
    with store.transaction() as claiming:
        assert claim_if_pending(claiming, chunk_ids(store, table_id)[0], "w:1") is not None
        with store.transaction() as sending:
            sending.connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            assert [table.id for table in take_small_tables(sending, job_id)] == [table_id]
        mark_started(claiming, table_id)
    with store.transaction() as ledger:
        assert take_small_tables(ledger, job_id) == ()


def test_a_held_table_lets_rows_refer_to_it(store: LedgerStore) -> None:
    """While a table's keys are built, chunks are recorded and rows rejected in other transactions."""
    job_id, table_id = record(store, chunks=1)
    chunk = claim(store, chunk_ids(store, table_id)[0])
    with store.transaction() as holder:
        read_job(holder, job_id, lock=True)
        read_table(holder, table_id, lock=True)
        with store.transaction() as other:
            other.connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            planned = PlannedChunk(key_range=KeyRange(lower=(5,)), rows=1, source_bytes=1)
            record_chunks(other, job_id, table_id, 2, [planned])
            reject = Reject(key=(1,), values=(1,), column="id", reason="no")
            record_rejects(other, chunk, plan_of("t"), [reject])


def end_table(store: LedgerStore, table_id: int, job_id: int, *, table: str, job: str) -> None:
    """Let a table and its job have ended."""
    with store.transaction() as ledger:
        ended = {"ended_at": sa.func.clock_timestamp(), "error": "a key was violated"}
        ledger.run(sa.update(tables).where(tables.c.id == table_id).values(state=table, **ended))
        ledger.run(sa.update(jobs).where(jobs.c.id == job_id).values(state=job, **ended))


@pytest.mark.parametrize(
    ("state", "step"), [("failed", Step.BUILD), ("cancelled", Step.BUILD), ("completed", Step.COMPARE)]
)
def test_comparing_again_builds_first_what_may_be_without_its_keys(store: LedgerStore, state: str, step: Step) -> None:
    """A table that failed over a key, or was cancelled before it had any, is never completed by comparing alone."""
    job_id, table_id = record(store, chunks=1)
    assert finish(store, claim(store, chunk_ids(store, table_id)[0]))
    end_table(store, table_id, job_id, table=state, job="failed")
    with store.transaction() as ledger:
        assert reset_comparisons(ledger, job_id) == 1
        assert step_of(ledger, table_id) is step


def test_a_table_that_is_not_wholly_planned_is_not_compared_again(store: LedgerStore) -> None:
    """A job that was cancelled while it was planned has rows that no chunk knows of yet."""
    job_id, table_id = record(store, chunks=1)
    assert finish(store, claim(store, chunk_ids(store, table_id)[0]))
    end_table(store, table_id, job_id, table="cancelled", job="cancelled")
    with store.transaction() as ledger:
        ledger.run(sa.update(tables).values(planned=False))
        assert reset_comparisons(ledger, job_id) == 0


@pytest.mark.parametrize("act", [requeue_chunks, reset_comparisons])
def test_a_job_is_not_opened_again_while_it_is_being_ended(
    store: LedgerStore, act: Callable[[SqlAlchemyLedger, int], int]
) -> None:
    """Whoever ends a job has seen that its tables have ended, and adds up what became of them."""
    job_id, _ = record(store, chunks=1)
    with store.transaction() as ending:
        read_job(ending, job_id, lock=True)
        with store.transaction() as opening:
            opening.connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                act(opening, job_id)


def test_an_attempts_namesake_is_not_taken_for_it(store: LedgerStore) -> None:
    """A requeue numbers attempts anew: who claimed the first one before and never held the chunk finds it overtaken."""
    job_id, table_id = record(store, chunks=1)
    (chunk_id,) = chunk_ids(store, table_id)
    with store.transaction() as ledger:
        before = claim_if_pending(ledger, chunk_id, "w:1")
    with store.transaction() as ledger:
        assert rescue_lost(ledger, job_id, grace_s=0, max_attempts=1) == 1
        assert requeue_chunks(ledger, job_id) == 1
        after = claim_if_pending(ledger, chunk_id, "w:2")
    assert before is not None
    assert after is not None
    assert before.attempt == after.attempt == 1
    with store.transaction() as ledger:
        assert not hold_if_current(ledger, before)
        assert fail_if_current(ledger, before, "late", retry=True, max_attempts=5, delay_s=1) is None
    assert not finish(store, before)
    assert finish(store, after)


def test_planning_twice_waits_for_nobody_who_builds(store: LedgerStore) -> None:
    """A second producer that walks a table again finds it planned, and leaves its row to whoever builds it."""
    job_id, table_id = record(store, chunks=1)
    with store.transaction() as building:
        assert read_table(building, table_id, lock=True) is not None
        with store.transaction() as planning:
            planning.connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            read_job(planning, job_id, lock=True)
            mark_planned(planning, table_id)
            record_whole_tables(planning, job_id, {table_id: ()})


def test_opening_a_job_again_waits_for_no_chunk_that_is_still_written(store: LedgerStore) -> None:
    """A cancelled job's chunk may still be at work, and want the job's row: whoever has that must not wait for it."""
    job_id, table_id = record(store, chunks=2)
    chunk = claim(store, chunk_ids(store, table_id)[0])
    with store.transaction() as ledger:
        assert cancel_job(ledger, job_id)
    with store.transaction() as writing:
        assert hold_if_current(writing, chunk)
        with store.transaction() as opening:
            opening.connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            assert requeue_chunks(opening, job_id, cancelled=True) == 1
            assert reopen_tables(opening, job_id) == 1
