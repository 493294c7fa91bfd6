"""`producer rollback` as an operator has it: looked at, asked for, done, and the job started again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
from fleetkit import RunningWorker
from producerkit import Producer, carried, ledger_rows, make_source

SCRIPT = """
CREATE TABLE fresh (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO fresh VALUES (1, 'one'), (2, 'two');
CREATE VIEW names AS SELECT name FROM fresh;
CREATE TABLE kept (id INTEGER PRIMARY KEY, note TEXT);
"""
ROWS = {"kept": [(n, f"note {n}") for n in range(1, 4_001)]}
BEFORE = (
    "INSERT INTO kept SELECT n, CASE WHEN n % 7 = 0 THEN 'old' ELSE 'note ' || n END FROM generate_series(1, 3000) n"
)


def execute(url: str, *statements: str) -> None:
    """Change the target behind our back."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_job_is_looked_at_rolled_back_and_started_again(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """Nobody to ask: exit 2. A dry run changes nothing, rows of others stop it, --yes does it; then all begins anew."""
    source = make_source(tmp_path / "s.db", SCRIPT, ROWS)
    execute(target_url, "CREATE TABLE kept (id bigint PRIMARY KEY, note text)", BEFORE)
    before = ledger_rows(target_url, "SELECT k::text FROM kept AS k ORDER BY id")
    # Several chunks, by several processes.
    producer("start", "--source", source, "--undo-log", "--chunk-mb", "0.01")
    assert carried(source, target_url, table="kept"), worker.log_text()

    unasked = producer("rollback", code=2)
    assert "say --yes, or look with --dry-run" in unasked.err
    looked = producer("rollback", "--dry-run")
    assert "job 1 can be rolled back" in looked.out
    assert "public.kept (1,000 inserted rows deleted, 428 rows restored)" in looked.out
    assert carried(source, target_url, table="kept")

    execute(target_url, "UPDATE kept SET note = 'theirs' WHERE id IN (7, 3500)", "INSERT INTO fresh VALUES (3, 'mine')")
    stopped = producer("rollback", "--yes", code=2)
    assert "2 rows of public.kept changed or went since the job wrote (id = 7; id = 3500)" in stopped.err
    assert "1 row of public.fresh came or changed since (id = 3)" in stopped.err
    execute(target_url, "UPDATE kept SET note = 'note ' || id WHERE id IN (7, 3500)", "DELETE FROM fresh WHERE id = 3")

    done = producer("rollback", "1", "--yes", "--json").json
    assert (done["done"], done["dropped"], done["rows_deleted"]) == (True, ["public.fresh"], 1000)
    assert done["objects"] == ["view public.names"]
    assert ledger_rows(target_url, "SELECT k::text FROM kept AS k ORDER BY id") == before
    assert ledger_rows(target_url, "SELECT to_regclass('fresh'), to_regclass('names')") == [(None, None)]
    assert "rolled back" in producer("status", "1").out.replace("_", " ")

    assert producer("start", "--source", source, "--json").json["progress"]["state"] == "completed"
    assert carried(source, target_url, table="fresh")
