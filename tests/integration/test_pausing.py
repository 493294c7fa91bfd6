"""A paused job on a real PostgreSQL: nothing of it begins, what was sent is given back, what runs ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from ledgerkit import open_ledger, record

from producer import pausing
from producer.pausing import pause, unpause
from producer.reading import job_lines, progress_of
from producer.services import Target
from shared.broker import Broker
from shared.dispatch import Dispatcher
from shared.errors import OperatorError
from shared.ledger.attempts import claim_if_pending, fail_if_current, finish_if_current, hold_if_current
from shared.ledger.builds import claim_largest, record_builds
from shared.ledger.builds import hold_if_current as hold_build_if_current
from shared.ledger.comparisons import hold_uncompared
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import cancel_job, move_job, move_table, read_chunks, read_job
from shared.ledger.load import set_max_load
from shared.ledger.pausing import give_back_small_tables, pause_job, unpause_job
from shared.ledger.queueing import hold_step_of
from shared.ledger.states import JobState, TableState
from shared.ledger.steps import Step
from shared.ledger.tables import builds, chunks, jobs, tables
from shared.records.builds import NewBuild
from shared.records.load import MaxLoad
from shared.records.source import ObjectKind
from shared.records.work import Chunk, CopyPath, CopyResult
from shared.settings import Settings, load_settings
from workers.context import WorkerContext
from workers.finish_job import finish_job

RESULT = CopyResult(path=CopyPath.ARROW_BARE, rows=1, fingerprint="columns:00")


@dataclass
class Sent:
    """A broker that remembers what was sent; its queue is as long as the test says."""

    messages: list[tuple[str, Any]] = field(default_factory=list)
    queued: int = 0

    def waiting(self) -> int:
        """How many messages wait."""
        return self.queued

    def send_copies(self, _table: int, ids: Sequence[int]) -> None:
        """Remember."""
        self.messages += [("copy", one) for one in ids]

    def send_comparisons(self, _table: int, ids: Sequence[int]) -> None:
        """Remember."""
        self.messages += [("compare", one) for one in ids]

    def send_builds(self, jobs: Sequence[int]) -> None:
        """Remember."""
        self.messages += [("build", one) for one in jobs]

    def send_small_tables(self, ids: Sequence[int]) -> None:
        """Remember."""
        self.messages += [("carry", one) for one in ids]

    def send_finish_table(self, table: int) -> None:
        """Remember."""
        self.messages.append(("table", table))

    def send_finish_job(self, job: int) -> None:
        """Remember."""
        self.messages.append(("job", job))

    def kinds(self) -> set[str]:
        """What was sent, forgotten afterwards."""
        found = {kind for kind, _ in self.messages}
        self.messages.clear()
        return found


@dataclass
class Site:
    """A ledger with a job of three chunks, and what would send its messages."""

    store: LedgerStore
    settings: Settings
    job: int = 0
    table: int = 0
    sent: Sent = field(default_factory=Sent)

    def __post_init__(self) -> None:
        self.job, self.table = record(self.store, chunks=3)

    @property
    def dispatcher(self) -> Dispatcher:
        """Sends into `sent`."""
        return Dispatcher(self.store, cast("Broker", self.sent), self.settings)

    @property
    def target(self) -> Target:
        """As the producer has it."""
        return Target(settings=self.settings, store=self.store, embedded=False)

    def run(self, statement: sa.Executable) -> Sequence[Any]:
        """Run a statement in a transaction of its own."""
        with self.store.transaction() as ledger:
            return ledger.run(statement)

    def ids(self) -> list[int]:
        """The chunks, in key order."""
        with self.store.transaction() as ledger:
            return [chunk.id for chunk in read_chunks(ledger, self.table)]

    def claim(self, chunk_id: int) -> Chunk | None:
        """Claim a chunk if it may be."""
        with self.store.transaction() as ledger:
            return claim_if_pending(ledger, chunk_id, "w:1")

    def copied(self, *chunk_ids: int) -> None:
        """Copy chunks."""
        for chunk_id in chunk_ids:
            chunk = self.claim(chunk_id)
            assert chunk is not None
            with self.store.transaction() as ledger:
                assert finish_if_current(ledger, chunk, RESULT)

    def pause(self) -> None:
        """Pause the job."""
        with self.store.transaction() as ledger:
            assert pause_job(ledger, self.job)

    def unpause(self) -> None:
        """Let it go on."""
        with self.store.transaction() as ledger:
            assert unpause_job(ledger, self.job)


@pytest.fixture
def site(target_url: str) -> Iterator[Site]:
    """A job in a fresh database."""
    with open_ledger(target_url) as store:
        yield Site(store, load_settings(target_url=target_url, rescue_grace_s=0.001, max_attempts=5))


def loaded(site: Site) -> None:
    """All rows are there, the keys are built: the table's chunks are to be compared."""
    site.copied(*site.ids())
    with site.store.transaction() as ledger:
        move_table(ledger, site.table, TableState.BUILDING)
        move_table(ledger, site.table, TableState.VERIFYING)


