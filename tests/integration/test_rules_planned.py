"""Rules and declared types from pgconvoy.toml to the target: what the plan says of them, and what a job does."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from casekit import inline_workforce
from typer.testing import CliRunner

from producer import starting
from producer.cli import app
from producer.planning import plan_only
from producer.records import JobEnd, JobProgress
from producer.views import PlanView
from shared.errors import ExitCode, OperatorError
from shared.records.plan import JobOptions, TypesPolicy
from shared.settings import Settings, load_settings

_SOURCE = """
    CREATE TABLE tblUsers (
        UserID INTEGER PRIMARY KEY AUTOINCREMENT, UserName TEXT UNIQUE, Secret TEXT CHECK ("Secret" <> 'q'),
        made_at INTEGER, n INTEGER NOT NULL, d DATE, note TEXT
    );
    INSERT INTO tblUsers VALUES (1, 'ann', 'x', 1700000000123, 1, '2024-01-01', 'a' || char(0) || 'b'),
        (2, 'bob', 'y', 1700000000124, '', '', CAST(x'6772f6df' AS TEXT)), (3, NULL, 'z', NULL, 3, NULL, '');
    CREATE TABLE lines (a TEXT, b INTEGER, c TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
    INSERT INTO lines VALUES ('x', 1, 'p'), ('y', 2, 'q'), ('y', 3, 'q');
    CREATE TABLE posts (id INTEGER PRIMARY KEY, UserID INTEGER REFERENCES tblUsers, jd REAL, iso TEXT);
    INSERT INTO posts VALUES (1, 1, 2460262.5, '2024-01-31T10:00:00Z'), (2, 2, NULL, '20240131T100000+0100'),
        (3, 3, 2460263.25, '2024-01-31');
    CREATE TABLE junk (a);
    INSERT INTO junk VALUES (1);
    CREATE VIEW secrets AS SELECT "Secret" FROM tblUsers;
    CREATE INDEX by_secret ON tblUsers (Secret, n);
"""
_RULES = """
    [[rules]]
    table = "tblUsers"
    name = "users"

    [[rules]]
    table = "*"
    column = "UserID"
    name = "user_id"

    [[rules]]
    table = "tblusers"
    column = "Secret"
    exclude = true

    [[rules]]
    table = "tblUsers"
    null_if_empty = true
    nul = "strip"
    bad_utf8 = "latin-1"

    [[rules]]
    table = "*"
    column = "*_at"
    form = "unix_ms"

    [[rules]]
    table = "posts"
    column = "jd"
    form = "julian"
    type = "timestamp(0)"

    [[rules]]
    table = "posts"
    column = "iso"
    form = "iso"

    [[rules]]
    table = "junk"
    exclude = true

    [[rules]]
    table = "lines"
    column = "a"
    exclude = true
"""


class _Silent:
    def say(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass

    def show(self, progress: JobProgress) -> None:
        pass


@pytest.fixture
def settings(tmp_path: Path, target_url: str) -> Settings:
    """The source and the rules above, and a target."""
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        connection.executescript(_SOURCE)
    (tmp_path / "pgconvoy.toml").write_text(_RULES)
    return load_settings(source_url=str(tmp_path / "s.db"), target_url=target_url, snapshot_dir=tmp_path / "snapshots")


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers inside this process."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)


def _plan(settings: Settings, **options: object) -> PlanView:
    return plan_only(settings, JobOptions(rules=settings.rules, **options), _Silent())  # type: ignore[arg-type]


def _asked(url: str, *statements: str) -> list[list[tuple[object, ...]]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        answers = []
        for statement in statements:
            cursor.execute(statement)
            answers.append(cursor.fetchall())
        return answers


@pytest.mark.usefixtures("inline")
def test_every_rule_holds_in_the_target(settings: Settings, target_url: str) -> None:
    """Names, types, moments and mended texts arrive as the rules say, verified; what is left out is not there."""
    end = starting.start(settings, JobOptions(rules=settings.rules), _Silent())
    assert isinstance(end, JobEnd)
    assert (end.exit_code, end.progress.state, end.verified) == (ExitCode.DONE, "completed", True)
    users, lines, posts, tables = _asked(
        target_url,
        "SELECT user_id, username, made_at AT TIME ZONE 'UTC', n, d, note FROM users ORDER BY user_id",
        "SELECT * FROM lines ORDER BY b",
        "SELECT user_id, jd::text, iso AT TIME ZONE 'UTC' FROM posts ORDER BY id",
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1",
    )
    assert [[str(value) for value in row] for row in users] == [
        ["1", "ann", "2023-11-14 22:13:20.123000", "1", "2024-01-01", "ab"],
        ["2", "bob", "2023-11-14 22:13:20.124000", "None", "None", "größ"],
        ["3", "None", "None", "3", "None", "None"],
    ]
    assert lines == [(1, "p"), (2, "q"), (3, "q")]
    assert [[str(value) for value in row] for row in posts] == [
        ["1", "2023-11-14 00:00:00", "2024-01-31 10:00:00"],
        ["2", "None", "2024-01-31 09:00:00"],
        ["3", "2023-11-14 18:00:00", "2024-01-31 00:00:00"],
    ]
    assert tables == [("lines",), ("posts",), ("users",)]


def test_the_plan_says_what_each_rule_did(settings: Settings) -> None:
    """Also of tables that are left out, and as data."""
    effects = _plan(settings).rules
    assert [effect.number for effect in effects] == list(range(1, 10))
    assert effects[0].did == ("tblUsers: named users",)
    assert effects[1].did == ("tblUsers.UserID: named user_id", "posts.UserID: named user_id")
    assert effects[1].rule == 'table = "*", column = "UserID", name = "user_id"'
    assert effects[2].did == ("tblUsers.Secret: left out",)
    assert effects[3].did == ("tblUsers: 6 of 6 columns",)
    assert effects[5].did == ("posts.jd: timestamp(0) without time zone",)
    assert effects[7].did == ("junk: left out",)
    assert _plan(settings, tables=("lines",)).rules[0].did == ("tblUsers: not part of this job",)


def test_what_cannot_be_without_an_excluded_column_is_refused(settings: Settings) -> None:
    """Key, index, check and view are named with the reason."""
    refused = {(grade.kind, grade.name): grade.reason for grade in _plan(settings).grades if grade.grade == "refused"}
    assert "a rule leaves a out" in refused["primary key", "(a, b)"]
    assert "a rule leaves Secret out" in refused["index", "by_secret"]
    assert "Secret" in next(reason for (kind, _), reason in refused.items() if kind == "check")
    assert "Secret" in refused["view", "secrets"]


def test_a_rule_that_matches_nothing_ends_planning_before_anything_is_made(settings: Settings, target_url: str) -> None:
    """Nothing was surveyed or written."""
    Path("pgconvoy.toml").write_text('[[rules]]\ntable = "tblUser"\nexclude = true\n')
    options = JobOptions(rules=load_settings().rules)
    with pytest.raises(OperatorError, match=r"rule 1 of pgconvoy\.toml matches nothing.*did you mean 'tblUsers'"):
        plan_only(settings, options, _Silent())
    with pytest.raises(OperatorError, match="matches nothing"):
        starting.start(settings, options, _Silent())
    assert _asked(target_url, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [[]]


@pytest.mark.usefixtures("inline")
def test_declared_types_reject_what_the_plan_expects(settings: Settings, target_url: str) -> None:
    """What does not fit the declaration is a reject, as many as planned; all else is there and verified."""
    options = JobOptions(types=TypesPolicy.DECLARED, tables=("tblUsers",))
    (planned,) = plan_only(settings, options, _Silent()).tables
    end = starting.start(settings, options, _Silent())
    assert isinstance(end, JobEnd)
    assert end.progress.state == "completed_with_rejects"
    # A text may be bad in both ways, so of two bad ones one is sure; and one row has three values that do not fit.
    assert (planned.expected_rejects, planned.possible_rejects, end.progress.rejects) == (3, 1, 2)
    types = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute"
    ((found,),) = _asked(target_url, f"{types} WHERE attrelid = 'tblusers'::regclass AND attnum > 0")[0]
    assert found == "bigint, text, text, bigint, bigint, date, text"


def test_the_command_shows_rules_and_names_a_wrong_one(settings: Settings, target_url: str) -> None:
    """For people a line a rule, for programs the same as JSON; a mistake is one sentence and exit code 2."""
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "PGCONVOY_TARGET_URL": target_url})
    told = runner.invoke(app, ["plan", "--source", "s.db"]).output
    assert 'rule 8 (table = "junk", exclude = true): junk: left out' in told
    assert "rule 5 of pgconvoy.toml reads its values as milliseconds since 1970" in told
    view = json.loads(runner.invoke(app, ["plan", "--source", "s.db", "--json"]).stdout)
    assert view["rules"][7] == {"number": 8, "rule": 'table = "junk", exclude = true', "did": ["junk: left out"]}
    Path("pgconvoy.toml").write_text('[[rules]]\ntable = "junk"\ncolumn = "a"\ntype = "int; drop"\n')
    wrong = runner.invoke(app, ["plan", "--source", "s.db"])
    assert isinstance(wrong.exception, OperatorError)
    assert str(wrong.exception) == "rule 1 of pgconvoy.toml gives the type 'int; drop', which is no type of PostgreSQL"
