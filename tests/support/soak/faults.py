"""What each fault of the storm does to the stage, and how what it stopped goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg2
import redis
from faultkit import Act

from soak import server_faults
from soak.server_faults import Later, NothingHitError
from soak.stage import CONTROLLER, SECOND_CONTROLLER, WORKERS, Stage
from soak.storm import Step

_TERM_BOUND_S: Final = 60
"""A worker that was asked to end lets its tasks end for 20 s, then gives them back; the Compose file waits so long."""


class Faults:
    """Does faults; what they stop goes on when its time has come, or when all is calmed."""

    def __init__(
        self,
        stage: Stage,
        producer_pid: Callable[[], int | None],
        ask: Callable[[str], bool],
        second: Callable[[], int | None],
    ) -> None:
        """Prepare.

        Args:
            stage: What is hit.
            producer_pid: Names the process of the command that waits for the job, if there is one.
            ask: Runs a command of `producer` on the job; says whether it was heard.
            second: Lets one more command wait for the job, if it is recorded; returns its process.
        """
        self._stage = stage
        self._producer_pid = producer_pid
        self._ask = ask
        self._second = second
        self._later: list[tuple[float, str, Later]] = []
        self.killed: list[int] = []
        """Pool processes that were killed just now."""
        self.wrong: list[str] = []
        """What a fault itself showed to be broken."""

    def do(self, step: Step) -> str:
        """Do it; says on whom.

        Raises:
            NothingHitError: where there is nobody.
        """
        return FAULTS[step.fault](self, step)

    @property
    def held(self) -> bool:
        """Whether something is stopped that will go on later."""
        return bool(self._later)

    def go_on(self, *, everything: bool = False) -> list[str]:
        """Let go on what has been stopped for long enough, or everything; says what."""
        now = time.monotonic()
        due = [each for each in self._later if everything or each[0] <= now]
        self._later = [each for each in self._later if each not in due]
        for _, _, act in sorted(due, key=lambda each: each[0]):
            act()
        return [what for _, what, _ in due]

    def _after(self, step: Step, what: str, act: Later) -> None:
        self._later.append((time.monotonic() + step.hold_s, what, act))

    def _is_held(self, what: str) -> bool:
        return any(what in each[1] for each in self._later)

    def _worker(self, step: Step) -> str:
        there = [name for name in WORKERS if self._stage.workers[name].running and not self._is_held(name)]
        if not there:
            raise NothingHitError
        return there[step.pick(len(there))]

    def _kill_pool(self, step: Step) -> str:
        name, pid = self._pool_process(step)
        os.kill(pid, signal.SIGKILL)
        self.killed = [pid]
        return f"{pid} of {name}"

    def copying(self) -> set[int]:
        """The pool processes that copy a chunk now, by the ledger."""
        question = "SELECT split_part(worker, ':', 2)::int FROM pgconvoy.chunks WHERE state = 'copying'"
        with suppress(psycopg2.Error):
            return {pid for (pid,) in self._stage.postgres.rows(question)}
        return set()

    def _pool_process(self, step: Step) -> tuple[str, int]:
        """One that copies a chunk, where there is one."""
        there = [each for each in self._stage.pool() if not self._is_held(each[0])]
        copying = self.copying()
        there = [each for each in there if each[1] in copying] or there
        if not there:
            raise NothingHitError
        return there[step.pick(len(there))]

    def _kill_worker(self, step: Step) -> str:
        name = self._worker(step)
        self.killed = self._stage.workers[name].pool_pids()
        self._stage.workers[name].kill()
        self._after(step, f"{name} starts again", lambda: self._stage.start_worker(name))
        return name

    def _kill_main(self, step: Step) -> str:
        name = self._worker(step)
        os.kill(self._stage.workers[name].pid, signal.SIGKILL)
        self._after(step, f"{name} starts again", lambda: self._stage.start_worker(name))
        return name

    def _term_worker(self, step: Step) -> str:
        name = self._worker(step)
        worker = self._stage.workers[name]
        os.kill(worker.pid, signal.SIGTERM)
        asked = time.monotonic()

        def start_again() -> None:
            if worker.running and time.monotonic() < asked + _TERM_BOUND_S:
                self._later.append((time.monotonic() + 1, "", start_again))
                return
            if worker.running:
                self.wrong.append(f"{name} still runs {_TERM_BOUND_S} s after SIGTERM")
            self._stage.start_worker(name)

        self._after(step, f"{name} starts again once it has ended", start_again)
        return name

    def _stop_pool(self, step: Step) -> str:
        name, pid = self._pool_process(step)
        os.kill(pid, signal.SIGSTOP)
        self._after(step, f"{pid} of {name} goes on", lambda: _signal(pid, signal.SIGCONT))
        return f"{pid} of {name}"

    def _stop_worker(self, step: Step) -> str:
        name = self._worker(step)
        group = self._stage.workers[name].pid
        os.killpg(group, signal.SIGSTOP)
        self._after(step, f"{name} goes on", lambda: _signal(-group, signal.SIGCONT))
        return name

    def _kill_controller(self, step: Step) -> str:
        if not self._stage.workers[CONTROLLER].running:
            raise NothingHitError
        self._stage.workers[CONTROLLER].kill()
        self._after(step, f"{CONTROLLER} starts again", lambda: self._stage.start_worker(CONTROLLER))
        return ""

    def _second_controller(self, step: Step) -> str:
        if self._is_held(SECOND_CONTROLLER):
            raise NothingHitError
        self._stage.start_worker(SECOND_CONTROLLER)
        self._after(step, f"{SECOND_CONTROLLER} is killed", self._stage.workers[SECOND_CONTROLLER].kill)
        return ""

    def _second_producer(self, _: Step) -> str:
        pid = self._second()
        if pid is None:
            raise NothingHitError
        return str(pid)

    def _producer(self, number: signal.Signals) -> Callable[[Step], str]:
        def hit(_: Step) -> str:
            pid = self._producer_pid()
            if pid is None:
                raise NothingHitError
            _signal(pid, number)
            return str(pid)

        return hit

    def _postgres_away(self, step: Step, end: Callable[[], None]) -> str:
        if not self._stage.postgres.running:
            raise NothingHitError
        end()
        self._after(step, "PostgreSQL starts again", self._stage.postgres.start)
        return f"away for {step.hold_s:.1f} s"

    def _kill_session(self, step: Step) -> str:
        pid = self._session(step)
        _signal(pid, signal.SIGKILL)
        return f"{pid}: the server restarts itself"

    def _session(self, step: Step) -> int:
        question = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgconvoy%' ORDER BY backend_start"
        try:
            there = self._stage.postgres.rows(question)
        except psycopg2.Error:
            raise NothingHitError from None
        if not there:
            raise NothingHitError
        return int(there[step.pick(len(there))][0])

    def _terminate(self, step: Step) -> str:
        pid = self._session(step)
        question = "SELECT application_name, state, pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s"
        with suppress(psycopg2.Error):
            for name, state, _ in self._stage.postgres.rows(question, pid):
                return f"{pid}, {name!r}, {state}"
        return str(pid)

    def _redis_away(self, step: Step, end: Callable[[], None]) -> str:
        if not self._stage.redis.running:
            raise NothingHitError
        end()
        self._after(step, "Redis starts again", self._stage.redis.start)
        return f"away for {step.hold_s:.1f} s"

    def _flush(self, _: Step) -> str:
        if not self._stage.redis.running:
            raise NothingHitError
        self._stage.redis.flush()
        return ""

    def _double(self, step: Step) -> str:
        """Send some of the messages that wait once more, in any order."""
        if not self._stage.redis.running:
            raise NothingHitError
        chance = random.Random(step.roll)
        doubled = 0
        with suppress(redis.RedisError), self._stage.redis.client() as client:
            for queue in client.scan_iter(_type="list"):
                waiting = client.lrange(queue, 0, -1)
                again = chance.sample(waiting, k=min(len(waiting), 40))
                if again:
                    client.lpush(queue, *again)
                doubled += len(again)
        if not doubled:
            raise NothingHitError
        return f"{doubled} of them"

    def _stall(self, step: Step, server: str) -> str:
        wire = self._stage.postgres_wire if server == "PostgreSQL" else self._stage.redis_wire
        wire.stall()
        self._after(step, f"{server}'s wire carries again", wire.go_on)
        return f"for {step.hold_s:.1f} s, {wire.connections} connections"

    def _lose_answer(self, _: Step) -> str:
        self._stage.postgres_wire.disarm()
        self._stage.postgres_wire.arm(Act.LOSE_ANSWER, b"COMMIT")
        return "the next one"

    def _pause_job(self, step: Step) -> str:
        heard = self._ask("pause")
        # Also where nobody answered: it may have been heard.
        self._after(step, "unpause", lambda: self._unpause(step))
        return "" if heard else "nobody answered"

    def _unpause(self, step: Step) -> None:
        if not self._ask("unpause"):  # a service is away, and the job must not stay paused
            self._after(step, "unpause", lambda: self._unpause(step))

    def _cancel_job(self, _: Step) -> str:
        return "" if self._ask("cancel") else "nobody answered"

    def _requeue_job(self, _: Step) -> str:
        if not self._failed_chunks():
            raise NothingHitError
        return "" if self._ask("requeue") else "nobody answered"

    def _failed_chunks(self) -> bool:
        question = "SELECT 1 FROM pgconvoy.chunks WHERE state = 'failed' LIMIT 1"
        with suppress(psycopg2.Error):
            return bool(self._stage.postgres.rows(question))
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if pid < 0:
            os.killpg(-pid, number)
        else:
            os.kill(pid, number)


def _of_the_server(fault: Callable[[Stage, Step, server_faults.After], str]) -> Callable[[Faults, Step], str]:
    return lambda faults, step: fault(faults._stage, step, faults._after)


FAULTS: Final[dict[str, Callable[[Faults, Step], str]]] = {
    "SIGKILL a pool process": Faults._kill_pool,
    "SIGKILL a pool process and wait": Faults._kill_pool,
    "SIGKILL a worker": Faults._kill_worker,
    "SIGKILL a worker and wait": Faults._kill_worker,
    "SIGKILL a worker's main process alone": Faults._kill_main,
    "SIGTERM a worker": Faults._term_worker,
    "SIGSTOP a pool process": Faults._stop_pool,
    "SIGSTOP a worker": Faults._stop_worker,
    "SIGKILL the controller": Faults._kill_controller,
    "SIGKILL the producer": lambda faults, step: faults._producer(signal.SIGKILL)(step),
    "SIGINT the producer": lambda faults, step: faults._producer(signal.SIGINT)(step),
    "SIGTERM the producer": lambda faults, step: faults._producer(signal.SIGTERM)(step),
    "SIGKILL PostgreSQL": lambda faults, step: faults._postgres_away(step, faults._stage.postgres.kill),
    "PostgreSQL: immediate restart": lambda faults, step: faults._postgres_away(
        step, faults._stage.postgres.stop_at_once
    ),
    "SIGKILL a PostgreSQL session": Faults._kill_session,
    "pg_terminate_backend": Faults._terminate,
    "SIGKILL Redis, its data lost": lambda faults, step: faults._redis_away(step, faults._stage.redis.lose_data),
    "SIGKILL Redis": lambda faults, step: faults._redis_away(step, lambda: faults._stage.redis.stop(kill=True)),
    "FLUSHALL": Faults._flush,
    "messages twice": Faults._double,
    "cut PostgreSQL's wire": lambda faults, _: f"{faults._stage.postgres_wire.cut()} connections",
    "stall PostgreSQL's wire": lambda faults, step: faults._stall(step, "PostgreSQL"),
    "lose the answer to a COMMIT": Faults._lose_answer,
    "cut Redis's wire": lambda faults, _: f"{faults._stage.redis_wire.cut()} connections",
    "stall Redis's wire": lambda faults, step: faults._stall(step, "Redis"),
    "a second controller": Faults._second_controller,
    "a second producer": Faults._second_producer,
    "pause": Faults._pause_job,
    "cancel": Faults._cancel_job,
    "requeue": Faults._requeue_job,
    "failover to a standby that lacks commits": _of_the_server(server_faults.failover),
    "the target's disk is full": _of_the_server(server_faults.full_disk),
    "no connection is left": _of_the_server(server_faults.no_connection),
    "somebody else holds a table": _of_the_server(server_faults.lock_table),
}
