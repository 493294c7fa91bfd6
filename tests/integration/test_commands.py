"""What commands do to ledger, target and queue, called as the command line calls them, with real workers."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
from fleetkit import Points, RedisServer, RunningWorker
from producerkit import chunk_ids, ledger_rows, make_source

from producer import cancelling, commands, enqueue, looking, waiting
from producer.checking import check, exit_code_of_check
from producer.planning import plan_only
from producer.records import Detached, JobEnd, JobInterruptedError, JobProgress
from producer.services import open_ledger
from producer.starting import start
from producer.views import Outcome
from producer.workforce import open_workforce
from shared.errors import ExitCode, OperatorError, SourceError
from shared.ledger import queueing
from shared.ledger.jobs import read_chunks, read_tables
from shared.ledger.queueing import count_chunks
from shared.ledger.session import Ledger
from shared.ledger.steps import ChunkCounts
from shared.points import Point
from shared.records.plan import JobOptions, OnConflict
from shared.settings import Settings, load_settings

SHOP = """
CREATE TABLE "Order Lines" (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders (id), item TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL);
CREATE TABLE hollow (a, b);
CREATE VIEW recent AS SELECT * FROM orders;
"""
ORDERS = [(number, f"customer {number}") for number in range(1, 101)]
LINES = [(number, number % 100 + 1, f"item {number}") for number in range(1, 501)]
SMALL_CHUNKS = 2048
"""Bytes: the 100 orders are two chunks then, the 500 lines about 10."""


@dataclass
class Told:
    """A listener that remembers; what it does on a warning may be set."""

    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    shown: list[JobProgress] = field(default_factory=list)
    on_warning: Callable[[str], None] = lambda _text: None

    def say(self, text: str) -> None:
        """Remember."""
        self.said.append(text)

    def warn(self, text: str) -> None:
        """Remember, then do what the test wants."""
        self.warned.append(text)
        self.on_warning(text)

    def show(self, progress: JobProgress) -> None:
        """Remember."""
        self.shown.append(progress)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source of three tables and a view."""
    return make_source(tmp_path / "shop.db", SHOP, {"orders": ORDERS, '"Order Lines"': LINES})


@pytest.fixture
def settings(source: Path, target_url: str, redis_server: RedisServer, tmp_path: Path) -> Settings:
    """Settings with a broker of the test's."""
    return load_settings(
        source_url=str(source),
        target_url=target_url,
        broker_url=redis_server.url,
        result_url=redis_server.result_url,
        snapshot_dir=tmp_path / "snapshots",
        retry_delay_s=0.2,
        rescue_grace_s=1,
        plan_batch_chunks=3,
    )


OPTIONS = JobOptions(chunk_bytes=SMALL_CHUNKS)


def execute(url: str, *statements: str) -> None:
    """Run statements on the target."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def started(settings: Settings, options: JobOptions = OPTIONS) -> JobEnd:
    """Start a job and wait for its end."""
    end = start(settings, options, Told())
    assert isinstance(end, JobEnd)
    return end


def test_a_job_ends_completed_and_verified(settings: Settings, worker: RunningWorker, target_url: str) -> None:
    """Every row arrives in several chunks, foreign keys are valid, and the end says what happened."""
    told = Told()
    end = start(settings, OPTIONS, told)
    assert isinstance(end, JobEnd), worker.log_text()
    assert (end.exit_code, end.progress.state, end.verified) == (ExitCode.DONE, "completed", True)
    assert {line.name: line.rows_verified for line in end.progress.tables} == {
        "orders": 100,
        "Order Lines": 500,
        "hollow": 0,
    }
    assert [grade.name for grade in end.not_exact if grade.kind == "view"] == []
    assert ledger_rows(target_url, "SELECT count(*) FROM public.recent") == [(100,)]
    assert told.shown[-1].ended
    assert told.warned == []
    assert ledger_rows(target_url, 'SELECT count(*), max(id) FROM public."order lines"') == [(500, 500)]
    assert len(chunk_ids(target_url, "Order Lines")) > 5


def test_the_largest_table_goes_first_unless_it_keeps_its_foreign_keys(settings: Settings, target_url: str) -> None:
    """The order of the ledger is that of size; where the tables were there before, that of their foreign keys."""
    assert isinstance(start(settings, OPTIONS, Told(), detach=True), Detached)
    order = "SELECT source_name FROM pgconvoy.tables WHERE job_id = {} AND source_name <> 'hollow' ORDER BY position"
    assert ledger_rows(target_url, order.format(1)) == [("Order Lines",), ("orders",)]
    cancelling.cancel(settings, None)
    assert isinstance(start(settings, OPTIONS, Told(), detach=True), Detached)
    assert ledger_rows(target_url, order.format(2)) == [("orders",), ("Order Lines",)]


def test_planning_counts_no_tables_chunks_after_each_batch(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a batch costs does not grow with the batches before it: all chunks are counted once, after the last one."""
    counted: Counter[int] = Counter()

    def count(ledger: Ledger, table_id: int) -> ChunkCounts:
        counted[table_id] += 1
        return count_chunks(ledger, table_id)

    monkeypatch.setattr(queueing, "count_chunks", count)
    monkeypatch.setattr(enqueue, "SMALL_BYTES", 0)
    assert isinstance(start(settings, OPTIONS, Told(), detach=True), Detached)
    with open_ledger(settings) as target, target.store.transaction() as ledger:
        chunks = {table.plan.name: len(read_chunks(ledger, table.id)) for table in read_tables(ledger, 1)}
    assert chunks["order lines"] > 2 * settings.plan_batch_chunks
    assert max(counted.values()) == 1


