"""Full-text search tables and R-trees: their rows arrive and are verified, and PostgreSQL finds what SQLite finds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from fleetkit import RunningWorker
from producerkit import Producer, ledger_rows, make_source

SEARCHED = """
CREATE TABLE article (id INTEGER PRIMARY KEY, title TEXT, body TEXT, words INT);
INSERT INTO article VALUES (1, 'Running', 'The fox runs', 3), (2, 'Sleep', 'A dog sleeps', 3), (3, NULL, NULL, 0);
CREATE VIRTUAL TABLE article_fts USING fts5 (title, body, content='article', content_rowid='id', tokenize='porter');
INSERT INTO article_fts (article_fts) VALUES ('rebuild');
CREATE VIRTUAL TABLE titles USING fts4 (content="article", title);
INSERT INTO titles (titles) VALUES ('rebuild');
CREATE VIRTUAL TABLE mail USING fts5 (sender UNINDEXED, subject, body);
INSERT INTO mail (rowid, sender, subject, body) VALUES
  (-4, 'ann', 'Lunch', 'at noon'), (10, x'00ff', 'Dinner', NULL), (11, NULL, 'Noon', 'no lunch');
CREATE VIRTUAL TABLE note USING fts4 (body, languageid="tongue", tokenize=porter);
INSERT INTO note (docid, body, tongue) VALUES (7, 'running late', 0), (8, 'spät dran', 1);
CREATE VIRTUAL TABLE old USING fts3;
INSERT INTO old VALUES ('hello world'), ('12'), (34);
CREATE VIRTUAL TABLE many USING fts5 (a, b, c, d, e);
INSERT INTO many VALUES ('one', 'two', 'three', 'four', 'five');
CREATE VIRTUAL TABLE nowhere USING fts5 (body, content='');
INSERT INTO nowhere (rowid, body) VALUES (1, 'gone');
CREATE VIEW shown AS SELECT id, body FROM article;
CREATE VIRTUAL TABLE by_view USING fts5 (body, content='shown', content_rowid='id');
CREATE VIRTUAL TABLE terms USING fts5vocab (mail, row);
"""
TREES = """
CREATE VIRTUAL TABLE d1 USING rtree (id, a, b);
INSERT INTO d1 VALUES (1, 0.1, 0.2), (-2, -3.4e38, 3.4e38), (3, 16777217, 16777217);
CREATE VIRTUAL TABLE d2 USING rtree (id, "min x", maxX, minY, maxY, +label TEXT, +data BLOB);
INSERT INTO d2 VALUES (1, 0, 1, 0, 1, 'origin', x'00'), (2, 10, 12, 10, 12, NULL, 2.5), (3, 11, 20, -1, 99, 4, NULL);
CREATE VIRTUAL TABLE d3 USING rtree (id, a, b, c, d, e, f); INSERT INTO d3 VALUES (1, 0, 1, 0, 1, 0, 1);
CREATE VIRTUAL TABLE d4 USING rtree (id, a, b, c, d, e, f, g, h); INSERT INTO d4 VALUES (1, 0, 1, 0, 1, 0, 1, 0, 1);
CREATE VIRTUAL TABLE d5 USING rtree_i32 (id, a, b, c, d, e, f, g, h, i, j);
INSERT INTO d5 VALUES (1, -2147483648, 2147483647, 0, 1, 0, 1, 0, 1, 0, 0);
CREATE VIRTUAL TABLE empty USING rtree (id, a, b);
"""
OWN = {
    "mail": "rowid, sender, subject, body",
    "note": "docid, body, tongue",
    "old": "docid, content",
    "many": "rowid, a, b, c, d, e",
    "d1": "id, a, b",
    "d2": 'id, "min x", maxX, minY, maxY, label, data',
    "d3": "id, a, b, c, d, e, f",
    "d4": "id, a, b, c, d, e, f, g, h",
    "d5": "id, a, b, c, d, e, f, g, h, i, j",
    "empty": "id, a, b",
}


def _asked(source: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(source)) as connection:
        return connection.execute(sql).fetchall()


def _as_text(value: Any) -> bytes | None:
    """A value as bytea or text holds it where a column mixes storage classes."""
    if value is None or isinstance(value, bytes):
        return value
    return str(value).encode()


def _both(source: Path, url: str, table: str) -> tuple[list[Any], list[Any]]:
    columns = OWN[table]
    ours = _asked(source, f"SELECT {columns} FROM {table} ORDER BY 1")
    theirs = ledger_rows(url, f"SELECT {columns.replace('maxX', 'maxx')} FROM {table} ORDER BY 1")
    assert len(ours) == len(theirs)
    for row, copy in zip(ours, theirs, strict=True):
        for value, copied in zip(row, copy, strict=True):
            plain = bytes(copied) if isinstance(copied, memoryview) else copied
            assert plain == (_as_text(value) if isinstance(plain, bytes) else value) or plain == str(value), (row, copy)
    return ours, theirs


def _found(url: str, table: str, key: str, query: str, column: str = "search") -> list[int]:
    sql = f"SELECT {key} FROM {table} WHERE {column} @@ {query} ORDER BY 1"
    return [row[0] for row in ledger_rows(url, sql)]


def test_search_tables_and_trees_arrive_and_are_searched(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """All their rows are verified, the nearest of PostgreSQL's own indexes serves the same questions, and what is
    less is said by name.
    """
    source = make_source(tmp_path / "s.db", SEARCHED + TREES)
    report = producer("start", "--source", source, "--json").json
    assert report["progress"]["state"] == "completed"
    names = {name for (name,) in ledger_rows(target_url, "SELECT source_name FROM pgconvoy.tables")}
    assert names == {"article", *OWN}
    states = ledger_rows(target_url, "SELECT DISTINCT state FROM pgconvoy.chunks")
    assert states == [("verified",)]
    for table in OWN:
        _both(source, target_url, table)

    english, simple = "websearch_to_tsquery('english', %s)", "websearch_to_tsquery('simple', %s)"
    fox = _asked(source, "SELECT rowid FROM article_fts WHERE article_fts MATCH 'running'")
    assert _found(target_url, "article", "id", english.replace("%s", "'running'")) == [row[0] for row in fox] == [1]
    titles = _asked(source, "SELECT docid FROM titles WHERE titles MATCH 'sleep'")
    assert _found(target_url, "article", "id", simple.replace("%s", "'sleep'"), "titles") == [row[0] for row in titles]
    lunch = _asked(source, "SELECT rowid FROM mail WHERE mail MATCH 'subject: lunch'")
    assert _found(target_url, "mail", "rowid", "to_tsquery('simple', 'lunch:A')") == [row[0] for row in lunch] == [-4]
    assert _found(target_url, "mail", "rowid", simple.replace("%s", "'lunch'")) == [-4, 11]
    assert _found(target_url, "note", "docid", english.replace("%s", "'run'")) == [7]
    assert _found(target_url, "old", "docid", simple.replace("%s", "'34'")) == [3]
    assert _found(target_url, "many", "rowid", simple.replace("%s", "'five'")) == [1]

    inside = _asked(source, 'SELECT id FROM d2 WHERE maxX >= 11 AND "min x" <= 11.5 AND maxY >= 0 AND minY <= 50')
    overlap = """SELECT id FROM d2 WHERE numrange("min x"::numeric, "maxx"::numeric, '[]') && numrange(11, 11.5, '[]')
                    AND numrange("miny"::numeric, "maxy"::numeric, '[]') && numrange(0, 50, '[]') ORDER BY 1"""
    assert ledger_rows(target_url, overlap) == sorted(inside) == [(2,), (3,)]
    with closing(psycopg2.connect(target_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; EXPLAIN " + overlap)
        assert "d2_ranges_idx" in str(cursor.fetchall())
        cursor.execute("SET enable_seqscan = off; EXPLAIN SELECT 1 FROM article WHERE search @@ 'x'")
        assert "article_search_idx" in str(cursor.fetchall())
        cursor.execute("INSERT INTO mail (subject) VALUES ('Supper') RETURNING rowid, search @@ 'supper'")
        assert cursor.fetchone() == (12, True)

    grades = {(each["kind"], each["name"]): each for each in report["not_exact"]}
    assert {name: grade["grade"] for (kind, name), grade in grades.items() if kind == "virtual table"} == {
        **dict.fromkeys([*OWN, "article_fts", "titles"], "approximated"),
        **dict.fromkeys(["nowhere", "by_view", "terms"], "refused"),
    }
    reason = grades["virtual table", "article_fts"]["reason"]
    assert "title (A), body (B)" in reason
    assert "websearch_to_tsquery('english'" in reason
    shadows = {name for kind, name in grades if kind == "shadow table"}
    assert shadows >= {"mail_content", "article_fts_data", "d2_node", "nowhere_docsize"}
    tables = {
        name for (name,) in ledger_rows(target_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    }
    assert tables == {"article", *OWN}


def test_a_search_table_can_be_asked_for_by_name(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """--tables and --limit know it as any table; what searches tables that were not asked for is left aside."""
    source = make_source(tmp_path / "s.db", SEARCHED)
    report = producer("start", "--source", source, "--tables", "MAIL", "--limit", "2", "--json").json
    assert report["progress"]["state"] == "completed"
    assert ledger_rows(target_url, "SELECT rowid FROM mail ORDER BY 1") == [(-4,), (10,)]
    assert [each["name"] for each in report["not_exact"] if each["kind"] == "virtual table"] == ["mail"]


def test_nothing_is_added_to_a_table_that_was_there_before(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """Rows go in; search is left out, and that is said."""
    source = make_source(tmp_path / "s.db", SEARCHED)
    with closing(psycopg2.connect(target_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE article (id bigint PRIMARY KEY, title text, body text, words int)")
    report = producer("start", "--source", source, "--tables", "article,mail", "--json").json
    found = {each["name"]: each for each in report["not_exact"] if each["kind"] == "virtual table"}
    assert {name: each["grade"] for name, each in found.items()} == {
        "article_fts": "refused", "titles": "refused", "mail": "approximated",
    }  # fmt: skip
    assert "nothing is added for it to a table that was there before" in found["titles"]["reason"]
    assert ledger_rows(target_url, "SELECT count(*) FROM article") == [(3,)]


def test_a_second_job_brings_the_rows_up_to_date(
    tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """Into the tables of the first one, whose search goes on; --recreate makes it anew."""
    source = make_source(tmp_path / "s.db", SEARCHED)
    producer("start", "--source", source, "--tables", "mail,article")
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("UPDATE mail SET subject = 'Breakfast' WHERE rowid = 10")
    again = producer("start", "--source", source, "--tables", "mail,article", "--json").json
    assert again["progress"]["state"] == "completed"
    assert _found(target_url, "mail", "rowid", "to_tsquery('simple', 'breakfast:A')") == [10]
    assert {each["grade"] for each in again["not_exact"] if each["kind"] == "virtual table"} == {"approximated"}
    anew = producer("start", "--source", source, "--tables", "mail", "--recreate", "--json").json
    assert anew["progress"]["state"] == "completed"
    assert _found(target_url, "mail", "rowid", "to_tsquery('simple', 'breakfast:A')") == [10]
