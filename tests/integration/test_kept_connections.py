"""Connections that a worker process keeps: mended before they are used, and nothing of one use seen by the next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import adbc_driver_manager
import psycopg2
import pytest
from icukit import IcuPostgres
from producerkit import ledger_rows, make_source
from pydantic import SecretStr

from shared.errors import NotArrowableError, UnreachableError
from shared.settings import Settings
from shared.source.kinds import open_source
from shared.target.connections import commit
from workers.context import WorkerContext
from workers.kept import KeptSources

SESSION = """
    SELECT current_setting('application_name'), current_setting('transaction_isolation'),
           current_setting('transaction_read_only'), current_setting('search_path'), current_setting('enable_seqscan')
"""


@pytest.fixture
def context(target_url: str) -> Iterator[WorkerContext]:
    """A worker's own, on an empty target."""
    unused = SecretStr("redis://127.0.0.1:1/0")
    made = WorkerContext(Settings(target_url=SecretStr(target_url), broker_url=unused))
    yield made
    made.close()


def ask(connection: Any, query: str) -> tuple[Any, ...]:
    """The first row of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return tuple(cursor.fetchone())


def do(connection: Any, statement: str) -> None:
    """Run a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def process_of(connection: Any) -> int:
    """The server's process behind a connection."""
    return int(ask(connection, "SELECT pg_backend_pid()")[0])


