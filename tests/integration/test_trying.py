"""A plan tried on a real PostgreSQL: what it refuses is left out with its words, and nothing of the trial stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, create_engine, event
from targetkit import SESSION, column, plan_of

from shared.errors import OperatorError
from shared.records.plan import (
    BuildPhase,
    CheckPlan,
    CompareBy,
    ForeignKeyPlan,
    GeneratedPlan,
    Grade,
    GradedAs,
    IndexPlan,
    KeyPlan,
    ObjectGrade,
    ObjectPlan,
    SchemaPlan,
    SearchPlan,
    TablePlan,
)
from shared.records.source import ObjectKind
from shared.target.abilities import read_abilities
from shared.target.connections import connect_rows
from shared.target.trials import groups, plans
from shared.target.trials.plans import Tried, try_plan

Execute = Callable[[str], None]
ID = column("bigint", "id")


@pytest.fixture
def connection(target_url: str) -> Iterator[Connection]:
    """A connection with the session settings of a job, in a transaction."""
    engine = create_engine("postgresql+psycopg2://", creator=lambda: connect_rows(target_url, SESSION))
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


@pytest.fixture
def execute(target_url: str) -> Execute:
    """Run a statement in a session of its own."""

    def run(sql: str) -> None:
        with closing(psycopg2.connect(target_url)) as other, other.cursor() as cursor:
            cursor.execute(sql)
            other.commit()

    return run


def exact(kind: ObjectKind, name: str, table: str | None = "T") -> ObjectGrade:
    """What planning thought of an object."""
    return ObjectGrade(kind=kind, name=name, table=table, grade=Grade.EXACT)


def tried(connection: Connection, *tables: TablePlan, objects: tuple[ObjectPlan, ...] = (), **more: Any) -> Tried:
    """Try a plan whose objects were all thought to be exact."""
    grades = [exact(ObjectKind.TABLE, table.read.table, None) for table in tables]
    for table in tables:
        grades += [exact(ObjectKind.DEFAULT, each.source) for each in table.columns if each.default]
        grades += [exact(ObjectKind.GENERATED_COLUMN, each.source) for each in table.columns if each.generated]
        grades += [exact(ObjectKind.COLLATION, each.source) for each in table.columns if each.collation]
        graded = (*table.unique_keys, *table.indexes, *table.foreign_keys, *table.checks)
        grades += [exact(each.graded_as.kind, each.graded_as.name) for each in graded if each.graded_as]
        grades += [exact(each.graded_as.kind, each.graded_as.name, None) for each in table.search if each.graded_as]
    grades += [exact(each.graded_as.kind, each.graded_as.name, each.table) for each in objects if each.graded_as]
    plan = SchemaPlan(tables=tables, grades=tuple(grades), objects=objects)
    found = try_plan(connection, plan, schema="public", **more)
    assert [(each.kind, each.name, each.table) for each in found.plan.grades] == [
        (each.kind, each.name, each.table) for each in grades
    ], "each object keeps its one grade, in its place"
    return found


def refused(found: Tried) -> dict[str, str]:
    """The reasons of what PostgreSQL refused, by name."""
    return {each.name: each.reason for each in found.plan.grades if each.grade is Grade.REFUSED}


def relations(connection: Connection) -> list[str]:
    """All that stands in schemas of the user's."""
    return list(
        connection.exec_driver_sql(
            "SELECT n.nspname || '.' || coalesce(c.relname, '') FROM pg_namespace n"
            " LEFT JOIN pg_class c ON c.relnamespace = n.oid"
            " WHERE n.nspname !~ '^pg_(catalog|toast)|^information_schema$' ORDER BY 1"
        ).scalars()
    )


def as_graded(kind: ObjectKind, name: str, doubt: str = "") -> GradedAs:
    """What an object stands for."""
    return GradedAs(kind=kind, name=name, doubt=doubt)


def view(name: str, sql: str, *needs: str) -> ObjectPlan:
    """A view."""
    return ObjectPlan(
        name=name,
        phase=BuildPhase.AFTER,
        statements=(f'CREATE OR REPLACE VIEW "public"."{name}" AS {sql}',),
        needs=needs,
        graded_as=as_graded(ObjectKind.VIEW, name),
    )


