"""What is built on loaded tables and at a job's end: rows that violate it are counted, and stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ledgerkit import open_ledger
from targetkit import column, plan_of

from shared.ledger.engine import LedgerStore
from shared.ledger.jobs import move_job, move_table, read_job, record_job, record_table, reopen_tables
from shared.ledger.standing import note_table, read_standing
from shared.ledger.states import JobState, TableState
from shared.points import POINTS_DIR_VARIABLE, Point
from shared.records.plan import (
    BuildPhase,
    CheckPlan,
    ForeignKeyPlan,
    Grade,
    GradedAs,
    IndexPlan,
    JobOptions,
    KeyPlan,
    ObjectPlan,
    SearchPlan,
    TablePlan,
)
from shared.records.source import ObjectKind
from shared.records.work import NewJob
from shared.settings import load_settings
from shared.target import ddl
from workers.context import WorkerContext
from workers.finish_job import finish_job
from workers.objects import Built, build_table

ID = column("bigint", "id")
PRIMARY = KeyPlan(name="t_pkey", columns=("id",), graded_as=GradedAs(kind=ObjectKind.PRIMARY_KEY, name="(id)"))
FOREIGN = GradedAs(kind=ObjectKind.FOREIGN_KEY, name="(pid) -> p (id)")
LONG = "repeat(md5('x'), 200) || string_agg(md5(n::text), '') FROM generate_series(1, 300) n"
"""A text that stays longer than a B-tree's 2,704 bytes when it is compressed."""


