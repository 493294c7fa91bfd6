"""Triggers of SQLite and their translations, fired by the same statements on both databases."""

# ruff: noqa: E501 - a statement of SQL reads better whole

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from twinkit import Twins

from shared.records.plan import Grade

_TABLES = """
CREATE TABLE Item (Id INTEGER PRIMARY KEY, Name TEXT, Qty INTEGER DEFAULT 0, Kind TEXT NOT NULL DEFAULT 'plain', Flag BOOLEAN DEFAULT 0);
CREATE TABLE Log (Id INTEGER PRIMARY KEY AUTOINCREMENT, What TEXT, ItemId INTEGER, Old TEXT, New TEXT);
CREATE TABLE Total (Kind TEXT PRIMARY KEY, N INTEGER NOT NULL DEFAULT 0, Note TEXT DEFAULT 'none');
CREATE TABLE Part (ItemId INTEGER, Nr INTEGER, Name TEXT, PRIMARY KEY (ItemId, Nr));
INSERT INTO Item (Id, Name, Qty) VALUES (1, 'one', 5), (2, 'two', 7), (3, NULL, 0);
INSERT INTO Total VALUES ('plain', 3, 'kept');
INSERT INTO Part VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'c');
"""
_ASKED = {
    "Item": "SELECT Id, Name, Qty, Kind, Flag FROM Item ORDER BY Id",
    "Log": "SELECT What, ItemId, Old, New FROM Log",
    "Total": "SELECT Kind, N, Note FROM Total ORDER BY Kind",
    "Part": "SELECT ItemId, Nr, Name FROM Part ORDER BY ItemId, Nr",
}
_WORK = (
    "INSERT INTO Item (Id, Name, Qty) VALUES (10, 'ten', 1)",
    "INSERT INTO Item (Id, Name, Qty, Kind) VALUES (11, 'eleven', -1, 'odd'), (12, 'it''s', 3, 'odd')",
    "UPDATE Item SET Name = 'uno' WHERE Id = 1",
    "UPDATE Item SET Qty = Qty + 1",
    "UPDATE Item SET Name = NULL, Kind = 'odd' WHERE Id = 2",
    "UPDATE Part SET Name = 'z' WHERE ItemId = 1 AND Nr = 1",
    "DELETE FROM Item WHERE Id = 10",
    "DELETE FROM Item",
)

