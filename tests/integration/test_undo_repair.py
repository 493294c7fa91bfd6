"""What `verify --repair` wrote is the job's: a rollback afterwards works, and takes it back as well."""

from __future__ import annotations

from pathlib import Path

import pytest
from casekit import Silent
from undokit import LOGGED, Maker, ask, change_source, dump, ended

from producer.commands import verify
from producer.repairing import verify_and_repair
from producer.rolling_back import rollback
from shared.errors import OperatorError
from shared.ledger.states import JobState
from shared.records.plan import JobOptions, OnConflict
from shared.settings import Settings

ROWS = ", ".join(f"({n}, 'name {n}', {n})" for n in range(1, 10))
SOURCE = f"CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER); INSERT INTO item VALUES {ROWS};"
TARGET = """
    CREATE TABLE item (id bigint PRIMARY KEY, name text, n bigint, more text DEFAULT 'own');
    INSERT INTO item VALUES (1, 'name 1', 1, 'a'), (2, 'old', 2, 'b'), (3, 'old', 3, 'c'), (4, 'old', 4, NULL),
                            (77, 'mine', 77, '');
"""
OTHERS = """
    UPDATE item SET name = 'theirs' WHERE id IN (1, 2);
    DELETE FROM item WHERE id IN (3, 5);
    UPDATE item SET n = 0 WHERE id = 6;
"""


