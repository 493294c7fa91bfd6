"""The line to PostgreSQL fails in the middle of COPY, of COMMIT, of claiming: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from faultkit import PASSWORD, Act, Fault, Way, Wire
from faultkit.rig import InBackground, Rig
from fleetkit import await_true
from producerkit import ledger_rows

from producer.records import JobEnd
from shared.errors import ConvoyError
from shared.ledger.states import JobState
from workers.build_index import build_index
from workers.copy_chunk import copy_chunk
from workers.finish_table import finish_table

ROWS_FOLLOW = b"FROM STDIN"
"""What begins a COPY into the target; what the driver reads is a COPY too, but the other way."""
SEND_ROWS = b"G\0\0\0\x0f\x01\0\x04"
"""The server's word that it takes four columns in binary form (CopyInResponse)."""
CLAIM = b"EXECUTE attempts_claim"
LEASE = 3
"""Seconds that PostgreSQL waits for a silent client, and that a task may take, in these tests."""


SEED = 5
LOST = ("server closed the connection unexpectedly", "unexpected EOF on client connection")


def finish(rig: Rig) -> None:
    """The rest is done without anybody's help; every row is there once."""
    rig.assert_agree()
    assert rig.resume().progress.state == JobState.COMPLETED
    rig.assert_carried("t", "child")


def test_a_line_that_breaks_in_the_middle_of_a_copy_costs_an_attempt(rig: Rig, wire: Wire) -> None:
    """Cut or half-closed, either way, with a part of the rows sent: none of them stays, the chunk is tried again."""
    context = rig.context()
    breaks = [
        lambda: wire.arm(Act.CUT, b"BEGIN", after=b"SET application_name"),
        lambda: wire.arm(Act.CUT, ROWS_FOLLOW, bytes_later=50_000),
        lambda: wire.arm(Act.HALF_CLOSE, ROWS_FOLLOW, bytes_later=50_000),
        lambda: wire.arm(Act.LOSE_ANSWER, ROWS_FOLLOW, bytes_later=50_000),
        lambda: wire.arm(Act.CUT, b"COPY ", after=SEND_ROWS, way=Way.TO_CLIENT),
        lambda: wire.arm(Act.HALF_CLOSE, b"COPY ", after=SEND_ROWS, way=Way.TO_CLIENT),
    ]
    for victim, arm in zip(rig.ids(), breaks, strict=False):
        fault = arm()
        said = copy_chunk(context, victim)
        assert fault.happened
        assert "attempt 1 failed, the chunk is pending" in said
        assert any(words in said for words in LOST)
        assert PASSWORD not in said
    assert [chunk[1:4] for chunk in rig.chunks()] == [("pending", 1, None)] * 6
    finish(rig)
    assert [chunk[2] for chunk in rig.chunks()] == [2] * 6


def test_a_commit_that_never_arrives_took_nothing_and_one_whose_answer_is_lost_took_all(rig: Rig, wire: Wire) -> None:
    """The worker cannot know which it was; the ledger does, and the chunk is copied again only where it must be."""
    context = rig.context()
    committed = b"COMMIT\0"
    cases = [
        (False, lambda: wire.arm(Act.CUT, b"COMMIT", after=ROWS_FOLLOW)),
        (True, lambda: wire.arm(Act.LOSE_ANSWER, b"COMMIT", after=ROWS_FOLLOW)),
        (False, lambda: wire.arm(Act.HALF_CLOSE, b"COMMIT", after=ROWS_FOLLOW)),
        (True, lambda: wire.arm(Act.HALF_CLOSE, committed, after=SEND_ROWS, way=Way.TO_CLIENT)),
        (True, lambda: wire.arm(Act.CUT, committed, after=SEND_ROWS, way=Way.TO_CLIENT)),
    ]
    for victim, (took, arm) in zip(rig.ids(), cases, strict=False):
        fault = arm()
        said = copy_chunk(context, victim)
        assert fault.happened
        assert ("the chunk is not ours any more" if took else "the chunk is pending") in said
        (state,) = ledger_rows(rig.direct, f"SELECT state, rows FROM pgconvoy.chunks WHERE id = {victim}")
        assert state == (("copied", 1925) if took else ("pending", None))
    finish(rig)
    assert [chunk[2] for chunk in rig.chunks()] == [2, 1, 2, 1, 1, 1]


