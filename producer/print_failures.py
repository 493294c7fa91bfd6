"""Failed chunks as Rich renders them: those that failed alike in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from rich.text import Text

from producer.records import FailureLine
from producer.wording import counted, one_line
from shared.printable import printable

_ATTEMPT: Final = re.compile(r"\battempt \d+")


def failures_view(failures: Sequence[FailureLine], *, most: int | None = None) -> Iterable[Text]:
    """One line for all chunks of a table that failed for the same reason.

    Args:
        failures: In the order in which they are told.
        most: Lines at most; what is left out is counted in one more.
    """
    alike: dict[tuple[str, str], list[FailureLine]] = {}
    for failure in failures:
        alike.setdefault((failure.table, _reason(failure)), []).append(failure)
    groups = list(alike.values())
    for group in groups[:most]:
        yield Text(_line(group), style="red")
    hidden = sum(len(group) for group in groups[most:]) if most is not None else 0
    if hidden:
        yield Text(f"and {counted(hidden, 'more failed chunk')}", style="red")


def _line(group: Sequence[FailureLine]) -> str:
    first, *others = group
    more = f" and {counted(len(others), 'more chunk')}" if others else ""
    return f"chunk {first.chunk} of {one_line(first.table)}{more} failed: {printable(first.error)}"


def _reason(failure: FailureLine) -> str:
    """The sentence without what differs from chunk to chunk."""
    return _ATTEMPT.sub("attempt", failure.error.replace(f"chunk {failure.chunk} {failure.key_range}", "chunk"))