_TRIGGERS = {
    "insert": "AFTER INSERT ON Item BEGIN INSERT INTO Log (What, ItemId, New) VALUES ('insert', NEW.Id, NEW.Name); END",
    "update": "AFTER UPDATE ON Item BEGIN INSERT INTO Log (What, ItemId, Old, New) VALUES ('update', OLD.Id, OLD.Name, NEW.Name); END",
    "delete": "AFTER DELETE ON Item FOR EACH ROW BEGIN INSERT INTO Log VALUES (NULL, 'delete', OLD.Id, OLD.Name, NULL); END",
    "update of": "AFTER UPDATE OF Name, Kind ON Item BEGIN INSERT INTO Log (What, ItemId) VALUES ('named', NEW.Id); END",
    "when": "AFTER UPDATE ON Item WHEN OLD.Name IS NOT NEW.Name AND NEW.Qty > 1 BEGIN INSERT INTO Log (What, ItemId) VALUES ('renamed', NEW.Id); END",
    "when with a subquery": "AFTER INSERT ON Item WHEN (SELECT count(*) FROM Log) < 2 BEGIN INSERT INTO Log (What) VALUES ('few'); END",
    "several": """AFTER INSERT ON Item BEGIN
        INSERT INTO Log (What) VALUES ('first; END');
        UPDATE Total SET N = N + 1, Note = CASE WHEN NEW.Qty > 0 THEN 'more' ELSE 'less' END WHERE Kind = NEW.Kind;
        DELETE FROM Part WHERE ItemId = NEW.Id - 9;
        END""",
    "before": "BEFORE DELETE ON Item BEGIN DELETE FROM Part WHERE ItemId = OLD.Id; END",
    "select": "AFTER INSERT ON Item BEGIN INSERT INTO Log (What, ItemId) SELECT 'part ' || p.Name, p.ItemId FROM Part p WHERE p.ItemId < NEW.Id; END",
    "select of all columns": "AFTER DELETE ON Item BEGIN INSERT INTO Log SELECT NULL, 'gone', OLD.Id, NULL, Name FROM Part WHERE ItemId = OLD.Id; END",
    "upsert": "AFTER INSERT ON Item BEGIN INSERT INTO Total (Kind, N) VALUES (NEW.Kind, 1) ON CONFLICT (Kind) DO UPDATE SET N = N + excluded.N WHERE Total.N < 100; END",
    "upsert nothing": "AFTER INSERT ON Item BEGIN INSERT INTO Total (Kind, N) VALUES (NEW.Kind, 1) ON CONFLICT DO NOTHING; END",
    "or ignore": "AFTER INSERT ON Item BEGIN INSERT OR IGNORE INTO Total (Kind, N) VALUES (NEW.Kind, NEW.Qty); END",
    "or replace": "AFTER INSERT ON Item BEGIN INSERT OR REPLACE INTO Total (Kind, N) VALUES (NEW.Kind, NEW.Qty); END",
    "replace": "AFTER INSERT ON Item BEGIN REPLACE INTO Part (ItemId, Nr) VALUES (1, NEW.Qty); END",
    "scalar subquery": "AFTER UPDATE ON Item BEGIN UPDATE Total SET N = (SELECT count(*) FROM Part WHERE ItemId = NEW.Id) WHERE Kind = NEW.Kind; END",
    "row of a subquery": "AFTER UPDATE ON Item BEGIN UPDATE Total SET (N, Note) = (SELECT count(*), max(Name) FROM Part WHERE ItemId = NEW.Id); END",
    "update from": "AFTER INSERT ON Item BEGIN UPDATE Total SET Note = p.Name FROM Part p WHERE p.ItemId = 2 AND Total.Kind = NEW.Kind; END",
    "raise": "BEFORE INSERT ON Item WHEN NEW.Qty < 0 BEGIN SELECT RAISE(ABORT, 'it''s less than 0 %'); END",
    "raise where": "BEFORE UPDATE ON Item BEGIN SELECT RAISE(FAIL, 'no name') WHERE NEW.Name IS NULL AND OLD.Name IS NOT NULL; END",
    "raise case": "BEFORE INSERT ON Item BEGIN SELECT CASE WHEN NEW.Qty < 0 THEN RAISE(ABORT, 'less') WHEN NEW.Name = 'it''s' THEN RAISE(ROLLBACK, 'odd') END; END",
    "raise case of": "BEFORE INSERT ON Item BEGIN SELECT CASE NEW.Qty WHEN -1 THEN RAISE(ABORT, 'less') END; END",
    "raise from": "BEFORE DELETE ON Item BEGIN SELECT RAISE(ABORT, 'has parts') FROM Part WHERE ItemId = OLD.Id; END",
    "raise if a subquery": "BEFORE DELETE ON Item BEGIN SELECT CASE WHEN (SELECT count(*) FROM Part WHERE ItemId = OLD.Id) > 0 THEN RAISE(ABORT, 'has parts') END; END",
    "raise ignore": "BEFORE DELETE ON Item WHEN OLD.Id = 2 BEGIN SELECT RAISE(IGNORE); END",
    "ignore the rest": "AFTER INSERT ON Item BEGIN SELECT RAISE(IGNORE) WHERE NEW.Kind = 'odd'; INSERT INTO Log (What) VALUES ('not odd'); END",
    "own table": "AFTER INSERT ON Item BEGIN UPDATE Item SET Name = upper(NEW.Name), Flag = 1 WHERE Id = NEW.Id; END",
    "own row again": "AFTER UPDATE ON Item BEGIN UPDATE Item SET Qty = Qty + 10 WHERE Id = NEW.Id; INSERT INTO Log (What, New) VALUES ('again', NEW.Qty); END",
    "cascade in itself": "AFTER DELETE ON Item BEGIN DELETE FROM Item WHERE Id = OLD.Id + 1; INSERT INTO Log (What, ItemId) VALUES ('gone', OLD.Id); END",
    "dollars": "AFTER INSERT ON Item BEGIN INSERT INTO Log (What, New) VALUES ('$body$ $$', '$body1$'); END",
    "numbers into text": "AFTER INSERT ON Item BEGIN INSERT INTO Log (What, Old, New) VALUES (1, NEW.Qty, NEW.Id); END",
    "does nothing": "AFTER INSERT ON Item BEGIN SELECT 1; END",
    "part of a key": "AFTER UPDATE ON Part BEGIN UPDATE Part SET Name = date('now') WHERE ItemId = NEW.ItemId; END",
    "rowid": "AFTER INSERT ON Item BEGIN INSERT INTO Log (rowid, What) VALUES (NEW.rowid * 100, 'by rowid'); END",
}
_ROW_BY_ROW = {"cascade in itself", "own row again", "scalar subquery", "row of a subquery"}
"""What these leave depends on the order of a statement's rows, and on whether they fire after each row (SQLite) or after
all of them (PostgreSQL): they are tried with one row at a time."""


