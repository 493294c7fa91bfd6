"""Real databases arrive whole, through the command and real workers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fleetkit import RunningWorker
from producerkit import Producer, differences, ledger_rows

from shared.source.kinds import open_source

FILES = {
    "chinook": "chinook/Chinook_Sqlite.sqlite",
    "datasette": "datasette/fixtures.db",
    "northwind": "northwind/northwind.sqlite",
    "wagtail": "wagtail/wagtail.sqlite3",
}


def tables_of(path: Path) -> list[str]:
    """The ordinary tables of a file."""
    with open_source(str(path), frozen=False) as reader:
        return [table.name for table in reader.catalog().tables]


@pytest.mark.parametrize("name", FILES)
def test_every_value_of_a_real_database_arrives(
    name: str, datasets: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """All tables, all rows, all values, and what isn't translated is reported."""
    source = datasets / FILES[name]
    before = source.read_bytes()
    outcome = producer("start", "--tables", "all", "--source", source, "--json")
    assert outcome.json["progress"]["state"] == "completed", outcome
    names = dict(ledger_rows(target_url, "SELECT source_name, target_name FROM pgconvoy.tables"))
    assert sorted(names) == sorted(tables_of(source))
    for table, target in names.items():
        assert not differences(source, target_url, table=table, name=target), table
    assert source.read_bytes() == before, "the source is never written to"


def test_chinook_has_its_keys(datasets: Path, producer: Producer, worker: RunningWorker, target_url: str) -> None:
    """11 tables, 15,607 rows, a primary key each, all 11 foreign keys validated, identities that go on."""
    source = datasets / FILES["chinook"]
    producer("start", "--source", source)
    (total,) = ledger_rows(target_url, "SELECT sum(rows) FROM pgconvoy.chunks WHERE state = 'verified'")[0]
    assert total == 15_607
    kinds = dict(
        ledger_rows(
            target_url,
            """SELECT contype::text, count(*) FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f') AND convalidated GROUP BY 1""",
        )
    )
    with closing(sqlite3.connect(source)) as connection:
        keys = sum(
            len({row[0] for row in connection.execute(f'PRAGMA foreign_key_list("{table}")')})
            for table in tables_of(source)
        )
    assert kinds == {"p": 11, "f": keys}
    ((next_id,),) = ledger_rows(target_url, "INSERT INTO artist (name) VALUES ('new') RETURNING artistid")
    assert next_id == 276
