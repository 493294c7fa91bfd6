"""Keys, indexes and collations of SQLite on a real PostgreSQL: what one refuses, the other refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from casekit import Silent, inline_workforce
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from icukit import IcuPostgres
from pydantic import SecretStr
from schemakit import BARE, CITEXT, ICU

from producer import starting
from producer.records import JobEnd
from shared.records.existing import TargetAbilities
from shared.records.plan import Grade, JobOptions, SchemaPlan
from shared.records.source import ColumnProfile, ObjectKind, TableProfile
from shared.schema.objects import translate
from shared.settings import Settings
from shared.source.sqlite_catalog import read_catalog
from shared.target.ddl import whole_schema

_NOTHING = ColumnProfile()


@pytest.fixture
def icu_url(icu_server: IcuPostgres) -> Iterator[str]:
    """The URL of a fresh database on that server."""
    with icu_server.fresh_database() as url:
        yield url


def _plan(script: str, abilities: TargetAbilities = BARE) -> SchemaPlan:
    """Plan an empty database as SQLite itself describes it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        catalog = read_catalog(connection)
    profiles = {
        table.name: TableProfile(rows=0, source_bytes=0, columns={each.name: _NOTHING for each in table.columns})
        for table in catalog.tables
    }
    return translate(catalog, profiles, target_schema="public", options=JobOptions(), abilities=abilities)


class _Both:
    """The same tables on both sides."""

    def __init__(self, url: str, script: str, abilities: TargetAbilities = BARE) -> None:
        self.plan = _plan(script, abilities)
        self.source = sqlite3.connect(":memory:", isolation_level=None)
        self.source.executescript("PRAGMA foreign_keys = ON;" + script)
        self.target = psycopg2.connect(url)
        self.target.autocommit = True
        self.run("SET search_path = pg_catalog")
        self.run(whole_schema(self.plan))
        self.run("SET search_path = public")

    def run(self, sql: str, *values: object) -> Any:
        """Run a statement in the target and return its cursor."""
        cursor = self.target.cursor()
        cursor.execute(sql, values or None)
        return cursor

    def insert(self, table: str, *values: object) -> tuple[bool, bool]:
        """Insert a row on both sides; whether SQLite took it, and whether PostgreSQL did."""
        places = ", ".join("?" for _ in values)
        taken = self.source.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", values).rowcount
        cursor = self.run(f"INSERT INTO {table} VALUES ({places.replace('?', '%s')}) ON CONFLICT DO NOTHING", *values)
        return taken == 1, cursor.rowcount == 1

    def fails(self, sql: str) -> tuple[bool, bool]:
        """Whether each side refuses a statement."""
        return _fails(lambda: self.source.execute(sql)), _fails(lambda: self.run(sql))

    def clear(self, table: str) -> None:
        """Empty a table."""
        self.source.execute(f"DELETE FROM {table}")
        self.run(f"TRUNCATE {table}")

    def close(self) -> None:
        """Close both sides."""
        self.source.close()
        self.target.close()


def _fails(act: Callable[[], object]) -> bool:
    try:
        act()
    except (sqlite3.IntegrityError, psycopg2.IntegrityError):
        return True
    return False


@pytest.fixture
def pair(request: pytest.FixtureRequest, target_url: str) -> Iterator[_Both]:
    """The tables of a script on both sides, in the suite's own PostgreSQL."""
    with closing(_Both(target_url, request.param)) as both:
        yield both


@pytest.fixture
def folding(icu_url: str) -> Iterator[Callable[[str, TargetAbilities], _Both]]:
    """Make the tables of a script on both sides, in a PostgreSQL that has ICU and citext."""
    with ExitStack() as made:
        yield lambda script, abilities: made.enter_context(closing(_Both(icu_url, script, abilities)))


_LETTERS = "aAzZ[{@`éÉßſkK\u212aiIİıﬁ\u0301\x01 \t_"
"""What folds, what only some folding folds, and the neighbours of A and Z."""
_TEXTS = st.text(alphabet=_LETTERS, max_size=2)