@pytest.mark.parametrize("name", _TRIGGERS)
def test_triggers_do_the_same(name: str, tmp_path: Path, target_url: str) -> None:
    """A trigger that is translated leaves the same rows behind and refuses the same statements."""
    both = Twins(f'{_TABLES}CREATE TRIGGER "{name}" {_TRIGGERS[name]};', tmp_path, target_url)
    assert both.grade(name).grade is not Grade.REFUSED, both.grade(name).reason
    assert both.refusals == {}
    fired = 0
    for statement in _WORK:
        if name in _ROW_BY_ROW and "WHERE" not in statement:
            continue
        ours, theirs = both.do(statement)
        assert theirs == ours
        fired += bool(ours)
        for table, question in _ASKED.items():
            before, after = both.both(question)
            assert sorted(after, key=repr) == sorted(before, key=repr), f"{table} after {statement}"
    assert fired or not name.startswith("raise") or name == "raise ignore"
    both.close()


_WITHOUT_TRIGGER = {"does nothing"}


@pytest.mark.parametrize("name", sorted(set(_TRIGGERS) - _WITHOUT_TRIGGER))
def test_triggers_do_something(name: str, tmp_path: Path) -> None:
    """The statements of these tests fire each of the triggers: without it they leave other rows behind."""
    results: list[Any] = []
    for trigger in ("", f'CREATE TRIGGER "{name}" {_TRIGGERS[name]};'):
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(_TABLES + trigger)
        seen: list[Any] = []
        for statement in _WORK:
            try:
                connection.execute(statement)
            except sqlite3.Error as error:
                seen.append(str(error))
            seen.append([connection.execute(question).fetchall() for question in _ASKED.values()])
        results.append(seen)
    assert results[0] != results[1]


_CHANGED_AT = {
    "CURRENT_TIMESTAMP": ("TEXT", "'2001-02-03 04:05:06'"),
    "datetime('now')": ("DATETIME", "'2001-02-03 04:05:06'"),
    "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')": ("TEXT", "'some'"),
    "date('now')": ("DATE", "'2001-02-03'"),
    "strftime('%s', 'now')": ("INTEGER", "5"),
    "unixepoch()": ("INTEGER", "5"),
    "CAST(strftime('%s', 'now') AS INTEGER) * 1000": ("INTEGER", "5"),
    "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)": ("INTEGER", "5"),
    "julianday('now')": ("REAL", "5.5"),
}


