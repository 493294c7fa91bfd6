"""Commands and workers that want the same rows of the ledger in another order: PostgreSQL ends one; it tries again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from casekit import Silent, inline_workforce
from faultkit.rig import InBackground, Rig
from fleetkit import Points, await_true
from ledgerkit import open_ledger
from ledgerkit import record as record_by_hand
from producerkit import ledger_rows, make_source
from pydantic import SecretStr

from producer import cancelling, commands, starting
from producer.pausing import pause, unpause
from producer.rolling_back import rollback
from producer.services import Target
from producer.throttling import throttle
from shared.errors import ConflictError
from shared.ledger import jobs
from shared.ledger.attempts import claim_if_pending, hold_if_current
from shared.ledger.splitting import replace_if_current
from shared.points import Point
from shared.records.keys import OPEN, KeyRange
from shared.records.load import MaxLoad
from shared.records.work import PlannedChunk
from shared.settings import Settings, load_settings
from workers.copy_chunk import copy_chunk
from workers.finish_table import finish_table

SCRIPT = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX t_name ON t (name);"
GIVES_WAY: Final = """
    CREATE SEQUENCE public.tries;
    CREATE FUNCTION public.give_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('public.tries') = 1 THEN RAISE 'deadlock detected' USING ERRCODE = '{code}'; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER give_way BEFORE INSERT OR UPDATE ON pgconvoy.jobs EXECUTE FUNCTION public.give_way();
    SELECT 1
"""
"""The first transaction that changes a job is ended as PostgreSQL ends one; a sequence knows no rollback."""
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def rig(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A job of some chunks that nobody has begun, one of whose values is too long for the index that was planned."""
    long = "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(3_000))
    rows = [(number, f"name {number}" * 9) for number in range(1, 2_000)] + [(2_000, long)]
    made = Rig(make_source(tmp_path / "s.db", SCRIPT, {"t": rows}), target_url, monkeypatch)
    made.record(chunk_bytes=50_000)
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    monkeypatch.setattr(cancelling, "_BUILD_LOOKS", 1)
    yield made
    made.close()


def patient(url: str, milliseconds: int) -> SecretStr:
    """A target's URL for sessions that look for a deadlock after so long: who looks first is the one that is ended."""
    return SecretStr(f"{url}{'&' if '?' in url else '?'}options=-c%20deadlock_timeout%3D{milliseconds}")


def await_waiting(rig_url: str, number: int) -> None:
    """Wait until so many sessions wait for a lock."""
    await_true(lambda: ledger_rows(rig_url, WAITS) == [(number,)], f"{number} wait for a lock")


def state_of(rig: Rig) -> tuple[str, str]:
    """Where job and table are."""
    found = "SELECT j.state, t.state FROM pgconvoy.jobs j JOIN pgconvoy.tables t ON t.job_id = j.id"
    ((job, table),) = ledger_rows(rig.direct, f"{found} ORDER BY j.id DESC LIMIT 1")
    return str(job), str(table)


def _failed(rig: Rig) -> None:
    for table, more in (("chunks", ""), ("tables", ", ended_at = now()"), ("jobs", ", ended_at = now()")):
        failed = f"UPDATE pgconvoy.{table} SET state = 'failed', error = 'no'{more} RETURNING 1"
        ledger_rows(rig.direct, failed, commit=True)


def _cancelled(rig: Rig) -> None:
    cancelling.cancel(rig.settings, None)


COMMANDS: Final[dict[str, tuple[Callable[[Rig], Any], Callable[[Settings], Any], str]]] = {
    "start": (_cancelled, lambda ours: starting.start(ours, _OPTIONS, Silent()), "completed"),
    "cancel": (lambda _rig: None, lambda ours: cancelling.cancel(ours, None), "cancelled"),
    "pause": (lambda _rig: None, lambda ours: pause(ours, None), "copying"),
    "unpause": (lambda rig: pause(rig.settings, None), lambda ours: unpause(ours, None), "copying"),
    "throttle": (
        lambda _rig: None,
        lambda ours: throttle(ours, None, MaxLoad(bytes_per_s=10**9), off=False),
        "copying",
    ),
    "resume": (_cancelled, lambda ours: commands.resume(ours, None, Silent()), "completed"),
    "requeue": (_failed, lambda ours: commands.requeue(ours, None, Silent(), table=None, chunk=None), "completed"),
    "verify": (lambda rig: rig.resume(), lambda ours: commands.verify(ours, None, Silent()), "completed"),
    "rollback": (lambda rig: rig.resume(), lambda ours: rollback(ours, None, dry_run=False), "rolled_back"),
}
_OPTIONS = starting.JobOptions(chunk_bytes=50_000, recreate=True)


@pytest.mark.parametrize(("command", "code"), [("cancel", "40001"), *((each, "40P01") for each in COMMANDS)])
def test_a_command_that_is_ended_for_anothers_sake_tries_again(rig: Rig, command: str, code: str) -> None:
    """Each command that changes a job does all of its transaction once more, and nobody hears of it."""
    before, act, after = COMMANDS[command]
    before(rig)
    ledger_rows(rig.direct, GIVES_WAY.format(code=code), commit=True)
    act(rig.settings)
    ((tries,),) = ledger_rows(rig.direct, "SELECT last_value FROM public.tries")
    assert tries >= 2, "it was not ended"
    assert state_of(rig)[0] == after


