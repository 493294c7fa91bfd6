"""Empty tables that were there are loaded without their foreign keys and triggers, and have both again at any end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from casekit import Silent, inline_workforce
from pydantic import SecretStr
from undokit import ask

from producer import cancelling, commands, starting
from producer.records import JobEnd
from producer.services import open_ledger, open_target
from producer.starting import start
from shared.errors import OperatorError
from shared.grading import Outcomes
from shared.ledger.attempts import claim_if_pending, hold_if_current
from shared.ledger.jobs import cancel_job, read_chunks, read_job, read_tables
from shared.ledger.states import ChunkState, JobState
from shared.ledger.suspended import is_suspended, suspended_jobs
from shared.records.plan import Grade, JobOptions, ObjectGrade
from shared.records.source import ObjectKind
from shared.setting_aside import put_all_back, put_back_if_idle
from shared.settings import Settings

SOURCE = """
    CREATE TABLE node (id INTEGER PRIMARY KEY, up INTEGER REFERENCES node, leaf INTEGER REFERENCES leaf, at TEXT);
    CREATE TABLE leaf (id INTEGER PRIMARY KEY, node INTEGER NOT NULL REFERENCES node);
    INSERT INTO node VALUES (1, 3, 7, '2020-01-01'), (2, 1, 8, '2020-01-02'), (3, NULL, NULL, '2020-01-03');
    INSERT INTO leaf VALUES (7, 2), (8, 3);
"""
TARGET = """
    CREATE TABLE node (id bigint PRIMARY KEY, up bigint, leaf bigint, at date);
    CREATE TABLE leaf (id bigint PRIMARY KEY, node bigint NOT NULL);
    CREATE TABLE other (id bigint PRIMARY KEY);
    ALTER TABLE node ADD CONSTRAINT "Up %" FOREIGN KEY (up) REFERENCES node;
    COMMENT ON CONSTRAINT "Up %" ON node IS 'it''s above';
    ALTER TABLE node ADD CONSTRAINT to_leaf FOREIGN KEY (leaf) REFERENCES leaf ON DELETE SET NULL
        DEFERRABLE INITIALLY DEFERRED;
    ALTER TABLE leaf ADD CONSTRAINT to_node FOREIGN KEY (node) REFERENCES node ON UPDATE CASCADE NOT VALID;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := CURRENT_DATE; RETURN NEW; END';
    CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON node FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE TRIGGER "Always %" BEFORE INSERT ON node FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE TRIGGER asleep BEFORE INSERT ON node FOR EACH ROW EXECUTE FUNCTION touch();
    ALTER TABLE node ENABLE ALWAYS TRIGGER "Always %";
    ALTER TABLE node DISABLE TRIGGER asleep;
"""
KEYS = """
    SELECT conname, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint') FROM pg_constraint
     WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY conname