def test_a_claim_that_breaks_happened_or_did_not(rig: Rig, wire: Wire) -> None:
    """A claim that did not arrive leaves the chunk as it was; one whose answer is lost is rescued at once."""
    context = rig.context()
    cases = [
        ("pending", 0, lambda: wire.arm(Act.CUT, CLAIM)),
        ("pending", 0, lambda: wire.arm(Act.LOSE_ANSWER, CLAIM)),
        ("pending", 0, lambda: wire.arm(Act.CUT, b"COMMIT", after=CLAIM)),
        ("copying", 1, lambda: wire.arm(Act.LOSE_ANSWER, b"COMMIT", after=CLAIM)),
    ]
    for victim, (state, attempt, arm) in zip(rig.ids(), cases, strict=False):
        fault = arm()
        said = copy_chunk(context, victim)
        assert fault.happened
        assert said.startswith(f"copy_chunk {victim} did not end, rescue asks again: ")
        assert "server closed the connection unexpectedly" in said
        assert "psycopg2" not in said
        found = ledger_rows(rig.direct, f"SELECT state, attempt FROM pgconvoy.chunks WHERE id = {victim}")
        assert found == [(state, attempt)]
    finish(rig)
    assert [chunk[2] for chunk in rig.chunks()] == [1, 1, 1, 2, 1, 1]


@pytest.mark.parametrize(
    "stall",
    [
        lambda wire: wire.arm(Act.STALL_BOTH, ROWS_FOLLOW, bytes_later=50_000),
        lambda wire: wire.arm(Act.STALL_BOTH, b"COMMIT", after=ROWS_FOLLOW),
        lambda wire: wire.arm(Act.STALL_ANSWER, b"COMMIT", after=CLAIM),
    ],
    ids=["in the rows", "before the commit", "after the claim"],
)
def test_whom_a_stalled_line_holds_is_overtaken(stall: Callable[[Wire], Fault], rig: Rig, wire: Wire) -> None:
    """A line that carries nothing and does not break: PostgreSQL gives the chunk free, another worker copies it, and
    who wakes up later has written nothing.
    """
    first, second, (victim, *_) = rig.context(idle_timeout_s=LEASE), rig.context(), rig.ids()
    fault = stall(wire)
    stuck = InBackground(lambda: copy_chunk(first, victim))
    fault.await_done()
    question = f"SELECT state FROM pgconvoy.chunks WHERE id = {victim}"

    def rescued() -> bool:
        rig.rescue(task_time_limit_s=LEASE)
        return ledger_rows(rig.direct, question) == [("pending",)]

    await_true(rescued, "the chunk is put back")
    assert copy_chunk(second, victim).startswith("copied ")
    assert stuck.running
    wire.go_on()
    assert "copied" not in stuck.result()
    finish(rig)


def test_a_build_whose_line_stalls_is_given_free_by_postgresql(make_rig: Callable[..., Rig], wire: Wire) -> None:
    """The index is made and its answer never comes: the transaction is idle then, which PostgreSQL ends by itself."""
    rig = make_rig(build_apart_mb=0)
    first, second = rig.context(idle_timeout_s=LEASE), rig.context()
    assert all(copy_chunk(second, chunk_id).startswith("copied ") for chunk_id in rig.ids())
    ((table_id,),) = ledger_rows(rig.direct, "SELECT id FROM pgconvoy.tables WHERE source_name = 't'")
    finish_table(second, table_id)
    fault = wire.arm(Act.STALL_ANSWER, b" INDEX ")
    stuck = InBackground(lambda: build_index(first, 1))
    fault.await_done()

    def rescued() -> bool:
        rig.rescue()
        return ledger_rows(rig.direct, "SELECT DISTINCT state FROM pgconvoy.builds") == [("pending",)]

    await_true(rescued, "the build is put back")
    assert stuck.running
    finish(rig)
    wire.go_on()
    assert "not ours any more" in stuck.result()


def test_a_line_that_breaks_again_and_again_delays_a_job_and_no_more(make_rig: Callable[..., Rig], wire: Wire) -> None:
    """Any statement of workers and producer may break, before it arrives or with its answer: all rows arrive, once."""
    rig = make_rig(max_attempts=50)
    chance = random.Random(SEED)
    working = InBackground(lambda: patiently(rig))
    patterns = [b"COMMIT", b"SELECT", b"UPDATE", b"FROM STDIN"]
    done = 0
    while working.running and done < 15:
        act = chance.choice([Act.CUT, Act.LOSE_ANSWER, Act.HALF_CLOSE])
        # Where statements are this near, a fault comes every few of them.
        fault = wire.arm(act, chance.choice(patterns), after=b"UPDATE pgconvoy", bytes_later=chance.choice([0, 0, 300]))
        await_true(lambda fault=fault: fault.happened or not working.running, "the next fault")
        done += fault.happened
    wire.disarm()
    end = working.result()
    assert end.progress.state == JobState.COMPLETED
    assert done >= 5, f"seed {SEED}"
    rig.assert_carried("t", "child")


def patiently(rig: Rig) -> JobEnd:
    """`producer resume`, as often as it takes: opening the ledger is tried once a command."""
    while True:
        try:
            return rig.resume()
        except ConvoyError:
            continue
