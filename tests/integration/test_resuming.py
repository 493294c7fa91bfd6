"""`producer resume` and `producer cancel` in every state of a job: the right thing, or one clear sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from fleetkit import RedisServer
from producerkit import ledger_rows, make_source

from producer import cancelling, commands
from producer.cli import main
from producer.pausing import pause
from producer.records import Detached, JobEnd, JobProgress
from producer.repairing import verify_and_repair
from producer.services import open_ledger
from producer.starting import start
from shared.errors import ConvoyError, ExitCode, OperatorError
from shared.ledger.attempts import claim_if_pending, finish_if_current, hold_if_current
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import cancel_job, move_job, move_table, read_chunks, read_tables
from shared.ledger.states import JOB_ENDS, JobState, TableState
from shared.ledger.tables import chunks, jobs, tables
from shared.records.plan import JobOptions
from shared.records.work import Chunk, CopyPath, CopyResult
from shared.settings import Settings, load_settings

SHOP = "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT);"
ORDERS = [(number, f"customer {number}") for number in range(1, 401)]
OPTIONS = JobOptions(chunk_bytes=2048)
RESULT = CopyResult(path=CopyPath.ARROW_BARE, rows=1, fingerprint="columns:00")


@dataclass
class Told:
    """A listener that remembers."""

    said: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Remember."""
        self.said.append(text)

    def warn(self, text: str) -> None:
        """Remember."""
        self.said.append(text)

    def show(self, _progress: JobProgress) -> None:
        """Nothing is shown."""


@dataclass
class Recorded:
    """A job that nobody has begun: no worker runs."""

    settings: Settings
    store: LedgerStore
    url: str

    def run(self, statement: sa.Executable) -> None:
        """Run a statement in a transaction of its own."""
        with self.store.transaction() as ledger:
            ledger.run(statement)

    def copy(self, number: int = 1) -> None:
        """Say of the first chunks that they are copied."""
        for _ in range(number):
            chunk = self.claim()
            with self.store.transaction() as ledger:
                assert finish_if_current(ledger, chunk, RESULT)

    def claim(self) -> Chunk:
        """Claim the first chunk that waits."""
        with self.store.transaction() as ledger:
            (table,) = read_tables(ledger, 1)
            waiting = [chunk for chunk in read_chunks(ledger, table.id) if chunk.state == "pending"]
            claimed = claim_if_pending(ledger, waiting[0].id, "w:1")
        assert claimed is not None
        return claimed

    def end(self, state: JobState) -> None:
        """End the job."""
        with self.store.transaction() as ledger:
            for between in (JobState.COPYING, JobState.VERIFYING):
                move_job(ledger, 1, between)
            assert move_job(ledger, 1, state)

    def value(self, query: str) -> object:
        """The one value of a query."""
        return ledger_rows(self.url, query)[0][0]


@pytest.fixture
def job(target_url: str, redis_server: RedisServer, tmp_path: Path) -> Iterator[Recorded]:
    """A job of several chunks."""
    source = make_source(tmp_path / "shop.db", SHOP, {"orders": ORDERS})
    settings = load_settings(
        source_url=str(source),
        target_url=target_url,
        broker_url=redis_server.url,
        result_url=redis_server.result_url,
        snapshot_dir=tmp_path / "snapshots",
    )
    assert isinstance(start(settings, OPTIONS, Told(), detach=True), Detached)
    with open_ledger(settings) as target:
        yield Recorded(settings, target.store, target_url)


def half_planned(job: Recorded) -> None:
    """The producer died while it planned, before the job was begun."""
    job.run(sa.delete(chunks).where(chunks.c.number > 1))
    job.run(sa.update(tables).values(planned=False))
    job.run(sa.update(jobs).values(state="planned"))


def verifying(job: Recorded) -> None:
    """All rows are there and nothing is compared."""
    job.copy(int(str(job.value("SELECT count(*) FROM pgconvoy.chunks"))))
    job.run(sa.update(tables).values(state="verifying"))
    job.run(sa.update(jobs).values(state="verifying"))


def cancelled(job: Recorded) -> None:
    """One chunk is copied, the others were cancelled."""
    job.copy()
    cancelling.cancel(job.settings, 1)


