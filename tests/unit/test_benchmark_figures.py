"""Ratios, limits and the page: the benchmark's arithmetic, and that nothing is lost between runs."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from benchmarks.bench import FULL, SMALL, Bench
from benchmarks.checks import Check, expected
from benchmarks.figures import Figure, Section, Table, decode, encode, shown, shown_median
from benchmarks.page import (
    BEGIN,
    END,
    NoPlaceError,
    markdown,
    merged,
    plain,
    read_sections,
    write_block,
    write_sections,
)
from benchmarks.sources.narrow_table import make_narrow
from benchmarks.works import WORKS

RATIO = Figure(what="copying / bare COPY", unit="x", ours=(9.0, 4.0, 5.0), theirs=(4.0, 5.0, 2.0), limit=1.3)
PEAK = Figure(what="largest worker", unit="MB", ours=(100.0, 420.0, 90.0), limit=400.0, worst=True)
STATED = Figure(what="with 2", unit="rows/s", ours=(1000.0,))
SECTION = Section(
    name="events",
    title="Events",
    how="So.",
    figures=(RATIO, PEAK, STATED),
    tables=(Table(title="Times", header=("what", "time"), rows=(("a|b", "1 s"),)),),
    notes=("DuckDB was skipped: it ended\nline one | line two",),
    clocks={"pgconvoy": (1.0, 2.0)},
    machine="2 cores",
    versions="PostgreSQL 18",
    command="python -m benchmarks",
    date="2026-01-02",
)


def test_a_ratio_is_of_medians() -> None:
    """Of three rounds the middle ones are compared, whichever round they were in; the spread is round by round."""
    assert RATIO.value == pytest.approx(5 / 4)
    assert RATIO.reached is True
    assert RATIO.of_limit == pytest.approx(5 / 4 / 1.3)
    assert RATIO.spread == "0.80 to 2.50"


def test_memory_is_the_worst_of_all_rounds() -> None:
    """One round over the limit is over the limit."""
    assert PEAK.value == 420.0
    assert PEAK.reached is False


def test_a_figure_without_a_limit_keeps_none() -> None:
    """It is stated, and neither reached nor missed."""
    assert (STATED.reached, STATED.of_limit, STATED.spread) == (None, None, "")


@pytest.mark.parametrize(("value", "text"), [(0.456, "0.46"), (12.34, "12.3"), (1234.5, "1,234"), (100.0, "100")])
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    """More would say what no measurement knows."""
    assert shown(value) == text


def test_a_median_stands_beside_least_and_most() -> None:
    """One round has neither, and nothing measured is a dash."""
    assert shown_median((3.0, 1.0, 2.0)) == "2.00 s (1.00 to 3.00)"
    assert shown_median((3.0,)) == "3.00 s"
    assert shown_median(()) == "—"


def test_json_brings_sections_back(tmp_path: Path) -> None:
    """What one run wrote, the next one reads; figures carry their value for other readers."""
    assert decode(encode([SECTION])) == [SECTION]
    assert encode([SECTION])[0]["figures"][1]["value"] == 420.0
    write_sections(tmp_path / "results.json", [SECTION])
    assert read_sections(tmp_path / "results.json") == [SECTION]
    assert read_sections(tmp_path / "none.json") == []


def test_a_work_that_ran_again_takes_its_old_place() -> None:
    """The others' results stay, in the order of the works."""
    other, new = Section(name="tables", title="Old", how=""), Section(name="events", title="New", how="")
    found = merged([other, SECTION], [new], list(WORKS))
    assert [section.title for section in found] == ["New", "Old"]


def test_the_page_says_which_limits_were_kept() -> None:
    """Each limit has a row with the measured value; skipped programs are named, their log does not break the page."""
    text = markdown([SECTION], "performance.png")
    assert "| Events | copying / bare COPY | 1.25 × | 1.3 × | yes |" in text
    assert "| Events | largest worker | 420 MB | 400 MB | **no** |" in text
    assert "with 2 | 1,000 rows/s | — | — |" in text
    assert "](performance.png)" in text
    assert "a\\|b" in text
    assert "DuckDB was skipped: it ended\n\n```\nline one | line two\n```" in text
    assert "`python -m benchmarks`, 2026-01-02; 2 cores; PostgreSQL 18." in text


def test_the_terminal_says_the_same() -> None:
    """A limit that was not kept stands out."""
    text = plain(SECTION)
    assert re.search(r"largest worker +420 MB .*400 MB: NOT KEPT", text)
    assert re.search(r"copying / bare COPY +1\.25 × .*1\.3 ×: kept", text)


def test_only_the_generated_block_is_written(tmp_path: Path) -> None:
    """What stands before and after the marks stays; a page without them is refused."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_block(page, "new")
    write_block(page, "newer")
    assert page.read_text() == f"before\n{BEGIN}\nnewer\n{END}\nafter\n"
    page.write_text("no marks\n")
    with pytest.raises(NoPlaceError):
        write_block(page, "new")


def test_the_documentation_has_the_block() -> None:
    """`--docs` finds its place in the page that is there."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text()
    assert BEGIN in text.partition(END)[0]


def test_sizes_shrink_together() -> None:
    """A share makes every work smaller and none empty, and leaves TPC-H a scale with unique keys."""
    small = FULL.times(0.001)
    assert (small.events, small.huge_blobs, small.tpch) == (2000, 2, 0.01)
    assert SMALL.times(1.0) == SMALL


def test_limits_count_at_full_size() -> None:
    """A smaller work states its ratios: beside few rows a job's start weighs more."""
    bench = Bench(server=Mock(), convoy=Mock(), folder=Path(), sizes=SMALL, rounds=1)
    assert bench.limit("events", 1.3) == 1.3
    assert bench.limit("tpch", 1.3) is None


def test_a_source_says_what_must_arrive(tmp_path: Path) -> None:
    """Rows and a sum of each table are asked of the source before anything is timed."""
    source = make_narrow(tmp_path / "narrow.sqlite", rows=4)
    assert expected(source, [Check(table="readings", total="id")]) == {"readings": (4, 3 + 6 + 9 + 12)}