@dataclass
class Site:
    """A ledger with one job, whose tables are loaded by hand."""

    store: LedgerStore
    job: int = 0
    tables: dict[str, int] = field(default_factory=dict)

    def record(self, *plans: TablePlan, objects: tuple[ObjectPlan, ...] = ()) -> None:
        """Record a job and make its tables bare."""
        with self.store.transaction() as ledger:
            new = NewJob(
                source_url="sqlite:///s.db",
                snapshot_url="sqlite:///s.db",
                fingerprint="f",
                target_schema="public",
                options=JobOptions(),
                objects=objects,
            )
            self.job = record_job(ledger, new)
            for position, plan in enumerate(plans, start=1):
                self.tables[plan.name] = record_table(ledger, self.job, position, plan)
                ledger.connection.exec_driver_sql(ddl.create_table(plan))
            move_job(ledger, self.job, JobState.COPYING)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement."""
        with self.store.transaction() as ledger:
            result = ledger.connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    def build(self, plan: TablePlan) -> Built:
        """Build what the table has besides its rows."""
        with self.store.transaction() as ledger:
            return build_table(ledger, self.job, plan)

    def end_table(self, name: str, *states: TableState) -> None:
        """Let a table go from state to state."""
        with self.store.transaction() as ledger:
            for state in states:
                error = "made up" if state is TableState.FAILED else None
                assert move_table(ledger, self.tables[name], state, error=error)

    def complete(self, *names: str) -> None:
        """Let tables complete."""
        for name in names:
            self.end_table(name, TableState.COPYING, TableState.BUILDING, TableState.COMPLETED)

    def finish(self) -> str:
        """End the job as a worker does."""
        context = SimpleNamespace(
            store=self.store, check_ledger=lambda: None, ledger_checked=True, settings=load_settings()
        )
        return finish_job(cast("WorkerContext", context), self.job)

    def grades(self) -> dict[str, tuple[str, str]]:
        """Grade and reason by name."""
        with self.store.transaction() as ledger:
            grades = read_job(ledger, self.job).grades
        assert len({(each.kind, each.name, each.table) for each in grades}) == len(grades), "one grade an object"
        return {each.name: (str(each.grade), each.reason) for each in grades}


@pytest.fixture
def site(target_url: str) -> Iterator[Site]:
    """An empty target with a ledger."""
    with open_ledger(target_url) as store:
        yield Site(store)


def check(name: str, sql: str, doubt: str = "") -> CheckPlan:
    """A CHECK."""
    return CheckPlan(name=name, sql=sql, graded_as=GradedAs(kind=ObjectKind.CHECK, name=name, doubt=doubt))


def view(name: str, sql: str, *needs: str, doubt: str = "") -> ObjectPlan:
    """A view."""
    return ObjectPlan(
        name=name,
        phase=BuildPhase.AFTER,
        statements=(f"CREATE OR REPLACE VIEW public.{name} AS {sql}",),
        needs=needs,
        graded_as=GradedAs(kind=ObjectKind.VIEW, name=name, doubt=doubt),
    )


def test_checks_bind_and_rows_that_violate_them_stay(site: Site) -> None:
    """A check that all rows pass is valid; of others the violations are counted and one is named; NULL passes."""
    plan = replace(
        plan_of(ID, column("integer", "n"), match_key=("id",)),
        primary_key=PRIMARY,
        checks=(
            check("good", "n < 100 % 101"),
            check("bad", "n > 2", doubt="so so"),
            check("impossible", "n > 'x'"),
            check("raises", "1 / (n - 2) < 9"),
        ),
    )
    site.record(plan)
    site.sql("INSERT INTO t VALUES (7, 1), (3, 2), (4, 3), (5, NULL)".replace("%", "%%"))
    for _ in range(2):
        assert site.build(plan) == Built()
    validated = "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'c' AND conrelid = 't'::regclass"
    assert dict(site.sql(validated)) == {"good": True, "bad": False, "raises": False}
    grades = site.grades()
    assert "good" not in grades or grades["good"] == ("exact", "")
    assert grades["bad"] == (
        "approximated",
        "left NOT VALID, so that it binds new rows alone: 2 rows violate it (first: id 3); so so",
    )
    assert grades["impossible"][0] == "refused"
    assert 'invalid input syntax for type integer: "x"' in grades["impossible"][1]
    assert grades["raises"][1].endswith("validating check raises of table t: division by zero [SQLSTATE 22012]")
    assert site.sql("SELECT count(*) FROM t") == [(4,)]


def test_a_check_that_holds_by_now_is_graded_as_planned(site: Site) -> None:
    """Built again after the rows were mended, it is validated and no longer called less than it is."""
    plan = replace(plan_of(ID), checks=(check("c", "id > 2"),))
    site.record(plan)
    site.sql("INSERT INTO t VALUES (1)")
    site.build(plan)
    assert site.grades()["c"][0] == "approximated"
    site.sql("UPDATE t SET id = 3")
    site.build(plan)
    assert site.grades()["c"] == ("exact", "")


def test_search_is_a_column_and_an_index(site: Site) -> None:
    """The rows that were copied are found, and building twice makes one of each."""
    search = SearchPlan(
        column="search",
        expression="to_tsvector('english', coalesce(body, ''))",
        index="t_search",
        graded_as=GradedAs(kind=ObjectKind.VIRTUAL_TABLE, name="t_fts"),
    )
    plan = replace(plan_of(ID, column("text", "body")), primary_key=PRIMARY, search=(search,))
    site.record(plan)
    site.sql("INSERT INTO t VALUES (1, 'The convoys rolled on'), (2, NULL)")
    for _ in range(2):
        assert site.build(plan) == Built()
    assert site.sql("SELECT id FROM t WHERE search @@ to_tsquery('english', 'convoy')") == [(1,)]
    assert site.sql("SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relname = 't_search'") == [
        ("gin",)
    ]
    assert site.grades()["t_fts"] == ("exact", "")


def test_search_that_cannot_be_built_leaves_the_table_whole(site: Site) -> None:
    """A text beyond a tsvector's megabyte: the search is refused, keys are built and the table completes."""
    search = SearchPlan(
        column="search",
        expression="to_tsvector('simple', body)",
        index="t_search",
        graded_as=GradedAs(kind=ObjectKind.VIRTUAL_TABLE, name="t_fts"),
    )
    plan = replace(plan_of(ID, column("text", "body")), primary_key=PRIMARY, search=(search,))
    site.record(plan)
    site.sql("INSERT INTO t SELECT 1, string_agg(md5(n::text), ' ') FROM generate_series(1, 60000) n")
    assert site.build(plan) == Built()
    grade, reason = site.grades()["t_fts"]
    assert grade == "refused"
    assert "string is too long for tsvector" in reason
    assert site.sql("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisprimary") == [(1,)]


def index(name: str, *columns: str, **more: Any) -> IndexPlan:
    """An index."""
    return IndexPlan(
        name=name,
        columns=columns,
        descending=tuple(True for _ in columns),
        graded_as=GradedAs(kind=ObjectKind.INDEX, name=name),
        **more,
    )