def test_schema_only_makes_tables_and_keys_without_rows(
    settings: Settings, worker: RunningWorker, target_url: str
) -> None:
    """No chunk, no row, but primary and foreign keys; nothing is called verified."""
    end = started(settings, JobOptions(schema_only=True))
    assert (end.exit_code, end.progress.chunks, end.verified) == (ExitCode.DONE, 0, False), worker.log_text()
    assert ledger_rows(target_url, "SELECT count(*) FROM public.orders") == [(0,)]
    keys = "SELECT contype::text, count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    found = dict(ledger_rows(target_url, f"{keys} AND contype IN ('p', 'f') GROUP BY 1"))
    assert found == {"p": 2, "f": 1}


def test_a_limit_copies_the_first_rows_of_each_table(
    settings: Settings, worker: RunningWorker, target_url: str
) -> None:
    """--limit 7: seven rows a table, compared as such."""
    end = started(settings, JobOptions(limit=7))
    assert (end.exit_code, end.progress.rows) == (ExitCode.DONE, 14), worker.log_text()
    assert ledger_rows(target_url, "SELECT max(id) FROM public.orders") == [(7,)]


def test_a_plan_writes_nothing_anywhere(settings: Settings, target_url: str, tmp_path: Path) -> None:
    """No snapshot, no schema, no table; chunks, types and grades are told all the same."""
    view = plan_only(settings, OPTIONS, Told())
    chunks = {table.source: table.chunks for table in view.tables}
    assert chunks["Order Lines"] > 5
    (lines,) = [table for table in view.tables if table.source == "Order Lines"]
    assert [(column.name, column.type.sql) for column in lines.columns][-1] == ("item", "text")
    assert "CREATE TABLE" in view.sql
    assert [grade.name for grade in view.grades if grade.kind == "view"] == ["recent"]
    assert "CREATE OR REPLACE VIEW" in view.sql
    assert ledger_rows(target_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgconvoy'") == [(0,)]
    assert not (tmp_path / "snapshots").exists()


def test_a_plan_needs_no_target(settings: Settings, tmp_path: Path) -> None:
    """Without one it says that it could not look at tables that are there, and makes no server."""
    view = plan_only(settings.model_copy(update={"target_url": None}), OPTIONS, Told())
    assert view.target is None
    assert "not looked at" in view.notes[0]
    assert not (tmp_path / "home").exists()


def test_the_chunks_of_a_plan_are_those_of_the_job(settings: Settings, target_url: str) -> None:
    """What `plan` counts is what `start` records."""
    planned = sum(table.chunks for table in plan_only(settings, OPTIONS, Told()).tables)
    start(settings, OPTIONS, Told(), detach=True)
    assert ledger_rows(target_url, "SELECT count(*) FROM pgconvoy.chunks") == [(planned,)]


def test_recreate_refuses_where_something_else_depends_on_a_table(
    settings: Settings, worker: RunningWorker, target_url: str
) -> None:
    """The view and the foreign key are named, nothing is dropped, and no second job is recorded."""
    started(settings)
    execute(
        target_url,
        "CREATE VIEW public.watching AS SELECT id FROM public.orders",
        "CREATE TABLE public.notes (order_id bigint REFERENCES public.orders (id))",
    )
    with pytest.raises(OperatorError, match=r"--recreate.*watching") as refused:
        start(settings, JobOptions(recreate=True), Told())
    assert "notes" in str(refused.value), worker.log_text()
    assert ledger_rows(target_url, "SELECT count(*) FROM public.orders") == [(100,)]
    assert ledger_rows(target_url, "SELECT count(*) FROM pgconvoy.jobs") == [(1,)]


def test_recreate_makes_tables_anew_that_depend_on_each_other(
    settings: Settings, worker: RunningWorker, target_url: str
) -> None:
    """Tables of one job go together, foreign keys among them or not."""
    started(settings)
    execute(target_url, "ALTER TABLE public.orders ADD COLUMN old integer")
    end = started(settings, JobOptions(recreate=True))
    assert end.exit_code == ExitCode.DONE, worker.log_text()
    old = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.orders'::regclass AND attname = 'old'"
    assert ledger_rows(target_url, old) == [(0,)]


@pytest.mark.parametrize(
    ("of_tables", "recording", "dies_at"),
    [({"SMALL_BYTES": -1}, "record_chunks", 4), ({"_TABLES_AT_ONCE": 1}, "record_whole_tables", 2)],
    ids=["large", "small"],
)
def test_planning_that_broke_off_is_gone_on_with(
    of_tables: dict[str, int],
    recording: str,
    dies_at: int,
    settings: Settings,
    worker_factory: Callable[..., RunningWorker],
    target_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A producer that dies while it plans leaves a job that `resume` plans to its end: each chunk once."""
    whole = sum(table.chunks for table in plan_only(settings, OPTIONS, Told()).tables)
    recorded = getattr(enqueue, recording)
    calls = 0

    def dies(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == dies_at:
            raise MemoryError
        recorded(*arguments)

    for name, value in of_tables.items():
        monkeypatch.setattr(enqueue, name, value)
    monkeypatch.setattr(enqueue, recording, dies)
    with pytest.raises(MemoryError):
        start(settings, OPTIONS, Told())
    monkeypatch.undo()
    ((before,),) = ledger_rows(target_url, "SELECT count(*) FROM pgconvoy.chunks")
    assert 0 < before < whole
    worker = worker_factory()
    end = commands.resume(settings, None, Told())
    assert isinstance(end, JobEnd)
    assert (end.exit_code, end.progress.chunks) == (ExitCode.DONE, whole), worker.log_text()


def test_a_cancelled_job_is_taken_up_again_by_resume(
    settings: Settings, worker_factory: Callable[..., RunningWorker], target_url: str
) -> None:
    """Cancelled chunks are pending again and arrive; a second cancel is refused."""
    start(settings, OPTIONS, Told(), detach=True)
    assert cancelling.cancel(settings, 1).state == "cancelled"
    with pytest.raises(OperatorError, match="cancelled already"):
        cancelling.cancel(settings, 1)
    with pytest.raises(OperatorError, match="producer resume 1"):
        commands.requeue(settings, 1, Told(), table=None, chunk=None)
    worker = worker_factory()
    end = commands.resume(settings, 1, Told())
    assert isinstance(end, JobEnd)
    assert end.exit_code == ExitCode.DONE, worker.log_text()
    assert ledger_rows(target_url, 'SELECT count(*) FROM public."order lines"') == [(500,)]


def test_a_completed_job_has_nothing_to_resume_or_requeue(settings: Settings, worker: RunningWorker) -> None:
    """`resume` says so and ends by the job's state; `requeue` refuses."""
    started(settings)
    told = Told()
    end = commands.resume(settings, None, told)
    assert end.exit_code == ExitCode.DONE, worker.log_text()
    assert "nothing left to do" in told.said[0]
    with pytest.raises(OperatorError, match="nothing to requeue"):
        commands.requeue(settings, None, Told(), table=None, chunk=None)
    with pytest.raises(OperatorError, match="needs --table"):
        commands.requeue(settings, None, Told(), table=None, chunk=3)


def test_verify_names_what_differs_and_is_content_again(
    settings: Settings, worker: RunningWorker, target_url: str
) -> None:
    """A changed value, a missing row: exit 1 with table, key, column, both values; equal again once mended."""
    started(settings)
    execute(target_url, "UPDATE public.orders SET customer = 'somebody else' WHERE id = 17")
    end = commands.verify(settings, None, Told())
    assert (end.exit_code, end.progress.mismatches) == (ExitCode.INCOMPLETE, 1), worker.log_text()
    (line,) = end.mismatches
    assert (line.table, line.column, line.key) == ("orders", "customer", "id = 17")
    assert "customer 17" in (line.source or "")
    assert "somebody else" in (line.target or "")
    execute(target_url, "UPDATE public.orders SET customer = 'customer 17' WHERE id = 17")
    assert commands.verify(settings, None, Told()).exit_code == ExitCode.DONE


def test_verify_needs_the_snapshot_before_it_takes_anything_back(
    settings: Settings, worker: RunningWorker, target_url: str, tmp_path: Path
) -> None:
    """A job whose snapshot is gone stays verified."""
    started(settings)
    for snapshot in (tmp_path / "snapshots").iterdir():
        snapshot.unlink()
    with pytest.raises(SourceError, match="does not exist"):
        commands.verify(settings, None, Told())
    assert ledger_rows(target_url, "SELECT state FROM pgconvoy.jobs") == [("completed",)], worker.log_text()


def test_the_report_proves_the_copy(settings: Settings, worker: RunningWorker) -> None:
    """Rows of both sides, verified ones, chunks by path, and what is not exact."""
    started(settings)
    proof = looking.report(settings, None)
    assert (proof.rows_source, proof.rows_target, proof.rows_verified) == (600, 600, 600), worker.log_text()
    assert (proof.rejects, proof.mismatches) == (0, 0)
    lines = {table.source: table for table in proof.tables}
    assert lines["Order Lines"].target == "public.order lines"
    assert set(lines["Order Lines"].chunks_by_path) == {"arrow_bare"}
    assert sum(lines["Order Lines"].chunks_by_path.values()) == lines["Order Lines"].chunks
    assert [grade.name for grade in proof.not_exact] == ["a", "b"]


def test_a_table_that_a_job_left_without_keys_is_finished_by_that_job(
    settings: Settings, worker_factory: Callable[..., RunningWorker], target_url: str, points: Points
) -> None:
    """A new start names the job to requeue, or to resume where it was cancelled, before it offers --recreate."""
    start(settings, OPTIONS, Told(), detach=True)
    *_, last = chunk_ids(target_url, "orders")
    points.fail_at(Point.CLAIMED, last)
    worker = worker_factory()
    end = commands.resume(settings, 1, Told())
    assert isinstance(end, JobEnd)
    assert end.exit_code == ExitCode.INCOMPLETE, worker.log_text()
    with pytest.raises(OperatorError, match=r"orders .*`producer requeue 1`.* --recreate"):
        start(settings, OPTIONS, Told())
    with pytest.raises(OperatorError, match="`producer requeue 1`"):
        plan_only(settings, OPTIONS, Told())
    worker.kill()
    commands.requeue(settings, 1, Told(), table=None, chunk=None)
    cancelling.cancel(settings, 1)
    with pytest.raises(OperatorError, match="`producer resume 1`"):
        start(settings, OPTIONS, Told())


def test_plan_and_report_count_the_same_objects(settings: Settings, worker: RunningWorker, source: Path) -> None:
    """A foreign key has one grade: exact by the plan, and approximated in the end where rows violate it."""
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute('INSERT INTO "Order Lines" VALUES (1000, 9999, NULL)')
    planned = plan_only(settings, OPTIONS, Told()).grades
    started(settings)
    proof = looking.report(settings, None)
    assert proof.exact_objects + len(proof.not_exact) == len(planned), worker.log_text()
    (key,) = [grade for grade in proof.not_exact if grade.kind == "foreign key"]
    assert (key.grade, key.name, key.table) == ("approximated", "(order_id) -> orders (id)", "Order Lines")
    assert "left NOT VALID" in key.reason
    assert key.name in [grade.name for grade in planned if grade.grade == "exact"]


def test_ctrl_c_leaves_the_job_with_the_workers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a broker the job goes on: exit 130, and how to watch it, wait for it, end it."""

    def interrupted(_watch: object) -> JobProgress:
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting.Watch, "wait", interrupted)
    with pytest.raises(JobInterruptedError, match="job 1 goes on") as told:
        start(settings, OPTIONS, Told())
    assert told.value.exit_code == ExitCode.INTERRUPTED
    for command in ("producer status 1 --watch", "producer resume 1", "producer cancel 1"):
        assert command in str(told.value)


def test_ctrl_c_before_the_job_is_recorded_leaves_nothing(
    settings: Settings, target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a snapshot nor a ledger."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("producer.starting.make_tables", interrupted)
    with pytest.raises(JobInterruptedError, match="nothing was made"):
        start(settings, OPTIONS, Told())
    assert ledger_rows(target_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgconvoy'") == [(0,)]
    assert list((tmp_path / "snapshots").iterdir()) == []


class _NoticedError(Exception):
    """A test has seen the warning that it waited for."""


def _noticed(_text: str) -> None:
    raise _NoticedError


def test_a_job_without_workers_says_how_to_start_some(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers at the broker: one line that says so, instead of waiting in silence."""
    monkeypatch.setattr(waiting, "_STILL_S", 0.0)
    monkeypatch.setattr(waiting, "_PROBE_S", 0.2)
    told = Told(on_warning=_noticed)
    with pytest.raises(_NoticedError):
        start(settings, OPTIONS, told)
    assert "no worker answers" in told.warned[0]
    assert "celery -A workers.celery_app worker" in told.warned[0]


def test_a_worker_that_cannot_see_the_source_is_named(
    settings: Settings, worker: RunningWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's own sentence is shown while the job waits, with the worker's name."""
    monkeypatch.setattr(waiting, "_STILL_S", 0.0)
    planned = enqueue.record_whole_tables

    def hide_snapshot(*arguments: object) -> None:
        planned(*arguments)  # type: ignore[arg-type]
        for snapshot in (tmp_path / "snapshots").glob("*.sqlite"):
            snapshot.rename(snapshot.with_suffix(".hidden"))

    monkeypatch.setattr(enqueue, "record_whole_tables", hide_snapshot)
    told = Told(on_warning=_noticed)
    with pytest.raises(_NoticedError):
        start(settings, JobOptions(tables=("orders",)), told)
    # Its answer to a ping names it as Celery does, the error of its chunk as the ledger does: whichever comes first.
    assert worker.name in told.warned[0] or "cannot read the source" in told.warned[0]
    assert "does not exist" in told.warned[0]


def test_a_broker_that_goes_away_is_waited_for(
    settings: Settings, worker: RunningWorker, redis_server: RedisServer
) -> None:
    """A warning, then the job goes on where it was: Redis restarts while it runs."""
    told = Told()

    def stop_once(progress: JobProgress) -> None:
        told.shown.append(progress)
        if len(told.shown) == 1:
            redis_server.stop()

    told.show = stop_once  # type: ignore[method-assign]
    told.on_warning = lambda _text: None if redis_server.running else redis_server.start()
    end = start(settings, OPTIONS, told)
    assert isinstance(end, JobEnd)
    assert end.exit_code == ExitCode.DONE, worker.log_text()
    assert "cannot be reached" in told.warned[0]


def test_rows_that_were_kept_are_not_called_compared(
    settings: Settings, worker: RunningWorker, target_url: str
) -> None:
    """With skip, tables that were there are named as compared by their keys alone; new ones are compared wholly."""
    execute(
        target_url,
        "CREATE TABLE public.orders (id bigint PRIMARY KEY, customer text NOT NULL)",
        "INSERT INTO public.orders VALUES (1, 'mine')",
    )
    end = started(settings, JobOptions(on_conflict=OnConflict.SKIP))
    assert (end.exit_code, end.verified, end.presence_only) == (ExitCode.DONE, True, ("orders",)), worker.log_text()
    assert looking.report(settings, None).presence_only == ("orders",)
    assert ledger_rows(target_url, "SELECT customer FROM public.orders WHERE id = 1") == [("mine",)]


FULL_DISK = """
CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TABLE public.orders (id bigint PRIMARY KEY, customer text NOT NULL);
INSERT INTO public.orders VALUES (-1, 'mine');
CREATE TRIGGER full_disk BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.full_disk();
"""


def test_a_full_disk_is_waited_for_longer_and_told(
    settings: Settings,
    worker_factory: Callable[..., RunningWorker],
    target_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The chunk waits 15 times as long as after a deadlock; who waits for the job reads what to do, then it goes on."""
    monkeypatch.setattr(waiting, "_STILL_S", 0.0)
    monkeypatch.setattr(waiting, "_PROBE_S", 0.2)
    execute(target_url, FULL_DISK)
    worker = worker_factory(environment={"PGCONVOY_RETRY_DELAY_S": "0.2"})
    told = Told()
    dropped = "DROP TRIGGER IF EXISTS full_disk ON public.orders"
    told.on_warning = lambda text: execute(target_url, dropped) if "make room on the target's disk" in text else None
    delays: list[tuple[bool]] = []
    waits = "SELECT not_before - started_at >= interval '3 s' FROM pgconvoy.chunks WHERE not_before IS NOT NULL"
    told.show = lambda _progress: delays.extend(ledger_rows(target_url, waits))  # type: ignore[method-assign]
    end = start(settings, JobOptions(tables=("orders",)), told)
    assert isinstance(end, JobEnd)
    assert end.exit_code == ExitCode.DONE, worker.log_text()
    assert set(delays) == {(True,)}
    assert any("[SQLSTATE 53100]: make room on the target's disk; it is tried again" in text for text in told.warned)


def test_a_worker_process_holds_two_connections_at_most(
    settings: Settings, worker_factory: Callable[..., RunningWorker], target_url: str, points: Points
) -> None:
    """What `producer check` counts: the ledger's and the one for rows, as a chunk is written and when all is over."""
    points.stop_at(Point.COPIED_NOT_COMMITTED)
    worker = worker_factory(concurrency=1)
    start(settings, OPTIONS, Told(), detach=True)
    points.await_reached(Point.COPIED_NOT_COMMITTED)
    held = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name SIMILAR TO 'pgconvoy (ledger|copy chunk|verify)%'"
    )
    assert ledger_rows(target_url, held) == [(2,)], worker.log_text()
    points.clear_all()
    assert isinstance(commands.resume(settings, None, Told()), JobEnd)
    ((left,),) = ledger_rows(target_url, held)
    assert left <= 2


def test_jobs_and_report_tell_the_copy_s_own_time(settings: Settings, worker: RunningWorker, target_url: str) -> None:
    """A later verification moves the job's end, not the moment when its rows were there."""
    started(settings)
    (before,) = looking.jobs(settings)
    commands.verify(settings, None, Told())
    (after,) = looking.jobs(settings)
    proof = looking.report(settings, None)
    assert before.copied_at == after.copied_at == proof.copied_at, worker.log_text()
    assert after.copied_at is not None
    assert proof.seconds == (after.copied_at - after.created_at).total_seconds()
    assert (before.ended_at or after.created_at) < (after.ended_at or before.created_at)


def test_check_looks_at_every_worker(settings: Settings, worker: RunningWorker) -> None:
    """Source, target, ledger, broker, workers and connections, each with a line."""
    findings = check(settings)
    assert exit_code_of_check(findings) == ExitCode.DONE, worker.log_text()
    about_the_server = ("worker ", "setting")
    assert [finding.what for finding in findings if not finding.what.startswith(about_the_server)] == [
        "source",
        "target",
        "ledger",
        "broker",
        "connections",
    ]
    (mine,) = [finding for finding in findings if finding.what.startswith("worker ")]
    assert mine.outcome is Outcome.OK
    assert "2 processes" in mine.text


def test_check_without_workers_or_source_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    """A missing source is wrong, absent workers are unreachable, and unreachable decides the exit code."""
    missing = load_settings(
        source_url=str(tmp_path / "nowhere.db"), target_url=settings.target, broker_url=settings.broker
    )
    findings = {finding.what: finding for finding in check(missing)}
    assert findings["source"].outcome is Outcome.WRONG
    assert findings["workers"].outcome is Outcome.UNREACHABLE
    assert "celery" in findings["workers"].text
    assert exit_code_of_check(tuple(findings.values())) == ExitCode.UNREACHABLE


def test_a_fleet_of_its_own_does_the_job_and_is_gone(settings: Settings, tmp_path: Path, target_url: str) -> None:
    """No broker: the job is done all the same, and no process of it is left."""
    alone = settings.model_copy(update={"broker_url": None, "result_url": None, "home": tmp_path / "home"})
    end = started(alone)
    assert end.exit_code == ExitCode.DONE
    assert list((tmp_path / "home" / "fleets").glob("*.json")) == []
    with open_ledger(alone) as target, open_workforce(target) as workforce:
        assert workforce.fleet is not None
    assert ledger_rows(target_url, "SELECT count(*) FROM public.orders") == [(100,)]