@pytest.mark.parametrize(
    "pair",
    [
        "CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY, b TEXT)",
        "CREATE TABLE t (a TEXT COLLATE NOCASE, b TEXT, UNIQUE (a, b))",
        "CREATE TABLE t (a TEXT, b TEXT COLLATE RTRIM); CREATE UNIQUE INDEX u ON t (b)",
        "CREATE TABLE t (a TEXT, b TEXT); CREATE UNIQUE INDEX u ON t (a COLLATE NOCASE DESC, b COLLATE RTRIM)",
        "CREATE TABLE t (a TEXT COLLATE NOCASE, b TEXT); CREATE UNIQUE INDEX u ON t (a COLLATE BINARY, b DESC)",
        "CREATE TABLE t (a TEXT, b TEXT); CREATE UNIQUE INDEX u ON t (a COLLATE NOCASE) WHERE b IS NOT NULL",
        "CREATE TABLE t (a TEXT, b TEXT); CREATE UNIQUE INDEX u ON t (a || b)",
        "CREATE TABLE t (a TEXT, b TEXT); CREATE UNIQUE INDEX u ON t (lower(a) COLLATE RTRIM)",
        "CREATE TABLE t (a TEXT COLLATE NOCASE, b TEXT); CREATE UNIQUE INDEX u ON t (b) WHERE a = 'a' OR a > 'b'",
    ],
    indirect=True,
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(_TEXTS, st.none() | _TEXTS), max_size=25))
@example(rows=[(letter, "") for letter in _LETTERS])
@example(rows=[("", letter) for letter in _LETTERS])
@example(rows=[("a", letter + " ") for letter in _LETTERS])
def test_unique_keys_refuse_the_same_rows(pair: _Both, rows: list[tuple[str, str | None]]) -> None:
    """Without ICU and citext, collated keys refuse just the rows that SQLite refuses, one after the other."""
    assert any(index.unique for index in pair.plan.tables[0].indexes)
    pair.clear("t")
    for row in rows:
        ours, theirs = pair.insert("t", *row)
        assert ours == theirs, row


_NOCASE_TABLE = "CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY, b TEXT COLLATE NOCASE UNIQUE)"


@pytest.mark.parametrize("abilities", [ICU, CITEXT])
def test_nocase_folds_by_what_the_server_has(
    folding: Callable[[str, TargetAbilities], _Both], abilities: TargetAbilities
) -> None:
    """Keys of the plain column fold A to Z as NOCASE does, and more, as the grade says."""
    pair = folding(_NOCASE_TABLE, abilities)
    assert pair.insert("t", "Abc", "x") == (True, True)
    assert pair.insert("t", "aBC", "y") == (False, False)
    assert pair.insert("t", "É", "z") == (True, True)
    assert pair.insert("t", "é", "w") == (True, False)
    assert pair.run("SELECT a FROM t WHERE a = 'ABC'").fetchall() == [("Abc",)]
    doubts = [key.graded_as.doubt for key in pair.plan.tables[0].unique_keys if key.graded_as]
    assert all("É and é" in doubt for doubt in doubts)


@pytest.mark.parametrize("abilities", [ICU, CITEXT])
def test_bytewise_index_on_a_column_that_folds(
    folding: Callable[[str, TargetAbilities], _Both], abilities: TargetAbilities
) -> None:
    """An index COLLATE BINARY tells cases apart, an expression does, though the column does not."""
    script = (
        "CREATE TABLE t (a TEXT COLLATE NOCASE, b TEXT); CREATE UNIQUE INDEX u ON t (a COLLATE BINARY);"
        "CREATE UNIQUE INDEX v ON t (a || b); CREATE UNIQUE INDEX w ON t (a COLLATE RTRIM, b)"
    )
    pair = folding(script, abilities)
    rows = [("a", "x"), ("A", "x"), ("a", "y"), ("A ", "x"), ("É", ""), ("é", "")]
    assert [pair.insert("t", *row) for row in rows] == [(True, True)] * 2 + [(False, False)] * 2 + [(True, True)] * 2


@pytest.mark.parametrize("abilities", [ICU, CITEXT])
def test_foreign_keys_compare_by_the_parents_collation(
    folding: Callable[[str, TargetAbilities], _Both], abilities: TargetAbilities
) -> None:
    """A child takes the collation of the parent that it refers to, so that rows belong together as in SQLite."""
    script = (
        "CREATE TABLE p (a TEXT COLLATE NOCASE PRIMARY KEY); CREATE TABLE c (a TEXT REFERENCES p ON UPDATE CASCADE);"
        "CREATE TABLE d (a TEXT PRIMARY KEY REFERENCES p); CREATE TABLE e (a TEXT REFERENCES c2); "
        "CREATE TABLE c2 (a TEXT PRIMARY KEY); CREATE TABLE f (a TEXT COLLATE NOCASE REFERENCES c2)"
    )
    pair = folding(script, abilities)
    assert pair.insert("p", "Abc") == (True, True)
    assert pair.fails("INSERT INTO c VALUES ('aBC')") == (False, False)
    assert pair.fails("INSERT INTO c VALUES ('other')") == (True, True)
    assert pair.fails("DELETE FROM p") == (True, True)
    grades = {(each.table, each.kind): each for each in pair.plan.grades}
    assert "as p.a does" in grades["c", ObjectKind.COLLATION].reason
    assert grades["e", ObjectKind.FOREIGN_KEY].grade is Grade.EXACT
    # A key of its own would become stricter: the foreign key gives way.
    assert grades["d", ObjectKind.FOREIGN_KEY].grade is Grade.REFUSED
    assert "different collations" in grades["d", ObjectKind.FOREIGN_KEY].reason


