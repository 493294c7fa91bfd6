"""A table that is recreated stays until the new one is complete; then they change places in one transaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from casekit import inline_workforce
from pydantic import SecretStr

from producer import commands, starting
from producer.records import JobEnd, JobProgress
from producer.starting import start
from shared.errors import OperatorError, PermanentError
from shared.records.plan import JobOptions
from shared.settings import Settings

SOURCE = """
    CREATE TABLE p (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);
    CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p, n INT);
    CREATE INDEX c_n ON c (n);
    CREATE VIEW pairs AS SELECT c.id, p.name FROM c JOIN p ON c.p = p.id;
    INSERT INTO p VALUES (1, 'one'), (2, 'two');
    INSERT INTO c VALUES (1, 1, 10), (2, 2, 20);
"""


class Told:
    """Hears what is told; may look at the target when progress is shown."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        """Hear."""

    def warn(self, text: str) -> None:
        """Hear."""
        self.warned.append(text)

    def show(self, progress: JobProgress) -> None:
        """See."""


@pytest.fixture
def settings(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A source that was copied once, and has changed since."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    source = tmp_path / "source.db"
    change(source, SOURCE)
    settings = Settings(
        source_url=SecretStr(str(source)), target_url=SecretStr(target_url), home=tmp_path / "home", workers=1
    )
    assert recreate(settings).progress.state == "completed"
    change(source, "UPDATE p SET name = 'new ' || name; INSERT INTO c VALUES (3, 1, 30)")
    return settings


def change(source: Path, script: str) -> None:
    """Run statements on the source."""
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(script)
        connection.commit()


def recreate(settings: Settings, **options: bool) -> JobEnd:
    """Start a job with --recreate and wait for its end."""
    end = start(settings, JobOptions(recreate=True, **options), Told())
    assert isinstance(end, JobEnd)
    return end


def ask(settings: Settings, query: str) -> list[tuple[object, ...]]:
    """Ask the target."""
    with closing(psycopg2.connect(settings.target)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        rows = list(cursor.fetchall()) if cursor.description else []
        connection.commit()
        return rows


OBJECTS = """
    SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' OR n.nspname LIKE 'pgconvoy\\_job%' ORDER BY 1, 2
"""


def test_new_tables_take_the_old_ones_places(settings: Settings) -> None:
    """Names, keys, indexes, sequences and views are as they were; the staging schema is gone."""
    before = ask(settings, OBJECTS)
    assert recreate(settings).progress.state == "completed"
    assert ask(settings, OBJECTS) == before
    assert ask(settings, "SELECT name FROM pairs ORDER BY id") == [("new one",), ("new two",), ("new one",)]
    assert ask(settings, "INSERT INTO p (name) VALUES ('next') RETURNING id") == [(3,)]
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        ask(settings, "INSERT INTO c VALUES (9, 99, 1)")


def test_the_job_can_be_verified_where_its_tables_ended(settings: Settings) -> None:
    """The ledger knows the tables by their last place."""
    recreate(settings)
    end = commands.verify(settings, None, Told())
    assert (end.progress.state, end.progress.mismatches) == ("completed", 0)
    ask(settings, "UPDATE p SET name = 'other' WHERE id = 1")
    assert commands.verify(settings, None, Told()).progress.mismatches == 1


def test_old_tables_serve_until_the_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the new rows come, readers see the old ones, in full."""
    seen: list[object] = []
    build = "workers.finish_table.build_table"

    def look(*arguments: object) -> object:
        seen.append(ask(settings, "SELECT name FROM pairs ORDER BY id"))
        return original(*arguments)

    import workers.finish_table as module  # noqa: PLC0415 - its function is looked at here

    original = module.build_table
    monkeypatch.setattr(build, look)
    recreate(settings)
    assert seen == [[("one",), ("two",)]] * 2


