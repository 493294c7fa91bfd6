"""PostgreSQL refuses for a while, or for good: no room, no connection, locks, deadlocks, nothing may be written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from faultkit import PASSWORD, Cluster
from faultkit.rig import InBackground, Rig
from fleetkit import await_true
from fleetkit.run_folder import run_folder
from producerkit import ledger_rows

from shared.errors import ConvoyError, OperatorError
from shared.ledger.states import JobState
from workers.copy_chunk import copy_chunk

FULL_MB = 24
SECONDS = 60


@contextmanager
def other_session(rig: Rig, *statements: str) -> Iterator[Any]:
    """Somebody else's transaction in the target."""
    with closing(psycopg2.connect(rig.direct)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        yield cursor
        connection.rollback()


def finish(rig: Rig) -> None:
    """The rest is done without anybody's help; every row is there once."""
    rig.assert_agree()
    assert rig.resume().progress.state == JobState.COMPLETED
    rig.assert_carried("t", "child")


@pytest.fixture
def small_disk(cluster: Cluster) -> Iterator[Path]:
    """A folder on a disk of 24 MB, which PostgreSQL may write to."""
    if os.geteuid() != 0:
        pytest.fail("mounting a small disk takes root")
    folder = run_folder() / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL_MB}m", "tmpfs", folder], check=True)
    shutil.chown(folder, "pgserver", "pgserver")
    cluster.run(f"CREATE TABLESPACE small LOCATION '{folder}'")
    yield folder
    cluster.run("DROP TABLESPACE small")
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def fill(file: Path) -> None:
    """Take all the room that is left."""
    with suppress(OSError), file.open("wb", buffering=0) as taken:
        while True:
            taken.write(bytes(8192))


def test_a_full_disk_says_so_and_the_job_goes_on_once_there_is_room(
    small_disk: Path, make_rig: Callable[..., Rig]
) -> None:
    """A chunk that finds no room is tried again, with the advice to make some; nothing of it stays meanwhile."""
    rig = make_rig(before="ALTER DATABASE {database} SET default_tablespace TO small", retry_delay_s=0.01)
    fill(small_disk / "full")
    context = rig.context()
    said = [copy_chunk(context, chunk) for chunk in rig.ids()]
    failed = [each for each in said if "failed" in each]
    assert failed, said
    assert all("make room on the target's disk" in each and PASSWORD not in each for each in failed)
    rig.assert_agree()
    (small_disk / "full").unlink()
    finish(rig)
    ((place,),) = ledger_rows(rig.direct, "SELECT count(*) FROM pg_class WHERE relname = 't' AND reltablespace <> 0")
    assert place == 1


def test_where_no_connection_is_left_chunks_wait_for_one(cluster: Cluster, rig: Rig) -> None:
    """With and without a connection to the ledger: said in a sentence with the advice, and done once there is one."""
    connected, strange = rig.context(), rig.context()
    connected.check_ledger()
    first, second, *_ = rig.ids()
    others = []
    try:
        with suppress(psycopg2.OperationalError):
            while True:
                others.append(psycopg2.connect(rig.direct))
        for context, chunk in ((connected, first), (strange, second)):
            said = copy_chunk(context, chunk)
            assert "too many clients" in said
            assert "raise the target's max_connections, or run fewer worker processes" in said
            assert PASSWORD not in said
        with pytest.raises(ConvoyError, match="raise the target's max_connections") as refused:
            rig.resume()
        assert PASSWORD not in str(refused.value)
    finally:
        for other in others:
            other.close()
    await_true(lambda: cluster.run("SELECT count(*) < 20 FROM pg_stat_activity") == [(True,)], "connections are free")
    finish(rig)
    assert [chunk[2] for chunk in rig.chunks()][:3] == [2, 1, 1]