@pytest.mark.parametrize("moment", _CHANGED_AT)
@pytest.mark.parametrize("key", ["rowid = NEW.rowid", "Id = OLD.Id", "Doc.Id = NEW.Id"])
def test_changed_at(moment: str, key: str, tmp_path: Path, target_url: str) -> None:
    """A trigger that only notes when a row was changed becomes a call of the one function, in the column's own form."""
    kind, first = _CHANGED_AT[moment]
    script = f"""
        CREATE TABLE Doc (Id INTEGER PRIMARY KEY, Body TEXT, Changed {kind}, Made {kind});
        INSERT INTO Doc VALUES (1, 'a', {first}, {first}), (2, 'b', {first}, {first});
        CREATE TRIGGER changed AFTER UPDATE ON Doc BEGIN UPDATE Doc SET Changed = {moment} WHERE {key}; END;
        CREATE TRIGGER made AFTER INSERT ON Doc BEGIN UPDATE Doc SET Made = {moment} WHERE Id = NEW.Id; END;
    """
    both = Twins(script, tmp_path, target_url)
    assert {both.grade(name).grade for name in ("changed", "made")} == {Grade.APPROXIMATED}
    assert "before the row is written" in both.grade("changed").reason
    assert both.refusals == {}
    assert [each.name for each in both.plan.objects] == ["set_changed_at", "changed", "made"]
    both.do("UPDATE Doc SET Body = 'c' WHERE Id = 1")
    both.do("INSERT INTO Doc (Id, Body) VALUES (3, 'new')")
    ours, theirs = both.both("SELECT Id, Body, Changed, Made FROM Doc ORDER BY Id")
    assert [_shape(row) for row in theirs] == [_shape(row) for row in ours]
    assert theirs[1] == ours[1]
    both.close()


def _shape(row: tuple[Any, ...]) -> list[str]:
    """A row with its last digits left out, since the two clocks are read one after the other."""
    return [re.sub(r"\d", "9", str(round(value, 1) if isinstance(value, float) else value)) for value in row]


def test_changed_at_with_conditions(tmp_path: Path, target_url: str) -> None:
    """Guards, several columns and UPDATE OF are kept: a moment that the statement gives itself stays."""
    script = """
        CREATE TABLE Doc (A INTEGER, B INTEGER, Body TEXT, Note TEXT, Changed TEXT, Seen TEXT, PRIMARY KEY (A, B));
        INSERT INTO Doc VALUES (1, 1, 'a', 'n', 'old', 'old'), (1, 2, 'b', 'n', 'old', 'old'), (2, 1, 'c', 'n', NULL, 'old');
        CREATE TRIGGER changed AFTER UPDATE OF Body ON Doc WHEN NEW.Changed IS OLD.Changed
        BEGIN UPDATE Doc SET Changed = CURRENT_TIMESTAMP, Seen = date('now') WHERE B = NEW.B AND A = NEW.A; END;
    """
    both = Twins(script, tmp_path, target_url)
    assert both.refusals == {}
    for statement in (
        "UPDATE Doc SET Body = 'x' WHERE A = 1 AND B = 1",
        "UPDATE Doc SET Body = 'x', Changed = 'mine' WHERE A = 1 AND B = 2",
        "UPDATE Doc SET Note = 'x'",
        "UPDATE Doc SET Body = NULL WHERE A = 2",
    ):
        assert both.do(statement) == ("", "")
    ours, theirs = both.both("SELECT * FROM Doc ORDER BY A, B")
    assert [_shape(row) for row in theirs] == [_shape(row) for row in ours]
    both.close()


def test_instead_of(tmp_path: Path, target_url: str) -> None:
    """A view that is translated takes INSERT, UPDATE and DELETE by its INSTEAD OF triggers."""
    script = (
        _TABLES
        + """
        CREATE VIEW Named AS SELECT Id AS Nr, Name FROM Item WHERE Name IS NOT NULL;
        CREATE TRIGGER v_in INSTEAD OF INSERT ON Named BEGIN INSERT INTO Item (Id, Name) VALUES (NEW.Nr, lower(NEW.Name)); END;
        CREATE TRIGGER v_up INSTEAD OF UPDATE ON Named BEGIN UPDATE Item SET Name = NEW.Name WHERE Id = OLD.Nr; END;
        CREATE TRIGGER v_of INSTEAD OF UPDATE OF Name ON Named BEGIN SELECT 1; END;
        CREATE TRIGGER v_del INSTEAD OF DELETE ON Named WHEN OLD.Nr > 1 BEGIN DELETE FROM Item WHERE Id = OLD.Nr; END;
    """
    )
    both = Twins(script, tmp_path, target_url)
    assert both.refusals == {}
    assert {both.grade(name).grade for name in ("v_in", "v_up", "v_del")} == {Grade.EXACT}
    assert "no INSTEAD OF UPDATE OF" in both.grade("v_of").reason
    for statement in (
        "INSERT INTO Named VALUES (20, 'TWENTY')",
        "UPDATE Named SET Name = Name || '!'",
        "DELETE FROM Named",
    ):
        assert both.do(statement) == ("", "")
        before, after = both.both(_ASKED["Item"])
        assert after == before
    both.close()


