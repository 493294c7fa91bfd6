"""PostgreSQL is killed, restarted, or lost to a standby that lacks the last commits: rows and ledger stay in step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from faultkit import PASSWORD, Cluster, Wire
from faultkit.rig import InBackground, Rig
from fleetkit import Points, TestPostgres, await_true
from producerkit import ledger_rows
from pydantic import SecretStr
from targetkit import SESSION

from producer.preflight import check_target
from producer.records import JobEnd
from producer.services import open_target
from shared.errors import ConvoyError, OperatorError
from shared.ledger.states import JobState
from shared.points import Point
from shared.target.connections import connect_arrow
from workers.copy_chunk import copy_chunk
from workers.finish_job import finish_job

OURS = """
    SELECT pid, application_name FROM pg_stat_activity
     WHERE application_name LIKE 'pgconvoy%' AND application_name <> 'pgconvoy producer' ORDER BY pid
"""
FORGETFUL = """
wal_writer_delay = 10s
wal_writer_flush_after = 1GB
bgwriter_lru_maxpages = 0
"""
"""Nothing reaches the disk but by a commit that waits for it: a crash takes all commits after the last such one."""


@pytest.fixture(scope="module")
def cluster(postgres_server: TestPostgres) -> Iterator[Cluster]:
    """A server of the module's own that forgets as much as one may."""
    made = Cluster.make(postgres_server.programs, FORGETFUL)
    yield made
    made.close()


def finish(rig: Rig) -> None:
    """The rest is done without anybody's help; every row is there once."""
    rig.assert_agree()
    assert patiently(rig).progress.state == JobState.COMPLETED
    rig.assert_carried("t", "child")


def patiently(rig: Rig) -> JobEnd:
    """`producer resume`, as often as it takes: opening the ledger is tried once a command."""
    while True:
        try:
            return rig.resume()
        except ConvoyError as error:
            said = str(error)
        assert PASSWORD not in said


@pytest.mark.parametrize(
    "point",
    [
        Point.CLAIMED,
        Point.HELD,
        Point.COPIED_NOT_COMMITTED,
        Point.COMMITTED_NOT_ACKNOWLEDGED,
        Point.SPLIT_NOT_COMMITTED,
        Point.CARRYING,
        Point.BUILDING,
        Point.BUILT_NOT_COMMITTED,
        Point.COMPARING,
        Point.CHECKING,
        Point.FINISHING,
    ],
)
def test_a_worker_loses_each_of_its_connections_at_each_point(
    point: Point, cluster: Cluster, make_rig: Callable[..., Rig], armed: Points
) -> None:
    """pg_terminate_backend of one after the other, then SIGKILL of one (which restarts the whole server): what was
    not committed is done again, all else stays.
    """
    rig = make_rig(max_attempts=20, build_apart_mb=0 if point is Point.BUILT_NOT_COMMITTED else 8)
    if point is Point.SPLIT_NOT_COMMITTED:
        cluster.run("UPDATE pgconvoy.chunks SET lost = 2", database=rig.database)
    armed.stop_at(point)
    working = InBackground(lambda: patiently(rig))
    ended = 0
    while stands(armed, point, working):
        found = ledger_rows(rig.direct, OURS)
        if ended == len(found):
            os.kill(found[0][0], signal.SIGKILL)
            break
        ledger_rows(rig.direct, f"SELECT pg_terminate_backend({found[ended][0]}, 10000)")
        ended += 1
        go_on(armed, point)
        armed.stop_at(point)
    armed.clear(point)
    assert working.result().progress.state == JobState.COMPLETED
    assert ended >= 1
    rig.assert_carried("t", "child")


def test_a_table_may_take_longer_to_compare_than_a_transaction_may_be_idle(
    make_rig: Callable[..., Rig], armed: Points
) -> None:
    """Whoever compares a whole table holds its row meanwhile, and PostgreSQL does not take that for a dead worker."""
    rig = make_rig(idle_timeout_s=2, max_attempts=20)
    armed.stop_at(Point.CHECKING)
    working = InBackground(rig.resume)
    assert stands(armed, Point.CHECKING, working)
    holders = "application_name = 'pgconvoy ledger' AND state = 'idle in transaction'"
    since = f"SELECT 1 FROM pg_stat_activity WHERE {holders} AND clock_timestamp() - state_change > '2.5 s'"
    await_true(lambda: ledger_rows(rig.direct, since), "it was idle for longer", seconds=10)
    armed.clear(Point.CHECKING)
    assert working.result().progress.state == JobState.COMPLETED


def stands(armed: Points, point: Point, working: InBackground) -> bool:
    """Wait until somebody stands at a point; False where the work has ended instead."""
    reached = armed.folder / f"{point}.reached"
    await_true(lambda: reached.exists() or not working.running, f"somebody at {point}")
    return reached.exists()


def go_on(armed: Points, point: Point) -> None:
    """Let go who stands there."""
    (armed.folder / point).unlink()
    await_true(lambda: not (armed.folder / f"{point}.reached").exists(), "who stood there goes on")


