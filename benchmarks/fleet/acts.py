"""What is measured on the stage of a simulated fleet; each act returns figures and leaves the stage usable."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice

import psutil

from benchmarks.fleet.stage import Stage
from producer.enqueue import plan_chunks
from producer.services import connect
from producer.survey import chunks_of
from shared.ledger.attempts import claim_if_pending, finish_if_current, hold_if_current
from shared.ledger.engine import LedgerStore
from shared.ledger.progress import read_progress
from shared.ledger.session import SqlAlchemyLedger
from shared.records.work import CopyPath, CopyResult
from shared.settings import Settings
from shared.source.kinds import open_source

_MIB = 1024 * 1024
_CHORDS = 3
_CHORD = 1000
_PROBED = 100
"""Chunks that each process claims and finishes for a rate: half a second or so."""
_FLEET_CHUNKS = 1500
_FLEET_LONGEST_S = 300.0
_POLL_S = 0.1
_WORKER = "benchmarks.fleet.idle_worker"
_NOTHING = CopyResult(path=CopyPath.ARROW_BARE, rows=0, fingerprint="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What planning and recording all chunks took."""

    walked_per_s: float
    """Chunks that the walk over the source's keys yields a second."""
    recorded_per_s: float
    """Chunks planned, recorded in the ledger and seen to a second."""
    grown_mib: float
    """By how much this process grew."""
    ledger_bytes: float
    """Bytes of the ledger a chunk, indexes included, when all are pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """What chords of messages cost."""

    per_s: float
    redis_bytes: float
    """Bytes that Redis holds a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the queries over a whole job take, in milliseconds."""

    progress_ms: float
    """One look at the progress, as the waiting producer takes it."""
    rescue_ms: float
    send_ms: float
    """Finding out what a table needs next, as each chord's callback does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Chunks a second through one thing alone, and what a chunk costs there."""

    per_s: float
    server_ms: float
    """Of PostgreSQL's processor time a chunk."""
    redis_ms: float = 0.0
    """Of Redis' processor time a chunk."""


def plan_all(stage: Stage) -> Planned:
    """Walk the keys alone, then plan and record all chunks as the producer does."""
    with open_source(str(stage.source), frozen=True) as reader:
        begin = time.perf_counter()
        chunks = sum(1 for _ in chunks_of(reader, stage.plan, 1))
        walked = time.perf_counter() - begin
    process = psutil.Process()
    before, begin = process.memory_info().rss, time.perf_counter()
    plan_chunks(stage.target, stage.dispatcher, stage.job_id, lambda: None)
    recorded = time.perf_counter() - begin
    grown = process.memory_info().rss - before
    size = _ask(stage, "SELECT pg_total_relation_size('pgconvoy.chunks')")
    return Planned(
        walked_per_s=chunks / walked,
        recorded_per_s=chunks / recorded,
        grown_mib=grown / _MIB,
        ledger_bytes=size / chunks,
    )


def enqueue(stage: Stage) -> Enqueued:
    """Send some chords as the dispatcher does, and take them back."""
    stage.redis.flushall()
    stage.redis.ping()
    before, begin = stage.redis.info("memory")["used_memory"], time.perf_counter()
    for chord in range(_CHORDS):
        stage.broker.send_copies(stage.table_id, range(chord * _CHORD + 1, (chord + 1) * _CHORD + 1))
    seconds = time.perf_counter() - begin
    held = stage.redis.info("memory")["used_memory"] - before
    stage.redis.flushall()
    return Enqueued(per_s=_CHORDS * _CHORD / seconds, redis_bytes=held / (_CHORDS * _CHORD))


def fill(stage: Stage, share: float) -> None:
    """Let the ledger say that this share of the chunks, the first by number, has been copied, and no other one."""
    _run(stage, f"UPDATE pgconvoy.tables SET state = 'copying', finish_sent_at = NULL WHERE id = {stage.table_id}")
    last = f"(SELECT max(number) * {share} FROM pgconvoy.chunks WHERE table_id = {stage.table_id})"
    _run(
        stage,
        "UPDATE pgconvoy.chunks SET state = 'pending', attempt = 0, copied_at = NULL, rows = NULL, path = NULL,"
        f" fingerprint = NULL WHERE state <> 'pending' AND number > {last}",
    )
    _run(
        stage,
        "UPDATE pgconvoy.chunks SET state = 'copied', attempt = 1, worker = 'simulated', started_at = now(),"
        " copied_at = now(), enqueued_at = now(), rows = 0, path = 'arrow_bare', fingerprint = 'none'"
        f" WHERE state = 'pending' AND number <= {last}",
    )
    _run(stage, "UPDATE pgconvoy.chunks SET enqueued_at = NULL WHERE state = 'pending' AND enqueued_at IS NOT NULL")
    # As autovacuum would have done by the time that a real job is so far.
    with stage.target.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE) pgconvoy.chunks")
    stage.redis.flushall()


def look(stage: Stage) -> Looked:
    """Time the queries over the whole job, each the best of three."""
    progress = _best_ms(lambda: _progress(stage))
    rescue = _best_ms(lambda: stage.dispatcher.rescue(stage.job_id))
    _run(stage, "UPDATE pgconvoy.chunks SET enqueued_at = NULL WHERE state = 'pending' AND enqueued_at IS NOT NULL")
    begin = time.perf_counter()
    stage.dispatcher.send_work(stage.table_id)
    sent = time.perf_counter() - begin
    stage.redis.flushall()
    return Looked(progress_ms=progress, rescue_ms=rescue, send_ms=sent * 1000)