def test_a_failed_job_leaves_the_old_tables(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a table cannot be completed, nothing is replaced; requeueing ends the job, and then it is."""

    def refuse(*_: object) -> None:
        msg = "no room"
        raise PermanentError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("workers.copy_chunk.hold_if_current", refuse)
        end = recreate(settings.model_copy(update={"max_attempts": 1}))
    assert end.progress.state == "failed"
    assert ask(settings, "SELECT name FROM pairs ORDER BY id") == [("one",), ("two",)]
    again = commands.requeue(settings, None, Told(), table=None, chunk=None)
    assert isinstance(again, JobEnd)
    assert again.progress.state == "completed"
    assert ask(settings, "SELECT count(*) FROM pairs") == [(3,)]
    assert ask(settings, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgconvoy_job%'") == [(0,)]


def test_what_depends_on_an_old_table_is_named_at_once(settings: Settings) -> None:
    """A view of somebody else's would be lost: nothing is begun, and the view is named."""
    ask(settings, "CREATE VIEW mine AS SELECT count(*) FROM c")
    with pytest.raises(OperatorError, match=r"view public.mine depends on table public.c.*drop that first"):
        recreate(settings)
    assert ask(settings, "SELECT * FROM mine") == [(2,)]


def test_what_came_to_depend_meanwhile_is_named_at_the_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old tables stay, the new ones wait, and a requeue puts them there once the way is free."""
    import workers.finish_table as module  # noqa: PLC0415 - its function is used here

    original = module.build_table

    def come_between(*arguments: object) -> object:
        ask(settings, "CREATE OR REPLACE VIEW mine AS SELECT count(*) FROM c")
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("workers.finish_table.build_table", come_between)
        end = recreate(settings)
    assert end.progress.state == "failed"
    assert "the old tables stay" in (end.progress.error or "")
    assert "view public.mine depends on table public.c" in (end.progress.error or "")
    assert ask(settings, "SELECT name FROM pairs ORDER BY id") == [("one",), ("two",)]
    ask(settings, "DROP VIEW mine")
    again = commands.requeue(settings, None, Told(), table=None, chunk=None)
    assert isinstance(again, JobEnd)
    assert again.progress.state == "completed"
    assert ask(settings, "SELECT count(*) FROM pairs") == [(3,)]


def test_a_new_job_clears_what_a_failed_one_left(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The staging schema of a job that failed over the same tables goes when another takes its place."""

    def refuse(*_: object) -> None:
        msg = "no room"
        raise PermanentError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("workers.copy_chunk.hold_if_current", refuse)
        recreate(settings.model_copy(update={"max_attempts": 1}))
    assert recreate(settings).progress.state == "completed"
    assert ask(settings, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgconvoy_job%'") == [(0,)]
    assert ask(settings, "SELECT count(*) FROM pairs") == [(3,)]


def test_a_part_of_another_table_is_not_replaced(settings: Settings) -> None:
    """To drop a partition would take rows out of the table that it belongs to."""
    ask(settings, "DROP TABLE c CASCADE")
    ask(settings, "CREATE TABLE all_c (id bigint) PARTITION BY RANGE (id)")
    ask(settings, "CREATE TABLE c PARTITION OF all_c FOR VALUES FROM (0) TO (10)")
    ask(settings, "INSERT INTO all_c VALUES (7)")
    with pytest.raises(OperatorError, match=r"public\.c of the target, which is a part of public\.all_c"):
        recreate(settings)
    assert ask(settings, "SELECT * FROM all_c") == [(7,)]


def test_what_goes_with_a_replaced_table_is_named(settings: Settings) -> None:
    """Row security, publications and triggers of the old table are not the job's to make: its grade says so."""
    ask(settings, "CREATE POLICY mine ON p USING (true); ALTER TABLE p ENABLE ROW LEVEL SECURITY")
    ask(settings, "CREATE PUBLICATION news FOR TABLE p")
    ask(settings, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    ask(settings, "CREATE TRIGGER own BEFORE INSERT ON p FOR EACH ROW EXECUTE FUNCTION f()")
    recreate(settings)
    ((grades,),) = ask(settings, "SELECT grades FROM pgconvoy.jobs ORDER BY id DESC LIMIT 1")
    said = "the trigger own, row level security, the row security policy mine, the place in the publication news"
    assert [each["reason"] for each in grades if each["kind"] == "table" and each["grade"] == "approximated"] == [
        f"the table that it replaces had {said}: make that again"
    ]