def test_a_long_lock_on_the_target_table_is_waited_for_by_attempts(make_rig: Callable[..., Rig]) -> None:
    """Somebody else holds the table: a chunk gives up after lock_timeout and comes again; so does the build."""
    rig = make_rig(lock_timeout_s=0.3)
    context = rig.context()
    with other_session(rig, "LOCK TABLE public.t"):
        said = copy_chunk(context, rig.ids()[0])
        assert "attempt 1 failed, the chunk is pending" in said
        assert "canceling statement due to lock timeout" in said
    for chunk in rig.ids():
        copy_chunk(context, chunk)
    with other_session(rig, "LOCK TABLE public.t IN ACCESS SHARE MODE"):
        working = InBackground(rig.resume)
        refused = "SELECT 1 FROM pgconvoy.tables WHERE error LIKE '%lock timeout%'"
        await_true(lambda: ledger_rows(rig.direct, refused), "the build gave up once, and says why", seconds=SECONDS)
    assert working.result().progress.state == JobState.COMPLETED
    rig.assert_carried("t", "child")


OLD_ROWS = """
    CREATE TABLE public.t (id bigint PRIMARY KEY, name text NOT NULL, ratio double precision, flag bigint);
    INSERT INTO public.t SELECT n, 'old', 0, 0 FROM generate_series(1, 10000) AS n;
"""


def test_a_deadlock_with_somebody_else_costs_an_attempt(make_rig: Callable[..., Rig]) -> None:
    """An upsert and another transaction wait for each other's rows: the chunk gives way and comes again."""
    rig = make_rig(before=OLD_ROWS)
    patient = "SET deadlock_timeout TO '1h'"
    with other_session(rig, patient, "UPDATE public.t SET flag = 7 WHERE id = 1900") as other:
        copying = InBackground(lambda: copy_chunk(rig.context(), rig.ids()[0]))
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE '%copy chunk%'"
        await_true(lambda: ledger_rows(rig.direct, waits), "the chunk waits for the row")
        other.execute("UPDATE public.t SET flag = 7 WHERE id = 1")
        said = copying.result()
    assert "attempt 1 failed, the chunk is pending" in said
    assert "deadlock detected" in said
    assert rig.resume().progress.state == JobState.COMPLETED
    rig.assert_carried("t", "child")


def test_a_role_whose_transactions_are_serializable_copies_as_any_other(make_rig: Callable[..., Rig]) -> None:
    """Workers ask for what they need, so that no chunk fails because another one was committed meanwhile."""
    rig = make_rig(before="ALTER DATABASE {database} SET default_transaction_isolation TO serializable")
    assert ledger_rows(rig.direct, "SHOW transaction_isolation") == [("serializable",)]
    finish(rig)
    assert {chunk[2] for chunk in rig.chunks()} == {1}


FAILS_ONCE = """
    CREATE SEQUENCE public.calls;
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('public.calls') = 1 THEN RAISE 'made to fail' USING ERRCODE = 'serialization_failure'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.refuse();
"""


def test_a_serialization_failure_costs_an_attempt(make_rig: Callable[..., Rig]) -> None:
    """Whoever raises it, a trigger of the application's for one: the chunk comes again."""
    rig = make_rig(before=OLD_ROWS + FAILS_ONCE)
    said = copy_chunk(rig.context(), rig.ids()[0])
    assert "attempt 1 failed, the chunk is pending" in said
    assert "[SQLSTATE 40001]" in said
    assert rig.resume().progress.state == JobState.COMPLETED
    rig.assert_carried("t", "child")


def test_a_target_that_takes_no_writes_is_refused_and_waited_for(cluster: Cluster, rig: Rig) -> None:
    """Before a job: refused in a sentence that says what to set; in the middle of one: chunks wait until it does."""
    context = rig.context()
    copy_chunk(context, rig.ids()[0])
    cluster.run("ALTER SYSTEM SET default_transaction_read_only TO on")
    cluster.run("SELECT pg_reload_conf()")
    try:
        await_true(lambda: cluster.run("SHOW default_transaction_read_only") == [("on",)], "it is closed to writers")
        said = copy_chunk(context, rig.ids()[1])
        assert "read-only transaction" in said
        assert "default_transaction_read_only to off" in said
        with pytest.raises(OperatorError, match="takes no writes of the role postgres: default_transaction_read_only"):
            rig.record()
    finally:
        cluster.run("ALTER SYSTEM RESET default_transaction_read_only")
        cluster.run("SELECT pg_reload_conf()")
    await_true(lambda: cluster.run("SHOW default_transaction_read_only") == [("off",)], "it takes writes again")
    finish(rig)
    assert {chunk[2] for chunk in rig.chunks()} == {1}
