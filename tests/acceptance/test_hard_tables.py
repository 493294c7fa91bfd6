"""Tables that PostgreSQL cannot have as the source has them: said early, or carried without the key that cannot be."""

from __future__ import annotations

from pathlib import Path

from fleetkit import RunningWorker
from producerkit import Producer, ledger_rows, make_source

UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def test_a_key_whose_values_become_equal_is_left_out(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """One UUID in two spellings is two keys in SQLite: both rows arrive and are verified, the key is graded refused."""
    script = f"""
        CREATE TABLE things (id UUID PRIMARY KEY, name TEXT);
        INSERT INTO things VALUES ('{UUID}', 'small'), ('{UUID.upper()}', 'capital');
    """
    source = make_source(tmp_path / "s.db", script)
    report = producer("start", "--source", source, "--json").json
    assert report["progress"]["state"] == "completed"
    assert ("primary key", "refused") in {(each["kind"], each["grade"]) for each in report["not_exact"]}
    assert sorted(ledger_rows(target_url, "SELECT name FROM things")) == [("capital",), ("small",)]
    producer("verify")


def test_a_table_that_is_too_wide_is_refused_before_anything_is_made(
    tmp_path: Path, producer: Producer, target_url: str
) -> None:
    """1,601 columns: `plan` lists it, `start` refuses with the reason, and with --exclude the rest is copied."""
    columns = ", ".join(f"c{number} INTEGER" for number in range(1601))
    source = make_source(tmp_path / "s.db", f"CREATE TABLE wide ({columns}); CREATE TABLE t (id INTEGER PRIMARY KEY)")
    producer("plan", "--source", source)
    outcome = producer("start", "--source", source, code=2)
    assert "table wide cannot be copied" in outcome.err
    assert "--exclude" in outcome.err
    assert ledger_rows(target_url, "SELECT to_regclass('t') IS NULL") == [(True,)]
    producer("start", "--source", source, "--exclude", "wide", "--detach")