def failed(job: Recorded) -> None:
    """A table failed."""
    with job.store.transaction() as ledger:
        (table,) = read_tables(ledger, 1)
        move_table(ledger, table.id, TableState.COPYING)
        move_table(ledger, table.id, TableState.FAILED, error="broken")
    job.end(JobState.FAILED)


GOES_ON: dict[str, Callable[[Recorded], None]] = {
    "planned half-way": half_planned,
    "copying": lambda job: job.copy(),
    "verifying": verifying,
    "cancelled": cancelled,
    "paused": lambda job: pause(job.settings, 1) and None,
}
"""Where `resume` does what is left."""


@pytest.mark.parametrize("state", GOES_ON)
def test_resume_goes_on_with_a_job_that_is_not_done(job: Recorded, state: str) -> None:
    """All chunks are planned, each once; the job runs, and what waits has a message unless the job is paused."""
    whole = job.value("SELECT count(*) FROM pgconvoy.chunks")
    GOES_ON[state](job)
    done = commands.resume(job.settings, 1, Told(), detach=True)
    assert isinstance(done, Detached)
    assert job.value("SELECT count(*) FROM pgconvoy.chunks") == whole
    assert job.value("SELECT bool_and(planned) FROM pgconvoy.tables") is True
    assert job.value("SELECT state FROM pgconvoy.jobs") not in JOB_ENDS
    assert job.value("SELECT count(*) FROM pgconvoy.chunks WHERE state = 'cancelled'") == 0
    if state == "verifying":
        assert job.value("SELECT count(compare_sent_at) FROM pgconvoy.chunks") == whole
    unsent = job.value("SELECT count(*) FROM pgconvoy.chunks WHERE state = 'pending' AND enqueued_at IS NULL")
    assert unsent == (whole if state == "paused" else 0)


ENDED = {
    JobState.COMPLETED: (ExitCode.DONE, "job 1 is completed: there is nothing left to do"),
    JobState.COMPLETED_WITH_REJECTS: (ExitCode.INCOMPLETE, "is completed with rejects: there is nothing left to do"),
    JobState.FAILED: (ExitCode.INCOMPLETE, "job 1 has ended as failed: .*`producer requeue 1` takes up what failed"),
}
"""Where nothing waits: how `resume` ends, and what it says."""


@pytest.mark.parametrize("state", ENDED)
def test_resume_says_of_an_ended_job_that_nothing_waits(job: Recorded, state: JobState) -> None:
    """It exits as the job ended, tells one sentence, and changes nothing."""
    code, sentence = ENDED[state]
    failed(job) if state is JobState.FAILED else job.end(state)
    before = ledger_rows(job.url, "SELECT * FROM pgconvoy.jobs")
    told = Told()
    end = commands.resume(job.settings, 1, told)
    assert isinstance(end, JobEnd)
    assert end.exit_code == code
    (said,) = told.said
    assert re.search(sentence, said)
    assert ledger_rows(job.url, "SELECT * FROM pgconvoy.jobs") == before


def test_nothing_is_done_any_more_for_a_job_that_was_rolled_back(job: Recorded) -> None:
    """Each command that would do something says the same sentence."""
    failed(job)
    job.run(sa.update(jobs).values(state="rolled_back"))
    acts: list[Callable[[], object]] = [
        lambda: commands.resume(job.settings, 1, Told()),
        lambda: commands.requeue(job.settings, 1, Told(), table=None, chunk=None),
        lambda: commands.verify(job.settings, 1, Told()),
        lambda: commands.replay(job.settings, 1, Told()),
    ]
    for act in acts:
        with pytest.raises(OperatorError, match=r"job 1 was rolled back: .*`producer start` copies anew"):
            act()
    with pytest.raises(OperatorError, match="job 1 is rolled back already: there is nothing to cancel"):
        cancelling.cancel(job.settings, 1)


def test_every_state_of_a_job_is_in_these_tables() -> None:
    """A state that is added finds out here that `resume` must know it."""
    of_running = {JobState.PLANNED, JobState.COPYING, JobState.VERIFYING, JobState.CANCELLED}
    assert of_running | set(ENDED) | {JobState.ROLLED_BACK} == set(JobState)