@pytest.fixture
def made(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Makes a source, and what is in the target before."""
    return Maker(tmp_path, target_url, monkeypatch)


def repaired(settings: Settings) -> None:
    """Repair the latest job, wholly."""
    assert verify_and_repair(settings, None, Silent()).progress.state == JobState.COMPLETED


def test_repaired_rows_of_tables_that_were_there_go_back_to_before_the_job(made: Maker) -> None:
    """Rows that the job wrote, others changed or deleted and a repair mended are as before the job; a row that the job
    had found equal is as before the repair.
    """
    settings = made(SOURCE, TARGET)
    before = dump(settings)
    ended(settings)
    ask(settings, OTHERS)
    with pytest.raises(OperatorError, match=r"4 rows of public.item changed or went since"):
        rollback(settings, None, dry_run=True)
    repaired(settings)
    assert ask(settings, "SELECT count(*) FROM item WHERE name = 'name ' || id AND n = id") == [(9,)]
    rollback(settings, None, dry_run=False)
    ask(settings, "UPDATE item SET name = 'name 1' WHERE id = 1 AND name = 'theirs'")
    assert dump(settings) == before


def test_a_repair_is_the_jobs_however_often_it_runs(made: Maker) -> None:
    """Three repairs of the same rows end in what was there before the job."""
    settings = made(SOURCE, TARGET)
    before = dump(settings)
    ended(settings)
    for name in ("one", "two", "three"):
        ask(settings, f"UPDATE item SET name = '{name}' WHERE id IN (2, 5, 8); DELETE FROM item WHERE id = 4")
        repaired(settings)
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


def test_what_others_changed_after_the_repair_is_named(made: Maker) -> None:
    """A repair makes nothing the job's but what it wrote itself."""
    settings = made(SOURCE, TARGET)
    ended(settings)
    ask(settings, OTHERS)
    repaired(settings)
    ask(settings, "UPDATE item SET n = 1 WHERE id IN (3, 9)")
    with pytest.raises(OperatorError, match=r"2 rows of public.item changed or went .*\(id = 9; id = 3\)"):
        rollback(settings, None, dry_run=False)


def test_a_table_of_the_jobs_own_is_its_own_after_a_repair(made: Maker) -> None:
    """Rows that a repair wrote, removed or brought back do not stand in the way; what others did since does."""
    settings = made(SOURCE)
    before = dump(settings)
    ended(settings, JobOptions(chunk_bytes=60))
    ask(settings, OTHERS, "INSERT INTO item VALUES (99, 'extra', 1)")
    with pytest.raises(OperatorError, match=r"4 rows of public.item came or changed since"):
        rollback(settings, None, dry_run=True)
    repaired(settings)
    assert ask(settings, "SELECT count(*) FROM item WHERE name = 'name ' || id AND n = id") == [(9,)]
    assert ask(settings, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgconvoy%'") == [(0,)]
    ask(settings, "UPDATE item SET n = n + 1 WHERE id = 2")
    with pytest.raises(
        OperatorError, match=r"1 row of public.item came or changed since \(id = 2\); 1 row of the job's"
    ):
        rollback(settings, None, dry_run=True)
    ask(settings, "UPDATE item SET n = n - 1 WHERE id = 2")  # as the repair left it, to the byte
    assert rollback(settings, None, dry_run=False).rows_dropped == 9
    assert dump(settings) == before


def test_a_table_that_is_compared_again_holds_others_rows_no_less(made: Maker) -> None:
    """Verifying a table that failed, which builds it again, makes nothing of others the job's."""
    settings = made(SOURCE)
    ended(settings, JobOptions())
    ask(settings, "UPDATE item SET n = 0 WHERE id = 6")
    for _ in range(2):
        assert verify(settings, None, Silent()).progress.state == JobState.FAILED
    with pytest.raises(OperatorError, match=r"1 row of public.item came or changed since \(id = 6\)"):
        rollback(settings, None, dry_run=False)


def test_rows_of_others_stay_in_the_way_of_what_a_repair_could_not_remove(made: Maker) -> None:
    """A row that the source does not have stays where another refers to it, and so does the table."""
    settings = made(SOURCE)
    ended(settings, JobOptions())
    ask(settings, "INSERT INTO item VALUES (98, 'a', 1), (99, 'b', 1)", "DELETE FROM item WHERE id = 4")
    ask(settings, "CREATE TABLE far (item bigint REFERENCES item ON DELETE CASCADE)", "INSERT INTO far VALUES (99)")
    verify_and_repair(settings, None, Silent())
    assert ask(settings, "SELECT id FROM item WHERE id IN (4, 98, 99) ORDER BY 1") == [(4,), (99,)]
    ask(settings, "DROP TABLE far")
    with pytest.raises(OperatorError, match=r"1 row of public.item came or changed since \(id = 99\)"):
        rollback(settings, None, dry_run=False)


def test_a_surplus_parent_goes_where_its_foreign_key_is_checked_late(made: Maker) -> None:
    """A check that waits for the commit keeps no repair from its end."""
    settings = made(
        """CREATE TABLE p (id INTEGER PRIMARY KEY);
           CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED);
           INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 2);"""
    )
    before = dump(settings)
    ended(settings, JobOptions())
    ask(settings, "INSERT INTO p VALUES (3)", "INSERT INTO c VALUES (3, NULL)", "UPDATE c SET p = 1 WHERE id = 2")
    repaired(settings)
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


def test_a_later_job_goes_first_from_a_table_that_was_repaired(made: Maker) -> None:
    """A repaired table, written by a second job that is taken back, is the first one's again."""
    settings = made(SOURCE)
    before = dump(settings)
    ended(settings, JobOptions())
    ask(settings, OTHERS)
    repaired(settings)
    first = dump(settings)
    change_source(settings, "UPDATE item SET n = n + 100 WHERE id IN (1, 2, 9); INSERT INTO item VALUES (20, 'x', 1)")
    ended(settings)
    rollback(settings, 2, dry_run=False)
    assert dump(settings) == first
    rollback(settings, 1, dry_run=False)
    assert dump(settings) == before


def test_what_a_repairs_triggers_did_in_other_tables_of_the_job_comes_back(made: Maker) -> None:
    """A trigger of the target that writes into another table of the job is seen there while a repair runs, too."""
    settings = made(
        SOURCE + "CREATE TABLE log (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO log VALUES (1, 1);",
        f"""{TARGET}
        CREATE TABLE log (id bigint PRIMARY KEY, n bigint);
        INSERT INTO log VALUES (1, 1), (50, 0);
        CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN UPDATE log SET n = n + 1 WHERE id = 50; RETURN NULL; END $$;
        CREATE TRIGGER counts AFTER INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION counts();""",
    )
    before = dump(settings)
    ended(settings)
    ask(settings, "ALTER TABLE item DISABLE TRIGGER USER", "DELETE FROM item WHERE id = 8")
    ask(settings, "ALTER TABLE item ENABLE TRIGGER USER")
    repaired(settings)
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before


def test_a_repair_without_the_log_stays_refused(made: Maker) -> None:
    """Into tables that were there and without --undo-log, nobody kept what stood there."""
    settings = made(SOURCE, TARGET)
    ended(settings, JobOptions(on_conflict=OnConflict.UPDATE))
    ask(settings, OTHERS)
    repaired(settings)
    with pytest.raises(OperatorError, match="it wrote into item, which was there before, without --undo-log"):
        rollback(settings, None, dry_run=False)


def test_logged_rows_are_skipped_and_repaired_as_the_job_was_told(made: Maker) -> None:
    """With --on-conflict skip a repair brings back what is missing, and that goes again."""
    settings = made(SOURCE, "CREATE TABLE item (id bigint PRIMARY KEY, name text, n bigint)")
    before = dump(settings)
    ended(settings, JobOptions(undo_log=LOGGED.undo_log, on_conflict=OnConflict.SKIP))
    ask(settings, "DELETE FROM item WHERE id IN (3, 5)")
    repaired(settings)
    rollback(settings, None, dry_run=False)
    assert dump(settings) == before
