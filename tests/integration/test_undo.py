"""A job into tables that were there is taken back: what it inserted goes, what it changed is as it was, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from casekit import Silent
from pydantic import SecretStr
from undokit import LOGGED, Maker, ask, change_source, dump, ended

from producer import cancelling, commands, looking, starting
from producer.cli import main
from producer.records import JobEnd
from producer.rolling_back import rollback
from producer.services import open_target
from shared.errors import OperatorError, PermanentError
from shared.ledger.states import JobState
from shared.records.plan import JobOptions
from shared.settings import Settings

Made = Callable[..., Settings]
SOURCE = """
    CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, at TEXT);
    INSERT INTO item VALUES (1, 'same', 1.5, '2020-01-01 00:00:00'), (2, 'new name', 2.5, '2020-01-02 00:00:00'),
                            (4, 'four', -0.0, '2020-01-04 00:00:00'), (5, NULL, NULL, NULL);
"""
TARGET = """
    CREATE TABLE item (dropped int, id bigint PRIMARY KEY, name text, price double precision, at timestamp,
                       loud text GENERATED ALWAYS AS (upper(name)) STORED, span interval DEFAULT '1 mon 2 days -03:00',
                       raw bytea DEFAULT '\\x00ff', odd regclass DEFAULT 'pg_class', list text[] DEFAULT '{"a,b",NULL}',
                       blank character(5) DEFAULT 'x', "a ""b"" %s" int GENERATED ALWAYS AS IDENTITY);
    ALTER TABLE item DROP COLUMN dropped;
    INSERT INTO item (id, name, price, at) VALUES (1, 'same', 1.5, '2020-01-01'), (2, 'old "name",)', 0.1, '-infinity'),
                                                  (3, 'mine', 'NaN', NULL), (4, NULL, 0.0, '2020-01-04');
"""


@pytest.fixture
def made(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Makes a source, and what is in the target before."""
    maker = Maker(tmp_path, target_url, monkeypatch)
    return lambda source=SOURCE, target=TARGET: maker(source, target)


def undone(settings: Settings) -> Any:
    """What the ledger says of the latest job."""
    return ask(settings, "SELECT state, undone FROM pgconvoy.jobs ORDER BY id DESC LIMIT 1")[0]


def test_rows_come_back_to_the_byte(made: Made) -> None:
    """Inserted rows go, changed ones are as they were (-0.0, intervals, generated and dropped columns), others stay."""
    settings = made()
    before = dump(settings)
    end = ended(settings)
    assert end.progress.state == JobState.COMPLETED
    assert dump(settings) != before
    assert ask(settings, "SELECT count(*) FROM pgconvoy.undo") == [(3,)]  # the equal row has none
    view = rollback(settings, None, dry_run=True)
    assert (view.rows_deleted, view.rows_restored, view.done) == (1, 2, False)
    assert dump(settings) != before
    view = rollback(settings, None, dry_run=False)
    assert (view.rows_deleted, view.rows_restored, view.restored) == (1, 2, ("public.item",))
    assert dump(settings) == before
    state, said = undone(settings)
    assert (state, said["rows_restored"]) == ("rolled_back", 2)
    for again in (
        lambda: rollback(settings, None, dry_run=False),
        lambda: commands.requeue(settings, None, Silent(), table=None, chunk=None),
        lambda: commands.verify(settings, None, Silent()),
        lambda: commands.replay(settings, None, Silent()),
    ):
        with pytest.raises(OperatorError, match="was rolled back"):
            again()
    assert looking.report(settings, None).state == "rolled_back"
    assert ended(settings).progress.state == JobState.COMPLETED


def test_what_a_job_made_goes_with_all_that_belongs_to_it(made: Made) -> None:
    """Tables, their schema, views, triggers and functions go; what was there before is untouched; a new job works."""
    settings = made(
        """CREATE TABLE p (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, at TEXT);
           CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p, n INT CHECK (n < 50));
           CREATE INDEX c_n ON c (n);
           CREATE VIEW pairs AS SELECT c.id, p.name FROM c JOIN p ON c.p = p.id;
           CREATE TRIGGER counted AFTER INSERT ON c BEGIN UPDATE p SET name = name || '+' WHERE id = NEW.p; END;
           CREATE VIRTUAL TABLE found USING fts5 (name, content='p', content_rowid='id');
           INSERT INTO p VALUES (1, 'one', NULL), (2, 'two', NULL);
           INSERT INTO c (id, p, n) VALUES (1, 1, 10), (2, 2, 20);""",
        "CREATE TABLE other (id int); INSERT INTO other VALUES (1)",
    ).model_copy(update={"target_schema": "shop"})
    before = dump(settings)
    first = ended(settings, JobOptions())
    assert first.progress.state == JobState.COMPLETED
    view = rollback(settings, first.progress.job, dry_run=False)
    assert dump(settings) == before
    assert set(view.dropped) == {"shop.p", "shop.c"}
    assert {each.split("(")[0] for each in view.objects} >= {"view shop.pairs", "schema shop"}
    assert ended(settings, JobOptions()).progress.state == JobState.COMPLETED


