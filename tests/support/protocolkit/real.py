"""The model's steps taken by the real ledger: each worker is a connection, and dies with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

import psycopg2
import sqlalchemy as sa
from ledgerkit import plan_of

from protocolkit.base import IDLE, Move, recorded
from protocolkit.states import Build, Chunk, Ledger, Phase, State, Task, Worker, World
from shared.dispatch import Dispatcher
from shared.ledger import attempts, begun, builds, comparisons, jobs, pausing, queueing
from shared.ledger.engine import LedgerStore
from shared.ledger.progress import read_progress
from shared.ledger.session import Ledger as Transaction
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.splitting import replace_if_current
from shared.ledger.states import JOB_ENDS, BuildState, ChunkState, JobState, TableState
from shared.ledger.steps import Step
from shared.records.builds import Build as BuildRecord
from shared.records.builds import BuildOutcome, NewBuild
from shared.records.keys import KeyRange, decode_range
from shared.records.plan import JobOptions
from shared.records.source import ObjectKind
from shared.records.work import Chunk as ChunkRecord
from shared.records.work import Comparison, CopyPath, CopyResult, NewJob, PlannedChunk
from workers.finish_job import _outcome as outcome_of_job

_RESULT: Final = CopyResult(path=CopyPath.ARROW_BARE, rows=1, fingerprint="columns:00")
_STEPS_TO_LOSE: Final = 1000
"""The model does not count comparisons that lost their worker."""
_HOLDING: Final = frozenset(
    {
        Phase.HELD,
        Phase.SPLITTING,
        Phase.COMPARING,
        Phase.BUILDING_TABLE,
        Phase.CHECKING,
        Phase.BUILD_HELD,
        Phase.FINISHING,
    }
)
"""Phases in which a worker has a transaction open, which holds a row."""
_EVERYTHING: Final = sa.text("""
    SELECT (SELECT to_jsonb(j) FROM pgconvoy.jobs j WHERE id = :job) AS job,
           (SELECT to_jsonb(t) FROM pgconvoy.tables t WHERE job_id = :job) AS of_table,
           (SELECT coalesce(jsonb_agg(c), '[]') FROM pgconvoy.chunks c WHERE job_id = :job) AS chunks,
           (SELECT coalesce(jsonb_agg(b), '[]') FROM pgconvoy.builds b WHERE job_id = :job) AS builds,
           ARRAY (SELECT key FROM public.rows WHERE job = :job) AS keys_there