def a_whole_plan() -> TablePlan:
    """A table with one good and one bad of each kind."""
    good, bad = (lambda kind: as_graded(kind, f"good {kind}")), (lambda kind: as_graded(kind, f"bad {kind}"))
    return replace(
        plan_of(
            ID,
            column("text", "a", default="'x'::text", collation='"C"'),
            column("text", "b", default="no_such_function()", collation='"no_such_collation"'),
            column("text", "g", generated=GeneratedPlan(sql="a || 'x'")),
            column("text", "h", generated=GeneratedPlan(sql="now()::text")),
            column("json", "j"),
        ),
        primary_key=KeyPlan(name="t_pkey", columns=("id",)),
        unique_keys=(
            KeyPlan(name="t_a", columns=("a",), graded_as=good(ObjectKind.UNIQUE_KEY)),
            KeyPlan(name="t_j", columns=("j",), graded_as=bad(ObjectKind.UNIQUE_KEY)),
        ),
        indexes=(
            IndexPlan(name="i1", terms=("lower(a)",), where="id > 0", graded_as=good(ObjectKind.INDEX)),
            IndexPlan(name="i2", terms=("now()",), graded_as=bad(ObjectKind.INDEX)),
        ),
        checks=(
            CheckPlan(name="c1", sql="id > 0", graded_as=good(ObjectKind.CHECK)),
            CheckPlan(name="c2", sql="id ~ 'x'", graded_as=bad(ObjectKind.CHECK)),
        ),
        search=(
            SearchPlan(
                column="s1",
                expression="to_tsvector('simple', coalesce(a, ''))",
                index="s1_i",
                graded_as=good(ObjectKind.VIRTUAL_TABLE),
            ),
            SearchPlan(column="s2", expression="to_tsvector(a)", index="s2_i", graded_as=bad(ObjectKind.VIRTUAL_TABLE)),
        ),
        foreign_keys=(
            ForeignKeyPlan(
                name="f1", columns=("id",), parent="t", parent_columns=("id",), graded_as=good(ObjectKind.FOREIGN_KEY)
            ),
            ForeignKeyPlan(
                name="f2", columns=("a",), parent="t", parent_columns=("id",), graded_as=bad(ObjectKind.FOREIGN_KEY)
            ),
        ),
    )


def test_what_postgresql_refuses_is_left_out_with_its_words(connection: Connection) -> None:
    """Of each kind the good one stays and the bad one goes, its grade saying why."""
    before = relations(connection)
    found = tried(
        connection,
        a_whole_plan(),
        objects=(view("v1", 'SELECT a FROM "public"."t"', "t"), view("v2", 'SELECT none FROM "public"."t"', "t")),
    )
    (table,) = found.plan.tables
    assert found.notes == ()
    assert {name: reason.partition("[")[0] for name, reason in refused(found).items()} == {
        "B": refused(found)["B"].partition("[")[0],
        "H": "PostgreSQL refuses it: generation expression is not immutable ",
        "bad unique key": "PostgreSQL refuses it: data type json has no default operator class for access method"
        ' "btree" ',
        "bad index": "PostgreSQL refuses it: functions in index expression must be marked IMMUTABLE ",
        "bad check": "PostgreSQL refuses it: operator does not exist: bigint ~ unknown ",
        "bad virtual table": "PostgreSQL refuses it: generation expression is not immutable ",
        "bad foreign key": 'PostgreSQL refuses it: foreign key constraint "f2" cannot be implemented (Key columns "a"'
        ' of the referencing table and "id" of the referenced table are of incompatible types: text and bigint.) ',
        "v2": 'PostgreSQL refuses it: column "none" does not exist ',
    }
    reasons = [each.reason for each in found.plan.grades if each.name == "B"]
    assert "function no_such_function() does not exist" in reasons[0]
    assert "the column has no default" in reasons[0]
    assert 'collation "no_such_collation" for encoding "UTF8" does not exist' in reasons[1]
    assert [(each.default, each.collation, each.generated is not None) for each in table.columns] == [
        (None, None, False),
        ("'x'::text", '"C"', False),
        (None, None, False),
        (None, None, True),
        (None, None, False),
        (None, None, False),
    ]
    assert [each.name for each in (*table.unique_keys, *table.indexes, *table.checks)] == ["t_a", "i1", "c1"]
    assert [each.column for each in table.search] == ["s1"]
    assert [each.name for each in (*table.foreign_keys, *found.plan.objects)] == ["f1", "v1"]
    assert relations(connection) == before, "nothing of a trial stays"


