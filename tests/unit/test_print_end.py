"""What a person reads when a job has ended."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from producer.print_end import print_end, print_place
from producer.print_failures import failures_view
from producer.progress import job_progress
from producer.records import FailureLine, JobEnd
from shared.errors import ExitCode
from shared.records.plan import JobOptions
from shared.records.work import Job, TableProgress

NOW = datetime(2024, 1, 1, tzinfo=UTC)
JOB = Job(
    id=3,
    state="completed",
    source_url="sqlite:///s.db",
    snapshot_url="sqlite:///s.db",
    fingerprint="f",
    target_schema="public",
    options=JobOptions(),
    grades=(),
    created_at=NOW,
    ended_at=NOW,
)


def table(name: str) -> TableProgress:
    """A table whose one chunk was compared."""
    nothing = dict.fromkeys(("pending", "copying", "failed", "cancelled", "rejects", "mismatches"), 0)
    one = dict.fromkeys(("chunks", "copied", "verified", "rows_expected", "rows_copied", "rows_verified"), 1)
    sizes = {"bytes_expected": 1, "bytes_copied": 1}
    return TableProgress(table_id=1, name=name, state="completed", planned=True, paths=(), **nothing, **one, **sizes)


END = JobEnd(
    exit_code=ExitCode.DONE,
    progress=job_progress(JOB, [table("kept"), table("made")], now=NOW, copied_until={}),
    target="postgresql://postgres@/pgconvoy?host=/home",
    connect=None,
    stop=None,
    verified=True,
    presence_only=(),
    failures=(),
    mismatches=(),
    not_exact=(),
)


def printed(end: JobEnd) -> str:
    """The end of a command as a pipe gets it."""
    stream = io.StringIO()
    console = Console(file=stream, markup=False, highlight=False, width=300)
    print_end(console, end)
    print_place(console, end)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kept", "said", "unsaid"),
    [
        ((), "every value was compared and is equal\n", "by its key"),
        (
            ("kept",),
            "every value of all other tables was compared and is equal; every row is there by its key in kept,",
            "made,",
        ),
        (("kept", "made"), "every row is there by its key in kept, made, whose other values were not", "every value"),
    ],
)
def test_the_end_says_what_was_compared(kept: tuple[str, ...], said: str, unsaid: str) -> None:
    """Where rows were kept, the presence of their keys is all that was looked at."""
    text = printed(replace(END, presence_only=kept))
    assert said in text
    assert unsaid not in text


def test_the_end_says_where_the_rows_are() -> None:
    """Of the embedded server nobody else tells: how to connect and how to stop it."""
    text = printed(replace(END, connect="psql 'postgresql://x'", stop="kill -INT 7"))
    assert "Look at the rows:\n  psql 'postgresql://x'\n" in text
    assert text.endswith("stop it:\n  kill -INT 7\n")
    assert "Look at the rows" not in printed(END)


def failed(chunk: int, said: str, *, table: str = "orders", attempt: int = 5) -> FailureLine:
    """A chunk that failed, with the sentence that a worker records."""
    key_range = f"[{chunk * 10}, {chunk * 10 + 10})"
    error = f"table {table}, chunk {chunk} {key_range}, attempt {attempt}: copying chunk {chunk} {key_range}: {said}"
    return FailureLine(
        table=table, chunk=chunk, key_range=key_range, attempts=attempt, error=error, source_changed=False
    )


def test_chunks_that_failed_alike_make_one_line() -> None:
    """Only chunk, key range and attempt differ: the first is told, the others are counted; tables stay apart."""
    alike = [failed(number, "disk full", attempt=number) for number in range(1, 5)]
    other = [failed(5, "permission denied"), failed(6, "disk full", table="notes")]
    lines = [line.plain for line in failures_view([*alike, *other])]
    assert lines == [
        "chunk 1 of orders and 3 more chunks failed: " + alike[0].error,
        "chunk 5 of orders failed: " + other[0].error,
        "chunk 6 of notes failed: " + other[1].error,
    ]


def test_many_reasons_are_cut_and_counted() -> None:
    """A screen of lines, then how many chunks are not told."""
    lines = [line.plain for line in failures_view([failed(n, f"reason {n}") for n in range(9)], most=2)]
    assert len(lines) == 3
    assert lines[-1] == "and 7 more failed chunks"
