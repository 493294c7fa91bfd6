"""What one worker process keeps open: settings, ledger, broker, and the source that it reads."""

from __future__ import annotations

import dataclasses
import functools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from shared.broker import Broker
from shared.dispatch import Dispatcher
from shared.errors import SourceChangedError, SourceError, TransientError
from shared.ledger.engine import LedgerStore
from shared.ledger.upgrade import check_ledger
from shared.records.work import Job
from shared.settings import Settings, load_settings
from shared.source.kinds import open_source
from shared.source.reader import SourceReader
from shared.target.connections import SessionSettings, connect_arrow, connect_rows
from shared.target.replay import await_replay
from workers.kept import KeptConnection, KeptSources


class WorkerContext:
    """Everything that outlives a task, made when first asked for and never inherited from a parent process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.store = LedgerStore(
            lambda: connect_rows(settings.target, self._session("ledger", durable=False)),
            pool_size=settings.ledger_pool_size,
        )
        """Its commits do not wait for the disk, as the chunks' do not: a crash takes the last of both, in the order in
        which they were made. A job's end waits (`wait_for_disk`), and takes along all that came before."""
        self.dispatcher = Dispatcher(self.store, Broker(settings), settings)
        self.ledger_checked = False
        """Whether the ledger was found to be of this version."""
        self.sources = KeptSources()
        self._copying = KeptConnection(
            lambda: connect_arrow(settings.target, self._session("copying", durable=False, kept=True))
        )
        self._reading = KeptConnection(
            lambda: connect_arrow(
                settings.target_for_reads, self._session("reading", durable=False, kept=True, reads_only=True)
            )
        )

    def close(self) -> None:
        """Close what this process opened."""
        self._copying.close()
        self._reading.close()
        self.store.close()

    def abandon(self) -> None:
        """Forget what a parent process opened, without closing it there."""
        self._copying.abandon()
        self._reading.abandon()
        self.sources.abandon()
        self.store.abandon()

    def check_ledger(self) -> None:
        """Refuse a ledger of another version, once a process."""
        if not self.ledger_checked:
            with self.store.transaction() as ledger:
                check_ledger(ledger.connection)
            self.ledger_checked = True

    @contextmanager
    def source_for_reads(self, job: Job) -> Iterator[SourceReader]:
        """Open the copy of the source that verification reads where one is set, else the source itself."""
        replica = self.settings.source_replica_url
        copy = job if replica is None else dataclasses.replace(job, snapshot_url=replica.get_secret_value())
        with self.source(copy) as reader:
            yield reader

    @contextmanager
    def source(self, job: Job) -> Iterator[SourceReader]:
        """Open the job's source and refuse it if it isn't what the job was planned from.

        A live source may change while it is read: ask `refuse_changed` again before what was read counts.

        Raises:
            SourceChangedError: where the fingerprint differs.
            TransientError: where this worker can't see the source: another one may.
        """
        url, frozen = job.snapshot_url, job.options.snapshot
        with self.sources.use(url, frozen=frozen, open_reader=lambda: self._open_source(url, frozen=frozen)) as reader:
            self.refuse_changed(reader, job)
            yield reader

    def _open_source(self, url: str, *, frozen: bool) -> SourceReader:
        try:
            return open_source(url, frozen=frozen)
        except SourceError as error:
            msg = f"worker {self.worker} cannot read the source: {error}"
            raise TransientError(msg) from error

    @contextmanager
    def arrow(self, name: str, job_id: int, *, keep: bool = True) -> Iterator[Any]:
        """Connect to the target for one transaction of columns; see `KeptConnection.use`."""
        with self._copying.use(f"pgconvoy {name}", job_id, keep=keep) as connection:
            yield connection

    @contextmanager
    def arrow_for_reads(self, name: str, job_id: int, *, keep: bool = True) -> Iterator[Any]:
        """Connect to the target, or its replica, for verification: one snapshot, and nothing can be written.

        Raises:
            TransientError: where the replica does not catch up with the target in time.
        """
        with self._reading.use(f"pgconvoy {name}", job_id, keep=keep) as connection:
            if self.settings.target_replica_url is not None:
                await_replay(connection, self._written_until(), longest_s=self.settings.lock_timeout_s)
            yield connection

    def _written_until(self) -> str:
        """Where the target's write-ahead log ends on its disk, every chunk's commit included.

        Chunks are committed without waiting for the disk. One commit that does wait takes all before it along; without
        it, a quiet server would flush them when it likes (15 s were seen).
        """
        with self.store.transaction() as ledger:
            ledger.run(sa.text("SET LOCAL synchronous_commit TO local"))
            ledger.run(sa.select(sa.func.pg_logical_emit_message(sa.true(), "pgconvoy", "verification begins")))
        with self.store.transaction() as ledger:
            return str(ledger.run(sa.select(sa.cast(sa.func.pg_current_wal_flush_lsn(), sa.Text)))[0][0])

    def refuse_changed(self, reader: SourceReader, job: Job) -> None:
        """Make sure that the source is the one that the job was planned from.

        Raises:
            SourceChangedError: where the fingerprint differs.
        """
        if reader.fingerprint() != job.fingerprint:
            raise SourceChangedError.since(job.id, job.snapshot_url)

    def _session(self, name: str, *, durable: bool, kept: bool = False, reads_only: bool = False) -> SessionSettings:
        settings = self.settings
        return SessionSettings(
            application_name=f"pgconvoy {name}",
            connect_timeout_s=settings.connect_timeout_s,
            lock_timeout_s=settings.lock_timeout_s,
            idle_timeout_s=settings.idle_timeout_s,
            durable=durable,
            kept=kept,
            reads_only=reads_only,
        )


@functools.cache
def worker_context() -> WorkerContext:
    """This process's own context; `forget_context` drops an inherited one."""
    return WorkerContext(load_settings())


def forget_context() -> None:
    """Drop what a parent process opened, without closing its connections."""
    if worker_context.cache_info().currsize:
        worker_context().abandon()
    worker_context.cache_clear()