def test_what_is_left_is_taken_whole(connection: Connection) -> None:
    """Trying what a trial left refuses nothing more."""
    once = tried(connection, a_whole_plan(), objects=(view("v", 'SELECT a FROM "public"."t"', "t"),))
    again = try_plan(connection, once.plan, schema="public")
    assert again.plan == once.plan


def test_a_guilty_column_among_many_is_found(connection: Connection) -> None:
    """Of 300 defaults, the two that PostgreSQL refuses go and the others stay."""
    bad = {17, 255}
    columns = [column("integer", f"c{n}", default="'x'" if n in bad else str(n)) for n in range(300)]
    found = tried(connection, plan_of(*columns))
    assert set(refused(found)) == {"C17", "C255"}
    assert {n for n, each in enumerate(found.plan.tables[0].columns) if each.default is None} == bad


def test_a_type_that_is_not_there_is_the_operators_to_mend(connection: Connection) -> None:
    """A rule may name any type; one that the server does not know stops the plan, naming table and column."""
    with pytest.raises(OperatorError, match=r"column M of table T cannot be money2 .*does not exist.*pgconvoy\.toml"):
        tried(connection, plan_of(ID, column("money2", "m"), column("text", "z", default="'d'")))


def test_a_key_that_is_refused_is_not_looked_up_by(connection: Connection) -> None:
    """Without its key the table is compared as a whole."""
    plan = replace(
        plan_of(column("json", "j"), match_key=("j",)),
        primary_key=KeyPlan(name="t_pkey", columns=("j",), graded_as=as_graded(ObjectKind.UNIQUE_KEY, "(j)")),
        compare_by=CompareBy.KEYS,
        unique_keys=(),
    )
    found = try_plan(connection, SchemaPlan(tables=(plan,), grades=()), schema="public")
    (table,) = found.plan.tables
    assert (table.primary_key, table.match_key, table.compare_by) == (None, (), CompareBy.MULTISET)
    assert list(refused(found)) == ["(j)"], "a refusal that no grade named is said all the same"


def test_a_refused_identity_is_an_ordinary_column(connection: Connection) -> None:
    """PostgreSQL has identities of integers alone."""
    found = try_plan(
        connection, SchemaPlan(tables=(plan_of(column("numeric", "n", identity=True)),), grades=()), schema="public"
    )
    assert not found.plan.tables[0].columns[0].identity
    assert [(each.kind, each.name, each.grade) for each in found.plan.grades] == [
        (ObjectKind.COLUMN, "N", Grade.APPROXIMATED)
    ]


@pytest.mark.parametrize("existing", ["VIEW mine AS SELECT 1 AS one", "MATERIALIZED VIEW mine AS SELECT 1 AS one"])
def test_a_view_of_somebody_elses_is_not_replaced(connection: Connection, execute: Execute, existing: str) -> None:
    """What no job made stays as it is; the source's view is refused and the operator told."""
    execute(f"CREATE {existing}")
    found = tried(connection, plan_of(ID), objects=(view("mine", "SELECT 2 AS one"),))
    assert "view of the name mine is there already" in refused(found)["mine"]
    assert found.plan.objects == ()


def test_a_view_of_an_earlier_job_may_be_replaced(connection: Connection, execute: Execute) -> None:
    """A second job makes its views again."""
    execute("CREATE VIEW mine AS SELECT 1 AS one")
    ours = view("mine", "SELECT 2 AS one")
    assert tried(connection, plan_of(ID), objects=(ours,), ours=(ours,)).plan.objects == (ours,)