def test_values_too_long_for_a_btree_get_a_hash_index(site: Site) -> None:
    """Of one column, or one expression: equality is served and the grade says so; more columns are refused."""
    plan = replace(
        plan_of(ID, column("text", "body")),
        primary_key=PRIMARY,
        indexes=(
            index("one", "body", where="id > 0"),
            index("term", terms=("lower(body)",)),
            index("two", "id", "body"),
            index("small", "id"),
        ),
    )
    site.record(plan)
    site.sql(f"INSERT INTO t SELECT 1, {LONG}")
    for _ in range(2):
        assert site.build(plan) == Built()
    methods = (
        "SELECT c.relname, amname FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam"
    )
    assert dict(site.sql(f"{methods} WHERE indrelid = 't'::regclass")) == {
        "t_pkey": "btree",
        "one": "hash",
        "term": "hash",
        "small": "btree",
    }
    grades = site.grades()
    assert {name: grade for name, (grade, _) in grades.items()} == {
        "(id)": "exact",
        "one": "approximated",
        "term": "approximated",
        "two": "refused",
        "small": "exact",
    }
    assert "a hash index, which serves equality only" in grades["one"][1]
    assert "maximum size is 8191 [SQLSTATE 54000]" in grades["two"][1]


def test_a_unique_index_that_rows_violate_fails_the_table(site: Site) -> None:
    """As a unique key; unless the plan said that its values may become equal."""
    unique = IndexPlan(
        name="u", terms=("lower(a)",), unique=True, graded_as=GradedAs(kind=ObjectKind.UNIQUE_KEY, name="u")
    )
    plan = replace(plan_of(ID, column("text", "a")), indexes=(unique,))
    site.record(plan)
    site.sql("INSERT INTO t VALUES (1, 'x'), (2, 'X')")
    assert "could not create unique index" in str(site.build(plan).error)
    doubted = replace(unique, graded_as=GradedAs(kind=ObjectKind.UNIQUE_KEY, name="u", doubt="case is lost"))
    assert site.build(replace(plan, indexes=(doubted,))).error is None
    assert site.grades()["u"][0] == "refused"


def family() -> tuple[TablePlan, TablePlan]:
    """A parent and a child table."""
    parent = replace(plan_of(ID, name="p"), primary_key=KeyPlan(name="p_pkey", columns=("id",)))
    key = ForeignKeyPlan(
        name="fk",
        columns=("pid",),
        parent="p",
        parent_columns=("id",),
        graded_as=FOREIGN,
    )
    child = replace(
        plan_of(ID, column("bigint", "pid"), name="c", match_key=("id",)),
        primary_key=KeyPlan(name="c_pkey", columns=("id",)),
        foreign_keys=(key,),
    )
    return parent, child


def loaded(site: Site, *objects: ObjectPlan, rows: str) -> None:
    """Both tables with their keys, and rows of the child."""
    parent, child = family()
    site.record(parent, child, objects=objects)
    site.sql("INSERT INTO p VALUES (1), (2)")
    site.sql(f"INSERT INTO c VALUES {rows}")
    site.build(parent)
    site.build(child)


def test_orphans_are_counted_named_and_kept(site: Site) -> None:
    """The foreign key binds new rows alone, and the grade says how many rows have no parent and which is the first."""
    loaded(site, rows="(1, 1), (12, 9), (7, 8), (3, NULL)")
    site.complete("p", "c")
    assert site.finish().endswith("is completed")
    assert site.grades()["(pid) -> p (id)"] == (
        "approximated",
        "left NOT VALID, so that it binds new rows alone: 2 rows of c have no parent in p (first: id 7)",
    )
    assert site.sql("SELECT count(*) FROM c") == [(4,)]
    assert site.sql("SELECT convalidated FROM pg_constraint WHERE conname = 'fk'") == [(False,)]


