"""One soak: faults come, jobs go on, each is checked; all that happened is told with its time."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import Final

from fleetkit.processes import tail

from soak.afterwards import Afterwards
from soak.convoy import Convoy
from soak.faults import Faults, NothingHitError
from soak.recovery import Recovery
from soak.source import make_soak_source
from soak.stage import Stage
from soak.storm import Step, storm

_TICK_S: Final = 0.05
_PATIENCE_S: Final = 6
_JOB_BOUND_S: Final = 420
"""A chunk that failed often waits up to 300 s for its next attempt; past this a job in peace stands still."""
_SETTINGS: Final = {
    "PGCONVOY_CHUNK_MB": "0.045",
    "PGCONVOY_BUILD_APART_MB": "0.5",  # some keys and indexes are tasks of their own
    "PGCONVOY_RETRY_DELAY_S": "0.2",
    "PGCONVOY_LOCK_TIMEOUT_S": "1",
}
_ATTEMPTS: Final = (1, 2, 5)
"""What a chunk may get: under few some fail, and are requeued."""
_DAMAGES: Final = {
    "people": "UPDATE {schema}.people SET ratio = 0.1000000000000001 WHERE id = (SELECT max(id) FROM {schema}.people)",
    "files": "DELETE FROM {schema}.files WHERE id = (SELECT min(id) FROM {schema}.files)",
    "places": "ALTER TABLE {schema}.places DROP CONSTRAINT places_pkey CASCADE",
    "visits": "INSERT INTO {schema}.visits SELECT person, place, day || '!', points FROM {schema}.visits LIMIT 1",
    "a chunk is not verified": "UPDATE pgconvoy.chunks SET state = 'copied'"
    " WHERE id = (SELECT max(id) FROM pgconvoy.chunks)",
}
"""What the check must see, by how its finding begins."""


class Soak:
    """One run of the storm.

    Args:
        folder: Where source, servers' data and logs go.
        seed: Of source, jobs and storm.
        minutes: How long faults come.
        recovery_s: Seconds until a killed worker's chunk is sent again where nothing else is broken; free workers
            begin it at once.
    """

    def __init__(self, folder: Path, *, seed: int, minutes: float, recovery_s: float) -> None:
        self._folder = folder
        self._seed = seed
        self._minutes = minutes
        self._recovery_s = recovery_s
        self._begun = time.monotonic()
        self._done: Counter[str] = Counter()
        self._wrong: list[str] = []
        self._jobs = 0

    def run(self) -> bool:
        """Soak until the time is over and the last job has ended; returns whether everything held."""
        self._tell(f"seed {self._seed}, {self._minutes:g} minutes, folder {self._folder}")
        source = make_soak_source(self._folder / "source.db", seed=self._seed)
        attempts = random.Random(f"attempts {self._seed}").choice(_ATTEMPTS)
        self._tell(f"attempts a chunk gets before it is failed: {attempts}")
        with Stage(self._folder, _SETTINGS | {"PGCONVOY_MAX_ATTEMPTS": str(attempts)}) as stage:
            self._stage = stage
            self._convoy = Convoy(stage, source, self._seed)
            self._faults = Faults(stage, lambda: self._convoy.producer_pid, self._convoy.ask, self._convoy.second)
            self._recovery = Recovery(stage.postgres)
            self._afterwards = Afterwards(stage.postgres, self._convoy, self._tell)
            try:
                self._weather()
                self._prove_the_check()
                orphans = stage.orphans()
                self._wrong += [f"pool processes outlived their worker: {orphans}"] if orphans else []
            except Exception as error:
                self._wrong.append(f"the soak itself failed: {error!r}")
                raise
            finally:
                self._conclude()
                self._convoy.close()
        return not self._wrong

    def _weather(self) -> None:
        """Let faults come while there is time; end each job in peace, and check it."""
        steps = storm(self._seed)
        step = next(steps)
        due = time.monotonic() + step.pause_s
        while True:
            if self._convoy.job.ended:
                if not self._check_job() or self._is_over():
                    return
                due = time.monotonic() + step.pause_s
            if self._is_over():
                self._calm()
                if not self._await_end():
                    return
            elif time.monotonic() >= due and self._may(step, late_s=time.monotonic() - due):
                self._hit(step)
                step = next(steps)
                due = time.monotonic() + step.pause_s
            self._tick()

    def _tick(self) -> None:
        self._go_on()
        for what in (*self._recovery.look(), self._convoy.look()):
            if what:
                self._tell(what)
        time.sleep(_TICK_S)

    def _go_on(self, *, everything: bool = False) -> None:
        failovers = self._stage.failovers
        for what in self._faults.go_on(everything=everything):
            if what:
                self._tell(what)
        if self._stage.failovers > failovers:
            lost = self._stage.postgres.lost_bytes
            self._tell(f"the failover lost {'an unknown number of' if lost is None else lost} bytes of the log")
            self._recovery.forget()

    def _is_over(self) -> bool:
        return time.monotonic() - self._begun > self._minutes * 60

    def _may(self, step: Step, *, late_s: float) -> bool:
        """Whether the next fault may come.

        One that is followed in quiet waits until nothing else is broken, and a little for a chunk that it can hit.
        """
        if self._recovery.is_quiet_wait:
            return False
        if not step.fault.endswith("and wait"):
            return True
        return not self._faults.held and (late_s > _PATIENCE_S or bool(self._faults.copying()))

    def _hit(self, step: Step) -> None:
        self._recovery.disturb()
        try:
            on = self._faults.do(step)
        except NothingHitError:
            self._tell(f"#{step.number} {step.fault}: nothing is there to be hit")
            return
        self._done[step.fault] += 1
        lost = ""
        if self._faults.killed:
            quiet = step.fault.endswith("and wait")
            lost = f", {self._recovery.watch(self._faults.killed, quiet=quiet)} chunks lost"
            self._faults.killed = []
        self._tell(f"#{step.number} {step.fault}" + (f": {on}{lost}" if on else ""))

    def _calm(self) -> None:
        """Let everything go on that was stopped, and wait until it does."""
        while self._faults.held:
            self._go_on(everything=True)
            self._stage.await_servers()
            time.sleep(_TICK_S)
        self._stage.postgres_wire.disarm()
        self._stage.redis_wire.disarm()

    def _await_end(self) -> bool:
        """Let the last job end in peace; whether it did."""
        end = time.monotonic() + _JOB_BOUND_S
        while not self._convoy.job.ended:
            self._tick()
            if time.monotonic() > end:
                self._wrong.append(f"job {self._convoy.job.ledger_id} has not ended {_JOB_BOUND_S} s after the storm")
                return False
        return True

    def _check_job(self) -> bool:
        """Check the job that ended; whether the soak goes on."""
        if not self._convoy.job.ended:
            return False
        self._calm()
        if self._convoy.has_lost_its_end():
            self._tell(f"job {self._convoy.job.ledger_id} had ended, which the standby does not know")
            return True
        found = self._afterwards.repair() if self._convoy.job.repaired else []
        found += self._convoy.judge()
        job = self._convoy.job
        self._tell(f"job {job.ledger_id} checked after {job.producers} producers: {len(found)} findings")
        self._wrong += found
        self._jobs += 1
        if found or self._is_over():
            return False
        self._wrong += self._afterwards.take_back() if self._convoy.job.taken_back else []
        if self._wrong:
            return False
        self._convoy.begin_next()
        self._afterwards.remember()
        return True

    def _prove_the_check(self) -> None:
        """Damage the target and the ledger on purpose: a check that sees nothing of it would prove nothing."""
        if self._wrong:
            return
        for damage in _DAMAGES.values():
            self._stage.postgres.run(damage.format(schema=self._convoy.job.schema))
        found = self._convoy.judge()
        unseen = [seen for seen in _DAMAGES if not any(line.startswith(seen) for line in found)]
        self._tell(f"damaged on purpose: {len(found)} findings")
        self._wrong += [f"the check did not see a damage on purpose: {seen}" for seen in unseen]

    def _conclude(self) -> None:
        self._wrong += self._faults.wrong + self._convoy.wrong
        late = [begun for begun in self._recovery.quiet if begun.sent_s > self._recovery_s]
        self._wrong += [
            f"a lost chunk was sent again after {begun.sent_s:.1f} s, not {self._recovery_s:g}" for begun in late
        ]
        self._tell(f"{self._jobs} jobs; {sum(self._done.values())} faults:")
        for fault, times in sorted(self._done.items()):
            self._tell(f"  {times:4} {fault}")
        for name, some in (("nothing else broken", self._recovery.quiet), ("other faults", self._recovery.stormy)):
            sent, began = ([begun.sent_s for begun in some], [begun.seconds for begun in some])
            worst = f"sent again after {max(sent, default=0):.1f} s, begun after {max(began, default=0):.1f} s"
            self._tell(f"chunks of killed workers ({name}): {len(some)}, at worst {worst}")
        if not self._wrong:
            self._tell(f"all held, seed {self._seed}")
            return
        for log in sorted(self._folder.glob("*.log")):
            self._tell(f"--- the end of {log}\n{tail(log, lines=25)}")
        self._tell(f"--- the ledger\n{self._convoy.standing()}")
        for wrong in self._wrong:
            self._tell(f"WRONG: {wrong}")
        self._tell(f"seed {self._seed}; source, data and logs are kept in {self._folder}")

    def _tell(self, what: str) -> None:
        print(f"{time.monotonic() - self._begun:7.1f} s  {what}", flush=True)  # noqa: T201 - what this program is for