def test_triggers_that_fire_each_other_in_a_ring(tmp_path: Path, target_url: str) -> None:
    """A trigger never fires itself by way of others, and the others still fire."""
    script = (
        _TABLES
        + """
        CREATE TRIGGER a AFTER UPDATE ON Item BEGIN UPDATE Total SET N = N + 1; END;
        CREATE TRIGGER b AFTER UPDATE ON Total BEGIN UPDATE Item SET Qty = Qty + 1 WHERE Id = 1; INSERT INTO Log (What) VALUES ('b'); END;
    """
    )
    both = Twins(script, tmp_path, target_url)
    for statement in (
        "UPDATE Item SET Name = 'x' WHERE Id = 2",
        "UPDATE Total SET Note = 'y'",
        "UPDATE Item SET Name = 'z' WHERE Id = 1",
    ):
        assert both.do(statement) == ("", "")
        for question in _ASKED.values():
            before, after = both.both(question)
            assert after == before, statement
    assert "never fires itself" in both.grade("a").reason
    both.close()


_REFUSED = {
    "AFTER INSERT ON Item BEGIN INSERT INTO Log (What) VALUES (no_such_function(1)); END": "no_such_function",
    "AFTER INSERT ON Item BEGIN INSERT INTO Nowhere VALUES (1); END": "Nowhere, which does not exist",
    "BEFORE UPDATE ON Item BEGIN UPDATE Item SET Qty = 5 WHERE Id = NEW.Id; END": "before a row of it is changed",
    "AFTER INSERT ON Item BEGIN UPDATE OR IGNORE Total SET N = 1; END": "it cannot be parsed",
    "AFTER INSERT ON Item BEGIN SELECT coalesce(NULL, RAISE(ABORT, 'x')); END": "a RAISE within an expression",
    "AFTER INSERT ON Item BEGIN INSERT OR REPLACE INTO Two (Id, A) VALUES (1, 2); END": "may meet several keys",
    "AFTER INSERT ON Item BEGIN INSERT INTO Two (Id, A) VALUES (1, 2) ON CONFLICT DO UPDATE SET A = 3; END": "names no key",
}


def test_refused_triggers_say_why(tmp_path: Path, target_url: str) -> None:
    """A trigger without a translation is refused by name with the reason and its SQL."""
    script = "CREATE TABLE Two (Id INTEGER PRIMARY KEY, A INTEGER UNIQUE);"
    triggers = [f'CREATE TRIGGER "t{number}" {body}' for number, body in enumerate(_REFUSED)]
    both = Twins(f"{_TABLES}{script}{';'.join(triggers)};", tmp_path, target_url)
    for number, reason in enumerate(_REFUSED.values()):
        grade = both.grade(f"t{number}")
        assert grade.grade is Grade.REFUSED
        assert reason in grade.reason
        assert grade.reason.endswith(f"recreate it by hand: {triggers[number]}")
    both.close()


def test_search_keeps_itself(tmp_path: Path, target_url: str) -> None:
    """Triggers that keep a full-text search in step with its table are not needed: the tsvector column is generated."""
    script = """
        CREATE TABLE Doc (Id INTEGER PRIMARY KEY, Body TEXT);
        CREATE VIRTUAL TABLE DocSearch USING fts5(Body, content='Doc', content_rowid='Id');
        CREATE TRIGGER doc_in AFTER INSERT ON Doc BEGIN INSERT INTO DocSearch (rowid, Body) VALUES (new.Id, new.Body); END;
        CREATE TRIGGER doc_del AFTER DELETE ON Doc BEGIN INSERT INTO DocSearch (DocSearch, rowid, Body) VALUES ('delete', old.Id, old.Body); END;
        INSERT INTO Doc VALUES (1, 'running foxes');
    """
    both = Twins(script, tmp_path, target_url)
    assert both.grade("doc_in").grade is Grade.EXACT
    assert "no trigger is needed" in both.grade("doc_del").reason
    assert both.plan.objects == ()
    both.close()