@pytest.mark.parametrize("then", ["runs", "has copied", "was cancelled untouched"])
def test_a_job_whose_place_another_took_is_neither_resumed_nor_repaired(job: Recorded, then: str) -> None:
    """Rows of two jobs would be in one table; one that brought nothing stands in nobody's way."""
    cancelling.cancel(job.settings, 1)
    start(job.settings, OPTIONS, Told(), detach=True)
    if then == "has copied":
        job.run(
            sa.update(chunks)
            .where(chunks.c.job_id == 2, chunks.c.number == 1)
            .values(state="copied", rows=1, path="arrow_bare", fingerprint="f", copied_at=sa.func.clock_timestamp())
        )
    if then != "runs":
        cancelling.cancel(job.settings, 2)
    if then == "was cancelled untouched":
        assert isinstance(commands.resume(job.settings, 1, Told(), detach=True), Detached)
        return
    acts: list[Callable[[], object]] = [
        lambda: commands.resume(job.settings, 1, Told(), detach=True),
        lambda: verify_and_repair(job.settings, 1, Told()),
    ]
    for act in acts:
        with pytest.raises(
            OperatorError, match=r"job 1 is cancelled, and job 2 .* copied into the same tables .*orders"
        ):
            act()
    assert job.value("SELECT state FROM pgconvoy.jobs WHERE id = 1") == "cancelled"


def test_cancel_counts_what_was_never_begun(job: Recorded) -> None:
    """What is copied stays copied, what nobody holds is taken back, all else is counted."""
    whole = job.value("SELECT count(*) FROM pgconvoy.chunks")
    job.copy(2)
    orphan = job.claim()
    told: list[str] = []
    progress = cancelling.cancel(job.settings, 1, told.append)
    assert (progress.state, progress.rows, progress.cancelled) == ("cancelled", 2, int(str(whole)) - 2)
    assert told == []
    assert job.value(f"SELECT state FROM pgconvoy.chunks WHERE id = {orphan.id}") == "cancelled"


def test_cancel_waits_for_a_chunk_that_is_written(job: Recorded) -> None:
    """It says so, and returns when its rows are there."""
    chunk = job.claim()
    with open_ledger(job.settings) as target, target.store.transaction() as writing:
        assert hold_if_current(writing, chunk)
        told: list[str] = []

        def finish(text: str) -> None:
            told.append(text)
            finish_if_current(writing, chunk, RESULT)
            writing.connection.commit()

        progress = cancelling.cancel(job.settings, 1, finish)
    assert told == ["job 1 is cancelled; waiting for 1 chunk of it to end"]
    assert progress.rows == 1
    assert job.value(f"SELECT state FROM pgconvoy.chunks WHERE id = {chunk.id}") == "copied"


def test_an_interrupted_cancel_is_finished_by_another(job: Recorded) -> None:
    """Ctrl-C while it waits leaves the job cancelled; the next `cancel` waits again, and then there is nothing more."""
    chunk = job.claim()
    with open_ledger(job.settings) as target:
        with target.store.transaction() as writing:
            assert hold_if_current(writing, chunk)

            def interrupt(_text: str) -> None:
                raise KeyboardInterrupt

            with pytest.raises(ConvoyError, match="interrupted: job 1 is cancelled") as interrupted:
                cancelling.cancel(job.settings, 1, interrupt)
            assert interrupted.value.exit_code == ExitCode.INTERRUPTED
        with target.store.transaction() as ledger:
            assert not cancel_job(ledger, 1)
    assert cancelling.cancel(job.settings, 1).state == "cancelled"
    with pytest.raises(OperatorError, match="cancelled already"):
        cancelling.cancel(job.settings, 1)


def test_the_command_says_what_remains_and_how_to_go_on(job: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there, what was never begun, and both ways from here; what is not planned yet is told too."""
    job.copy(2)
    half = job.value("SELECT count(*) - 2 FROM pgconvoy.chunks")
    job.run(sa.update(tables).values(planned=False))
    assert main(["cancel", "1", "--target", job.url]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "what is copied stays: 0 of 1 table complete, 2 rows in all" in out
    assert f"never begun: {half} chunks, and the chunks of 1 table were not all planned yet" in out
    assert "go on with it: producer resume 1    take it away: producer rollback 1" in out