def test_a_function_of_somebody_elses_is_not_replaced(connection: Connection, execute: Execute) -> None:
    """CREATE OR REPLACE would take its place in silence."""
    execute("CREATE FUNCTION touch() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    planned = ObjectPlan(
        name="t_touch",
        phase=BuildPhase.AFTER,
        statements=('CREATE OR REPLACE FUNCTION "public"."touch"() RETURNS int LANGUAGE sql AS \'SELECT 2\'',),
        table="T",
        graded_as=as_graded(ObjectKind.TRIGGER, "t_touch"),
    )
    assert (
        "a function of the name touch is there already"
        in refused(tried(connection, plan_of(ID), objects=(planned,)))["t_touch"]
    )


def test_tables_that_are_replaced_are_tried_beside_those_that_are_there(
    connection: Connection, execute: Execute
) -> None:
    """With --recreate the old table lives on: it is neither dropped nor locked, and views wait for the new one."""
    execute("CREATE TABLE t (other text)")
    plan = replace(plan_of(ID, column("text", "d", default="no_such()")), checks=(CheckPlan(name="c", sql="id > 0"),))
    found = tried(connection, plan, objects=(view("v", 'SELECT id FROM "public"."t"', "t"),))
    assert list(refused(found)) == ["D"]
    assert found.plan.tables[0].schema == "public"
    assert [each.name for each in found.plan.objects] == ["v"]
    assert "views and triggers were not tried" in found.notes[0]
    assert "pgconvoy_trial." not in relations(connection)


def test_a_busy_target_is_not_waited_for(
    connection: Connection, target_url: str, monkeypatch: pytest.MonkeyPatch, execute: Execute
) -> None:
    """A lock that somebody holds is said; what it kept from being tried stays as planned."""
    monkeypatch.setattr(plans, "LOCK_TIMEOUT_S", 0.2)
    execute("CREATE TABLE p (id bigint PRIMARY KEY)")
    key = ForeignKeyPlan(
        name="f", columns=("id",), parent="p", parent_columns=("id",), graded_as=as_graded(ObjectKind.FOREIGN_KEY, "f")
    )
    with closing(psycopg2.connect(target_url)) as busy, busy.cursor() as cursor:
        cursor.execute("LOCK TABLE p IN ACCESS EXCLUSIVE MODE")
        found = tried(connection, replace(plan_of(ID), foreign_keys=(key,)))
    assert found.plan.tables[0].foreign_keys == (key,)
    assert refused(found) == {}
    assert "lock timeout" in found.notes[0]


def test_a_role_that_may_make_nothing_is_told_so(connection: Connection, execute: Execute) -> None:
    """A plan can be drawn with the right to read alone; it then says that nothing was tried."""
    execute("DROP ROLE IF EXISTS trial_reader")
    execute("CREATE ROLE trial_reader")
    connection.exec_driver_sql("SET LOCAL ROLE trial_reader")
    plan = SchemaPlan(tables=(plan_of(ID),), grades=())
    found = try_plan(connection, plan, schema="public")
    assert found.plan == plan
    assert "nothing was tried on PostgreSQL" in found.notes[0]
    assert "permission denied" in found.notes[0]
    assert "permission denied" in try_plan(connection, plan, schema="new").notes[0]
    connection.exec_driver_sql("RESET ROLE")
    execute("DROP ROLE trial_reader")


def test_a_read_only_server_is_told_so(connection: Connection) -> None:
    """A standby can be looked at, and nothing tried there."""
    connection.exec_driver_sql("SET LOCAL transaction_read_only = on")
    found = try_plan(connection, SchemaPlan(tables=(plan_of(ID),), grades=()), schema="public")
    assert "read-only" in found.notes[0]


def test_collations_are_made_before_the_tables_that_use_them(connection: Connection) -> None:
    """A means to an end has no grade; what needs it is refused where it is."""
    good = ObjectPlan(
        name="mine", phase=BuildPhase.BEFORE, statements=('CREATE COLLATION IF NOT EXISTS "public"."mine" FROM "C"',)
    )
    bad = ObjectPlan(name="b", phase=BuildPhase.BEFORE, statements=('CREATE COLLATION "public"."b" FROM "none"',))
    found = tried(
        connection,
        plan_of(column("text", "a", collation='"public"."mine"'), column("text", "b", collation='"public"."b"')),
        objects=(good, bad),
    )
    assert found.plan.objects == (good,)
    assert list(refused(found)) == ["B"]


