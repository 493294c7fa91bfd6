"""Types chosen by a sample: what the sample did not show arrives all the same, or becomes a reject with its reason."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fleetkit import RunningWorker
from producerkit import Producer, ledger_rows

ROWS = 400_000
"""The sample is every other block of 2,000 rows then, the first block among them."""
ODD = {
    # row: column, value, and what the target holds of it (None: the row is a reject)
    2011: ("amount", "not a number", None),
    2177: ("amount", 5.5, None),
    2333: ("amount", 10.0, 10),
    2419: ("note", b"\x00\xff", None),
    2531: ("note", 17, "17"),
    2613: ("note", "nul \0 inside", None),
    2709: ("day", "yesterday", None),
    2821: ("code", None, None),
    3023: ("ratio", "half", None),
    3311: ("ratio", 3, 3.0),
    3611: ("empty", 2**40, 2**40),
    3999: ("flag", 2, None),
    202_100: ("loose", 2**53 + 1, None),  # alone in its chunk: Arrow would make it a real that is another number
}


def _make(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT, amount INT, note TEXT, day DATE, ratio REAL,
                empty INT, flag BOOLEAN, loose);
            CREATE UNIQUE INDEX code ON t (code);
            CREATE TABLE w (id INT, part INT, word TEXT NOT NULL, PRIMARY KEY (id)) WITHOUT ROWID;
            CREATE TABLE p (name TEXT PRIMARY KEY, n INT);
            """
        )
        rows = [
            (n, f"c{n}", n % 7, f"note {n}", f"2024-01-{n % 28 + 1:02}", n / 3, None, n % 2, n / 4 + 0.1)
            for n in range(1, ROWS + 1)
        ]
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO w VALUES (?, ?, ?)", [(n, n, f"w{n}") for n in range(ROWS)])
        connection.execute("UPDATE w SET id = 3777.5 WHERE id = 3777")
        connection.executemany("INSERT INTO p VALUES (?, ?)", [(f"p{n:06}", n) for n in range(ROWS)])
        connection.execute("UPDATE p SET name = NULL WHERE n = 3313")
        for row, (column, value, _) in ODD.items():
            place = "CAST(? AS BLOB)" if isinstance(value, bytes) else "?"
            connection.execute(f"UPDATE t SET {column} = {place} WHERE id = ?", (value, row))
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'code TEXT,', 'code TEXT NOT NULL,')")
        connection.commit()
    return path


def test_what_the_sample_missed_arrives_or_is_rejected(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """Mixed classes, NULLs, U+0000 and days that are none lie outside the sample: nothing is lost, nothing unseen."""
    source = str(_make(tmp_path / "s.db"))
    plan = producer("plan", "--source", source, "--profile", "sample", "--json").json
    columns = {
        column["name"]: column for table in plan["tables"] if table["source"] == "t" for column in table["columns"]
    }
    assert {name: column["type"]["kind"] for name, column in columns.items() if name != "id"} == {
        "code": "text", "amount": "bigint", "note": "text", "day": "date", "ratio": "double precision",
        "empty": "bigint", "flag": "boolean", "loose": "double precision",
    }  # fmt: skip
    assert all(", in a sample of 202,000 rows" in column["reason"] for column in columns.values())
    assert columns["code"]["not_null"]
    assert not columns["note"]["not_null"]

    report = producer("start", "--source", source, "--profile", "sample", "--chunk-mb", "1", "--json", code=1).json
    assert report["progress"]["state"] == "completed_with_rejects"
    rejected = {row for row, (_, _, arrived) in ODD.items() if arrived is None}
    found = ledger_rows(target_url, "SELECT key, column_name, reason FROM pgconvoy.rejects")
    assert len(found) == len(rejected) + 1, found  # and the half among the ids of w
    ids = {number for (number,) in ledger_rows(target_url, "SELECT id FROM t")}
    assert ids == set(range(1, ROWS + 1)) - rejected
    for row, (column, _, arrived) in ODD.items():
        if arrived is not None:
            assert ledger_rows(target_url, f"SELECT {column} FROM t WHERE id = {row}") == [(arrived,)]
    # A key with a NULL outside the sample is a unique key: NULLs in keys are counted in all rows.
    assert ledger_rows(target_url, "SELECT count(*), count(name) FROM p") == [(ROWS, ROWS - 1)]
    assert ledger_rows(target_url, "SELECT contype FROM pg_constraint WHERE conrelid = 'p'::regclass") == [("u",)]
    assert ledger_rows(target_url, "SELECT count(*) FROM w") == [(ROWS - 1,)]
    assert ledger_rows(target_url, "SELECT count(*) FROM pgconvoy.mismatches") == [(0,)]
    assert report["verified"]
