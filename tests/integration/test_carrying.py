"""Small tables that are carried whole, and what comes between their steps: doubled messages, commands, stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from faultkit.rig import InBackground, Rig
from fleetkit import Points, await_true
from producerkit import ledger_rows, make_source

from shared.errors import TransientError
from shared.ledger import jobs
from shared.ledger.pausing import pause_job, unpause_job
from shared.ledger.states import JobState
from shared.points import Point
from workers import copy_chunk as copying
from workers import finish_table as finishing
from workers import verify_chunk as verifying
from workers.carry_tables import carry_tables
from workers.context import WorkerContext

POINTS: Final = {
    Point.CLAIMED: ("copying", "copied"),
    Point.HELD: ("copying", "copied"),
    Point.COPIED_NOT_COMMITTED: ("copying", "copied"),
    Point.COMMITTED_NOT_ACKNOWLEDGED: ("copying", "copied"),
    Point.BUILDING: ("verifying", "copied"),
    Point.COMPARING: ("verifying", "verified"),
    Point.CHECKING: ("completed", "verified"),
}
"""One table is stopped at each of them; how far it and its chunk get where their job is paused there."""
TABLES: Final = ("t", *(f"t{number}" for number in range(1, len(POINTS))))
GOT: Final = "SELECT t.state, c.state FROM pgconvoy.tables t JOIN pgconvoy.chunks c ON c.table_id = t.id WHERE t.id ="
STANDS: Final = "SELECT state, step_begun FROM pgconvoy.tables ORDER BY position"
WAITS: Final = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
TIMES: Final = 7
"""More often than `max_attempts` of the rig."""


@pytest.fixture
def rig(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A job of a small table a point, of one chunk each, which nobody has begun."""
    script = "".join(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT UNIQUE);" for name in TABLES)
    rows = [(number, f"name {number}") for number in range(1, 51)]
    made = Rig(make_source(tmp_path / "s.db", script, dict.fromkeys(TABLES, rows)), target_url, monkeypatch)
    made.record()
    yield made
    made.close()


def _redelivered(context: WorkerContext, table_id: int) -> None:
    carry_tables(context, [table_id])


def _paused(context: WorkerContext, _table_id: int) -> None:
    with context.store.transaction() as ledger:
        assert pause_job(ledger, 1)


def _goes_on(context: WorkerContext) -> None:
    with context.store.transaction() as ledger:
        assert unpause_job(ledger, 1)


def _cancelled(context: WorkerContext, _table_id: int) -> None:
    with context.store.transaction() as ledger:
        assert jobs.cancel_job(ledger, 1)


def _opened_again(context: WorkerContext) -> None:
    with context.store.transaction() as ledger:
        jobs.requeue_chunks(ledger, 1, cancelled=True)
        jobs.reopen_tables(ledger, 1)
        assert jobs.move_job(ledger, 1, JobState.COPYING)


def _cancelled_and_opened_again(context: WorkerContext, table_id: int) -> None:
    _cancelled(context, table_id)
    _opened_again(context)


@pytest.mark.parametrize(
    ("act", "afterwards"),
    [
        (_redelivered, lambda _context: None),
        (_paused, _goes_on),
        (_cancelled, _opened_again),
        (_cancelled_and_opened_again, lambda _context: None),
    ],
    ids=["redelivered", "paused", "cancelled", "cancelled and opened again"],
)
def test_whatever_comes_between_two_steps_each_row_comes_once(
    rig: Rig,
    armed: Points,
    act: Callable[[WorkerContext, int], None],
    afterwards: Callable[[WorkerContext], None],
) -> None:
    """At each point of a table's way, one table each: every chunk takes one attempt, and all is verified."""
    worker, other = rig.context(), rig.context()
    ids = [row[0] for row in ledger_rows(rig.direct, "SELECT id FROM pgconvoy.tables ORDER BY id")]
    for point, table_id in zip(POINTS, ids, strict=True):
        armed.stop_at(point)
        carrying = InBackground(lambda number=table_id: carry_tables(worker, [number]))
        armed.await_reached(point)
        between = InBackground(lambda number=table_id: act(other, number))
        held = "it is done, or waits for a row that the worker holds"
        await_true(lambda acting=between: not acting.running or ledger_rows(rig.direct, WAITS), held)
        armed.clear(point)
        carrying.result()
        between.result()
        if act is _paused:
            assert ledger_rows(rig.direct, f"{GOT} {table_id}") == [POINTS[point]], f"{point}: it ends what runs"
        afterwards(other)
    assert rig.resume().progress.state == JobState.COMPLETED
    rig.assert_carried(*TABLES)
    assert set(ledger_rows(rig.direct, STANDS)) == {("completed", 0)}
    assert set(ledger_rows(rig.direct, "SELECT attempt, lost, state FROM pgconvoy.chunks")) == {(1, 0, "verified")}


def test_a_chunk_that_failed_and_is_due_later_holds_up_its_own_table_alone(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its message are carried to their ends; it waits for its time, and a message comes for it then."""
    context = rig.context(retry_delay_s=600)
    ids = [row[0] for row in ledger_rows(rig.direct, "SELECT id FROM pgconvoy.tables ORDER BY id")]
    original = copying._copy

    def fail_once(*given: Any) -> Any:
        monkeypatch.setattr(copying, "_copy", original)
        said = "the line broke"
        raise TransientError(said)

    monkeypatch.setattr(copying, "_copy", fail_once)
    said = carry_tables(context, ids)
    assert said == f"{len(ids)} tables: {len(ids) - 1} completed, 1 copying"
    # Delivered again too early it changes nothing, and loses nothing.
    assert carry_tables(context, ids) == said
    waiting = "SELECT attempt, enqueued_at, not_before > now() FROM pgconvoy.chunks WHERE state = 'pending'"
    assert ledger_rows(rig.direct, waiting) == [(1, None, True)]
    ledger_rows(rig.direct, "UPDATE pgconvoy.chunks SET not_before = now() RETURNING 1", commit=True)
    assert rig.resume().progress.state == JobState.COMPLETED
    rig.assert_carried(*TABLES)


def test_stopping_workers_uses_up_no_comparison_and_no_step(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is told to exit gives back what it has noted as begun, however often: lost ones are counted."""
    context = rig.context()
    ((table_id, chunk_id),) = ledger_rows(rig.direct, "SELECT table_id, id FROM pgconvoy.chunks ORDER BY id LIMIT 1")
    assert "copied" in copying.copy_chunk(context, chunk_id)

    def stop_at(module: Any, work: Callable[[], Any]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(module, "reach", _exit)
            for _ in range(TIMES):
                with pytest.raises(SystemExit):
                    work()
        found = "SELECT step_begun, compare_begun FROM pgconvoy.tables t JOIN pgconvoy.chunks c ON c.table_id = t.id"
        assert ledger_rows(rig.direct, f"{found} WHERE t.id = {table_id}") == [(0, 0)]

    stop_at(finishing, lambda: finishing.finish_table(context, table_id))
    finishing.finish_table(context, table_id)
    stop_at(verifying, lambda: verifying.verify_chunk(context, chunk_id))
    assert "0 mismatches" in verifying.verify_chunk(context, chunk_id)
    stop_at(finishing, lambda: finishing.finish_table(context, table_id))
    assert "completed" in finishing.finish_table(context, table_id)


def _exit(*_given: Any) -> None:
    raise SystemExit(0)
