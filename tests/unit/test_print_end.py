"""What a person reads when a job has ended."""

from __future__ import annotations

from producer.print_failures import failures_view
from producer.records import FailureLine


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
