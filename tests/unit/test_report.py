"""The proof of a copy: what it counts, and how it reads."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from producer.print_plan import print_report
from producer.printing import print_json
from producer.reading import readable
from producer.records import FailureLine, MismatchLine
from producer.report import report_table
from producer.views import Report
from shared.records.keys import RawText, Value
from shared.records.plan import Grade, JobOptions, ObjectGrade, ProfileMode, TablePlan, TableRead
from shared.records.source import ChunkKey, ChunkKeyKind, ObjectKind, SourceVersion, Unreadable
from shared.records.work import JobTable, MismatchKind, TableProgress

PLAN = TablePlan(
    read=TableRead(table="Orders [x]", chunk_key=ChunkKey(kind=ChunkKeyKind.ROWID, columns=("rowid",)), columns=()),
    schema="shop",
    name="orders [x]",
    columns=(),
)
PROGRESS = TableProgress(
    table_id=3,
    name="Orders [x]",
    state="failed",
    planned=True,
    chunks=4,
    pending=0,
    copying=0,
    copied=3,
    verified=2,
    failed=1,
    cancelled=0,
    rows_expected=400,
    rows_copied=299,
    rows_verified=200,
    rejects=1,
    mismatches=2,
    bytes_expected=4000,
    bytes_copied=3000,
    paths=("arrow_bare", "careful_bare"),
    error="1 of 4 chunks failed",
)
TABLE = report_table(
    PROGRESS,
    JobTable(id=3, job_id=7, state="failed", plan=PLAN, planned=True),
    {3: {"arrow_bare": 2, "careful_bare": 1}, 4: {"arrow_upsert": 9}},
)
REPORT = Report(
    job=7,
    state="failed",
    error="1 of 1 tables failed: Orders [x]",
    source="sqlite:////data/shop.db",
    snapshot="sqlite:////snapshots/shop.sqlite",
    fingerprint="sqlite1:abc",
    versions=(SourceVersion(name="user_version", value="7"), SourceVersion(name="django auth", value="0012_x")),
    target_schema="shop",
    options=JobOptions(tables=("Orders [x]",), limit=400, verify=True, profile=ProfileMode.SAMPLE),
    created_at=datetime(2024, 1, 1, tzinfo=UTC),
    copied_at=datetime(2024, 1, 1, 0, 1, 5, tzinfo=UTC),
    ended_at=datetime(2024, 1, 8, tzinfo=UTC),
    seconds=65.0,
    tables=(TABLE,),
    rows_source=400,
    rows_target=299,
    rejects=1,
    rows_verified=200,
    presence_only=(),
    mismatches=2,
    shown_mismatches=(
        MismatchLine(
            table="Orders [x]", kind=MismatchKind.DIFFERENT, key="id = 5", column="n", source="1", target=None
        ),
    ),
    failures=(
        FailureLine(
            table="Orders [x]", chunk=4, key_range="[3, ∞)", attempts=5, error="disk full", source_changed=False
        ),
    ),
    unreadable=(),
    exact_objects=9,
    not_exact=(
        ObjectGrade(kind=ObjectKind.VIEW, name="v", table=None, grade=Grade.REFUSED, reason="not translated yet"),
    ),
)


def printed(report: Report) -> str:
    """The report as a pipe gets it."""
    stream = io.StringIO()
    print_report(Console(file=stream, markup=False, highlight=False, width=300), report)
    return stream.getvalue()


def test_a_tables_line_takes_its_own_chunks_by_path() -> None:
    """Rows of both sides, rejects, verified rows, and the copy paths of this table alone."""
    assert (TABLE.rows_source, TABLE.rows_target, TABLE.rows_verified, TABLE.rejects) == (400, 299, 200, 1)
    assert TABLE.target == "shop.orders [x]"
    assert TABLE.chunks_by_path == {"arrow_bare": 2, "careful_bare": 1}


@pytest.mark.parametrize(
    "said",
    [
        "7, failed: 1 of 1 tables failed",
        "sqlite:////data/shop.db",
        "sqlite1:abc",
        "1 min 5 s",
        "user_version 7, django auth 0012_x",
        "tables Orders [x], at most 400 rows a table, types by a sample, on conflict update, chunks of 32 MiB",
        "2 arrow_bare, 1 careful_bare",
        "400 rows in the source, 299 in the target, 1 reject, 200 verified value by value, 2 mismatches",
        "chunk 4 of Orders [x] failed: disk full",
        "and 1 more mismatch",
        "9 exact, 1 refused",
        "refused: view v: not translated yet",
    ],
)
def test_the_report_says(said: str) -> None:
    """Everything that proves or disproves the copy is there, and brackets in names are no markup."""
    assert said in printed(REPORT)


def test_a_report_says_where_keys_alone_were_compared() -> None:
    """Rows that --on-conflict skip kept were not compared value by value."""
    said = printed(replace(REPORT, presence_only=("Orders [x]",)))
    assert "200 verified (by the key alone, since rows were kept: Orders [x])" in said
    assert "value by value" not in said


def test_a_report_of_a_running_job_has_no_end() -> None:
    """A job that still runs says so."""
    assert "not yet" in printed(replace(REPORT, ended_at=None))


def test_the_json_of_a_report_has_the_fields_by_name_and_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    """One document on stdout; a URL that slipped in is redacted all the same."""
    print_json(replace(REPORT, source="mysql://u:hunter2secret@h/d"))
    shown = capsys.readouterr().out
    document = json.loads(shown)
    assert document["tables"][0]["rows_verified"] == 200
    assert document["options"]["limit"] == 400
    assert document["shown_mismatches"][0] == {
        "table": "Orders [x]",
        "kind": "different",
        "key": "id = 5",
        "column": "n",
        "source": "1",
        "target": None,
    }
    assert "hunter2secret" not in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (7, "7"),
        (1.5, "1.5"),
        ("a'b", '"a\'b"'),
        (b"\x00\xff", "x'00ff'"),
        (RawText(b"\xff"), "not UTF-8: x'ff'"),
    ],
)
def test_values_are_read_by_people(value: Value, text: str) -> None:
    """Each storage class has its look, and NULL is no text."""
    assert readable(value) == text


def test_a_salvaged_report_counts_what_could_be_read() -> None:
    """What the damage took is not in the source's count, and the options say that the job was asked for that."""
    unreadable = (Unreadable(table="Orders [x]", key_range="rowid 3 to 4", reason="malformed"),)
    said = printed(replace(REPORT, unreadable=unreadable, options=JobOptions(salvage=True)))
    assert "400 rows could be read of the source, 299 in the target" in said
    assert "all tables, salvaged, on conflict update" in said