@pytest.mark.parametrize("crash", [Cluster.kill, Cluster.stop], ids=["SIGKILL of the postmaster", "immediate"])
def test_a_crash_takes_the_last_commits_and_the_ledger_with_them(
    crash: Callable[[Cluster], None], cluster: Cluster, rig: Rig
) -> None:
    """Workers wait for no disk: what a crash takes, a chunk's claim too, is missing from rows and ledger alike."""
    context, (*before, last) = rig.context(), rig.ids()
    assert all("copied" in copy_chunk(context, chunk) for chunk in before)
    write_out(cluster)
    assert "copied" in copy_chunk(context, last)
    crash(cluster)
    said = copy_chunk(context, last)
    assert "cannot open a connection" in said or "server closed the connection" in said
    assert PASSWORD not in said
    cluster.start()
    assert [chunk[1] for chunk in rig.chunks()] == ["copied"] * 5 + ["pending"], "the last commits were lost"
    finish(rig)
    assert [chunk[2] for chunk in rig.chunks()] == [1] * 6


def test_a_job_that_is_called_completed_outlives_a_crash(cluster: Cluster, rig: Rig) -> None:
    """Its end is the one commit of a worker's that waits for the disk, and takes all before it along."""
    assert rig.resume().progress.state == JobState.COMPLETED
    cluster.run("UPDATE pgconvoy.jobs SET state = 'verifying', ended_at = NULL", database=rig.database)
    assert finish_job(rig.context(), 1) == "job 1 is completed"
    cluster.kill()
    cluster.start()
    assert cluster.run("SELECT state FROM pgconvoy.jobs", database=rig.database) == [("completed",)]
    rig.assert_carried("t", "child")


@pytest.fixture
def standby(cluster: Cluster) -> Iterator[tuple[Cluster, Wire]]:
    """A streaming standby, and the wire that it follows the server through."""
    with Wire(("127.0.0.1", cluster.port)) as followed:
        other = cluster.standby(followed.port)
        yield other, followed
        other.close()


def write_out(cluster: Cluster) -> None:
    """Commit something that waits for the disk: it takes all before along."""
    cluster.run("SELECT pg_logical_emit_message(true, 'test', '')")


def cut_off(cluster: Cluster, other: Cluster, followed: Wire) -> None:
    """Let the standby have all that is there, and nothing that comes."""
    write_out(cluster)
    ((until,),) = cluster.run("SELECT pg_current_wal_flush_lsn()")
    caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{until}'"
    await_true(lambda: other.run(caught_up) == [(True,)], "the standby has caught up")
    followed.refuse()
    followed.cut()


def fail_over(cluster: Cluster, other: Cluster, wire: Wire, rig: Rig) -> None:
    """Lose the primary; workers and producer find the standby under its name."""
    cluster.kill()
    other.promote()
    wire.to(("127.0.0.1", other.port))
    rig.direct = other.url_of(rig.database)


def port_of_primary(cluster: Cluster, other: Cluster, database: str) -> int:
    """Whom a worker finds that was given both servers in its URL."""
    hosts = f"127.0.0.1:{cluster.port},127.0.0.1:{other.port}"
    url = f"postgresql://postgres:{PASSWORD}@{hosts}/{database}?target_session_attrs=read-write"
    with closing(connect_arrow(url, SESSION)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT inet_server_port()")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("whole", [False, True], ids=["in the middle", "after the end"])
def test_a_standby_that_lacks_the_last_commits_takes_over(
    whole: bool,  # noqa: FBT001 - a test's parameter
    cluster: Cluster,
    standby: tuple[Cluster, Wire],
    wire: Wire,
    rig: Rig,
) -> None:
    """Chunks that were copied, or a job that had ended, are not there: the ledger there says so, and the job goes on
    from there to its verified end.
    """
    other, followed = standby
    context, (first, second, third, fourth, *_) = rig.context(), rig.ids()
    for chunk in (first, second):
        copy_chunk(context, chunk)
    cut_off(cluster, other, followed)
    for chunk in (third, fourth):
        assert "copied" in copy_chunk(context, chunk)
    if whole:
        assert rig.resume().progress.state == JobState.COMPLETED
        rig.assert_carried("t", "child")
    fail_over(cluster, other, wire, rig)
    try:
        assert port_of_primary(cluster, other, rig.database) == other.port
        assert [chunk[1] for chunk in rig.chunks()] == ["copied"] * 2 + ["pending"] * 4
        assert "copied" in copy_chunk(context, third) or "copied" in copy_chunk(context, third)
        finish(rig)
    finally:
        cluster.start()


def test_a_job_that_a_standby_never_heard_of_can_be_started_again(
    cluster: Cluster, standby: tuple[Cluster, Wire], wire: Wire, make_rig: Callable[..., Rig]
) -> None:
    """Messages of the lost job do nothing, its number is given again, and the new job is whole."""
    other, followed = standby
    rig = make_rig(record=False)
    cut_off(cluster, other, followed)
    there = rig.settings.model_copy(update={"target_url": SecretStr(other.url_of(rig.database))})
    with open_target(there) as target, pytest.raises(OperatorError, match="is a standby that takes no writes"):
        check_target(target)
    rig.record()
    lost = rig.ids()
    fail_over(cluster, other, wire, rig)
    try:
        context = rig.context()
        said = [copy_chunk(context, chunk) for chunk in lost]
        assert all("did not end" in each or "nothing to do" in each for each in said)
        with pytest.raises(ConvoyError, match="there is no ledger in the target yet"):
            rig.resume()
        rig.record()
        finish(rig)
    finally:
        cluster.start()