""")
"""In one statement: it is asked after every step."""
_LOCK_TIMEOUT: Final = "2s"
"""The model says who has to wait; where it says that nobody has to, nobody may."""


@dataclass(eq=False)
class RealWorker:
    """A connection that acts as a worker does."""

    name: str
    connection: sa.Connection
    was: Worker = IDLE
    """Where the model has it."""
    chunk: ChunkRecord | None = None
    build: BuildRecord | None = None

    @property
    def ledger(self) -> SqlAlchemyLedger:
        """Its open transaction."""
        return SqlAlchemyLedger(self.connection)

    def end(self, *, commit: bool) -> None:
        """End its transaction."""
        (self.connection.commit if commit else self.connection.rollback)()


@dataclass
class _Queue:
    """Takes what would be sent."""

    sent: list[Task] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    """Of the chunks, by id."""

    def send_copies(self, _table_id: int, chunk_ids: Any) -> None:
        self.sent += [Task("copy", self.numbers[each]) for each in chunk_ids]

    def send_comparisons(self, _table_id: int, chunk_ids: Any) -> None:
        self.sent += [Task("compare", self.numbers[each]) for each in chunk_ids]

    def send_builds(self, job_ids: Any) -> None:
        self.sent += [Task("build") for _ in job_ids]

    def send_finish_table(self, _table_id: int) -> None:
        self.sent.append(Task("finish table"))

    def send_finish_job(self, _job_id: int) -> None:
        self.sent.append(Task("finish job"))


class RealLedger:
    """A job in a real ledger, and as many workers as the world has."""

    def __init__(self, store: LedgerStore, url: str, world: World) -> None:
        self.store = store
        self.world = world
        self.queue = _Queue()
        self._dispatcher = Dispatcher(store, self.queue, None)  # type: ignore[arg-type]
        self._engine = sa.create_engine(
            "postgresql+psycopg2://", creator=lambda: psycopg2.connect(url), poolclass=sa.pool.NullPool
        )
        with store.transaction() as ledger:
            ledger.connection.execute(sa.text("CREATE TABLE IF NOT EXISTS public.rows (job bigint, key int)"))
            new = NewJob(
                source_url="sqlite:///shop.db",
                snapshot_url="sqlite:///snapshot.db",
                fingerprint="f",
                target_schema="public",
                options=JobOptions(),
            )
            self.job_id = jobs.record_job(ledger, new)
            self.table_id = jobs.record_table(ledger, self.job_id, 1, plan_of("t"))
            jobs.move_job(ledger, self.job_id, JobState.COPYING)
        self.workers = [RealWorker(f"w:{number}", self._connect()) for number in range(world.workers)]
        self._planned = 0

    def close(self) -> None:
        """Close every connection, and end the job, so that the next one may begin."""
        for worker in self.workers:
            worker.connection.close()
        self._engine.dispose()

    def _connect(self) -> sa.Connection:
        connection = self._engine.connect()
        connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        connection.commit()
        return connection

    # ---- taking a step

    def take(self, before: State, move: Move) -> None:
        """Do what the model's step says."""
        if move.worker is None:
            self._outside(move.name)
            return
        worker = next(each for each in self.workers if each.was == move.worker)
        if move.name.endswith(" arrives"):
            name, number, _ = move.name.rsplit(" ", 2)
            self._arrives(worker, Task(name, int(number)))
        else:
            _GO_ON[move.name](self, worker, before)
        left = Counter(move.state.workers)
        left.subtract(each.was for each in self.workers if each is not worker)
        (worker.was,) = left.elements()
        assert worker.connection.in_transaction() == (worker.was.phase in _HOLDING), f"{move.name}: {worker.was}"

    def _outside(self, name: str) -> None:
        if name.startswith("the queue loses"):
            return
        with self._act() as ledger:
            _OUTSIDE[name](self, ledger)
        if name == "send":
            self._dispatcher.send_work(self.table_id)
            self._dispatcher.send_finish_job(self.job_id)

    @contextmanager
    def _act(self) -> Iterator[SqlAlchemyLedger]:
        with self.store.transaction() as ledger:
            ledger.connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            yield ledger

    def _send(self, _ledger: Transaction) -> None:
        """By the dispatcher's own transactions, afterwards."""

    def _plan(self, ledger: Transaction) -> None:
        assert jobs.read_job(ledger, self.job_id, lock=True).state not in JOB_ENDS
        key_range = KeyRange(lower=(2 * self._planned,), upper=(2 * self._planned + 2,))
        planned = PlannedChunk(key_range=key_range, rows=2, source_bytes=2)
        jobs.record_chunks(ledger, self.job_id, self.table_id, self._planned + 1, [planned])
        self._planned += 1
        if self._planned == self.world.chunks:
            jobs.mark_planned(ledger, self.table_id)

    def _rescue(self, ledger: Transaction) -> None:
        attempts.rescue_lost(ledger, self.job_id, grace_s=0, max_attempts=self.world.attempts)
        builds.rescue_lost_builds(ledger, self.job_id, grace_s=0, max_attempts=self.world.attempts)

    def _forget(self, ledger: Transaction) -> None:
        builds.forget_build_messages(ledger, self.job_id, older_than_s=0)
        queueing.forget_messages(ledger, self.job_id, older_than_s=0)

    def _pause(self, ledger: Transaction) -> None:
        assert pausing.pause_job(ledger, self.job_id) or pausing.unpause_job(ledger, self.job_id)

    def _cancel(self, ledger: Transaction) -> None:
        assert jobs.cancel_job(ledger, self.job_id)

    def _reopen(self, ledger: Transaction, *, cancelled: bool) -> None:
        jobs.requeue_chunks(ledger, self.job_id, cancelled=cancelled)
        jobs.reopen_tables(ledger, self.job_id)
        jobs.move_job(ledger, self.job_id, JobState.COPYING)

    def _verify(self, ledger: SqlAlchemyLedger) -> None:
        if jobs.reset_comparisons(ledger, self.job_id):
            jobs.move_job(ledger, self.job_id, JobState.VERIFYING)
        else:
            ledger.connection.rollback()

    # ---- a worker gets a message

    def _arrives(self, worker: RealWorker, task: Task) -> None:
        {
            "copy": self._claim,
            "compare": self._compare,
            "build": self._claim_build,
            "finish table": self._finish_table,
            "finish job": self._finish_job,
        }[task.name](worker, self._id(task.number))

    def _id(self, number: int) -> int:
        return next((id_ for id_, each in self.queue.numbers.items() if each == number), 0)

    def _claim(self, worker: RealWorker, chunk_id: int) -> None:
        worker.chunk = attempts.claim_if_pending(worker.ledger, chunk_id, worker.name)
        if worker.chunk is not None:
            attempts.mark_started(worker.ledger, self.table_id)
        worker.end(commit=True)

    def _compare(self, worker: RealWorker, chunk_id: int) -> None:
        refused = begun.begin_comparison(worker.ledger, chunk_id, most=_STEPS_TO_LOSE)
        worker.end(commit=True)
        worker.chunk = comparisons.hold_uncompared(worker.ledger, chunk_id) if refused is None else None
        if worker.chunk is None:
            worker.end(commit=True)

    def _claim_build(self, worker: RealWorker, _number: int) -> None:
        worker.build = builds.claim_largest(worker.ledger, self.job_id, worker.name)
        worker.end(commit=True)

    def _finish_table(self, worker: RealWorker, _number: int) -> None:
        ledger = worker.ledger
        match queueing.hold_step_of(ledger, self.table_id):
            case Step.BUILD:
                if jobs.move_table(ledger, self.table_id, TableState.BUILDING):
                    builds.forget_builds(ledger, self.table_id)
            case Step.FAIL:
                jobs.move_table(ledger, self.table_id, TableState.FAILED, error="a chunk failed")
            case Step.CANCEL:
                jobs.move_table(ledger, self.table_id, TableState.CANCELLED)
        worker.end(commit=True)

    def _finish_job(self, worker: RealWorker, _number: int) -> None:
        job = jobs.read_job(worker.ledger, self.job_id, lock=True)
        if job.state in JOB_ENDS or job.paused_at is not None or queueing.open_tables(worker.ledger, self.job_id):
            if job.paused_at is not None and job.state not in JOB_ENDS:
                pausing.give_back_job(worker.ledger, self.job_id)
            worker.end(commit=True)

    # ---- a worker goes on

    def _hold(self, worker: RealWorker, _before: State) -> None:
        assert worker.chunk is not None
        if not attempts.hold_if_current(worker.ledger, worker.chunk):
            worker.end(commit=False)

    def _commit(self, worker: RealWorker, _before: State) -> None:
        assert worker.chunk is not None
        for key in _keys(worker.chunk.key_range):
            values = {"job": self.job_id, "key": key}
            worker.connection.execute(sa.text("INSERT INTO public.rows VALUES (:job, :key)"), values)
        assert attempts.finish_if_current(worker.ledger, worker.chunk, _RESULT)
        worker.end(commit=True)

    def _lose(self, worker: RealWorker, _before: State) -> None:
        worker.end(commit=False)

    def _put_back(self, worker: RealWorker, _before: State, *, retry: bool, expect: ChunkState | None) -> None:
        assert worker.chunk is not None
        most = self.world.attempts
        came = attempts.fail_if_current(worker.ledger, worker.chunk, "no", retry=retry, max_attempts=most, delay_s=0)
        assert came == expect
        worker.end(commit=True)

    def _split(self, worker: RealWorker, _before: State) -> None:
        assert worker.chunk is not None
        parts = [
            PlannedChunk(key_range=KeyRange(lower=(key,), upper=(key + 1,)), rows=1, source_bytes=1)
            for key in _keys(worker.chunk.key_range)
        ]
        assert replace_if_current(worker.ledger, worker.chunk, parts) is not None
        worker.end(commit=True)

    def _stay_whole(self, worker: RealWorker, before: State) -> None:
        assert worker.chunk is not None
        planned = before.ledger.recorded == self.world.chunks
        if before.ledger.job in JOB_ENDS or not planned:
            key_range = KeyRange(lower=(0,), upper=(1,))
            part = PlannedChunk(key_range=key_range, rows=1, source_bytes=1)
            assert replace_if_current(worker.ledger, worker.chunk, [part]) is None
        worker.end(commit=True)

    def _compared(self, worker: RealWorker, _before: State, *, found: int) -> None:
        assert worker.chunk is not None
        comparisons.record_comparison(worker.ledger, worker.chunk, Comparison(rows=2, found=found))
        worker.end(commit=True)

    def _hold_table(self, worker: RealWorker, _before: State) -> None:
        table = jobs.read_table(worker.ledger, self.table_id, lock=True, skip_locked=True)
        if worker.was.phase is Phase.TO_BUILD:
            holds = table is not None and table.state == TableState.BUILDING
        else:
            holds = table is not None and queueing.step_of(worker.ledger, self.table_id) is Step.CHECK
        if not holds:
            worker.end(commit=False)

    def _record_builds(self, worker: RealWorker, before: State) -> None:
        made = [
            NewBuild(kind=ObjectKind.INDEX, name=f"i{place}", bytes_expected=9 - place)
            for place, build in enumerate(before.ledger.builds)
            if build is None
        ]
        builds.record_builds(worker.ledger, self.job_id, self.table_id, made)
        worker.end(commit=True)

    def _built(self, worker: RealWorker, _before: State, *, to: TableState) -> None:
        error = "a key is violated" if to is TableState.FAILED else None
        assert jobs.move_table(worker.ledger, self.table_id, to, error=error)
        worker.end(commit=True)

    def _check(self, worker: RealWorker, before: State) -> None:
        differs = any(each.state is ChunkState.COPIED and each.compared for _, each in recorded(before.ledger))
        self._built(worker, before, to=TableState.FAILED if differs else TableState.COMPLETED)

    def _hold_build(self, worker: RealWorker, _before: State) -> None:
        assert worker.build is not None
        if not builds.hold_if_current(worker.ledger, worker.build):
            worker.end(commit=False)

    def _index(self, worker: RealWorker, _before: State) -> None:
        assert worker.build is not None
        assert builds.finish_if_current(worker.ledger, worker.build, BuildOutcome(there=True))
        worker.end(commit=True)

    def _fail_index(self, worker: RealWorker, _before: State) -> None:
        assert worker.build is not None
        worker.end(commit=False)
        most = self.world.attempts
        builds.fail_if_current(worker.ledger, worker.build, "no", retry=True, max_attempts=most, delay_s=0)
        worker.end(commit=True)

    def _end_job(self, worker: RealWorker, _before: State) -> None:
        ledger = worker.ledger
        jobs.move_job(ledger, self.job_id, JobState.VERIFYING)
        state, error = outcome_of_job(read_progress(ledger, self.job_id), unreadable=0)
        assert jobs.move_job(ledger, self.job_id, state, error=error)
        worker.end(commit=True)

    def _die(self, worker: RealWorker, _before: State) -> None:
        pid = worker.connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
        with self.store.transaction() as ledger:
            (gone,) = ledger.run(sa.text("SELECT pg_terminate_backend(:pid, 10000)").bindparams(pid=pid))
        assert gone == (True,)
        worker.connection.invalidate()
        worker.connection.close()
        worker.connection, worker.chunk, worker.build = self._connect(), None, None

    # ---- comparing

    def ledger(self, model: Ledger) -> Ledger:
        """What the real ledger says, in the model's words; what the model alone remembers is taken from there."""
        with self.store.alone() as ledger:
            (found,) = ledger.run(_EVERYTHING.bindparams(job=self.job_id))
        job, table = SimpleNamespace(**found.job), SimpleNamespace(**found.of_table)
        there = Counter(found.keys_there)
        by_number = {each["number"] - 1: SimpleNamespace(**each) for each in found.chunks}
        by_name = {each["name"]: SimpleNamespace(**each) for each in found.builds}
        self.queue.numbers = {row.id: number for number, row in by_number.items()}
        assert table.planned == (self._planned == self.world.chunks)
        return model._replace(
            rows=tuple(there[key] for key in range(len(model.rows))),
            chunks=tuple(
                _chunk(by_number.get(number), model.chunks[number])
                for number in range(max(len(model.chunks), *by_number, 0))
            ),
            recorded=self._planned,
            table=TableState(table.state),
            table_sent=table.finish_sent_at is not None,
            builds=tuple(_build(by_name.get(f"i{place}")) for place in range(self.world.builds)),
            job=JobState(job.state),
            job_sent=job.finish_sent_at is not None,
            paused=job.paused_at is not None,
        )