def test_views_are_made_in_order_at_the_end(site: Site) -> None:
    """Each in a savepoint: what PostgreSQL refuses is left out and takes along what reads it, and the job completes."""
    loaded(
        site,
        view("v1", "SELECT id FROM public.c", "c"),
        view("v2", "SELECT id FROM public.v1", "c", doubt="so so"),
        view("v3", "SELECT none FROM public.c", "c"),
        view("v4", "SELECT * FROM public.v3", "c"),
        rows="(1, 1)",
    )
    site.complete("p", "c")
    assert site.finish().endswith("is completed")
    assert site.sql("SELECT * FROM v2") == [(1,)]
    grades = site.grades()
    assert (grades["v1"], grades["v2"]) == (("exact", ""), ("approximated", "so so"))
    assert 'column "none" does not exist' in grades["v3"][1]
    assert 'relation "public.v3" does not exist' in grades["v4"][1]


def test_objects_of_several_parts_hold_wholly_or_not_at_all(site: Site) -> None:
    """A trigger whose function is fine and which is refused itself leaves no function behind."""
    trigger = ObjectPlan(
        name="g",
        phase=BuildPhase.AFTER,
        statements=(
            "CREATE OR REPLACE FUNCTION public.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE OR REPLACE TRIGGER g BEFORE UPDATE OF none ON public.c FOR EACH ROW EXECUTE FUNCTION public.g()",
        ),
        needs=("c",),
        table="C",
        graded_as=GradedAs(kind=ObjectKind.TRIGGER, name="g"),
    )
    loaded(site, trigger, rows="(1, 1)")
    site.complete("p", "c")
    site.finish()
    assert site.grades()["g"][0] == "refused"
    assert site.sql("SELECT count(*) FROM pg_proc WHERE proname = 'g'") == [(0,)]


def test_what_an_incomplete_table_held_up_is_made_when_it_is_complete(site: Site) -> None:
    """A failed table's views and keys wait, graded so; the end of a requeue makes them and lifts the grade."""
    loaded(site, view("vc", "SELECT id FROM public.c", "c"), view("vp", "SELECT id FROM public.p", "p"), rows="(1, 1)")
    site.complete("c")
    site.end_table("p", TableState.COPYING, TableState.FAILED)
    assert site.finish().endswith("is failed")
    grades = site.grades()
    assert grades["vc"] == ("exact", "")
    assert grades["vp"] == ("refused", "its table p is not complete; the end of `producer requeue` makes it")
    assert "its parent table p is not complete" in grades["(pid) -> p (id)"][1]
    assert site.sql("SELECT count(*) FROM pg_class WHERE relname = 'vp'") == [(0,)]
    with site.store.transaction() as ledger:
        assert move_job(ledger, site.job, JobState.COPYING)
        assert reopen_tables(ledger, site.job) == 1
    site.end_table("p", TableState.BUILDING, TableState.COMPLETED)
    assert site.finish().endswith("is completed")
    assert {name: site.grades()[name] for name in ("vc", "vp", "(pid) -> p (id)")} == {
        "vc": ("exact", ""),
        "vp": ("exact", ""),
        "(pid) -> p (id)": ("exact", ""),
    }
    assert "already" in site.finish(), "a doubled message does nothing"


def test_what_was_made_stays_as_graded_where_a_table_is_found_to_differ_later(site: Site) -> None:
    """A later verification fails the parent table: its view and the key that refers to it are there all the same."""
    loaded(site, view("vp", "SELECT id FROM public.p", "p"), rows="(1, 1)")
    site.complete("p", "c")
    assert site.finish().endswith("is completed")
    before = site.grades()
    with site.store.transaction() as ledger:
        assert move_job(ledger, site.job, JobState.VERIFYING)
    site.end_table("p", TableState.VERIFYING, TableState.FAILED)
    assert site.finish().endswith("is failed")
    assert site.grades() == before
    assert before["vp"] == before["(pid) -> p (id)"] == ("exact", "")


