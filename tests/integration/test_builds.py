"""Keys and indexes as tasks of their own: each built once, largest first, refused ones graded as at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import psycopg2
import pytest
from fleetkit import await_true
from ledgerkit import make_older, open_ledger
from targetkit import column, plan_of

from shared.errors import OperatorError, TransientError
from shared.ledger.builds import (
    claim_largest,
    fail_if_current,
    finish_if_current,
    forget_build_messages,
    hold_if_current,
    read_builds,
    rescue_lost_builds,
    take_builds,
)
from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import (
    cancel_job,
    mark_planned,
    move_job,
    read_job,
    read_table,
    record_job,
    record_table,
    reopen_tables,
)
from shared.ledger.progress import read_progress
from shared.ledger.queueing import step_of
from shared.ledger.states import BuildState, JobState
from shared.ledger.steps import Step
from shared.ledger.upgrade import check_ledger, upgrade_ledger
from shared.points import POINTS_DIR_VARIABLE, Point
from shared.records.builds import BuildOutcome
from shared.records.plan import CheckPlan, CompareBy, GradedAs, IndexPlan, JobOptions, KeyPlan, SearchPlan, TablePlan
from shared.records.source import ObjectKind
from shared.records.work import NewJob
from shared.settings import load_settings
from shared.target import ddl
from shared.target.build_sessions import end_builds, give_memory, name_build
from workers.build_index import build_index
from workers.context import WorkerContext
from workers.finish_table import finish_table

ID = column("bigint", "id")
LONG = "repeat(md5('x'), 200) || string_agg(md5(n::text), '') FROM generate_series(1, 300) n"
"""A text that stays longer than a B-tree's 2,704 bytes when it is compressed."""
_INDEXES = """
    SELECT c.relname, k.contype, k.conname, pg_get_indexdef(i.indexrelid), i.indisunique, i.indisvalid
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid
     WHERE i.indrelid = 't'::regclass ORDER BY 1
"""


class Messages:
    """A dispatcher that counts what would be sent."""

    def __init__(self, store: LedgerStore) -> None:
        self.store = store
        self.builds = 0

    def send_work(self, table_id: int) -> None:
        """Take the messages of a table's builds."""
        with self.store.transaction() as ledger:
            if step_of(ledger, table_id) is Step.INDEX:
                self.builds += len(take_builds(ledger, table_id))

    def send_finish_job(self, job_id: int) -> None:
        """Nothing is sent: the test ends its job, or not."""


@dataclass
class Site:
    """A ledger with one job, whose table was loaded by hand, and what a worker has of it."""

    store: LedgerStore
    bound_mb: float = 0
    job: int = 0
    table: int = 0
    messages: Messages = field(init=False)

    def __post_init__(self) -> None:
        self.messages = Messages(self.store)

    @property
    def context(self) -> WorkerContext:
        """A worker's context, its queue left out."""
        context = SimpleNamespace(
            store=self.store,
            settings=load_settings(build_apart_mb=self.bound_mb, retry_delay_s=0.01, max_attempts=2),
            worker="here:1",
            dispatcher=self.messages,
            check_ledger=lambda: None,
        )
        return cast("WorkerContext", context)

    def record(self, plan: TablePlan, rows: str) -> None:
        """Record a job whose one table holds `rows` already."""
        with self.store.transaction() as ledger:
            new = NewJob(
                source_url="sqlite:///s.db",
                snapshot_url="sqlite:///s.db",
                fingerprint="f",
                target_schema="public",
                options=JobOptions(verify=False),
            )
            self.job = record_job(ledger, new)
            self.table = record_table(ledger, self.job, 1, plan)
            mark_planned(ledger, self.table)
            ledger.connection.exec_driver_sql(ddl.create_table(plan))
            ledger.connection.exec_driver_sql(f"INSERT INTO t {rows}")
            move_job(ledger, self.job, JobState.COPYING)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement."""
        with self.store.transaction() as ledger:
            result = ledger.connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    def finish_table(self) -> str:
        """What the callback of the copies does."""
        return finish_table(self.context, self.table)

    def build(self, times: int = 20) -> list[str]:
        """Build one after the other until none is due."""
        said = []
        for _ in range(times):
            said.append(build_index(self.context, self.job))
            if said[-1].startswith("nothing"):
                break
        return said

    def end_builds(self, job: int) -> int:
        """End what a job builds, as a look of `producer cancel` does."""
        with self.store.transaction() as ledger:
            return end_builds(ledger.connection, job)

    def state(self) -> str:
        """Where the table is."""
        with self.store.transaction() as ledger:
            table = read_table(ledger, self.table)
        assert table is not None
        return table.state if table.error is None else f"{table.state}: {table.error}"

    def states(self) -> dict[str, tuple[str, int]]:
        """State and attempts of the builds, by name."""
        with self.store.transaction() as ledger:
            return {build.name: (build.state, build.attempt) for build in read_builds(ledger, self.table)}

    def grades(self) -> dict[str, tuple[str, str]]:
        """Grade and reason by name."""
        with self.store.transaction() as ledger:
            grades = read_job(ledger, self.job).grades
        return {each.name: (str(each.grade), each.reason) for each in grades}

    def plan(self) -> TablePlan:
        """The table's plan as the ledger has it now."""
        with self.store.transaction() as ledger:
            table = read_table(ledger, self.table)
        assert table is not None
        return table.plan