def test_who_is_ended_again_and_again_says_so(target_url: str) -> None:
    """After some tries the command ends with what PostgreSQL said, and no try leaves anything."""
    with open_ledger(target_url) as store:
        target = Target(settings=load_settings(target_url=target_url), store=store, embedded=False)
        job_id, _ = record_by_hand(store, chunks=1)
        tries: list[int] = []

        def act(ledger: Any) -> None:
            tries.append(1)
            assert jobs.cancel_job(ledger, job_id)
            ledger.run(sa.text("DO $$ BEGIN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END $$"))

        with pytest.raises(ConflictError, match="cancelling it: deadlock detected"):
            target.transact("cancelling it", act)
        with store.transaction() as ledger:
            assert jobs.read_job(ledger, job_id).state == "copying"
    assert len(tries) > 1


def _building(rig: Rig, points: Points, *, after_ms: int) -> InBackground:
    """Let a worker stand where it holds the table's row and is about to build."""
    context = rig.context(target_url=patient(rig.direct, after_ms))
    assert all("copied" in copy_chunk(context, chunk_id) for chunk_id in rig.ids())
    ((table_id,),) = ledger_rows(rig.direct, "SELECT id FROM pgconvoy.tables")
    points.stop_at(Point.BUILDING)
    building = InBackground(lambda: finish_table(context, table_id))
    points.await_reached(Point.BUILDING)
    return building


def test_a_cancel_that_meets_a_build_which_says_what_it_came_to_tries_again(
    rig: Rig, armed: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build holds the table and wants the job, the cancel holds the job and wants the table, and is ended."""
    building = _building(rig, armed, after_ms=60_000)
    seen: list[int] = []

    def read_tables(ledger: Any, job_id: int) -> Any:
        if not seen:  # the job and its chunks are held now, the tables are not
            armed.clear(Point.BUILDING)
            await_waiting(rig.direct, 1)
        seen.append(job_id)
        return original(ledger, job_id)

    original = jobs.read_tables
    monkeypatch.setattr(jobs, "read_tables", read_tables)
    ours = rig.settings.model_copy(update={"target_url": patient(rig.direct, 10)})
    cancelling.cancel(ours, None)
    assert len(seen) >= 2, "the cancel was not ended"
    building.result()
    assert state_of(rig) == ("cancelled", "cancelled")
    monkeypatch.undo()
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    assert rig.resume().progress.state == "completed"


def test_a_build_that_meets_a_cancel_is_left_to_whoever_resumes(rig: Rig, armed: Points) -> None:
    """The other way round: the worker is ended, the job is cancelled, and nothing counts as a lost worker."""
    building = _building(rig, armed, after_ms=10)
    ours = rig.settings.model_copy(update={"target_url": patient(rig.direct, 60_000)})
    cancelled = InBackground(lambda: cancelling.cancel(ours, None))
    await_waiting(rig.direct, 1)
    armed.clear(Point.BUILDING)
    building.result()
    cancelled.result()
    assert state_of(rig) == ("cancelled", "cancelled")
    assert ledger_rows(rig.direct, "SELECT step_begun, error FROM pgconvoy.tables") == [(0, None)]
    assert rig.resume().progress.state == "completed"
    graded = "SELECT g ->> 'reason' FROM pgconvoy.jobs, jsonb_array_elements(grades) g WHERE g ->> 'name' = 't_name'"
    assert "hash index" in ledger_rows(rig.direct, graded)[0][0]


def test_a_cancel_that_meets_a_split_tries_again(target_url: str) -> None:
    """The split holds its chunk and wants the job; the cancel holds the job, and saw that chunk pending before."""
    settings = load_settings(target_url=patient(target_url, 10).get_secret_value())
    with open_ledger(target_url) as store:
        job_id, table_id = record_by_hand(store, chunks=2)
        with store.transaction() as ledger:
            first, second = (chunk.id for chunk in jobs.read_chunks(ledger, table_id))
        parts = [
            PlannedChunk(key_range=each, rows=1, source_bytes=1)
            for each in (KeyRange(lower=(1,), upper=(5,)), KeyRange(lower=(5,), upper=OPEN))
        ]
        with store.transaction() as splitting:
            splitting.run(sa.text("SET LOCAL deadlock_timeout = '60s'"))
            with store.transaction() as claiming:
                assert claim_if_pending(claiming, first, "w:1") is not None
                cancelled = InBackground(partial(cancelling.cancel, settings, job_id))
                await_waiting(target_url, 1)
                with store.transaction() as ledger:
                    chunk = claim_if_pending(ledger, second, "w:2")
                assert chunk is not None
                assert hold_if_current(splitting, chunk)
                split = InBackground(lambda: replace_if_current(splitting, chunk, parts))
                await_waiting(target_url, 2)
            assert split.result() is not None
        cancelled.result()
        with store.transaction() as ledger:
            states = [str(each.state) for each in jobs.read_chunks(ledger, table_id)]
    assert states == ["cancelled"] * 3


def test_a_requeue_waits_for_who_starts_or_rolls_back_before_it_holds_anything(rig: Rig) -> None:
    """Whoever has the right to start a job takes the job's row next: a requeue that had it would wait in a circle."""
    _failed(rig)
    with open_ledger(rig.direct) as store:
        with store.transaction() as starts:
            jobs.lock_starts(starts)
            requeued = InBackground(lambda: commands.requeue(rig.settings, None, Silent(), table=None, chunk=None))
            await_waiting(rig.direct, 1)
            starts.run(sa.text("SET LOCAL lock_timeout = '100ms'"))
            jobs.read_job(starts, 1, lock=True)
        requeued.result()
    assert state_of(rig)[0] == "completed"