def test_a_crash_at_the_end_leaves_nothing_half_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What fails after objects are made and before the commit is rolled back whole, and done again."""
    loaded(site, view("v", "SELECT id FROM public.c", "c"), rows="(1, 9)")
    site.complete("p", "c")
    folder = tmp_path_factory.mktemp("points")
    (folder / str(Point.FINISHING)).write_text("fail")
    monkeypatch.setenv(POINTS_DIR_VARIABLE, str(folder))
    assert "rescue asks again" in site.finish()
    assert site.grades().get("v") is None
    assert site.sql("SELECT count(*) FROM pg_class WHERE relname = 'v'") == [(0,)]
    assert site.sql("SELECT count(*) FROM pg_constraint WHERE conname = 'fk'") == [(0,)]
    (folder / str(Point.FINISHING)).unlink()
    assert site.finish().endswith("is completed")
    assert site.grades()["v"] == ("exact", "")
    assert site.grades()["(pid) -> p (id)"][0] == str(Grade.APPROXIMATED)


def test_a_row_without_parent_names_each_of_its_columns(site: Site) -> None:
    """NULL in any column of a key needs no parent, as in SQLite; without a key a row is named by what it refers to."""
    parent = replace(
        plan_of(ID, column("text", "kind"), name="p"), primary_key=KeyPlan(name="p_pkey", columns=("id", "kind"))
    )
    key = ForeignKeyPlan(
        name="fk", columns=("pid", "pkind"), parent="p", parent_columns=("id", "kind"), graded_as=FOREIGN
    )
    child = replace(plan_of(column("bigint", "pid"), column("text", "pkind"), name="c"), foreign_keys=(key,))
    site.record(parent, child)
    site.sql("INSERT INTO p VALUES (1, 'a')")
    site.sql("INSERT INTO c VALUES (1, 'a'), (9, NULL), (NULL, 'z'), (1, 'b')")
    site.build(parent)
    site.complete("p", "c")
    site.finish()
    assert site.grades()[FOREIGN.name][1].endswith("1 row of c has no parent in p (first: pid 1, pkind b)")


def test_a_unique_index_of_long_values_is_no_hash_index(site: Site) -> None:
    """PostgreSQL has no unique hash indexes: it is left out, with the reason, and the table completes."""
    plan = replace(plan_of(ID, column("text", "a")), indexes=(replace(index("u", "a"), unique=True),))
    site.record(plan)
    site.sql(f"INSERT INTO t SELECT 1, {LONG}")
    assert site.build(plan) == Built(left_out=frozenset({("a",)}))
    assert site.grades()["u"][0] == "refused"
    assert "hash" not in site.grades()["u"][1]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_worst_part_grades_the_whole(site: Site, order: tuple[int, int]) -> None:
    """Where two objects stand for one of the source, it is refused if either is."""
    graded_as = GradedAs(kind=ObjectKind.TRIGGER, name="both")
    both = (
        replace(view("fine", "SELECT 1 AS one"), graded_as=graded_as),
        replace(view("bad", "SELECT none"), graded_as=graded_as),
    )
    loaded(site, *(both[place] for place in order), rows="(1, 1)")
    site.complete("p", "c")
    site.finish()
    assert site.grades()["both"][0] == "refused"


def test_why_a_job_does_not_end_is_kept_until_it_does(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the end of a job met stands in the ledger for whoever waits, and goes when the job ends."""
    site.record(plan_of(ID, name="t"))
    site.complete("t")
    (tmp_path / Point.FINISHING).write_text("fail")
    monkeypatch.setenv(POINTS_DIR_VARIABLE, str(tmp_path))
    assert "did not end" in site.finish()
    with site.store.transaction() as ledger:
        (why,) = read_standing(ledger, site.job, limit=5)
        assert "made to fail at the point finishing" in why
        assert read_job(ledger, site.job).state == JobState.COPYING
    monkeypatch.delenv(POINTS_DIR_VARIABLE)
    site.finish()
    with site.store.transaction() as ledger:
        assert read_standing(ledger, site.job, limit=5) == []
        assert read_job(ledger, site.job).error is None


def test_why_a_table_does_not_get_on_is_kept_while_it_has_not_ended(site: Site) -> None:
    """What a table's step met is told while it stands, its next move forgets it, and no end is overwritten."""
    site.record(plan_of(ID, name="t"))
    with site.store.transaction() as ledger:
        note_table(ledger, site.tables["t"], "the disk is full")
        assert read_standing(ledger, site.job, limit=5) == ["the disk is full"]
    site.complete("t")
    with site.store.transaction() as ledger:
        note_table(ledger, site.tables["t"], "late")
        assert read_standing(ledger, site.job, limit=5) == []
        assert site.sql(f"SELECT error FROM pgconvoy.tables WHERE id = {site.tables['t']}") == [(None,)]
