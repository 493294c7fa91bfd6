"""Jobs one after another: each is started, gone on with whenever its producer ends early, and checked at its end."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg2
from fleetkit.run_folder import note_started

from soak import check
from soak.stage import Stage

_PRODUCER: Final = Path(sys.executable).parent / "producer"
_ENDS: Final = frozenset({"completed", "completed_with_rejects", "failed"})
_JUDGED: Final = frozenset({0, 1})
_USAGE: Final = 2
_UNREACHABLE: Final = 3
_GO_ON: Final = frozenset({_UNREACHABLE, 130, -2, -9, -15})
"""A service was away, or the storm ended it."""
_ASK_BOUND_S: Final = 15
"""While a command is waited for, nothing that is stopped goes on."""
_LEAST_CHUNKS: Final = 300
_CHANGES: Final = (
    "UPDATE {schema}.people SET ratio = 7, note = NULL WHERE id % 7 = 0",
    "DELETE FROM {schema}.visits WHERE points % 5 = 0",
    "DELETE FROM {schema}.files WHERE id % 3 = 0",
    "UPDATE {schema}.places SET name = name || '!' WHERE height % 2 = 0",
)
_SECOND_BOUND_S: Final = 150
"""It waits two minutes for a service that is away."""
_LOOK_S: Final = 0.3
_MOST_REQUEUES: Final = 10
"""Of one job: what fails more often has another reason than the storm."""
_AFTERWARDS_BOUND_S: Final = 300


@dataclass(slots=True, kw_only=True)
class SoakJob:
    """One job of the soak."""

    schema: str
    excluded: tuple[str, ...]
    detached: bool
    """Whether no command waits for it, so that the controller alone looks for what is lost."""
    again: bool
    """Whether it goes into the tables of the job before, some of whose rows are changed or gone."""
    left: bool = False
    """Whether it goes on without a command now."""
    ledger_id: int | None = None
    ended: bool = False
    repaired: bool = False
    """Whether it is damaged and repaired once it has ended."""
    taken_back: bool = False
    """Whether it is rolled back then; where the tables were there before, it keeps what was in them."""
    requeues: int = 0
    lost: bool = False
    """Whether a failover lost all that the ledger knew of it."""
    producers: int = 0
    codes: list[int] = field(default_factory=list)

    @property
    def tables(self) -> list[str]:
        """What it copies."""
        return [table for table in check.COLUMNS if table not in self.excluded]


class Convoy:
    """Keeps one job going at a time."""

    def __init__(self, stage: Stage, source: Path, seed: int) -> None:
        self._stage = stage
        self._source = source
        self._chance = random.Random(f"jobs {seed}")
        self._later_chance = random.Random(f"after jobs {seed}")
        self._process: subprocess.Popen[bytes] | None = None
        self._log = stage.folder / "producer.log"
        self._number = 0
        self._known = 0
        self._seconds: list[subprocess.Popen[bytes]] = []
        self._words: list[str] = []
        self._looked_at = 0.0
        self.wrong: list[str] = []
        """What was found to be wrong."""
        self.job = self._next()

    @property
    def producer_pid(self) -> int | None:
        """The command that waits for the job now, if one does."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def look(self) -> str | None:
        """Do what is to be done next; says what, where it is of interest."""
        code = None if self._process is None else self._process.poll()
        waits = self._process is not None and code is None
        if self.job.ended or waits or time.monotonic() - self._looked_at < _LOOK_S:
            return None
        self._looked_at = time.monotonic()
        try:
            state = self._state()
        except psycopg2.Error:  # what became of the job is to be seen once PostgreSQL is back
            return None
        if code is None:
            return self._go_on(state)
        self._process = None
        self.job.codes.append(code)
        return self._requeued(code, state) if self._words[0] == "requeue" else self._heard(code, state)

    def _heard(self, code: int, state: str | None) -> str:
        """Judge how the command that waited has ended."""
        if code == 0 and "--detach" in self._words:
            self.job.left = True
            return f"job {self.job.ledger_id} goes on without a command"
        if code == 1 and state == "failed" and self.job.requeues < _MOST_REQUEUES:
            return f"the job has failed{self._failures()}; {self._requeue()}"
        if code in _JUDGED and state in _ENDS:
            self.job.ended = True
            return f"job {self.job.ledger_id} is {state}, exit code {code}"
        if not self._is_expected(code, state):
            self.wrong.append(f"the producer ended with {code} while the job is {state}: {self._last_words()}")
        return f"the producer ended with {code}, the job is {state}"

    def _is_expected(self, code: int, state: str | None) -> bool:
        """Whether a command may end so while its job has not."""
        if self._stage.failovers and (state is None or code in _JUDGED):  # what was said to it is no longer so
            return True
        once_over = state == "cancelled" or self.job.requeues > 0
        return code in _GO_ON or (code == _USAGE and state is not None) or (code == 1 and once_over)

    def _requeue(self) -> str:
        self.job.requeues += 1
        self._words = ["requeue", str(self.job.ledger_id)]
        return self._start(self._words, "failed")

    def _requeued(self, code: int, state: str | None) -> str:
        self.job.codes.pop()
        self.job.left = code == 0
        if code == _USAGE and state == "failed":  # nothing that another attempt would mend
            self.job.ended = True
        elif code not in {0, _USAGE, *_GO_ON}:
            self.wrong.append(f"producer requeue ended with {code} while the job is {state}: {self._last_words()}")
        return f"producer requeue ended with {code}, the job is {state}"

    def _failures(self) -> str:
        """Why chunks and tables of the job failed, each reason once."""
        question = """
            SELECT DISTINCT left(regexp_replace(error, '[0-9]+', 'N', 'g'), 200) FROM (
                SELECT error FROM pgconvoy.chunks WHERE job_id = %(job)s AND state = 'failed' UNION ALL
                SELECT error FROM pgconvoy.tables WHERE job_id = %(job)s AND state = 'failed') AS failed
        """
        with suppress(psycopg2.Error):
            rows = self._stage.postgres.rows(question.replace("%(job)s", str(self.job.ledger_id)))
            return "".join(f"\n           because {error}" for (error,) in rows)
        return ""

    def has_lost_its_end(self) -> bool:
        """Whether the ledger knows nothing any more of the end that a command told: a failover took that commit."""
        if self._state() in _ENDS:
            return False
        self.job.ended = self.job.left = False
        return True

    def second(self) -> int | None:
        """Let another command wait for the job beside the first; None where it is not recorded or has ended."""
        if self.job.ledger_id is None or self.job.ended:
            return None
        process = self._popen(["resume", str(self.job.ledger_id)], self._log.with_name("second-producer.log"))
        self._seconds.append(process)
        return process.pid

    def _wrong_seconds(self) -> list[str]:
        """What those commands said that is not what became of the job, nor that a service was away, or it cancelled."""
        seconds, self._seconds = self._seconds, []
        codes = [process.wait(_SECOND_BOUND_S) for process in seconds]
        allowed = {self.job.codes[-1], 1, _UNREACHABLE, *([_USAGE, 0] if self._stage.failovers else [])}
        return [f"a second producer ended with {code}" for code in codes if code not in allowed]

    def judge(self) -> list[str]:
        """Check the job that has ended, by a program of its own."""
        source, job = str(self._source), self.job
        words = [source, self._stage.postgres.url, job.schema, str(job.ledger_id), str(job.codes[-1]), *job.tables]
        done = subprocess.run(
            [sys.executable, "-I", check.__file__, *words], capture_output=True, text=True, check=False
        )
        found = done.stdout.splitlines() + self._wrong_seconds()
        if done.returncode and not found:
            found = [f"the check itself failed: {done.stderr.strip()[-1000:]}"]
        ((chunks,),) = self._stage.postgres.rows(
            "SELECT count(*) FROM pgconvoy.chunks WHERE job_id = %s", job.ledger_id
        )
        if chunks < _LEAST_CHUNKS:
            found.append(f"job {job.ledger_id} has {chunks} chunks only, less than {_LEAST_CHUNKS}")
        return found

    def command(self, *words: str) -> tuple[int, str]:
        """Run a command of `producer` on the job in peace; returns its exit code and what it said."""
        done = self._run([str(_PRODUCER), words[0], str(self.job.ledger_id), *words[1:]], _AFTERWARDS_BOUND_S)
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

    def begin_next(self) -> None:
        """Go on to another job."""
        self._known = self.job.ledger_id or 0
        before, self.job = self.job, self._next()
        if before.schema != self.job.schema:  # what was checked would take room for nothing
            self._stage.postgres.run(f"DROP SCHEMA {before.schema} CASCADE")
        if self.job.again:
            for change in _CHANGES:
                self._stage.postgres.run(change.format(schema=self.job.schema))

    def close(self) -> None:
        """Kill the commands that still wait."""
        for process in (*self._seconds, *([self._process] if self._process is not None else [])):
            process.kill()
            process.wait()

    def ask(self, word: str) -> bool:
        """Run `producer pause`, `unpause` or `cancel` on the job; whether there is nothing more to be asked."""
        if self.job.ledger_id is None or self.job.ended:
            return True
        command = [str(_PRODUCER), word, str(self.job.ledger_id)]
        try:
            done = self._run(command)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode == _USAGE:  # the job has ended
            return True
        if done.returncode not in {0, _UNREACHABLE}:
            self.wrong.append(f"producer {word} ended with {done.returncode}: {done.stderr.decode()[-600:]}")
        return done.returncode == 0

    def standing(self) -> str:
        """Where the job is, for a soak that failed."""
        question = """
            SELECT t.source_name, t.state, t.error, c.state, count(*), max(c.attempt), max(c.compare_failures),
                   max(c.error), bool_or(c.enqueued_at IS NOT NULL), bool_or(c.compare_sent_at IS NOT NULL),
                   max(c.not_before), clock_timestamp()
              FROM pgconvoy.tables t LEFT JOIN pgconvoy.chunks c ON c.table_id = t.id WHERE t.job_id = %s
             GROUP BY 1, 2, 3, 4 ORDER BY 1, 4
        """
        try:
            rows = self._stage.postgres.rows(question, self.job.ledger_id)
            jobs = self._stage.postgres.rows("SELECT id, state, error, finish_sent_at FROM pgconvoy.jobs")
        except psycopg2.Error as error:
            return f"the ledger cannot be read: {error}"
        return "\n".join(map(str, [*jobs, *rows]))

    def _next(self) -> SoakJob:
        """Draw the next job; as much is drawn for each."""
        self._number += 1
        again, clean, detached = (self._chance.random() < share for share in (0.3, 0.4, 0.4))
        repaired, taken_back = (self._later_chance.random() < share for share in (0.5, 0.4))
        before = self.job if self._number > 1 else None
        again = before is not None and (before.again if before.taken_back else again)
        return SoakJob(
            schema=before.schema if before is not None and (again or before.taken_back) else f"soak_{self._number}",
            repaired=repaired,
            taken_back=taken_back,
            # Rows without a key would come a second time.
            excluded=(*(["lines"] if again else []), *(["dirty"] if clean else [])),
            detached=detached,
            again=again,
        )

    def _go_on(self, state: str | None) -> str | None:
        """Start the next command that the job needs: none while it goes on by itself."""
        over = state in _ENDS or state == "cancelled"
        if state is None:
            self.job.left = False
        if self.job.left and not over:
            return None
        self._words = ["resume", str(self.job.ledger_id)] if state is not None else self._words_of_start()
        if self.job.detached and not over:
            self._words.append("--detach")
        return self._start(self._words, state)

    def _start(self, words: list[str], state: str | None) -> str:
        self.job.producers += 1
        self._process = self._popen(words, self._log)
        return f"producer {' '.join(words)} ({self._process.pid})" + ("" if state is None else f", the job is {state}")

    def _popen(self, words: list[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            output.write(f"$ producer {' '.join(words)}\n".encode())
            output.flush()
            process = subprocess.Popen(
                [str(_PRODUCER), *words],
                env=self._environment(),
                cwd=self._stage.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        note_started(process.pid)
        return process

    def _words_of_start(self) -> list[str]:
        excluded = [word for table in self.job.excluded for word in ("--exclude", table)]
        kept = ["--undo-log"] if self.job.again and self.job.taken_back else []
        return ["start", "--source", str(self._source), "--schema", self.job.schema, *kept, *excluded]

    def _run(self, command: list[str], bound_s: float = _ASK_BOUND_S) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            env=self._environment(),
            cwd=self._stage.folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=bound_s,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PGCONVOY_")}
        return inherited | self._stage.environment | {"COLUMNS": "160"}

    def _state(self) -> str | None:
        """The job's state, or None where it is not recorded; its number is kept."""
        question = "SELECT id, state FROM pgconvoy.jobs WHERE target_schema = %s AND id > %s ORDER BY id DESC LIMIT 1"
        try:
            there: list[tuple[Any, ...]] = self._stage.postgres.rows(question, self.job.schema, self._known)
        except psycopg2.errors.UndefinedTable:
            return None
        if not there:
            return None
        self.job.ledger_id, state = there[0]
        return str(state)

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace").rpartition("$ producer ")[2][-600:]
