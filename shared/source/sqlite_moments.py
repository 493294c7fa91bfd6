"""SQL conditions that tell texts which spell dates and times, exactly as `ColumnProfile` defines them.

SQLite's own date functions do the work: they shift a day that does not exist (30 February) to one that does and so
answer with another text, and refuse second 60. GLOB, length() and substr() stop at U+0000, hence `_whole`.
Each function takes the SQL of a text and returns the SQL of a condition.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final


def is_date(text: str) -> str:
    """Hold for ``YYYY-MM-DD``."""
    return f"(length({text}) = 10 AND date({text}) = {text} COLLATE BINARY AND +{text} >= '0001' COLLATE BINARY)"


def is_time(text: str) -> str:
    """Hold for ``HH:MM[:SS[.ffffff]]``."""
    return f"(length({text}) BETWEEN 5 AND 15 AND {_whole(text)} AND {_time_of_day(text)})"


def is_timestamp(text: str) -> str:
    """Hold for ``YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]]`` and for a plain date."""
    usual = f"datetime({text}) = {text} COLLATE BINARY AND +{text} >= '0001' COLLATE BINARY"
    return f"({usual} OR {is_date(text)} OR ({_whole(text)} AND {_moment(text)}))"


def is_timestamptz(text: str) -> str:
    """Hold for a date with a time of day and ``Z``, ``+HH:MM`` or ``-HH:MM``.

    Offsets go up to 15:59 like PostgreSQL's own (MAX_TZDISP_HOUR in its datetime.h).
    """
    offset = f"substr({text}, -6) GLOB '[+-][01][0-9]:[0-5][0-9]' AND substr({text}, -5) < '16'"
    zulu = _moment(f"substr({text}, 1, length({text}) - 1)")
    shifted = _moment(f"substr({text}, 1, length({text}) - 6)")
    return (
        f"(length({text}) BETWEEN 17 AND 32 AND "
        f"((substr({text}, -1) = 'Z' AND {_whole(text)} AND {zulu}) OR ({offset} AND {_whole(text)} AND {shifted})))"
    )


def _moment(text: str) -> str:
    day = f"substr({text}, 1, 10)"
    return f"({is_date(day)} AND substr({text}, 11, 1) IN (' ', 'T') AND {_time_of_day(f'substr({text}, 12)')})"


def _time_of_day(text: str) -> str:
    fraction = (
        f"length({text}) BETWEEN 10 AND 15 AND substr({text}, 9, 1) = '.' AND "
        f"time(substr({text}, 1, 8)) = substr({text}, 1, 8) AND substr({text}, 10) NOT GLOB '*[^0-9]*'"
    )
    short = f"length({text}) = 5 AND time({text}) = {text} || ':00'"
    return f"(time({text}) = {text} COLLATE BINARY OR ({short}) OR ({fraction}))"


def _whole(text: str) -> str:
    return f"instr({text}, char(0)) = 0"


SHAPES: Final[MappingProxyType[str, Callable[[str], str]]] = MappingProxyType(
    {
        "date_texts": is_date,
        "timestamp_texts": is_timestamp,
        "timestamptz_texts": is_timestamptz,
        "time_texts": is_time,
    }
)
"""Conditions by the field of `ColumnProfile` that counts them. No text has two shapes, but that each date counts
as a timestamp too."""
