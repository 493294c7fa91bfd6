"""Messages doubled, lost, late and in any order, several controllers, several producers on one job.

The queue is a bag in this process, out of which a seeded hand takes; the ledger and the rows are real.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from casekit import InlineBroker
from faultkit.rig import Rig
from producerkit import ledger_rows, make_source

from producer.records import JobEnd
from shared import dispatch
from shared.broker import Broker
from shared.dispatch import Dispatcher
from shared.ledger.states import JOB_ENDS
from workers.context import WorkerContext
from workers.rescue import rescue_running

ROWS = 2_000
_PATIENCE = 600
"""Messages and looks after which a job that has not ended never will."""


class Post(InlineBroker):
    """Takes what is sent, and delivers it when and as often as it likes, to any of its workers."""

    def __init__(self, contexts: Sequence[WorkerContext], chance: random.Random) -> None:
        super().__init__(contexts[0])
        self._contexts = contexts
        self._chance = chance
        self.bag: list[Callable[[], Any]] = []
        self.ever: list[Callable[[], Any]] = []
        self.copies: Counter[int] = Counter()
        for context in contexts:
            context.dispatcher = Dispatcher(context.store, cast("Broker", self), context.settings)

    def send_copies(self, table_id: int, chunk_ids: Sequence[int]) -> None:
        """Count them, too."""
        self.copies.update(chunk_ids)
        super().send_copies(table_id, chunk_ids)

    def waiting(self) -> int:
        """What lies in the bag."""
        return len(self.bag)

    def deliver_one(self) -> None:
        """Deliver any message; it may be lost instead, or stay to be delivered again."""
        place = self._chance.randrange(len(self.bag))
        fate = self._chance.random()
        message = self.bag[place] if fate < 0.4 else self.bag.pop(place)
        if fate < 0.85:
            self.deliver(message)

    def deliver(self, message: Callable[[], Any]) -> None:
        """Let one of the workers do what a message asks for."""
        self._context = self._chance.choice(self._contexts)
        message()

    def _do(self, *work: Callable[[], Any]) -> None:
        self.bag.extend(work)
        self.ever.extend(work)


@pytest.fixture
def rig(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A job of some ten chunks and a small table, which nobody has begun."""
    tables = {name: [(number, f"{name} {number}" * 9) for number in range(1, ROWS + 1)] for name in ("t", "tiny")}
    tables["tiny"] = tables["tiny"][:10]
    script = "".join(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT UNIQUE);" for name in tables)
    monkeypatch.setattr(dispatch, "_MESSAGE_GRACE_S", 0.0)
    made = Rig(make_source(tmp_path / "post.db", script, tables), target_url, monkeypatch, build_apart_mb=0)
    made.record(chunk_bytes=30_000)
    assert len(made.ids()) >= 5
    yield made
    made.close()


def job_state(rig: Rig) -> str:
    """Where the job is."""
    ((state,),) = ledger_rows(rig.direct, "SELECT state FROM pgconvoy.jobs")
    return str(state)


@pytest.mark.parametrize("seed", range(3))
def test_a_job_ends_verified_whatever_becomes_of_its_messages(rig: Rig, seed: int) -> None:
    """Doubled, lost, late and in any order: each chunk takes one attempt, each row is there once, and what arrives
    after the end changes nothing.
    """
    chance = random.Random(seed)
    workers = [rig.context(), rig.context()]
    post = Post(workers, chance)
    for _ in range(_PATIENCE):
        if job_state(rig) in JOB_ENDS:
            break
        if not post.bag or chance.random() < 0.05:
            rescue_running(chance.choice(workers))
        if post.bag:
            post.deliver_one()
    assert job_state(rig) == "completed"
    rig.assert_carried("t", "tiny")
    before = ledger_rows(rig.direct, "SELECT * FROM pgconvoy.chunks ORDER BY id")
    late = list(post.ever)
    chance.shuffle(late)
    for message in late:
        post.deliver(message)
    assert ledger_rows(rig.direct, "SELECT * FROM pgconvoy.chunks ORDER BY id") == before
    assert {chunk[2] for chunk in rig.chunks()} == {1}
    assert job_state(rig) == "completed"
    rig.assert_carried("t", "tiny")


def test_two_controllers_send_each_message_once(rig: Rig) -> None:
    """Both look for lost work at the same moments, again and again: no chunk is sent twice while its message waits."""
    controllers = [rig.context() for _ in range(3)]
    post = Post(controllers, random.Random(0))
    rescue_running(controllers[0])  # what was sent before this test counts as lost now, and is sent again
    post.copies.clear()
    ledger_rows(rig.direct, "UPDATE pgconvoy.chunks SET enqueued_at = NULL RETURNING 1", commit=True)
    with ThreadPoolExecutor(len(controllers)) as pool:
        said = list(pool.map(rescue_running, controllers * 6))
    assert all(line.startswith("1 running jobs, 0 lost chunks") for line in said), said
    assert [post.copies[chunk_id] for chunk_id in rig.ids()] == [1] * len(rig.ids())


def test_producers_beside_each_other_end_the_same_job(rig: Rig) -> None:
    """Three times `resume` at once on a job that is planned in part: all plan, send and wait; all see it completed."""
    ledger_rows(rig.direct, "DELETE FROM pgconvoy.chunks WHERE number > 2 RETURNING 1", commit=True)
    ledger_rows(rig.direct, "UPDATE pgconvoy.tables SET planned = false RETURNING 1", commit=True)
    with ThreadPoolExecutor(3) as pool:
        ends: list[JobEnd] = list(
            pool.map(lambda _number: rig.resume(plan_batch_chunks=2, rescue_grace_s=30), range(3))
        )
    assert [end.exit_code for end in ends] == [0, 0, 0]
    rig.assert_carried("t", "tiny")
    assert {chunk[2] for chunk in rig.chunks()} == {1}