def end(target_url: str, process: int) -> None:
    """Let the server end a connection, and wait until it is gone."""
    with closing(psycopg2.connect(target_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", (process,))


def used(context: WorkerContext, act: Callable[[Any], object]) -> int:
    """Do something with a connection for copying; returns the server's process behind it."""
    with context.arrow("one", 1) as connection:
        process = process_of(connection)
        act(connection)
    return process


def test_one_connection_serves_one_use_after_the_other(context: WorkerContext, target_url: str) -> None:
    """Copying and reading have one each; between uses it is outside a transaction and holds nothing."""
    found = []
    for number in (1, 2):
        with context.arrow(f"copy chunk {number}", 1) as connection:
            found.append(process_of(connection))
            assert ask(connection, SESSION)[:3] == (f"pgconvoy copy chunk {number}", "read committed", "off")
            commit(connection)
        with context.arrow_for_reads(f"verify chunk {number}", 1) as connection:
            found.append(process_of(connection))
            assert ask(connection, SESSION)[:3] == (f"pgconvoy verify chunk {number}", "repeatable read", "on")
    assert found[:2] == found[2:]
    idle = f"SELECT DISTINCT state, backend_xmin IS NULL FROM pg_stat_activity WHERE pid IN ({found[0]}, {found[1]})"
    assert ledger_rows(target_url, idle) == [("idle", True)]


def test_nothing_of_one_use_is_seen_by_the_next(context: WorkerContext) -> None:
    """Settings of the transaction, rows and temporary tables are gone, whether the use committed or not."""
    with context.arrow("one", 1) as connection:
        before = ask(connection, SESSION)[1:]
    for commits in (True, False):
        with context.arrow("two", 1) as connection:
            process = process_of(connection)
            do(connection, "SET LOCAL search_path TO public")
            do(connection, "SET LOCAL enable_seqscan TO off")
            do(connection, "CREATE TEMPORARY TABLE stage ON COMMIT DROP AS SELECT 1 AS n")
            do(connection, "CREATE TABLE public.kept (n int)" if commits else "SET TRANSACTION READ ONLY")
            if commits:
                commit(connection)
        with context.arrow("three", 1) as connection:
            assert process_of(connection) == process
            assert ask(connection, SESSION) == ("pgconvoy three", *before)
            assert ask(connection, "SELECT to_regclass('pg_temp.stage') IS NULL") == (True,)
            assert ask(connection, "SELECT to_regclass('public.kept') IS NULL") == (False,)


def test_a_connection_that_the_server_closed_is_replaced_before_the_first_statement(
    context: WorkerContext, target_url: str
) -> None:
    """Ended between two uses, of either kind or the ledger's: the next use gets another and sees nothing of it."""
    for use in (context.arrow, context.arrow_for_reads):
        with use("one", 1) as connection:
            process = process_of(connection)
        end(target_url, process)
        with use("two", 1) as connection:
            assert process_of(connection) != process
            assert ask(connection, SESSION)[0] == "pgconvoy two"


def test_a_connection_with_swollen_buffers_is_not_kept(context: WorkerContext) -> None:
    """Neither where the use committed, nor where it gave up before the server refused anything."""

    def give_up(keep: bool) -> None:  # noqa: FBT001 - stands for two uses
        with context.arrow("two", 1, keep=keep) as connection:
            found.append(process_of(connection))
            msg = "for a reason of ours"
            raise NotArrowableError(msg)

    found: list[int] = []
    for keep in (False, True):
        for use in (context.arrow, context.arrow_for_reads):
            with use("one", 1, keep=keep) as connection:
                found.append(process_of(connection))
        with pytest.raises(NotArrowableError):
            give_up(keep)
    assert len(set(found)) == 5
    assert found[3] == found[5]  # the one that copies and was kept


def test_a_connection_lost_in_the_middle_of_a_transaction_is_not_mended_there(
    context: WorkerContext, target_url: str
) -> None:
    """What was done is lost, so the use fails; the next one has a connection again."""

    def lose(connection: Any) -> None:
        end(target_url, process_of(connection))
        ask(connection, "SELECT 1")

    with pytest.raises(adbc_driver_manager.Error):
        used(context, lose)
    with context.arrow("two", 1) as connection:
        assert ask(connection, "SELECT 1") == (1,)


def test_a_connection_is_closed_after_an_error_and_kept_where_no_statement_failed(context: WorkerContext) -> None:
    """An error of the server's ends it; values that Arrow cannot carry say nothing against it."""

    def refuse(_connection: Any) -> None:
        msg = "mixed"
        raise NotArrowableError(msg)

    processes = [used(context, lambda _: None)]
    with pytest.raises(NotArrowableError):
        used(context, refuse)
    processes.append(used(context, lambda _: None))
    with pytest.raises(adbc_driver_manager.Error):
        used(context, lambda connection: ask(connection, "SELECT 1 / 0"))
    processes.append(used(context, lambda _: None))
    assert processes[0] == processes[1] != processes[2]


def test_a_newer_job_gets_a_connection_that_knows_its_types(icu_server: IcuPostgres) -> None:
    """Citext made for a later job is citext to its connection; a job before it does not cost another one."""
    with icu_server.fresh_database() as url:
        unused = SecretStr("redis://127.0.0.1:1/0")
        context = WorkerContext(Settings(target_url=SecretStr(url), broker_url=unused))
        with context.arrow_for_reads("one", 7) as connection:
            old = process_of(connection)
        with closing(psycopg2.connect(url)) as other, other, other.cursor() as cursor:
            cursor.execute("CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('glad')")
            cursor.execute("CREATE TABLE t AS SELECT 'A'::citext AS c, 'glad'::mood AS m")
        with context.arrow_for_reads("two", 8) as connection, connection.cursor() as cursor:
            new = process_of(connection)
            cursor.execute("SELECT c, m FROM public.t")
            types = cursor.fetch_arrow_table().schema.types
            assert ("citext" in str(types[0]), str(types[1])) == (True, "string")
        with context.arrow_for_reads("three", 7) as connection:
            assert old != new == process_of(connection)
        context.close()


def test_where_the_server_is_away_a_use_says_so(tmp_path: Path) -> None:
    """One attempt to open a connection, whose error is ours."""
    nowhere = SecretStr(f"postgresql://nobody@/none?host={tmp_path}")
    context = WorkerContext(Settings(target_url=nowhere, broker_url=SecretStr("redis://127.0.0.1:1/0")))
    with pytest.raises(UnreachableError):
        used(context, lambda _: None)
    context.close()


def test_a_forked_process_leaves_its_parents_connection_alone(context: WorkerContext) -> None:
    """The child forgets it without closing it; the parent goes on with it."""
    with context.arrow("one", 1) as connection:
        process = process_of(connection)
    child = os.fork()
    if not child:
        context.abandon()
        os._exit(0)
    os.waitpid(child, 0)
    with context.arrow("two", 1) as connection:
        assert process_of(connection) == process


def test_a_nested_use_has_a_connection_of_its_own(target_url: str) -> None:
    """Two at once never share a transaction; one of them is kept."""
    settings = Settings(target_url=SecretStr(target_url), broker_url=SecretStr("redis://127.0.0.1:1/0"))
    context = WorkerContext(settings)
    with context.arrow("outer", 1) as outer, context.arrow("inner", 1) as inner:
        assert process_of(outer) != process_of(inner)
    context.close()
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgconvoy %'"
    assert ledger_rows(target_url, ours) == [(0,)]


def test_a_source_stays_open_within_a_message_alone(tmp_path: Path) -> None:
    """In a block that keeps sources one reader serves all uses; afterwards, and after an error, it is closed."""
    url = f"sqlite:///{make_source(tmp_path / 's.db', 'CREATE TABLE t (id INTEGER PRIMARY KEY)')}"
    opened: list[Any] = []

    def open_reader() -> Any:
        opened.append(open_source(url, frozen=True))
        return opened[-1]

    sources = KeptSources()
    with sources.keeping():
        for _ in range(3):
            with sources.use(url, frozen=True, open_reader=open_reader) as reader:
                assert reader.count_rows("t") == 0
        msg = "broken"
        with pytest.raises(ValueError, match=msg), sources.use(url, frozen=True, open_reader=open_reader):
            raise ValueError(msg)
        with sources.use(url, frozen=True, open_reader=open_reader):
            pass
    with sources.use(url, frozen=True, open_reader=open_reader):
        pass
    assert len(opened) == 3
    for reader in opened:
        with pytest.raises(Exception, match="closed"):
            reader.count_rows("t")