def test_foreign_keys_do_as_in_sqlite(target_url: str) -> None:
    """Actions, deferred checks, several columns, the parent itself and implicit keys do the same on both sides."""
    script = """
        CREATE TABLE p (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, UNIQUE (b, a));
        CREATE UNIQUE INDEX mixed ON p (a, b DESC);
        CREATE TABLE c (
            id INTEGER PRIMARY KEY,
            p INTEGER NOT NULL REFERENCES P ON DELETE CASCADE,
            a INTEGER, b TEXT,
            up INTEGER DEFAULT 1 CONSTRAINT Upward REFERENCES c(id) ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED,
            n INTEGER NOT NULL DEFAULT 1 REFERENCES p MATCH FULL ON DELETE SET NULL,
            CONSTRAINT "Both" FOREIGN KEY (a, b) REFERENCES p (a, b) ON UPDATE CASCADE ON DELETE SET NULL
        );"""
    with closing(_Both(target_url, script)) as pair:
        made = [key.name for key in pair.plan.tables[1].foreign_keys]
        assert made == ["c_p_fkey", "upward", "c_n_fkey", "both"]
        for sql, refused in (
            ("INSERT INTO p VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, 'z')", False),
            ("INSERT INTO c VALUES (1, 2, 2, 'y', 1, 1), (2, 1, 1, 'x', 1, 1)", False),
            ("INSERT INTO c VALUES (3, 9, NULL, 'y', 1, 1)", True),
            ("INSERT INTO c VALUES (3, 1, NULL, 'nobody', 1, 1)", False),
            ("INSERT INTO c VALUES (4, 1, 2, 'x', 1, 1)", True),
            ("INSERT INTO c VALUES (4, 1, 2, 'y', 77, 1)", True),
            ("UPDATE p SET a = 22 WHERE id = 2", False),
            ("DELETE FROM p WHERE id = 1", True),
            ("DELETE FROM p WHERE id = 3", False),
        ):
            assert pair.fails(sql) == (refused, refused), sql
        rows = "SELECT id, p, a, b, up, n FROM c ORDER BY id"
        assert pair.source.execute(rows).fetchall() == pair.run(rows).fetchall()


@pytest.mark.parametrize(
    ("child", "clause"),
    [
        ("a REFERENCES p (b)", "for all rows and by the columns' own collations"),
        ("a REFERENCES p (c)", "for all rows and by the columns' own collations"),
        ("a TEXT REFERENCES p (d)", "for all rows and by the columns' own collations"),
        ("a REFERENCES p (gone)", "a column that its parent does not have"),
        ("a REFERENCES v", "no ordinary table"),
        ("a REFERENCES nowhere", "does not exist in the source"),
    ],
)
def test_keys_that_are_none(target_url: str, child: str, clause: str) -> None:
    """A parent without a unique key of just those columns cannot be referred to; the script runs without the key."""
    script = (
        "CREATE TABLE p (id INTEGER PRIMARY KEY, b INTEGER, c INTEGER, d TEXT); CREATE VIEW v AS SELECT * FROM p;"
        "CREATE UNIQUE INDEX partial ON p (b) WHERE b > 0; CREATE UNIQUE INDEX computed ON p (c + 0);"
        f"CREATE UNIQUE INDEX collated ON p (d COLLATE NOCASE); CREATE TABLE x ({child})"
    )
    with closing(_Both(target_url, script)) as pair:
        (grade,) = [each for each in pair.plan.grades if each.kind is ObjectKind.FOREIGN_KEY]
        assert grade.grade is Grade.REFUSED
        assert clause in grade.reason


def test_views_and_checks_fold_as_their_columns_do(
    icu_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a job makes compares a citext column as citext, though its sessions look in pg_catalog alone."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(
            """CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE CHECK (name <> 'nobody'));
               INSERT INTO t VALUES (1, 'Ann'), (2, 'Bob'); CREATE VIEW ann AS SELECT id FROM t WHERE name = 'ANN';
               CREATE VIEW exact AS SELECT id FROM t WHERE name = 'ANN' COLLATE BINARY;"""
        )
        connection.commit()
    settings = Settings(
        source_url=SecretStr(str(source)), target_url=SecretStr(icu_url), home=tmp_path / "home", workers=1
    )
    end = starting.start(settings, JobOptions(), Silent())
    assert isinstance(end, JobEnd)
    assert end.progress.state == "completed"
    with closing(psycopg2.connect(icu_url)) as target, target.cursor() as cursor:
        cursor.execute("SELECT id FROM ann")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("SELECT id FROM exact")
        assert cursor.fetchall() == [], "compared as BINARY, ANN is not Ann"
        with pytest.raises(psycopg2.errors.CheckViolation):
            cursor.execute("INSERT INTO t VALUES (3, 'NOBODY')")