def _chunk(row: Any, model: Chunk | None) -> Chunk | None:
    if row is None:
        return None
    return Chunk(
        keys=frozenset(_keys(decode_range(row.key_range))),
        state=ChunkState(row.state),
        attempt=row.attempt,
        sent=row.enqueued_at is not None,
        compared=row.compared_at is not None,
        compare_sent=row.compare_sent_at is not None,
        claim=0 if model is None else model.claim,
    )


def _build(row: Any) -> Build | None:
    return None if row is None else Build(BuildState(row.state), row.attempt, row.enqueued_at is not None)


def _keys(key_range: Any) -> range:
    return range(key_range.lower[0], key_range.upper[0])


_Outside = Callable[[RealLedger, Any], None]
_OUTSIDE: Final[MappingProxyType[str, _Outside]] = MappingProxyType(
    {
        "plan": RealLedger._plan,
        "send": RealLedger._send,
        "rescue": RealLedger._rescue,
        "forget lost messages": RealLedger._forget,
        "pause or unpause": RealLedger._pause,
        "cancel": RealLedger._cancel,
        "resume": lambda real, ledger: real._reopen(ledger, cancelled=True),
        "requeue": lambda real, ledger: real._reopen(ledger, cancelled=False),
        "verify": RealLedger._verify,
    }
)
_GoOn = Callable[[RealLedger, RealWorker, State], None]
_GO_ON: Final[MappingProxyType[str, _GoOn]] = MappingProxyType(
    {
        "hold": RealLedger._hold,
        "hold to split": RealLedger._hold,
        "the source is away": RealLedger._lose,
        "copying fails": RealLedger._lose,
        "commit rows and word": RealLedger._commit,
        "overtaken": lambda real, worker, before: real._put_back(worker, before, retry=True, expect=None),
        "put back": lambda real, worker, before: real._put_back(worker, before, retry=True, expect=ChunkState.PENDING),
        "fail for good": lambda real, worker, before: real._put_back(
            worker, before, retry=worker.was.attempt >= real.world.attempts, expect=ChunkState.FAILED
        ),
        "split": RealLedger._split,
        "it stays whole": RealLedger._stay_whole,
        "verified": lambda real, worker, before: real._compared(worker, before, found=0),
        "a difference": lambda real, worker, before: real._compared(worker, before, found=1),
        "hold the table": RealLedger._hold_table,
        "builds are open": RealLedger._lose,
        "record builds": RealLedger._record_builds,
        "built": lambda real, worker, before: real._built(worker, before, to=TableState.VERIFYING),
        "a key is violated": lambda real, worker, before: real._built(worker, before, to=TableState.FAILED),
        "check the table": RealLedger._check,
        "hold the build": RealLedger._hold_build,
        "commit index and word": RealLedger._index,
        "a build fails": RealLedger._fail_index,
        "end the job": RealLedger._end_job,
        "a worker dies": RealLedger._die,
    }
)