def test_jobs_are_taken_back_one_after_the_other(made: Made) -> None:
    """A later job into the first one's tables goes first; then the first one's tables are wholly its own again."""
    settings = made(target="")
    ended(settings)
    first = dump(settings)
    change_source(settings, "UPDATE item SET name = 'other' WHERE id < 3; INSERT INTO item (id) VALUES (9)")
    ended(settings)
    with pytest.raises(OperatorError, match=r"job 2 \(completed\) has come into item since: roll that back first"):
        rollback(settings, 1, dry_run=False)
    rollback(settings, 2, dry_run=False)
    assert dump(settings) == first
    rollback(settings, 1, dry_run=False)
    assert "item" not in dump(settings)


def test_without_the_log_rows_of_others_are_left_alone(made: Made) -> None:
    """A job that was started without --undo-log says that nobody kept what was there."""
    settings = made()
    ended(settings, JobOptions())
    after = dump(settings)
    with pytest.raises(OperatorError, match=r"it wrote into item, which was there before, without --undo-log"):
        rollback(settings, None, dry_run=False)
    assert dump(settings) == after


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE item SET price = 7 WHERE id = 2", r"1 row of public.item changed or went .*\(id = 2\)"),
        ("DELETE FROM item WHERE id IN (4, 5)", r"2 rows of public.item changed or went .*\(id = 4; id = 5\)"),
        ("UPDATE item SET id = id + 100", r"3 rows of public.item .*\(id = 2; id = 4; id = 5\)"),
        ("ALTER TABLE item ADD COLUMN more int", "other columns than when the job wrote there"),
        ("ALTER TABLE item RENAME TO thing; CREATE TABLE item (id int)", None),
        ("UPDATE item SET name = 'untouched by the job' WHERE id IN (1, 3)", None),
    ],
)
def test_rows_that_others_changed_since_are_named(made: Made, change: str, said: str | None) -> None:
    """Where a row is not as the job left it, nothing is changed and its key is named; other rows do not matter."""
    settings = made()
    ended(settings)
    ask(settings, change)
    after = dump(settings)
    if said is None:
        rollback(settings, None, dry_run=False)
        assert ask(settings, f"SELECT id FROM {'thing' if 'thing' in change else 'item'} ORDER BY 1") == [
            (1,),
            (2,),
            (3,),
            (4,),
        ]
        return
    for dry_run in (True, False):
        with pytest.raises(OperatorError, match=said):
            rollback(settings, None, dry_run=dry_run)
    assert dump(settings) == after


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE item SET price = 7 WHERE id = 2", r"1 row of public.item came or changed since \(id = 2\)"),
        ("INSERT INTO item (id) SELECT n FROM generate_series(10, 19) n", r"10 rows .*\(id = 10; .*id = 14; …\)"),
        ("DELETE FROM item WHERE id = 2", "1 row of the job's in public.item changed or went"),
        (
            "CREATE VIEW mine AS SELECT id FROM item",
            r"view (public\.)?mine depends on table (public\.)?item.*drop that",
        ),
        ("CREATE TABLE far (item bigint REFERENCES item)", r"constraint far_item_fkey on table .*far"),
        ("CREATE INDEX mine ON item (name)", "has by now what the job did not make: index mine"),
        ("ALTER TABLE item ADD COLUMN more int DEFAULT 1", "column more"),
        ("CREATE POLICY p ON item USING (true)", "row security policy p"),
        ("CREATE PUBLICATION news FOR TABLE item", "publication news"),
        ("DROP TABLE item; CREATE TABLE item (id int)", None),
        ("VACUUM FULL item", None),
    ],
)
def test_a_table_that_is_not_the_jobs_alone_any_more_stays(made: Made, change: str, said: str | None) -> None:
    """Rows and objects of others are named, and nothing is dropped; another table of the same name is not the job's."""
    settings = made(target="")
    ended(settings, JobOptions())
    with closing(psycopg2.connect(settings.target)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(change)
    after = dump(settings)
    if said is None:
        view = rollback(settings, None, dry_run=False)
        assert ("item" in dump(settings)) == ("CREATE" in change)
        assert ("item was gone before" in view.stays) == ("CREATE" in change)
        return
    for dry_run in (True, False):
        with pytest.raises(OperatorError, match=said):
            rollback(settings, None, dry_run=dry_run)
    assert dump(settings) == after


CIRCLE = """
    CREATE TABLE node (id bigint PRIMARY KEY, up bigint, leaf bigint, mail text UNIQUE);
    CREATE TABLE leaf (id bigint PRIMARY KEY, node bigint);
    ALTER TABLE node ADD CONSTRAINT to_leaf FOREIGN KEY (leaf) REFERENCES leaf ON DELETE RESTRICT;
    ALTER TABLE node ADD CONSTRAINT up FOREIGN KEY (up) REFERENCES node ON DELETE CASCADE;
    ALTER TABLE leaf ADD CONSTRAINT to_node FOREIGN KEY (node) REFERENCES node ON DELETE SET NULL;
"""


def test_rows_that_refer_to_each_other_in_a_circle_go_together(made: Made) -> None:
    """Empty tables whose keys and triggers were set aside are empty again, and have both."""
    settings = made(
        """CREATE TABLE node (id INTEGER PRIMARY KEY, up INT, leaf INT, mail TEXT);
           CREATE TABLE leaf (id INTEGER PRIMARY KEY, node INT);
           INSERT INTO node VALUES (1, 2, 7, 'a'), (2, 1, 8, 'b'); INSERT INTO leaf VALUES (7, 1), (8, 2);""",
        CIRCLE,
    )
    before = dump(settings)
    ended(settings, replace(LOGGED, data_only=True))
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


def test_a_row_of_others_that_refers_to_one_of_the_jobs_is_named(made: Made) -> None:
    """Not even a key that deletes or empties takes rows of others along."""
    settings = made()
    ask(settings, "CREATE TABLE far (item bigint REFERENCES item ON DELETE CASCADE)")
    before = dump(settings)
    ended(settings)
    ask(settings, "INSERT INTO far VALUES (5), (2)")
    with pytest.raises(OperatorError, match=r"1 row of public.far \(item = 5\) refer by the foreign key far_item_fkey"):
        rollback(settings, None, dry_run=False)
    assert ask(settings, "SELECT item FROM far ORDER BY 1") == [(2,), (5,)]
    ask(settings, "DELETE FROM far WHERE item = 5")
    rollback(settings, None, dry_run=False)
    assert dump(settings)["item"] == before["item"]
    assert ask(settings, "SELECT item FROM far") == [(2,)]


def test_unique_values_go_back_along_the_chain_that_they_came(made: Made) -> None:
    """A unique value that went from row to row, or to a row of the job's, is back where it was."""
    settings = made(
        """CREATE TABLE t (id INTEGER PRIMARY KEY, mail TEXT);
           INSERT INTO t VALUES (1, 'b'), (2, 'c'), (3, 'd'), (4, 'e'), (9, 'a');""",
        """CREATE TABLE t (id bigint PRIMARY KEY, mail text UNIQUE);
           INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')""",
    )
    before = dump(settings)
    assert ended(settings).progress.rejects == 0
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


def test_what_triggers_of_the_target_did_is_kept_too(made: Made) -> None:
    """Rows that BEFORE and AFTER triggers altered, added or deleted in the job's tables are as they were."""
    settings = made(
        SOURCE,
        f"""{TARGET}
        CREATE TABLE audit (what text);
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN NEW.at := '2030-01-01'; RETURN NEW; END $$;
        CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO audit VALUES (TG_OP || NEW.id);
            IF NEW.id = 5 THEN DELETE FROM item WHERE id = 3; UPDATE item SET span = '1 day' WHERE id = 1; END IF;
            RETURN NULL; END $$;
        CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION stamp();
        CREATE TRIGGER spread AFTER INSERT OR UPDATE ON item FOR EACH ROW WHEN (pg_trigger_depth() = 0)
            EXECUTE FUNCTION spread();""",
    )
    before = dump(settings)
    ended(settings)
    assert ask(settings, "SELECT id FROM item ORDER BY 1") == [(1,), (2,), (4,), (5,)]
    view = rollback(settings, None, dry_run=False)
    after = dump(settings)
    assert after["item"] == before["item"]
    assert after["objects"] == before["objects"]
    assert len(after["audit"]) == 4
    assert any(
        "what the triggers spread, stamp of public.item did in tables that are not" in each for each in view.stays
    )


def test_a_partitioned_table_comes_back(made: Made) -> None:
    """Rows of partitions with another order of columns are kept and restored by the table's own."""
    settings = made(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'x'), (11, 'y'), (12, 'z');",
        """CREATE TABLE t (id bigint PRIMARY KEY, name text, more int DEFAULT 3) PARTITION BY RANGE (id);
           CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);
           CREATE TABLE high (more int, gone int, name text, id bigint NOT NULL);
           ALTER TABLE high DROP COLUMN gone;
           ALTER TABLE t ATTACH PARTITION high FOR VALUES FROM (10) TO (99);
           INSERT INTO t VALUES (1, 'a', 1), (11, 'b', 2), (2, 'c', 3)""",
    )
    before = dump(settings)
    ended(settings)
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


