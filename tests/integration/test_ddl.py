"""The DDL of plans, executed by a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from schemakit import (
    NOTHING,
    blobs,
    column,
    index,
    integers,
    only,
    reals,
    reference,
    table,
    texts,
    translated,
    unique,
)
from sqlalchemy import create_engine

from shared.quoting import qualified, quote_text
from shared.records.plan import Grade, JobOptions, SchemaPlan, TablePlan
from shared.records.source import IndexColumn
from shared.schema.objects import translate
from shared.source.kinds import open_source
from shared.target import ddl

Run = Callable[..., list[tuple[Any, ...]]]

_ODD_NAMES = (
    "two words",
    'quo"te',
    "sin'gle",
    "back\\slash",
    "dot.ted",
    "select",
    "Ünïcode",
    "数据表",
    "100%",
    "%(name)s",
    ":bind",
    "a;b",
    "--comment",
    "$1",
    "",
    "new\nline",
    "x" * 63,
    "x" * 64,
    "ü" * 32,
    "MiXeD",
    "xmin",
    "oid",
    "rowid",
    "🚚" * 20,
)


_LAST_OID_OF_POSTGRESQL = 16383


@pytest.fixture
def run(target_url: str) -> Iterator[Run]:
    """Run one statement (or a script), without parameters as all DDL, and return its rows."""
    with closing(psycopg2.connect(target_url)) as connection:
        connection.autocommit = True

        def execute(statement: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

        yield execute


def _columns_of(run: Run, plan: TablePlan) -> list[tuple[str, str, bool, str | None]]:
    return run(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid) FROM pg_attribute"
        " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0 AND attrelid ="
        f" {quote_text(qualified(plan.schema, plan.name))}::regclass ORDER BY attnum"
    )  # type: ignore[return-value]


def test_odd_identifiers_everywhere(run: Run) -> None:
    """Tables, columns, keys, indexes and foreign keys may be named as they like."""
    parents = [
        table(
            name,
            *(column(each, "TEXT") for each in _ODD_NAMES),
            column("id"),
            primary_key="id",
            indexes=(unique(name), index(f"on {name}", name, IndexColumn(name="id", descending=True))),
            foreign_keys=(reference("id", name),),
        )
        for name in _ODD_NAMES
    ]
    plan = translated(*parents, schema='sche"ma.x %s')
    run(ddl.whole_schema(plan))
    for each in plan.tables:
        assert [name for name, *_ in _columns_of(run, each)] == [part.name for part in each.columns]
        assert len(each.foreign_keys) == 1
    [(keys, foreign)] = run(
        "SELECT count(*) FILTER (WHERE contype IN ('p', 'u')), count(*) FILTER (WHERE contype = 'f')"
        f" FROM pg_constraint WHERE connamespace > {_LAST_OID_OF_POSTGRESQL}"
    )
    assert (keys, foreign) == (2 * len(_ODD_NAMES), len(_ODD_NAMES))


def test_names_that_collide(run: Run) -> None:
    """Names that would meet in PostgreSQL's one namespace get out of each other's way."""
    long = "n" * 80
    plan = translated(
        table("t", column("a"), primary_key="a", indexes=(index("t2", "a"), index("t_pkey", "a"))),
        table("t2", column("a"), indexes=(index("t", "a"), unique("a"))),
        table("t2_a_key", column("a"), primary_key="a"),
        table(long, column(long), column(long + "x"), indexes=(unique(long), unique(long + "x"))),
        table(long + "x", column(long), primary_key=long),
    )
    run(ddl.whole_schema(plan))


def test_cyclic_and_self_references(run: Run) -> None:
    """Foreign keys come after all tables and keys, and keep their actions and deferral."""
    plan = translated(
        table("a", column("id"), column("b"), primary_key="id", foreign_keys=(reference("b", "b"),)),
        table("b", column("id"), column("a"), primary_key="id", foreign_keys=(reference("a", "a"),)),
        table(
            "c",
            column("x"),
            column("y"),
            column("px"),
            column("py"),
            primary_key="x y",
            foreign_keys=(
                reference(
                    "px py",
                    "c",
                    on_delete="SET NULL",
                    on_update="CASCADE",
                    deferrable=True,
                    initially_deferred=True,
                ),
            ),
        ),
    )
    run(ddl.whole_schema(plan))
    found = run("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'c'::regclass")
    assert found == [
        ("FOREIGN KEY (px, py) REFERENCES c(x, y) ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED",)
    ]


def test_not_valid_keys_are_validated_later(run: Run) -> None:
    """A foreign key can be added over rows that break it, and says so when it is validated."""
    plan = translated(
        table("p", column("id"), primary_key="id"), table("c", column("pid"), foreign_keys=(reference("pid", "p"),))
    )
    parent, child = plan.tables
    run(ddl.create_table(parent))
    run(ddl.create_table(child))
    run("INSERT INTO c VALUES (7)")
    for statement in ddl.build_keys(parent):
        run(statement)
    run(ddl.foreign_key(child, child.foreign_keys[0]))
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        run(ddl.validate_constraint(child, child.foreign_keys[0].name))
    run("INSERT INTO p VALUES (7)")
    run(ddl.validate_constraint(child, child.foreign_keys[0].name))
    run(ddl.analyze([child]))


_EVERY_TYPE = (
    ("BIGINT", integers(), "7", "bigint"),
    ("REAL", reals(), "-1e300", "double precision"),
    ("REAL", reals(), "9e999", "double precision"),
    ("DECIMAL(10,2)", reals(), "12.5", "numeric(10,2)"),
    ("NUMERIC", reals(), "1e-300", "numeric"),
    ("VARCHAR(20)", texts(), "'it''s \\ 100%'", "text"),
    ("TEXT", texts(), "CURRENT_TIMESTAMP", "text"),
    ("TEXT", texts(), "CURRENT_DATE", "text"),
    ("TEXT", texts(), "CURRENT_TIME", "text"),
    ("BLOB", blobs(), "x'00ff'", "bytea"),
    ("BLOB", blobs(), "x''", "bytea"),
    ("BOOLEAN", integers(0, 1), "1", "boolean"),
    ("DATETIME", NOTHING, "CURRENT_TIMESTAMP", "timestamp without time zone"),
    ("DATETIME", NOTHING, "CURRENT_DATE", "timestamp without time zone"),
    ("DATETIME", NOTHING, "'2020-02-29 23:59:59.123456'", "timestamp without time zone"),
    ("TIMESTAMPTZ", NOTHING, "CURRENT_TIMESTAMP", "timestamp with time zone"),
    ("TIMESTAMPTZ", NOTHING, "'0001-01-01T00:00Z'", "timestamp with time zone"),
    ("DATE", NOTHING, "CURRENT_DATE", "date"),
    ("DATE", NOTHING, "'9999-12-31'", "date"),
    ("TIME", NOTHING, "CURRENT_TIME", "time without time zone"),
    ("TIME", NOTHING, "'23:59:59.999999'", "time without time zone"),
    ("UUID", NOTHING, "'00112233445566778899AABBCCDDEEFF'", "uuid"),
    ("JSON", NOTHING, "'{\"a\": [1, \"it''s\"]}'", "jsonb"),
    ("JSON", texts("json"), "'null'", "json"),
)


def test_every_type_and_default(run: Run) -> None:
    """Every type can be made, and PostgreSQL takes every default for what it is."""
    names = [f"c{number}" for number in range(len(_EVERY_TYPE))]
    plan = only(
        translated(
            table(
                "t",
                *(
                    column(name, declared, default_sql=default, not_null=True)
                    for name, (declared, _, default, _) in zip(names, _EVERY_TYPE, strict=True)
                ),
            ),
            profiles={f"t.{name}": each[1] for name, each in zip(names, _EVERY_TYPE, strict=True)},
        )
    )
    run(ddl.create_table(plan))
    found = _columns_of(run, plan)
    assert [(name, sql, not_null) for name, sql, not_null, _ in found] == [
        (name, each[3], True) for name, each in zip(names, _EVERY_TYPE, strict=True)
    ]
    assert all(default is not None for *_, default in found)
    run("INSERT INTO t DEFAULT VALUES")
    [row] = run(f"SELECT {', '.join(f'{name}::text' for name in names)} FROM t")
    values = dict(zip(names, row, strict=True))
    assert values["c1"] == "-1e+300"
    assert values["c2"] == "Infinity"
    assert values["c5"] == "it's \\ 100%"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", values["c6"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", values["c7"])
    assert re.fullmatch(r"\d\d:\d\d:\d\d", values["c8"])
    assert values["c9"] == "\\x00ff"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", values["c12"])
    assert values["c13"].endswith("00:00:00")


def test_current_timestamp_in_text_is_utc(run: Run) -> None:
    """SQLite writes moments in UTC, whatever zone the session is in."""
    plan = only(translated(table("t", column("a", "TEXT", default_sql="CURRENT_TIMESTAMP"))))
    run(ddl.create_table(plan))
    run("SET TIME ZONE 'Asia/Tokyo'")
    run("INSERT INTO t DEFAULT VALUES")
    [(same,)] = run("SELECT abs(extract(epoch FROM (a || '+00')::timestamptz - now())) < 60 FROM t")
    assert same


@pytest.mark.parametrize(
    ("ids", "floor", "following"),
    [((), None, 1), ((), 41, 42), ((5, 90), 41, 91), ((5,), 41, 42), ((-5, -1), None, 1), ((0,), None, 1)],
)
def test_identity_goes_on(run: Run, ids: tuple[int, ...], floor: int | None, following: int) -> None:
    """The next id comes after every id that is there or ever was."""
    plan = _identity_plan(run, floor)
    for each in ids:
        run(f'INSERT INTO "odd %s \'name" VALUES ({each})')
    run(ddl.continue_identity(plan, plan.columns[0]))
    run(ddl.continue_identity(plan, plan.columns[0]))
    assert run('INSERT INTO "odd %s \'name" DEFAULT VALUES RETURNING *') == [(following,)]


def _identity_plan(run: Run, floor: int | None) -> TablePlan:
    source = table("odd %s 'name", column('i"d'), primary_key='i"d', autoincrement_floor=floor)
    plan = only(translated(source))
    run(ddl.create_table(plan))
    for statement in (*ddl.build_keys(plan), *ddl.identities((plan,))):
        run(statement)
    return plan


def test_identity_never_goes_back(run: Run) -> None:
    """A sequence that is ahead of its rows, as in a table that was there before, stays ahead."""
    plan = _identity_plan(run, None)
    for _ in range(3):
        run('INSERT INTO "odd %s \'name" DEFAULT VALUES')
    run('DELETE FROM "odd %s \'name"')
    run(ddl.continue_identity(plan, plan.columns[0]))
    assert run('INSERT INTO "odd %s \'name" DEFAULT VALUES RETURNING *') == [(4,)]


def test_identity_at_the_end_of_bigint(run: Run) -> None:
    """After the highest id there is there can be no other, and PostgreSQL says so when one is asked for."""
    plan = _identity_plan(run, None)
    run(f'INSERT INTO "odd %s \'name" VALUES ({2**63 - 1})')
    run(ddl.continue_identity(plan, plan.columns[0]))
    with pytest.raises(psycopg2.errors.SequenceGeneratorLimitExceeded):
        run('INSERT INTO "odd %s \'name" DEFAULT VALUES')


def test_table_that_was_there_gets_no_identity() -> None:
    """Its column is an identity or serial already, if it is one at all."""
    plan = replace(only(translated(table("t", column("a"), primary_key="a"))), creates=False)
    assert ddl.identities((plan,)) == ()
    assert "CREATE TABLE" not in ddl.whole_schema(SchemaPlan(tables=(plan,), grades=()))


def test_tables_are_dropped_together(run: Run) -> None:
    """Tables that refer to each other go in one statement; what else depends on them holds them."""
    plan = translated(
        table("a", column("id"), column("b"), primary_key="id", foreign_keys=(reference("b", "b"),)),
        table("b", column("id"), column("a"), primary_key="id", foreign_keys=(reference("a", "a"),)),
    )
    run(ddl.whole_schema(plan))
    run("CREATE VIEW v AS SELECT * FROM a")
    with pytest.raises(psycopg2.errors.DependentObjectsStillExist):
        run(ddl.drop_tables(plan.tables))
    run("DROP VIEW v")
    run(ddl.drop_tables(plan.tables))
    run(ddl.drop_table(plan.tables[0]))


def test_refused_objects_stand_in_the_script_as_comments(run: Run) -> None:
    """What is not translated is in the script for people, and does nothing, whatever is in it."""
    check = "CHECK (a > 0)\r\n; DROP TABLE t; --"
    plan = translated(table("t", column("a"), has_checks=True, sql=f"CREATE TABLE t (a {check}\n 'unclosed)"))
    script = ddl.whole_schema(plan)
    assert "-- not translated: check 1 of t" in script
    run(script)
    assert run("SELECT * FROM t") == []


def test_script_runs_through_sqlalchemy(target_url: str) -> None:
    """SQLAlchemy leaves percent signs and colons alone where no parameters are given."""
    plan = translated(table("100%s :x", column("%(a)s", "TEXT", default_sql="'50%'")))
    engine = create_engine(target_url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.begin() as connection:
        bare = connection.execution_options(no_parameters=True)
        bare.exec_driver_sql(ddl.whole_schema(plan))
        bare.exec_driver_sql('INSERT INTO "100%s :x" DEFAULT VALUES')
        assert bare.exec_driver_sql('SELECT * FROM "100%s :x"').all() == [("50%",)]
    engine.dispose()


def test_every_real_database_can_be_made(run: Run, datasets: Path) -> None:
    """The whole schema of each real database executes, and every table of it is planned and graded."""
    files = [path for path in sorted(datasets.rglob("*.*")) if path.suffix in {".db", ".sqlite", ".sqlite3"}]
    assert len(files) >= 20
    for number, path in enumerate(files):
        with open_source(str(path), frozen=False) as source:
            catalog = source.catalog()
            profiles = {each.name: source.profile(each) for each in catalog.tables}
        plan = translate(catalog, profiles, target_schema=f"{number} {path.name}", options=JobOptions())
        run(ddl.whole_schema(plan))
        assert len(plan.tables) == len(catalog.tables)
        assert {each.name for each in catalog.objects} <= {each.name for each in plan.grades}


def test_chinook_as_its_authors_made_it(run: Run, datasets: Path) -> None:
    """Chinook's keys and foreign keys are those of its authors' own PostgreSQL script."""
    with open_source(str(datasets / "chinook" / "Chinook_Sqlite.sqlite"), frozen=False) as source:
        catalog = source.catalog()
        profiles = {each.name: source.profile(each) for each in catalog.tables}
    plan = translate(catalog, profiles, target_schema="public", options=JobOptions())
    assert {(each.kind, each.grade) for each in plan.grades if each.grade is not Grade.EXACT} == set()
    theirs = (datasets / "chinook" / "Chinook_PostgreSql.sql").read_text()
    assert sum(len(each.foreign_keys) for each in plan.tables) == theirs.count("FOREIGN KEY")
    assert len(plan.tables) == theirs.count("CREATE TABLE")
