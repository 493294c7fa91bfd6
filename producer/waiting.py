"""Waiting for a job: shows where it is, rescues what was lost, and says so where nobody works."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, TypeVar

import sqlalchemy as sa
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from producer.progress import Pace
from producer.reading import progress_of
from producer.records import JobProgress, Listener
from producer.services import Target
from producer.wording import pause
from producer.workforce import Workforce
from shared.errors import ConvoyError, ExitCode, TransientError, UnreachableError
from shared.ledger.progress import read_retries
from shared.ledger.standing import read_standing
from shared.records.work import Job
from shared.settings import shown
from shared.target.connections import translate_error

_LOOK_S: Final = 0.2
"""Five times a second looks alive, and the end is noticed at once; a look costs one short query."""
_SHARE: Final = 10
"""Looking takes at most a tenth of PostgreSQL's one processor: with a million chunks a look takes half a second
(`python -m benchmarks.fleet`)."""
_RESCUE_S: Final = 2.0
_STILL_S: Final = 15.0
"""A chunk takes seconds; where nothing arrives for so long, the workers are asked."""
_PROBE_S: Final = 2.0
_PATIENCE_S: Final = 120.0
"""A restart of PostgreSQL or Redis, recovery included, is over by then."""
_WORKER_COMMAND: Final = "celery -A workers.celery_app worker -Q copy,verify,control"
T = TypeVar("T")


def _translated(act: Callable[[], T]) -> T:
    """Do it; what PostgreSQL says against it becomes one of our errors: a deadlock with workers is tried again."""
    try:
        return act()
    except sa.exc.DBAPIError as error:
        raise translate_error(error, what="going on with the job") from error


def pause_after(look_s: float) -> float:
    """How many seconds to wait after a look that took `look_s`."""
    return max(_LOOK_S, look_s * _SHARE)


class FleetEndedError(ConvoyError):
    """The local fleet is gone: waiting for it would be in vain, the job can be gone on with."""

    exit_code = ExitCode.UNREACHABLE


class Watch:
    """Watches one job."""

    def __init__(self, target: Target, workforce: Workforce, job: Job, listener: Listener) -> None:
        self._target = target
        self._workforce = workforce
        self._job_id = job.id
        self._source = {"url": job.snapshot_url}
        self._listener = listener
        self._pace = Pace()
        self._looked_at = self._rescued_at = 0.0
        self._pause_s = _LOOK_S
        self._moved_at = time.monotonic()
        self._standing: object = None
        self._warned: set[str] = set()
        self._away: dict[str, float] = {}
        self._is_paused = False

    def look(self) -> None:
        """Show where the job is, if the last look is some time ago."""
        if time.monotonic() - self._looked_at >= self._pause_s:
            self._look()

    def wait(self) -> JobProgress:
        """Wait for the job's end.

        Raises:
            UnreachableError: where a service stays away for two minutes.
            FleetEndedError: where the local fleet ended.
        """
        while True:
            progress = self.patiently(self._look)
            if progress.ended:
                return progress
            if time.monotonic() - self._rescued_at >= _RESCUE_S:
                self.patiently(lambda: self._workforce.dispatcher.rescue(self._job_id))
                self._rescued_at = time.monotonic()
            self._check_workers()
            time.sleep(self._pause_s)

    def patiently(self, act: Callable[[], T]) -> T:
        """Do something that needs the services; while one is away, warn once and try again.

        Raises:
            UnreachableError: after two minutes.
            FleetEndedError: at once, where it is the local fleet that ended.
        """
        attempts = Retrying(
            retry=retry_if_exception_type((UnreachableError, TransientError)),
            wait=wait_exponential(multiplier=0.5, max=5),
            stop=stop_after_delay(_PATIENCE_S),
            before_sleep=self._warn_of_retry,
            reraise=True,
        )
        try:
            return attempts(lambda: _translated(act))
        except (UnreachableError, TransientError) as error:
            msg = (
                f"{error} (tried for {_PATIENCE_S:.0f} s); the job is kept in the ledger:"
                f" `producer resume {self._job_id}` goes on once the service is back"
            )
            raise UnreachableError(msg) from error

    def _look(self) -> JobProgress:
        begun = time.monotonic()
        progress = progress_of(self._target, self._job_id, self._pace)
        self._looked_at = time.monotonic()
        self._pause_s = pause_after(self._looked_at - begun)
        standing = (
            progress.chunks,
            progress.chunks_done,
            [(t.state, t.verified, t.builds_ended) for t in progress.tables],
        )
        if standing != self._standing or progress.paused_at is not None:  # nothing is expected to move then
            self._standing, self._moved_at = standing, self._looked_at
        self._tell_of_pause(progress)
        self._listener.show(progress)
        return progress

    def _tell_of_pause(self, progress: JobProgress) -> None:
        """Say once when the job is paused, and when it goes on, whose messages are then sent at the next round."""
        is_paused = progress.paused_at is not None
        if is_paused != self._is_paused:
            self._is_paused = is_paused
            if not progress.ended:
                self._listener.say(f"job {self._job_id} {pause(progress) or 'goes on'}")
            self._rescued_at = 0.0

    def _warn_of_retry(self, retry: RetryCallState) -> None:
        self._check_fleet()
        if retry.outcome is None:
            return
        said = str(retry.outcome.exception())
        # One outage is told once, although a driver words each failure in it differently: in brackets.
        kind, now = said.split(" (", 1)[0], time.monotonic()
        if now - self._away.get(kind, -math.inf) > _PATIENCE_S:
            self._listener.warn(f"{said}; trying again for {_PATIENCE_S:.0f} s")
        self._away[kind] = now

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._listener.warn(text)

    def _check_workers(self) -> None:
        """Look after the fleet; ask the workers where nothing moves."""
        self._check_fleet()
        if time.monotonic() - self._moved_at < _STILL_S:
            return
        self._moved_at = time.monotonic()
        try:
            with self._target.ledger("looking why chunks wait") as ledger:
                retries = [
                    *read_retries(ledger, self._job_id, limit=1),
                    *read_standing(ledger, self._job_id, limit=1),
                ]
            answers = self._workforce.broker.probe(self._source, timeout_s=_PROBE_S)
        except ConvoyError as error:
            self._warn(str(error))
            return
        for retried in retries:
            self._warn(f"{retried}; it is tried again by itself")
        if not answers:
            broker = shown(self._target.settings.broker_url) or "the local fleet's broker"
            self._warn(f"no worker answers at {broker}, the job waits: start workers with `{_WORKER_COMMAND}`")
        for worker, answer in sorted(answers.items()):
            for seen in ("source", "target", "ledger"):
                if answer.get(seen) not in ("ok", "not asked", None):
                    self._warn(f"worker {worker}: {answer[seen]}")

    def _check_fleet(self) -> None:
        if self._workforce.fleet is None:
            return
        try:
            self._workforce.fleet.check()
        except UnreachableError as error:
            msg = f"{error}\njob {self._job_id} stands still; go on with: producer resume {self._job_id}"
            raise FleetEndedError(msg) from error