def test_an_applications_own_writes_are_not_kept(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trigger passes by what others do while the job runs, and is gone when it has ended."""
    settings = made()
    import workers.finish_table as module  # noqa: PLC0415 - its function is used here

    original = module.compare_table

    def meanwhile(*arguments: Any, **named: Any) -> Any:
        ask(settings, "INSERT INTO item (id) VALUES (77)", "UPDATE item SET name = 'theirs' WHERE id = 3")
        return original(*arguments, **named)

    monkeypatch.setattr(module, "compare_table", meanwhile)
    ended(settings)
    assert ask(settings, "SELECT count(*) FROM pgconvoy.undo") == [(3,)]
    assert ask(settings, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgconvoy%'") == [(0,)]
    rollback(settings, None, dry_run=False)
    assert ask(settings, "SELECT id FROM item ORDER BY 1") == [(1,), (2,), (3,), (4,), (77,)]


def test_nothing_is_written_where_the_trigger_is_gone(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk whose writes nobody would keep fails, with what to do."""
    settings = made()
    before = dump(settings)["item"]
    import workers.copy_chunk as module  # noqa: PLC0415 - its function is used here

    original = module.watch

    def dropped(connection: Any, plan: Any) -> None:
        ask(settings, "ALTER TABLE item DISABLE TRIGGER USER")
        original(connection, plan)

    monkeypatch.setattr(module, "watch", dropped)
    end = ended(settings)
    assert "is gone or does not fire" in end.failures[0].error
    assert dump(settings)["item"] == before


def test_a_failed_job_is_requeued_under_the_log_and_taken_back(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log goes on where a job is taken up again; the first image of a row is what comes back."""
    settings = made()
    before = dump(settings)

    def refuse(*_: object) -> None:
        msg = "no room"
        raise PermanentError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("workers.copy_chunk.hold_if_current", refuse)
        assert ended(settings).progress.state == JobState.FAILED
    assert dump(settings) == before
    again = commands.requeue(settings, None, Silent(), table=None, chunk=None)
    assert isinstance(again, JobEnd)
    assert again.progress.state == JobState.COMPLETED
    ask(settings, "UPDATE pgconvoy.chunks SET state = 'failed', error = 'x', copied_at = NULL")
    ask(settings, "UPDATE pgconvoy.tables SET state = 'failed', error = 'x'; UPDATE pgconvoy.jobs SET state = 'failed'")
    commands.requeue(settings, None, Silent(), table=None, chunk=None)
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


def test_a_row_that_others_changed_between_two_copies_is_named(made: Made) -> None:
    """Which of two states before the job should come back is not the job's to choose."""
    settings = made()
    ended(settings)
    ask(settings, "UPDATE pgconvoy.chunks SET state = 'failed', error = 'x', copied_at = NULL")
    ask(settings, "UPDATE pgconvoy.tables SET state = 'failed', error = 'x'; UPDATE pgconvoy.jobs SET state = 'failed'")
    ask(settings, "UPDATE item SET name = 'between' WHERE id = 2")
    commands.requeue(settings, None, Silent(), table=None, chunk=None)
    assert ask(settings, "SELECT name FROM item WHERE id = 2") == [("new name",)]
    with pytest.raises(OperatorError, match=r"1 row of public.item changed or went .*\(id = 2\)"):
        rollback(settings, None, dry_run=False)


def test_a_job_with_recreate_says_that_the_old_tables_are_gone(made: Made) -> None:
    """Replaced tables cannot come back, and --undo-log cannot be asked for beside --recreate."""
    settings = made(target="")
    ended(settings, JobOptions())
    ended(settings, JobOptions(recreate=True))
    with pytest.raises(OperatorError, match=r"it replaced item \(--recreate\), and what stood there is gone"):
        rollback(settings, None, dry_run=False)
    with pytest.raises(OperatorError, match="--undo-log and --recreate exclude each other"):
        ended(settings, JobOptions(recreate=True, undo_log=True))


def test_a_role_that_may_make_no_trigger_hears_it_before_the_job(made: Made) -> None:
    """--undo-log without the right to a trigger on the table stops the start, and nothing is made."""
    settings = made()
    name = "writer_without_trigger"
    ask(
        settings,
        f"DROP ROLE IF EXISTS {name}",
        f"CREATE ROLE {name} LOGIN",
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {name}",
        f"GRANT USAGE, UPDATE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}",
        f"DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {name}', current_database()); END $$",
        f"GRANT CREATE ON SCHEMA public TO {name}",
    )
    other = settings.model_copy(update={"target_url": SecretStr(settings.target.replace("postgres:@", f"{name}:@", 1))})
    try:
        with pytest.raises(OperatorError, match="--undo-log needs a trigger on the table while the job runs"):
            ended(other)
    finally:
        ask(settings, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


def test_a_job_that_runs_is_cancelled_first(made: Made) -> None:
    """A running job is refused; cancelled, it goes with its trigger, and what it had made."""
    settings = made(SOURCE + "CREATE TABLE fresh (id INTEGER PRIMARY KEY);")
    before = dump(settings)
    with open_target(settings, make=True) as target:
        job = starting._record(target, LOGGED, Silent(), None)
    with pytest.raises(OperatorError, match=f"job {job} is planned: end it with `producer cancel {job}`"):
        rollback(settings, job, dry_run=False)
    cancelling.cancel(settings, job)
    view = rollback(settings, job, dry_run=False)
    assert view.dropped == ("public.fresh",)
    assert dump(settings) == before


def test_rows_that_arrive_by_a_replay_are_kept_too(made: Made) -> None:
    """Rejects that come in later go again, from tables that were there and from the job's own."""
    settings = made(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1), (2, 2), (3, 9);",
        "CREATE TABLE t (id bigint PRIMARY KEY, n int CONSTRAINT low CHECK (n < 3)); INSERT INTO t VALUES (1, 0)",
    )
    before = dump(settings)["t"]
    assert ended(settings).progress.rejects == 1
    ask(settings, "ALTER TABLE t DROP CONSTRAINT low")
    assert commands.replay(settings, None, Silent()).progress.rejects == 0
    assert ask(settings, "SELECT n FROM t ORDER BY id") == [(1,), (2,), (9,)]
    rollback(settings, None, dry_run=False)
    assert dump(settings)["t"] == before


def test_new_tables_that_never_took_their_places_go(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A --recreate that failed is taken back with its staging schema; the old tables were there all the time."""
    settings = made(target="")
    ended(settings, JobOptions())
    before = dump(settings)

    def refuse(*_: object) -> None:
        msg = "no room"
        raise PermanentError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("workers.copy_chunk.hold_if_current", refuse)
        assert ended(settings, JobOptions(recreate=True)).progress.state == JobState.FAILED
    assert dump(settings) != before
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


def test_it_asks_first(made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """At a terminal it shows what would go and asks; no other answer than yes changes anything."""
    settings = made()
    ended(settings)
    after = dump(settings)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, state in (("n", "completed"), ("y", "rolled_back")):
        monkeypatch.setattr("builtins.input", lambda *_, answer=answer: answer)
        assert main(["rollback", "--target", settings.target]) == (0 if answer == "y" else 1)
        assert "as before: public.item (1 inserted row deleted, 2 rows restored)" in capsys.readouterr().out
        assert undone(settings)[0] == state
        assert (dump(settings) == after) == (answer == "n")
