"""Where the time went: shares, and the sentence that says what follows."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from producer.print_times import times_lines
from producer.times import times_view
from shared.records.work import NO_TIMES, TimeSums

SUMS = TimeSums(
    chunks=10,
    workers=2,
    wait_s=50.0,
    read_s=2.0,
    convert_s=1.0,
    write_s=6.0,
    commit_s=0.5,
    rest_s=0.5,
    compare_s=10.0,
)


def printed(sums: TimeSums) -> str:
    """What a person reads of some times."""
    stream = io.StringIO()
    console = Console(file=stream, markup=False, highlight=False, width=1000)
    for line in times_lines(times_view(sums)):
        console.print(line)
    return stream.getvalue()


def bottleneck(**seconds: float) -> str:
    """The sentence about ten chunks."""
    times = times_view(replace(SUMS, **seconds))
    assert times is not None
    return times.bottleneck or ""


def test_shares_are_of_the_workers_time_and_waiting_is_none_of_it() -> None:
    """Twenty seconds of work: the fifty that chunks waited in the queue were nobody's."""
    times = times_view(SUMS)
    assert times is not None
    assert sum(times.shares.values()) == pytest.approx(1)
    assert times.shares["write"] == pytest.approx(0.3)
    assert times.shares["compare"] == pytest.approx(0.5)
    assert set(times.shares) == {"read", "convert", "write", "commit", "rest", "compare"}
    assert times.wait_s == 50


def test_chunks_without_times_have_no_view() -> None:
    """A job of an older version, or one that has not begun, says nothing of times."""
    assert times_view(NO_TIMES) is None
    assert list(times_lines(None)) == []


def test_the_sentence_gives_the_copying_by_its_steps() -> None:
    """Steps are shares of the copying; comparing and waiting stand beside it."""
    assert (
        "time of 2 worker processes: copying 10 s (PostgreSQL taking rows 60%, commits 5%, reading 20%, converting 10%,"
        " the rest 5%); comparing 10 s; a chunk waited 5.0 s for a free worker\n"
    ) in printed(SUMS)


def test_a_job_that_was_not_compared_says_nothing_of_comparing() -> None:
    """Zero seconds of comparing are no news."""
    assert "comparing" not in printed(replace(SUMS, compare_s=0.0))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ({}, "PostgreSQL takes 65% of the workers' time"),
        ({"write_s": 5.4, "read_s": 2.6}, "no single step"),
        ({"rest_s": 7.0}, "fewer and larger chunks"),
        ({"commit_s": 4.0}, "commits take 30% of the copying"),
        ({"read_s": 12.0, "write_s": 3.0}, "more worker processes make it faster"),
        ({"read_s": 12.0, "write_s": 3.0, "wait_s": 0.2}, "more workers would stand idle"),
    ],
)
def test_the_bottleneck_is_what_takes_most(seconds: dict[str, float], said: str) -> None:
    """Each cause has its sentence, and what to do stands in it."""
    assert said in bottleneck(**seconds)


def test_of_less_than_a_second_nothing_follows() -> None:
    """A small job's shares are chance."""
    small = TimeSums(chunks=2, workers=1, write_s=0.3, read_s=0.1)
    assert bottleneck(**{name: getattr(small, name) for name in TimeSums.__slots__}) == ""
    assert printed(small).count("\n") == 1
