"""Numbers and names as people read them."""

from __future__ import annotations

import pytest

from producer.wording import bad, counted, one_line, rate, size, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.04, "0.0 s"),
        (9.44, "9.4 s"),
        (12.4, "12 s"),
        (125, "2 min 5 s"),
        (12_000, "3 h 20 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_spans_are_as_exact_as_a_person_needs(seconds: float | None, text: str) -> None:
    """Tenths below ten seconds, days at the end."""
    assert span(seconds) == text


def test_sizes_and_rates_are_in_powers_of_ten() -> None:
    """As disks and networks are sold."""
    assert size(12_345_678) == "12.3 MB"
    assert rate(1_500_000.0) == "1.5 MB/s"
    assert rate(None) == ""


def test_names_cannot_move_the_cursor() -> None:
    """Control characters of a source's names are shown, not obeyed; long texts are cut."""
    assert one_line("a\x1b[2Jb\nc") == "a\\x1b[2Jb\\nc"
    assert one_line("x" * 500, 10) == "x" * 9 + "…"
    assert one_line("naïve 名前") == "naïve 名前"


def test_counts_have_their_word() -> None:
    """One table, two tables; nothing where zero is good news."""
    assert [counted(1, "table"), counted(2000, "table"), bad(0), bad(3)] == ["1 table", "2,000 tables", "", "3"]