def building(site: Site) -> None:
    """All rows are there, and an index of the table is a task of its own."""
    site.copied(*site.ids())
    with site.store.transaction() as ledger:
        move_table(ledger, site.table, TableState.BUILDING)
        record_builds(ledger, site.job, site.table, [NewBuild(kind=ObjectKind.INDEX, name="t_i", bytes_expected=9)])


def to_be_built(site: Site) -> None:
    """All rows are there, nothing else is."""
    site.copied(*site.ids())


def ended(site: Site) -> None:
    """All tables have ended."""
    loaded(site)
    with site.store.transaction() as ledger:
        move_table(ledger, site.table, TableState.COMPLETED)


def large(site: Site) -> None:
    """The table's chunks are sent one by one."""
    site.run(sa.update(tables).values(bytes_expected=10**9))


def small(site: Site) -> None:
    """The table is carried whole."""
    site.run(sa.delete(chunks).where(chunks.c.number == 3))


STAGES: dict[str, Callable[[Site], None]] = {
    "copy": large,
    "carry": small,
    "table": to_be_built,
    "build": building,
    "compare": loaded,
    "job": ended,
}
"""What is sent next, and how the job comes there."""


@pytest.mark.parametrize("kind", STAGES)
def test_a_paused_job_sends_nothing_and_unpaused_all_of_it_at_once(site: Site, kind: str) -> None:
    """Whatever comes next, neither sending all, nor sending again, nor rescue sends it before the job goes on."""
    STAGES[kind](site)
    site.pause()
    for send in (site.dispatcher.send_all, site.dispatcher.resend, site.dispatcher.rescue, site.dispatcher.send_next):
        send(site.job)
    site.dispatcher.send_work(site.table)
    assert site.sent.messages == []
    site.unpause()
    site.dispatcher.send_all(site.job)
    assert site.sent.kinds() == {kind}


def _arrives(site: Site, kind: str) -> object:
    """What a worker does first when the message arrives; what it would begin, or nothing."""
    if kind == "job":
        worker = SimpleNamespace(store=site.store, settings=site.settings, check_ledger=lambda: None)
        worker.ledger_checked = False
        # There is no table to end the job with, so that it says what it met.
        return "paused" not in finish_job(cast("WorkerContext", worker), site.job)
    with site.store.transaction() as ledger:
        match kind:
            case "copy":
                return claim_if_pending(ledger, site.ids()[0], "w:1")
            case "carry":
                begun = [claim_if_pending(ledger, site.ids()[0], "w:1"), hold_step_of(ledger, site.table)]
                give_back_small_tables(ledger, [site.table])
                return begun != [None, Step.NOTHING]
            case "compare":
                return hold_uncompared(ledger, site.ids()[0])
            case "build":
                return claim_largest(ledger, site.job, "w:1")
    with site.store.transaction() as ledger:
        return hold_step_of(ledger, site.table) is not Step.NOTHING


@pytest.mark.parametrize("kind", STAGES)
def test_a_message_that_arrives_at_a_paused_job_is_given_back(site: Site, kind: str) -> None:
    """Sent before the pause and read during it: nothing begins, and it is sent again as soon as the job goes on."""
    STAGES[kind](site)
    site.dispatcher.send_all(site.job)
    assert site.sent.kinds() == {kind}
    site.pause()
    assert not _arrives(site, kind)
    site.sent.queued = 1  # whatever others' messages wait, so that nothing counts as lost
    site.dispatcher.rescue(site.job)
    assert site.sent.messages == []
    site.unpause()
    site.dispatcher.rescue(site.job)
    assert site.sent.kinds() == {kind}
    assert _arrives(site, kind)


def test_what_runs_ends_its_chunk_during_a_pause(site: Site) -> None:
    """A claimed chunk is held, copied and recorded; a failed attempt waits for the end of the pause."""
    first, second, _ = site.ids()
    running, failing = site.claim(first), site.claim(second)
    assert running is not None
    assert failing is not None
    site.pause()
    with site.store.transaction() as ledger:
        assert hold_if_current(ledger, running)
        assert finish_if_current(ledger, running, RESULT)
        assert fail_if_current(ledger, failing, "broken", retry=True, max_attempts=5, delay_s=0) == "pending"
    assert site.claim(second) is None
    site.unpause()
    assert site.claim(second) is not None


