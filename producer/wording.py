"""Numbers and names as people read them."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from rich.filesize import decimal

from producer.records import JobProgress
from shared.ledger.states import JobState

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_BRIEF: Final = 10
"""Below ten seconds, tenths matter to a person who waits."""
_LONGEST_CELL: Final = 120


def size(bytes_: float) -> str:
    """Bytes in powers of ten, as disks are sold: ``12.3 MB``."""
    return decimal(int(bytes_))


def rate(bytes_per_s: float | None) -> str:
    """Bytes a second; empty where nothing is known."""
    return "" if bytes_per_s is None else f"{decimal(int(bytes_per_s))}/s"


def span(seconds: float | None) -> str:
    """A length of time: ``3.4 s``, ``2 min 5 s``, ``3 h 20 min``; empty where nothing is known."""
    if seconds is None:
        return ""
    if seconds < _BRIEF:
        return f"{seconds:.1f} s"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE)} s"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE)} min"
    return f"{int(seconds // _DAY)} d {int(seconds % _DAY // _HOUR)} h"


def moment(time: datetime) -> str:
    """A moment by the reader's clock, to the second."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}"


def bad(number: int) -> str:
    """A number that should be zero: empty then."""
    return f"{number:,}" if number else ""


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its word: ``1 table``, ``2 tables``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float) -> str:
    """A share as a whole number of percent; 100 only where nothing is missing."""
    return f"{math.floor(share * 100)}%"


def state(text: str) -> str:
    """A state of job or table, in words."""
    return text.replace("_", " ")


def phase(progress: JobProgress) -> str:
    """What a job is doing: its state, but `verifying` as soon as all rows are there."""
    copied = all(table.planned and table.copied == table.chunks for table in progress.tables)
    return JobState.VERIFYING if progress.state == JobState.COPYING and copied else state(progress.state)


def pause(progress: JobProgress) -> str | None:
    """Since when a job is paused, and how it goes on; None where it is not."""
    if progress.paused_at is None:
        return None
    return f"paused since {moment(progress.paused_at)}; go on with: producer unpause {progress.job}"


def one_line(text: str | None, longest: int = _LONGEST_CELL) -> str:
    """A text of the source as one line that cannot move the cursor, cut where it is long."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text or "")
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