def claim_and_finish(stage: Stage, processes: int) -> Rate:
    """Let processes claim, hold and finish chunks, each in two transactions as a worker does, without any broker."""
    ids = _ids(stage, processes * _PROBED)
    hands = [ids[first::processes] for first in range(processes)]
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(processes + 1)
    workers = [context.Process(target=_work, args=(stage.target.settings, hand, gate)) for hand in hands]
    for worker in workers:
        worker.start()
    gate.wait()
    spent, begin = _server_seconds(stage), time.perf_counter()
    gate.wait()
    seconds, spent = time.perf_counter() - begin, _server_seconds(stage) - spent
    gate.wait()
    for worker in workers:
        worker.join()
    return Rate(per_s=len(ids) / seconds, server_ms=spent * 1000 / len(ids))


def run_fleet(stage: Stage, workers: int) -> Rate:
    """Let real Celery workers go through chunks that hold nothing."""
    wanted = min(_FLEET_CHUNKS, _count(stage, "pending") * 4 // 5)
    settings = stage.target.settings
    environment = os.environ | {
        "PGCONVOY_TARGET_URL": settings.target,
        "PGCONVOY_BROKER_URL": settings.broker,
        "PGCONVOY_RESULT_URL": settings.result_url.get_secret_value() if settings.result_url else "",
    }
    command = [sys.executable, "-m", "celery", "-A", _WORKER, "worker", "-Q", "copy,verify,control"]
    with (
        stage.log.open("wb") as log,
        subprocess.Popen(
            [*command, "-c", str(workers), "--without-mingle", "--without-gossip"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as fleet,
    ):
        try:
            return _watch_fleet(stage, fleet, wanted)
        finally:
            _kill(fleet)


def _watch_fleet(stage: Stage, fleet: subprocess.Popen[bytes], wanted: int) -> Rate:
    """Time the chunks after the first few, which wait for Python to start."""
    start = _count(stage, "copied")
    stage.dispatcher.send_work(stage.table_id)
    end = time.monotonic() + _FLEET_LONGEST_S
    _await(stage, lambda: _copied_beyond(stage, start) > wanted // 10, fleet, end)
    first, begin = _copied_beyond(stage, start), time.perf_counter()
    server, broker = _server_seconds(stage), _redis_seconds(stage)
    _await(stage, lambda: _copied_beyond(stage, start) >= wanted, fleet, end)
    seconds, done = time.perf_counter() - begin, _copied_beyond(stage, start) - first
    return Rate(
        per_s=done / seconds,
        server_ms=(_server_seconds(stage) - server) * 1000 / done,
        redis_ms=(_redis_seconds(stage) - broker) * 1000 / done,
    )


def _await(stage: Stage, condition: Callable[[], bool], fleet: subprocess.Popen[bytes], end: float) -> None:
    while not condition():
        if fleet.poll() is not None or time.monotonic() > end:
            msg = f"the simulated fleet ended, or took longer than five minutes; its log is {stage.log}"
            raise SystemExit(msg)
        time.sleep(_POLL_S)


def _kill(fleet: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # it ended by itself
        os.killpg(fleet.pid, signal.SIGKILL)


def _work(settings: Settings, ids: list[int], gate: multiprocessing.synchronize.Barrier) -> None:
    store = LedgerStore(lambda: connect(settings), pool_size=1)
    with store.transaction() as ledger:
        read_progress(ledger, 0)  # connected, and its statements compiled
    gate.wait()
    for chunk_id in ids:
        with store.transaction() as ledger:
            chunk = claim_if_pending(ledger, chunk_id, "simulated")
        with store.transaction() as ledger:
            if chunk is not None and hold_if_current(ledger, chunk):
                finish_if_current(ledger, chunk, _NOTHING)
    gate.wait()
    gate.wait()  # the parent reads the processors' time of living sessions
    store.close()


def _progress(stage: Stage) -> None:
    with stage.target.ledger("looking at progress") as ledger:
        read_progress(ledger, stage.job_id)


def _best_ms(act: Callable[[], object]) -> float:
    return min(_timed(act) for _ in range(3)) * 1000


def _timed(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _server_seconds(stage: Stage) -> float:
    """Processor time of PostgreSQL's processes that live, and of those that ended."""
    server = stage.server_process.cpu_times()
    total = server.user + server.system + server.children_user + server.children_system
    for session in stage.server_process.children():
        try:
            times = session.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return float(total)


def _redis_seconds(stage: Stage) -> float:
    spent = stage.redis.info("cpu")
    return float(spent["used_cpu_user"]) + float(spent["used_cpu_sys"])


def _ids(stage: Stage, count: int) -> list[int]:
    with _ledger(stage) as ledger:
        found = ledger.connection.exec_driver_sql("SELECT id FROM pgconvoy.chunks WHERE state = 'pending' ORDER BY id")
        return [row[0] for row in islice(found, count)]


def _count(stage: Stage, state: str) -> int:
    return _ask(stage, f"SELECT count(*) FROM pgconvoy.chunks WHERE state = '{state}'")


def _copied_beyond(stage: Stage, number: int) -> int:
    """How many chunks after this one were copied: few are looked at, since looking is PostgreSQL's time, too."""
    within = f"number > {number} AND number <= {number + 2 * _FLEET_CHUNKS}"
    where = f"table_id = {stage.table_id} AND {within} AND state = 'copied'"
    return _ask(stage, f"SELECT count(*) FROM pgconvoy.chunks WHERE {where}")


def _ask(stage: Stage, query: str) -> int:
    with _ledger(stage) as ledger:
        return int(ledger.connection.exec_driver_sql(query).scalar_one())


def _run(stage: Stage, statement: str) -> None:
    with _ledger(stage) as ledger:
        ledger.connection.exec_driver_sql(statement)


@contextmanager
def _ledger(stage: Stage) -> Iterator[SqlAlchemyLedger]:
    with stage.target.ledger("measuring") as ledger:
        yield ledger