def test_abilities_are_what_the_server_says(connection: Connection) -> None:
    """Version, ICU and citext, each as the catalogs have it."""
    abilities = read_abilities(connection)
    assert str(abilities.version) == connection.exec_driver_sql("SHOW server_version_num").scalar_one()
    there = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'citext')"
    assert abilities.citext == connection.exec_driver_sql(there).scalar_one(), "a superuser may make it where it is"
    icu = "SELECT count(*) > 0 FROM pg_collation WHERE collname = 'und-x-icu'"
    assert abilities.icu == connection.exec_driver_sql(icu).scalar_one()


def test_many_tables_are_tried_in_groups(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """What foreign keys link and what a view needs is tried together; the rest is taken back before the next."""
    monkeypatch.setattr(groups, "AT_ONCE", 3)

    def linked(name: str, parent: str) -> TablePlan:
        key = ForeignKeyPlan(name=f"{name}_fk", columns=("id",), parent=parent, parent_columns=("id",))
        primary = KeyPlan(name=f"{name}_pkey", columns=("id",))
        return replace(plan_of(ID, name=name), primary_key=primary, foreign_keys=(key,))

    tables = tuple(linked(*each.split()) for each in ("a b", "b a", "c c", "d e", "e d", "f none"))
    sql = 'SELECT a.id FROM "public"."a" JOIN "public"."c" USING (id)'
    plan = SchemaPlan(tables=tables, grades=(), objects=(view("v", sql, "a", "c"),))
    together = [[table.name for table in group] for group in groups.groups_of(tables, plan.objects)]
    assert sorted(map(sorted, together[:-1])) == [["d", "e", "f"]]
    assert sorted(together[-1]) == ["a", "b", "c"]
    monkeypatch.setattr(groups, "AT_ONCE", 2)
    assert [sorted(each.name for each in group) for group in groups.groups_of(tables, ())] == [
        ["a", "b"],
        ["c"],
        ["d", "e"],
        ["f"],
        [],
    ]
    found = try_plan(connection, plan, schema="public")
    assert list(refused(found)) == ["f_fk"]
    assert [len(table.foreign_keys) for table in found.plan.tables] == [1, 1, 1, 1, 1, 0]
    assert found.plan.objects == plan.objects


def test_tables_that_are_taken_as_they_are_take_few_statements(connection: Connection) -> None:
    """What PostgreSQL refuses in one of forty tables is found, and the others are tried in a few statements."""
    primary = [KeyPlan(name=f"t{number}_pkey", columns=("id",)) for number in range(40)]
    tables = [replace(plan_of(ID, name=key.name[:-5]), primary_key=key) for key in primary]
    statements: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
    whole = SchemaPlan(tables=tuple(tables), grades=())
    assert try_plan(connection, whole, schema="public").plan == whole
    assert len(statements) < len(tables)
    tables[7] = replace(tables[7], primary_key=KeyPlan(name="t7_pkey", columns=("none",)))
    found = try_plan(connection, SchemaPlan(tables=tuple(tables), grades=()), schema="public")
    assert list(refused(found)) == ["t7_pkey"]
    assert [table.primary_key for table in found.plan.tables] == [*primary[:7], None, *primary[8:]]


def test_a_server_without_memory_for_a_trial_is_let_alone(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first sign of it ends the trial, and the plan stays as it was."""
    raising = "DO $$ BEGIN RAISE 'out of shared memory' USING ERRCODE = '53200'; END $$"
    monkeypatch.setattr("shared.target.ddl.create_table", lambda _: raising)
    plan = SchemaPlan(tables=(plan_of(ID), plan_of(ID, name="u")), grades=())
    found = try_plan(connection, plan, schema="public")
    assert found.plan == plan
    assert len(found.notes) == 1
    assert "nothing was tried on PostgreSQL: making table t and others: out of shared memory" in found.notes[0]
