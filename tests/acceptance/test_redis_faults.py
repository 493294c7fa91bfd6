"""Redis killed with what it kept, emptied, full and stalled: a job that waits for it ends verified."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from fleetkit import Points, RedisServer, RunningWorker, await_true
from producerkit import Producer, carried, chunk_ids, ledger_rows, make_source

from shared.points import Point

ROWS = 20_000
WorkerFactory = Callable[..., RunningWorker]


class Convoy:
    """A job whose worker stops at every chunk until it is let on, and a producer that waits for it."""

    def __init__(self, producer: Producer, points: Points, start_worker: WorkerFactory, source: Path, url: str) -> None:
        producer("start", "--source", source, "--chunk-mb", "0.05", "--detach")
        self._points = points
        self.waiting_chunks = chunk_ids(url, "big")
        for chunk_id in self.waiting_chunks:
            points.stop_at(Point.HELD, chunk_id)
        self._url = url
        self.worker = start_worker()
        sent = "SELECT max(enqueued_at) FROM pgconvoy.chunks"
        before = ledger_rows(url, sent)
        self.waiting = producer.start("resume")
        self.told: list[str] = []
        """What the producer said of the broker so far."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        await_true(lambda: ledger_rows(url, sent) != before, "the producer sends again what is not done, and waits")
        self.await_chunk()

    def await_chunk(self) -> None:
        """Wait until a process of the worker stands at a chunk."""
        await_true(self._stands, f"a chunk is held\n{self.worker.log_text()}")

    def let_one_go(self) -> None:
        """Let the chunk that is first copied, and wait until the ledger has it."""
        chunk_id = self._stands()
        self._points.clear(Point.HELD, chunk_id)
        self.waiting_chunks.remove(chunk_id)
        copied = f"SELECT 1 FROM pgconvoy.chunks WHERE id = {chunk_id} AND rows > 0"
        await_true(lambda: ledger_rows(self._url, copied), f"chunk {chunk_id} is copied")

    def await_told(self, what: str) -> None:
        """Wait until the producer tells what is the matter with the broker, and the worker met it, too."""
        await_true(lambda: any(what in line for line in self.told), f"the producer says {what}: {self.told}")

    def end(self) -> int:
        """Let everything go and wait for the producer; returns its exit code."""
        self._points.clear_all()
        try:
            return self.waiting.wait(120)
        finally:
            self.waiting.kill()
            self._reader.join(20)
            assert self.waiting.stdout is not None
            self.waiting.stdout.close()

    def _read(self) -> None:
        with self.waiting.stderr or nullcontext() as lines:
            for line in lines or ():
                if line.startswith("warning: the broker"):
                    self.told.append(line)

    def _stands(self) -> int:
        folder = self._points.folder
        reached = [each for each in self.waiting_chunks if (folder / f"{Point.HELD}.{each}.reached").exists()]
        return reached[0] if reached else 0


def test_whatever_becomes_of_redis_the_job_ends_verified(
    producer: Producer,
    points: Points,
    redis_server: RedisServer,
    worker_factory: WorkerFactory,
    target_url: str,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Killed with all that it kept, emptied and full, stalled, one after the other: the worker's process is the same
    throughout, the producer tells each outage once, and every row is there.
    """
    rows = ((number, f"name {number}" * 3) for number in range(1, ROWS + 1))
    source = make_source(tmp_path / "big.db", "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT)", {"big": rows})
    convoy = Convoy(producer, points, lambda: worker_factory(environment=environment), source, target_url)
    worker = convoy.worker

    redis_server.lose_data()
    convoy.let_one_go()
    await_said(worker, "Connection refused")
    convoy.await_told(" cannot be reached ")
    redis_server.start()
    convoy.await_chunk()

    with redis_server.client() as client, redis_server.full():
        client.delete("copy")  # so that the producer has something to send
        convoy.let_one_go()
        await_said(worker, "when used memory")
        convoy.await_told(" is full ")
    convoy.await_chunk()

    with redis_server.stalled():
        convoy.let_one_go()
        await_said(worker, "Timeout")
        convoy.await_told(" does not answer in time ")
    convoy.await_chunk()

    assert convoy.end() == 0, worker.log_text()
    assert worker.running, worker.log_text()
    assert len(convoy.told) == 3, convoy.told
    assert carried(source, target_url, table="big")
    assert ledger_rows(target_url, "SELECT DISTINCT state FROM pgconvoy.chunks") == [("verified",)]


def await_said(worker: RunningWorker, said: str) -> None:
    """Wait until the worker's log says it."""
    await_true(lambda: said in worker.log.read_text(), f"the worker meets {said}\n{worker.log_text()}")