@pytest.fixture
def site(target_url: str) -> Iterator[Site]:
    """An empty target with a ledger."""
    with open_ledger(target_url) as store:
        yield Site(store)


def index(name: str, *columns: str, **more: Any) -> IndexPlan:
    """An index."""
    graded_as = GradedAs(kind=ObjectKind.INDEX, name=name, doubt=more.pop("doubt", ""))
    return IndexPlan(name=name, columns=columns, descending=tuple(False for _ in columns), graded_as=graded_as, **more)


def key(kind: ObjectKind, name: str, *columns: str, doubt: str = "") -> KeyPlan:
    """A key."""
    return KeyPlan(name=name, columns=columns, graded_as=GradedAs(kind=kind, name=name, doubt=doubt))


PRIMARY = key(ObjectKind.PRIMARY_KEY, "t_pkey", "id")
BODY = replace(
    plan_of(ID, column("text", "body"), match_key=("id",)),
    primary_key=PRIMARY,
    unique_keys=(key(ObjectKind.UNIQUE_KEY, "t_body_key", "body"),),
    indexes=(index("small", "id"), index("wide", "body", "id")),
    rows=1000,
    row_bytes=100.0,
)
SEARCH = SearchPlan(
    column="search",
    expression="to_tsvector('english', coalesce(body, ''))",
    index="t_search",
    graded_as=GradedAs(kind=ObjectKind.VIRTUAL_TABLE, name="t_fts"),
)
ROWS = "SELECT n, 'row ' || n FROM generate_series(1, 50) n"


def test_each_is_built_once_the_largest_first(site: Site) -> None:
    """Keys get their constraints at the end, under their own names; the table goes on when the last is built."""
    site.record(BODY, ROWS)
    site.finish_table()
    assert site.state() == "building"
    assert site.messages.builds == 4
    assert [line.split(" of ")[0] for line in site.build()] == [
        "index wide",
        "unique key t_body_key",
        "primary key t_pkey",
        "index small",
        "nothing to do: no build is due, or the job is paused or has ended",
    ]
    assert site.state() == "completed"
    assert set(site.states().values()) == {("built", 1)}
    assert [(row[0], row[1], row[2]) for row in site.sql(_INDEXES)] == [
        ("small", None, None),
        ("t_body_key", "u", "t_body_key"),
        ("t_pkey", "p", "t_pkey"),
        ("wide", None, None),
    ]
    assert {name: grade for name, (grade, _) in site.grades().items()} == dict.fromkeys(
        ("t_pkey", "t_body_key", "small", "wide"), "exact"
    )


@pytest.mark.parametrize("version", ["0003", "0005"])
def test_a_job_of_an_older_ledger_goes_on(site: Site, version: str) -> None:
    """A table that is being built when the ledger is upgraded, from one that knew of no builds or of some: all of its
    indexes are built, each once.
    """
    site.record(BODY, ROWS)
    if version == "0005":
        site.finish_table()
        assert site.build(1) == ["index wide of table t: built"]
    else:
        site.sql(f"UPDATE pgconvoy.tables SET state = 'building', started_at = now() WHERE id = {site.table}")
    make_older(site.store, version)
    with pytest.raises(OperatorError, match=f"the ledger is at version {version}"), site.store.transaction() as ledger:
        check_ledger(ledger.connection)
    with site.store.transaction() as ledger:
        upgrade_ledger(ledger.connection)
    site.finish_table()
    site.build()
    assert site.state() == "completed"
    assert len(site.sql(_INDEXES)) == 4
    assert set(site.states().values()) == {("built", 1)}


