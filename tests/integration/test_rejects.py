"""Rejected rows can be taken out as they were, and arrive after all once a rule says how."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from casekit import inline_workforce
from pydantic import SecretStr

from producer import commands, looking, starting
from producer.records import JobEnd, JobProgress
from producer.starting import start
from shared.errors import OperatorError
from shared.records.plan import JobOptions, TypesPolicy
from shared.records.rules import BadTextPolicy, NulPolicy, Rule, SourceForm
from shared.settings import Settings

ROWS = """
    CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER);
    INSERT INTO t VALUES (1, 'plain', 1), (2, 'a' || char(0) || 'b', 2), (3, CAST(x'67f6' AS TEXT), 3), (4, 'x', '');
    CREATE TABLE log (what TEXT);
    CREATE TRIGGER noted AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.name); END;
"""
NUL = Rule(table="t", column="name", nul=NulPolicy.STRIP)
BAD = Rule(table="t", column="name", bad_utf8=BadTextPolicy.LATIN_1)
EMPTY = Rule(table="t", column="n", null_if_empty=True)


class Told:
    """Hears what is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Hear."""
        self.said.append(text)

    def warn(self, text: str) -> None:
        """Hear."""

    def show(self, progress: JobProgress) -> None:
        """See."""


@pytest.fixture
def settings(target_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A job that ended with three rejects."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(ROWS)
        connection.commit()
    settings = Settings(
        source_url=SecretStr(str(source)), target_url=SecretStr(target_url), home=tmp_path / "home", workers=1
    )
    end = start(settings, JobOptions(types=TypesPolicy.DECLARED), Told())
    assert isinstance(end, JobEnd)
    assert (end.progress.state, end.progress.rejects, end.progress.rows) == ("completed_with_rejects", 3, 1)
    return settings


def rows(settings: Settings, query: str = "SELECT * FROM t ORDER BY id") -> list[tuple[object, ...]]:
    """Ask the target."""
    with closing(psycopg2.connect(settings.target)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def with_rules(settings: Settings, *rules: Rule) -> Settings:
    """As if pgconvoy.toml held these rules."""
    return settings.model_copy(update={"rules": rules})


def test_all_rejects_arrive_after_new_rules(settings: Settings) -> None:
    """Each rule carries its row; the job is compared again and completed; triggers of ours stay still."""
    told = Told()
    end = commands.replay(with_rules(settings, NUL, BAD, EMPTY), None, told)
    assert rows(settings) == [(1, "plain", 1), (2, "ab", 2), (3, "gö", 3), (4, "x", None)]
    assert (end.progress.state, end.progress.rejects, end.progress.rows) == ("completed", 0, 4)
    assert all(table.rows_verified == table.rows for table in end.progress.tables)
    assert rows(settings, "SELECT count(*) FROM log") == [(0,)]
    assert "3 rejected rows arrived, 0 stay" in told.said[0]


def test_what_no_rule_carries_stays(settings: Settings) -> None:
    """One rule carries one row; the others are kept, and may be replayed later under another rule."""
    end = commands.replay(with_rules(settings, NUL), None, Told())
    assert (end.progress.state, end.progress.rejects, end.progress.rows) == ("completed_with_rejects", 2, 2)
    assert [each.row["id"]["integer"] for each in looking.rejects(settings, None, limit=9)] == ["3", "4"]
    end = commands.replay(with_rules(settings, NUL, BAD, EMPTY), None, Told())
    assert (end.progress.state, end.progress.rows) == ("completed", 4)


def test_a_replay_without_rejects_says_so(settings: Settings) -> None:
    """There is nothing to replay where nothing was rejected."""
    commands.replay(with_rules(settings, NUL, BAD, EMPTY), None, Told())
    with pytest.raises(OperatorError, match="has no rejects"):
        commands.replay(settings, None, Told())


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (Rule(table="t", column="n", type="text"), "gives t.n the type text, but rows were copied as bigint"),
        (Rule(table="t", column="n", form=SourceForm.UNIX_S), "the form of t.n"),
        (Rule(table="t", column="name", null_if_empty=True), "null_if_empty of t.name is true now"),
        (Rule(table="t", column="name", bad_utf8=BadTextPolicy.BYTEA), "bad_utf8 of t.name is bytea now"),
        (Rule(table="t", column="name", name="label"), "names t.name label"),
        (Rule(table="t", name="other"), "names table t other"),
        (Rule(table="t", column="n", exclude=True), "leaves out t.n"),
        (Rule(table="nothing", column="n", nul=NulPolicy.STRIP), "matches nothing"),
    ],
)
def test_rules_that_would_change_copied_rows_are_refused(settings: Settings, rule: Rule, why: str) -> None:
    """A replay writes rejects alone, so such a rule is an error, and no row moves."""
    with pytest.raises(OperatorError, match=why):
        commands.replay(with_rules(settings, NUL, rule), None, Told())
    assert len(rows(settings)) == 1


def test_columns_that_the_target_computes_stand_in_a_replay_s_way(settings: Settings, tmp_path: Path) -> None:
    """Of a mended value the target would compute something else than the source did of the value as it is."""
    with closing(sqlite3.connect(tmp_path / "source.db")) as connection:
        connection.execute("ALTER TABLE t ADD COLUMN place INTEGER AS (instr(name, 'b'))")
    start(settings, JobOptions(recreate=True), Told())
    with pytest.raises(OperatorError, match=r"change the values of t\.name, of which the target computes place"):
        commands.replay(with_rules(settings, NUL), None, Told())
    assert rows(settings, "SELECT count(*) FROM t") == [(2,)]
    start(with_rules(settings, NUL), JobOptions(recreate=True, rules=(NUL,)), Told())
    assert rows(settings, "SELECT name, place FROM t ORDER BY id") == [("plain", 0), ("ab", 3), ("x", 0)]


def test_a_replay_that_breaks_off_loses_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and rejects change in one transaction: where it fails, all rejects are still there."""

    def fail(*_: object) -> None:
        msg = "the plug was pulled"
        raise RuntimeError(msg)

    monkeypatch.setattr("producer.replaying.record_replay", fail)
    with pytest.raises(RuntimeError):
        commands.replay(with_rules(settings, NUL), None, Told())
    assert len(rows(settings)) == 1
    assert len(looking.rejects(settings, None, limit=9)) == 3