"""
TRIGGERS = "SELECT tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname"
INTO = JobOptions(data_only=True)


@pytest.fixture
def made(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Makes a source, and the schema that an application has made for it."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)

    def make(source: str = SOURCE, target: str = TARGET) -> Settings:
        path = tmp_path / "source.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(source)
        settings = Settings(
            source_url=SecretStr(str(path)), target_url=SecretStr(target_url), home=tmp_path / "home", workers=1
        )
        ask(settings, target)
        return settings

    return make


def whole(settings: Settings) -> tuple[list[tuple[Any, ...]], ...]:
    """All that a job takes away."""
    return ask(settings, KEYS), ask(settings, TRIGGERS)


def recorded(settings: Settings, options: JobOptions = INTO) -> int:
    """Record a job, as `start` does, and do none of its work."""
    with open_target(settings, make=True) as target:
        return starting._record(target, options, Silent(), None)


def ended(settings: Settings, options: JobOptions = INTO) -> JobEnd:
    """Run a job to its end."""
    end = start(settings, options, Silent())
    assert isinstance(end, JobEnd)
    return end


def grades(settings: Settings, kind: ObjectKind) -> dict[str, ObjectGrade]:
    """What the latest job says of objects of a kind."""
    with open_ledger(settings) as target, target.ledger("reading") as ledger:
        return {grade.name: grade for grade in read_job(ledger).grades if grade.kind is kind}


def test_keys_and_triggers_are_away_while_the_job_runs(made: Callable[..., Settings]) -> None:
    """They are gone once it is recorded, what was disabled aside, and a table that is no part of the job keeps all."""
    settings = made()
    recorded(settings)
    assert ask(settings, KEYS) == []
    assert ask(settings, TRIGGERS) == [("Always %", "D"), ("asleep", "D"), ("touch", "D")]


def test_rows_arrive_in_any_order_and_unaltered(made: Callable[..., Settings]) -> None:
    """Tables that refer to each other and to themselves are copied whole, and no trigger touches a value."""
    settings = made()
    before = whole(settings)
    end = ended(settings)
    assert (end.progress.state, end.progress.rejects, end.progress.rows) == (JobState.COMPLETED, 0, 5)
    assert ask(settings, "SELECT at::text FROM node ORDER BY id") == [("2020-01-01",), ("2020-01-02",), ("2020-01-03",)]
    assert whole(settings) == before
    said = grades(settings, ObjectKind.TABLE)["node"].reason
    assert "goes without its foreign keys Up %, to_leaf and its triggers Always %, touch do not fire" in said


def test_a_key_without_parents_stays_not_valid_and_is_counted(made: Callable[..., Settings]) -> None:
    """No row is rejected for it: the key binds new rows, and its grade says how many have no parent."""
    settings = made(SOURCE + "INSERT INTO node VALUES (4, 99, NULL, NULL), (5, 98, NULL, NULL);")
    end = ended(settings)
    assert (end.progress.rejects, end.progress.rows) == (0, 7)
    valid = {row[0]: row[2] for row in ask(settings, KEYS)}
    assert valid == {"Up %": False, "to_leaf": True, "to_node": False}
    grade = grades(settings, ObjectKind.FOREIGN_KEY)["Up %"]
    assert grade.grade is Grade.APPROXIMATED
    assert "2 rows of node have no parent in node (first: id 4)" in grade.reason
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        ask(settings, "INSERT INTO node VALUES (9, 97)")


def test_cancelled_job_puts_them_back_and_resumed_one_takes_them_again(made: Callable[..., Settings]) -> None:
    """However a job ends they are back; while it goes on they are away; then it can end whole."""
    settings = made()
    before = whole(settings)
    job = recorded(settings)
    cancelling.cancel(settings, job)
    assert whole(settings) == before
    end = commands.resume(settings, job, Silent())
    assert isinstance(end, JobEnd)
    assert (end.progress.state, end.progress.rejects, end.progress.rows) == (JobState.COMPLETED, 0, 5)
    assert whole(settings) == before


@pytest.mark.parametrize("mend", ["cancel", "start"])
def test_who_died_while_cancelling_is_made_up_for(made: Callable[..., Settings], mend: str) -> None:
    """The ledger knows what is still away: the next `cancel` or `start` puts it back."""
    settings = made()
    before = whole(settings)
    job = recorded(settings)
    with open_ledger(settings) as target, target.ledger("dying in between") as ledger:
        assert cancel_job(ledger, job)
        assert suspended_jobs(ledger, "public") == (job,)
    assert whole(settings) != before
    if mend == "cancel":
        cancelling.cancel(settings, job)
        with pytest.raises(OperatorError, match="there is nothing to cancel"):
            cancelling.cancel(settings, job)
    else:
        assert ended(settings).progress.rows == 5
    assert whole(settings) == before


def test_a_chunk_that_is_written_is_waited_for(made: Callable[..., Settings]) -> None:
    """While a worker holds a chunk nothing is put back; one that is claimed and not begun is taken from its worker."""
    settings = made()
    before = whole(settings)
    job = recorded(settings)
    with open_ledger(settings) as target:
        starting.plan_chunks(target, _NoDispatcher(), job, lambda: None)  # type: ignore[arg-type]
        with target.ledger("claiming") as ledger:
            tables = read_tables(ledger, job)
            chunks = [claim_if_pending(ledger, read_chunks(ledger, table.id)[0].id, "w") for table in tables]
        with target.ledger("writing") as writing:
            assert chunks[0] is not None
            assert hold_if_current(writing, chunks[0])
            with target.ledger("cancelling") as ledger:
                assert cancel_job(ledger, job)
                assert not put_back_if_idle(ledger, job)
        assert whole(settings) != before
        with target.ledger("cancelling") as ledger:
            assert put_back_if_idle(ledger, job)
        with target.ledger("beginning late") as late:
            assert chunks[1] is not None
            assert not hold_if_current(late, chunks[1])
            assert read_chunks(late, tables[1].id)[0].state == ChunkState.CANCELLED
    assert whole(settings) == before


class _NoDispatcher:
    """Sends nothing."""

    def send_work(self, table_id: int) -> None:
        """Leave it."""

    def send_small_tables(self, job_id: int) -> None:
        """Leave them."""


def test_putting_back_twice_is_harmless(made: Callable[..., Settings]) -> None:
    """What is there stays, even where the first time was rolled back half way."""
    settings = made()
    before = whole(settings)
    job = recorded(settings)
    with open_ledger(settings) as target:
        with target.ledger("dying") as ledger:
            put_all_back(ledger, job, Outcomes())
            ledger.connection.rollback()
        assert ask(settings, KEYS) == []
        for _ in range(2):
            with target.ledger("ending") as ledger:
                put_all_back(ledger, job, Outcomes())
                assert not is_suspended(ledger, job)
    assert whole(settings) == before


def test_what_cannot_come_back_is_told_with_its_statement(made: Callable[..., Settings]) -> None:
    """A key whose parent is gone, and a trigger that somebody dropped, are graded refused; the statement is kept."""
    settings = made()
    job = recorded(settings)
    ask(settings, "ALTER TABLE leaf DROP CONSTRAINT leaf_pkey", "DROP TRIGGER touch ON node")
    cancelling.cancel(settings, job)
    key, trigger = grades(settings, ObjectKind.FOREIGN_KEY)["to_leaf"], grades(settings, ObjectKind.TRIGGER)["touch"]
    assert (key.grade, trigger.grade) == (Grade.REFUSED, Grade.REFUSED)
    assert 'then run: ALTER TABLE "public"."node" ADD CONSTRAINT "to_leaf" FOREIGN KEY (leaf)' in key.reason
    assert "somebody dropped it" in trigger.reason


def test_a_table_with_rows_keeps_all_of_it(made: Callable[..., Settings]) -> None:
    """Whoever uses it relies on its keys and triggers: they hold for each row, and the grade says so."""
    settings = made(SOURCE, TARGET.replace("CREATE TABLE other", "INSERT INTO node VALUES (3); CREATE TABLE other"))
    before = whole(settings)
    recorded(settings)
    kept = [row for row in before[0] if row[0] != "to_node"]
    assert whole(settings) == (kept, before[1])
    said = grades(settings, ObjectKind.TABLE)
    assert "its triggers Always %, touch fire for each row, since the table holds rows already" in said["node"].reason
    assert "goes without its foreign key to_node" in said["leaf"].reason


def test_a_role_that_does_not_own_the_tables_takes_nothing_away(made: Callable[..., Settings]) -> None:
    """Their keys hold row by row then, as the grade says, and the copy still comes out whole where it can."""
    settings = made()
    name = "writer"
    ask(
        settings,
        f"DROP ROLE IF EXISTS {name}",
        f"CREATE ROLE {name} LOGIN",
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {name}",
        f"DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {name}', current_database()); END $$",
        "ALTER TABLE node DISABLE TRIGGER USER",
    )
    before = whole(settings)
    other = settings.model_copy(update={"target_url": SecretStr(settings.target.replace("postgres:@", f"{name}:@", 1))})
    try:
        recorded(other)
        assert whole(settings) == before
        said = grades(settings, ObjectKind.TABLE)["node"].reason
        assert (
            "its foreign keys Up %, to_leaf hold for each row, since the target's role does not own the table" in said
        )
    finally:
        ask(settings, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


REFUSING = (
    ("n int UNIQUE DEFERRABLE INITIALLY DEFERRED", 1),
    ("n int UNIQUE", 1),
    ("n int CHECK (n < 3)", 1),
    ("n int, EXCLUDE USING btree (n WITH =)", 1),
    ("n int, EXCLUDE USING btree (n WITH =) DEFERRABLE INITIALLY DEFERRED", 1),
    ("n int NOT NULL", 1),
)


@pytest.mark.parametrize(("column", "rejects"), REFUSING)
def test_other_constraints_hold_row_by_row(made: Callable[..., Settings], column: str, rejects: int) -> None:
    """A row that a key, CHECK, exclusion or NOT NULL of the application refuses is a reject; all others arrive."""
    bad = {"CHECK (n < 3)": "3", "NOT NULL": "NULL"}
    value = next((text for sign, text in bad.items() if sign in column), "2")
    settings = made(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1), (2, 2), (3, {value});",
        f"CREATE TABLE t (id bigint PRIMARY KEY, {column})",
    )
    end = ended(settings)
    assert (end.progress.rejects, end.progress.rows, end.failures) == (rejects, 2, ())


def test_a_partitioned_table_keeps_its_foreign_keys(made: Callable[..., Settings]) -> None:
    """PostgreSQL takes none back NOT VALID there, before version 18: parents come first and the keys hold."""
    settings = made(
        SOURCE,
        """CREATE TABLE node (id bigint PRIMARY KEY, up bigint, leaf bigint, at date);
           CREATE TABLE leaf (id bigint PRIMARY KEY, node bigint REFERENCES node) PARTITION BY RANGE (id);
           CREATE TABLE leaf_low PARTITION OF leaf FOR VALUES FROM (0) TO (8);
           CREATE TABLE leaf_high PARTITION OF leaf DEFAULT;""",
    )
    end = ended(settings)
    assert (end.progress.state, end.progress.rejects, end.progress.rows) == (JobState.COMPLETED, 0, 5)


def test_triggers_that_fire_find_what_they_name(made: Callable[..., Settings]) -> None:
    """Code of the application that names no schema finds its tables and functions, on both paths."""
    settings = made(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 1), (2, 2);"
        "CREATE TABLE u (id INTEGER PRIMARY KEY, n); INSERT INTO u VALUES (1, 1), (2, 'x'), (3, 3);",
        """CREATE TABLE audit (what text);
           CREATE FUNCTION shown(n int) RETURNS text LANGUAGE sql AS $$ SELECT n::text $$;
           CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql
               AS $$ BEGIN INSERT INTO audit VALUES (shown(NEW.n)); RETURN NULL; END $$;
           CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (0, 0);
           CREATE TABLE u (id int PRIMARY KEY, n int); INSERT INTO u VALUES (0, 0);
           CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION noted();
           CREATE TRIGGER noted AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION noted();""",
    )
    end = ended(settings)
    assert (end.progress.rejects, end.failures) == (1, ())
    assert ask(settings, "SELECT what FROM audit ORDER BY 1") == [("1",), ("1",), ("2",), ("3",)]


def test_what_somebody_put_back_meanwhile_is_left(made: Callable[..., Settings]) -> None:
    """A key or trigger that is there again already is not made twice, and nothing is said of it."""
    settings = made()
    job = recorded(settings)
    ask(settings, "ALTER TABLE leaf ADD CONSTRAINT to_node FOREIGN KEY (node) REFERENCES node NOT VALID")
    ask(settings, "ALTER TABLE node ENABLE TRIGGER touch")
    cancelling.cancel(settings, job)
    assert "to_node" not in grades(settings, ObjectKind.FOREIGN_KEY)
    assert [row[0] for row in ask(settings, KEYS)] == ["Up %", "to_leaf", "to_node"]
    assert ask(settings, TRIGGERS) == [("Always %", "A"), ("asleep", "D"), ("touch", "O")]