def test_a_build_that_runs_ends_during_a_pause(site: Site) -> None:
    """It was claimed before, so it is held and built."""
    building(site)
    with site.store.transaction() as ledger:
        build = claim_largest(ledger, site.job, "w:1")
    assert build is not None
    site.pause()
    with site.store.transaction() as ledger:
        assert hold_build_if_current(ledger, build)


def test_a_chunk_that_loses_its_worker_during_a_pause_is_put_back_and_waits(site: Site) -> None:
    """Rescue looks after a paused job as after any other."""
    first, *_ = site.ids()
    assert site.claim(first) is not None
    site.pause()
    assert site.dispatcher.rescue(site.job).chunks == 1
    assert site.run(sa.select(chunks.c.state).where(chunks.c.id == first))[0].state == "pending"
    assert site.claim(first) is None


def test_a_pause_holds_a_job_with_limits_as_well(site: Site) -> None:
    """Claims of such a job take another way."""
    first, *_ = site.ids()
    with site.store.transaction() as ledger:
        assert set_max_load(ledger, site.job, MaxLoad(bytes_per_s=10**9))
    site.run(sa.update(chunks).values(enqueued_at=sa.func.clock_timestamp()))
    site.pause()
    assert site.claim(first) is None
    assert site.run(sa.select(chunks.c.enqueued_at).where(chunks.c.id == first))[0][0] is None
    site.unpause()
    assert site.claim(first) is not None


def test_the_commands_tell_since_when_and_what_runs(site: Site) -> None:
    """Status, jobs and the commands themselves agree."""
    assert site.claim(site.ids()[0]) is not None
    view = pause(site.settings, None)
    assert (view.job, view.running) == (site.job, 1)
    assert progress_of(site.target, site.job).paused_at == view.paused_at
    assert progress_of(site.target, site.job).seconds_left is None
    assert [line.paused_at for line in job_lines(site.target)] == [view.paused_at]
    gone_on = unpause(site.settings, site.job)
    assert (gone_on.paused_at, gone_on.running) == (None, 1)
    assert "producer resume" in (gone_on.note or "")
    assert progress_of(site.target, site.job).paused_at is None


def test_who_pauses_twice_or_unpauses_what_is_not_paused_is_told(site: Site) -> None:
    """One sentence each, and the moment of the first pause stays."""
    with pytest.raises(OperatorError, match=f"job {site.job} is not paused"):
        unpause(site.settings, site.job)
    since = pause(site.settings, site.job).paused_at
    with pytest.raises(OperatorError, match=f"paused already, since .*; go on with: producer unpause {site.job}"):
        pause(site.settings, site.job)
    with site.store.transaction() as ledger:
        assert read_job(ledger, site.job).paused_at == since


def test_a_job_at_its_last_step_cannot_be_paused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its one transaction holds the job's row, maybe for hours: the command says so instead of waiting for it."""
    monkeypatch.setattr(pausing, "_LOOKS", 2)
    with site.store.transaction() as ledger:
        read_job(ledger, site.job, lock=True)
        with pytest.raises(OperatorError, match=r"last step .*`producer cancel"):
            pause(site.settings, site.job)


def test_an_ended_job_is_not_paused(site: Site) -> None:
    """Both commands say how it ended; a cancelled job that was paused is not, so that resume goes on with it."""
    site.pause()
    with site.store.transaction() as ledger:
        assert cancel_job(ledger, site.job)
    for command, verb in ((pause, "pause"), (unpause, "unpause")):
        with pytest.raises(OperatorError, match=f"is cancelled: there is nothing to {verb} any more"):
            command(site.settings, site.job)
    with site.store.transaction() as ledger:
        move_job(ledger, site.job, JobState.COPYING)
    assert site.run(sa.select(jobs.c.paused_at))[0].paused_at is None


def test_no_build_s_message_is_given_back_twice(site: Site) -> None:
    """Each message that arrives gives back one build, since the others are still on their way."""
    building(site)
    with site.store.transaction() as ledger:
        more = [NewBuild(kind=ObjectKind.INDEX, name=name, bytes_expected=9) for name in ("t_a", "t_b")]
        record_builds(ledger, site.job, site.table, more)
    site.dispatcher.send_all(site.job)
    assert len(site.sent.messages) == 3
    site.pause()
    with site.store.transaction() as ledger:
        assert claim_largest(ledger, site.job, "w:1") is None
    sent = sa.select(sa.func.count()).select_from(builds).where(builds.c.enqueued_at.is_not(None))
    assert site.run(sent)[0][0] == 2