def test_rejects_as_a_database(settings: Settings, tmp_path: Path) -> None:
    """Every value is exported in its own storage class, bytes that are no text as they were."""
    path = tmp_path / "rejects.sqlite"
    assert looking.export(settings, None, path) == 3
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        found = connection.execute("SELECT *, typeof(name), typeof(n) FROM t ORDER BY id").fetchall()
    assert [row[:3] for row in found] == [(2, b"a\0b", 2), (3, b"g\xf6", 3), (4, b"x", b"")]
    assert [row[3] for row in found] == [b"name", b"name", b"n"]
    assert all(row[4] for row in found), "each has a reason"
    assert [row[5:] for row in found] == [(b"text", b"integer"), (b"text", b"integer"), (b"text", b"text")]


def test_rejects_as_csv(settings: Settings, tmp_path: Path) -> None:
    """A line a row, the whole row in it as JSON with storage classes."""
    path = tmp_path / "rejects.csv"
    looking.export(settings, None, path)
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["table"], line["column"]) for line in lines] == [("t", "name"), ("t", "name"), ("t", "n")]
    assert json.loads(lines[1]["row"]) == {"id": {"integer": "3"}, "name": {"raw_text": "67f6"}, "n": {"integer": "3"}}


def test_exports_never_overwrite(settings: Settings, tmp_path: Path) -> None:
    """A file that is there stays; a name that says no format is refused; so is a folder that is not there."""
    path = tmp_path / "rejects.csv"
    path.write_text("mine")
    for wrong, why in ((path, "already"), (tmp_path / "x.txt", "says no format"), (tmp_path / "no/x.csv", "No such")):
        with pytest.raises(OperatorError, match=why):
            looking.export(settings, None, wrong)
    assert path.read_text() == "mine"