def test_a_small_table_is_built_at_once(site: Site) -> None:
    """Below the bound nothing is recorded, and no message is sent."""
    site.bound_mb = 1
    site.record(BODY, ROWS)
    site.finish_table()
    assert (site.state(), site.states(), site.messages.builds) == ("completed", {}, 0)
    assert len(site.sql(_INDEXES)) == 4


CASES = {
    "values too long": (
        replace(
            plan_of(ID, column("text", "body"), match_key=("id",)),
            primary_key=PRIMARY,
            unique_keys=(key(ObjectKind.UNIQUE_KEY, "t_body_key", "body"),),
            indexes=(
                index("one", "body", where="id > 0"),
                replace(index("term"), terms=("lower(body)",)),
                index("two", "id", "body"),
                replace(index("u", "body"), unique=True),
                index("no_such_thing", "id", where="nothing > 0"),
            ),
            checks=(CheckPlan(name="c", sql="id > 1", graded_as=GradedAs(kind=ObjectKind.CHECK, name="c")),),
        ),
        f"SELECT 1, {LONG}",
    ),
    "a key whose values became equal": (
        replace(
            plan_of(ID, column("text", "body"), match_key=("body",)),
            compare_by=CompareBy.KEYS,
            unique_keys=(key(ObjectKind.UNIQUE_KEY, "t_body_key", "body", doubt="case is lost"),),
        ),
        "VALUES (1, 'x'), (2, 'x')",
    ),
    "a primary key with NULL": (
        replace(
            plan_of(ID, column("text", "body"), match_key=("id",)),
            compare_by=CompareBy.KEYS,
            primary_key=PRIMARY,
            indexes=(index("small", "body", doubt="so so"),),
        ),
        "VALUES (1, 'x'), (NULL, 'y')",
    ),
    "search": (
        replace(plan_of(ID, column("text", "body"), match_key=("id",)), primary_key=PRIMARY, search=(SEARCH,)),
        "VALUES (1, 'The convoys rolled on'), (2, NULL)",
    ),
    "search that is refused": (
        replace(
            plan_of(ID, column("text", "body"), match_key=("id",)),
            primary_key=PRIMARY,
            search=(replace(SEARCH, expression="to_tsvector('simple', body)"),),
        ),
        "SELECT 1, string_agg(md5(n::text), ' ') FROM generate_series(1, 60000) n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_built_apart_it_comes_to_the_same(site: Site, case: str) -> None:
    """Indexes, constraints, grades with their reasons and the plan: as where all is built in one transaction."""
    plan, rows = CASES[case]
    found = []
    for bound_mb in (1, 0):
        site.bound_mb = bound_mb
        site.record(plan, rows)
        site.finish_table()
        if not bound_mb:
            assert site.states()
            site.build()
        found.append((site.state(), site.sql(_INDEXES), site.grades(), replace(site.plan(), rows=0)))
        site.sql("DROP TABLE t")
    assert found[0] == found[1]
    assert found[0][0] == "completed"


def test_rows_that_violate_a_key_fail_the_table(site: Site) -> None:
    """It says which, the other indexes are there, and once the rows are mended `requeue` builds what is missing."""
    site.record(BODY, "VALUES (1, 'a'), (2, 'a')")
    site.finish_table()
    site.build()
    assert site.state().startswith("failed: building unique key t_body_key of table t: could not create unique index")
    assert "Key (body)=(a) is duplicated" in site.state()
    site.sql("UPDATE t SET body = 'b' WHERE id = 2")
    with site.store.transaction() as ledger:
        move_job(ledger, site.job, JobState.FAILED)
        move_job(ledger, site.job, JobState.COPYING)
        assert reopen_tables(ledger, site.job) == 1
    site.finish_table()
    assert [line.split(" of ")[0] for line in site.build()][:-1] == ["unique key t_body_key"]
    assert site.state() == "completed"
    assert [row[1] for row in site.sql(_INDEXES)] == [None, "u", "p", None]
    assert set(site.states().values()) == {("built", 1)}


def test_what_was_built_less_than_planned_is_graded_after_a_pause_too(site: Site) -> None:
    """A hash index that was built before the job was cancelled keeps its grade when it is resumed."""
    plan = replace(BODY, unique_keys=(), indexes=(index("one", "body"),))
    site.record(plan, f"SELECT 1, {LONG}")
    site.finish_table()
    assert site.build(1) == ["index one of table t: built"]
    with site.store.transaction() as ledger:
        assert cancel_job(ledger, site.job)
    assert site.build() == ["nothing to do: no build is due, or the job is paused or has ended"]
    with site.store.transaction() as ledger:
        assert move_job(ledger, site.job, JobState.COPYING)
        assert reopen_tables(ledger, site.job) == 1
    site.finish_table()
    site.build()
    assert site.state() == "completed"
    assert site.grades()["one"][0] == "approximated"
    assert site.states() == {"one": ("built", 1), "t_pkey": ("built", 1)}


def test_an_index_that_somebody_dropped_is_built_again(site: Site) -> None:
    """The ledger says built, but what counts is what is there when the table is closed."""
    site.record(BODY, ROWS)
    site.finish_table()
    site.build(3)
    site.sql("DROP INDEX wide")
    site.build()
    assert site.state() == "completed"
    assert [row[0] for row in site.sql(_INDEXES)] == ["small", "t_body_key", "t_pkey", "wide"]


def test_two_workers_take_two_builds(site: Site) -> None:
    """Who comes second takes the next one, and an attempt that was overtaken does nothing."""
    site.record(BODY, ROWS)
    site.finish_table()
    with site.store.transaction() as one, site.store.transaction() as other:
        first, second = claim_largest(one, site.job, "a:1"), claim_largest(other, site.job, "b:2")
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("wide", "t_body_key")
    with site.store.transaction() as one, site.store.transaction() as other:
        assert hold_if_current(one, first)
        assert not hold_if_current(other, first)
        assert rescue_lost_builds(other, site.job, grace_s=0, max_attempts=2) == 1, "the second, which nobody holds"
        assert finish_if_current(one, first, BuildOutcome(there=True))
        assert not finish_if_current(other, second, BuildOutcome(there=True))
    assert site.states()["wide"] == ("built", 1)
    assert site.states()["t_body_key"] == ("pending", 1)


def test_a_build_that_lost_its_worker_is_built_again(site: Site) -> None:
    """It is put back and gets a message again; where its attempts are used up, the table fails and says so."""
    site.record(replace(BODY, unique_keys=(), indexes=()), ROWS)
    site.finish_table()
    for attempt in (1, 2):
        with site.store.transaction() as ledger:
            claimed = claim_largest(ledger, site.job, "far:9")
            assert claimed is not None
            assert claimed.attempt == attempt
        with site.store.transaction() as ledger:
            assert rescue_lost_builds(ledger, site.job, grace_s=60, max_attempts=2) == 0, "it may be on its way"
            assert rescue_lost_builds(ledger, site.job, grace_s=0, max_attempts=2) == 1
            assert len(take_builds(ledger, site.table)) == (1 if attempt == 1 else 0)
    site.finish_table()
    assert site.state() == "failed: building t_pkey: worker far:9 was lost during attempt 2"


def test_a_lost_message_is_sent_again(site: Site) -> None:
    """What the ledger believes under way and the queue has lost is forgotten, then taken again."""
    site.record(BODY, ROWS)
    site.finish_table()
    with site.store.transaction() as ledger:
        assert take_builds(ledger, site.table) == ()
        assert forget_build_messages(ledger, site.job, older_than_s=60) == 0
        assert forget_build_messages(ledger, site.job, older_than_s=0) == 4
        assert take_builds(ledger, site.table) == (site.job,) * 4


def test_a_failure_is_tried_again_later_or_fails_the_table(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What goes wrong after the index is built and before the commit leaves neither the index nor its record."""
    site.record(replace(BODY, unique_keys=(), indexes=()), ROWS)
    site.finish_table()
    folder = tmp_path_factory.mktemp("points")
    (folder / str(Point.BUILT_NOT_COMMITTED)).write_text("fail")
    monkeypatch.setenv(POINTS_DIR_VARIABLE, str(folder))
    site.build(1)
    assert site.state().startswith("failed: building primary key t_pkey of table t, attempt 1: made to fail")
    assert site.sql(_INDEXES) == []
    with site.store.transaction() as ledger:
        reopen_tables(ledger, site.job)
    site.finish_table()
    with site.store.transaction() as ledger:
        build = claim_largest(ledger, site.job, "here:1")
        assert build is not None
        failed = {"retry": True, "max_attempts": 2, "delay_s": 60.0}
        assert fail_if_current(ledger, build, "no room", **failed) is BuildState.PENDING  # type: ignore[arg-type]
        assert claim_largest(ledger, site.job, "here:1") is None, "not due yet"
        assert take_builds(ledger, site.table) == ()


def test_called_early_it_does_nothing(site: Site) -> None:
    """A doubled callback finds the builds on their way."""
    site.record(BODY, ROWS)
    for _ in range(3):
        site.finish_table()
    assert site.messages.builds == 4
    site.build(1)
    site.finish_table()
    assert site.state() == "building"
    assert len(site.states()) == 4


def test_progress_counts_builds(site: Site) -> None:
    """How many there are, and how many have ended."""
    site.record(BODY, ROWS)
    site.finish_table()
    site.build(3)
    with site.store.transaction() as ledger:
        (table,) = read_progress(ledger, site.job)
    assert (table.builds, table.builds_ended) == (4, 3)


def test_a_build_that_is_ended_is_put_back(site: Site, target_url: str) -> None:
    """`end_builds` finds it by its name in pg_stat_activity; nothing is left of it, and another attempt may come."""
    site.record(replace(BODY, unique_keys=(), indexes=()), ROWS)
    site.finish_table()
    with closing(psycopg2.connect(target_url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE t IN ROW EXCLUSIVE MODE")
        builder = threading.Thread(target=site.build, args=(1,), daemon=True)
        builder.start()
        await_true(lambda: site.end_builds(site.job), "the build is on its way")
        assert site.end_builds(site.job + 1) == 0
        # Between two statements nothing can be cancelled: so it is asked for until there is none, as by the command.
        await_true(lambda: not site.end_builds(site.job), "the build has ended")
        builder.join()
    assert site.states() == {"t_pkey": ("pending", 1)}
    assert site.sql(_INDEXES) == []
    assert site.sql("SELECT error FROM pgconvoy.builds")[0][0].endswith(
        "canceling statement due to user request [SQLSTATE 57014]"
    )
    site.sql("UPDATE pgconvoy.builds SET not_before = NULL")
    site.build()
    assert site.state() == "completed"


def test_memory_is_a_share_of_the_servers(site: Site) -> None:
    """Never less than the server's own; what the operator sets holds; all of it ends with the transaction."""
    with site.store.transaction() as ledger:

        def shown(name: str) -> str:
            return str(ledger.connection.exec_driver_sql(f"SHOW {name}").scalar_one())

        own, workers = shown("maintenance_work_mem"), shown("max_parallel_maintenance_workers")
        give_memory(ledger.connection, at_once=100_000, memory_mb=None, workers=None)
        assert (shown("maintenance_work_mem"), shown("max_parallel_maintenance_workers")) == (own, workers)
        ledger.connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '1MB'")
        give_memory(ledger.connection, at_once=2, memory_mb=None, workers=None)
        buffers = "SELECT GREATEST(1024, LEAST(1048576, setting::bigint * 8 / 16)) FROM pg_settings"
        expected = ledger.connection.exec_driver_sql(f"{buffers} WHERE name = 'shared_buffers'").scalar_one()
        now = "SELECT setting::bigint FROM pg_settings WHERE name = 'maintenance_work_mem'"
        assert ledger.connection.exec_driver_sql(now).scalar_one() == expected
        give_memory(ledger.connection, at_once=2, memory_mb=77, workers=0)
        assert (shown("maintenance_work_mem"), shown("max_parallel_maintenance_workers")) == ("77MB", "0")
        name_build(ledger.connection, 7, "x")
        assert shown("application_name") == "pgconvoy job 7 builds x"
    assert site.sql("SHOW maintenance_work_mem") == [(own,)]


def test_a_cancelled_statement_may_be_tried_again(target_url: str) -> None:
    """Somebody's judgement of the moment, not PostgreSQL's of the statement."""
    from shared.target.connections import translate_error  # noqa: PLC0415 - for this one test

    with closing(psycopg2.connect(target_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 1")
        with pytest.raises(psycopg2.errors.QueryCanceled) as raised:
            cursor.execute("SELECT pg_sleep(9)")
    assert isinstance(translate_error(raised.value, what="trying"), TransientError)
