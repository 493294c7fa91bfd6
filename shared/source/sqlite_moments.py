"""SQL conditions that tell texts which spell dates and times, exactly as `ColumnProfile` defines them.

SQLite's own date functions do the work: asked to add no days to a text, they write a day that does not exist (30
February, 24 o'clock) as another one, and refuse second 60. GLOB, length() and substr() stop at U+0000, hence `_whole`.
Each function takes the SQL of a text and returns the SQL of a condition.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

_NO_SECONDS: Final = "':00'"


def is_date(text: str) -> str:
    """Hold for ``YYYY-MM-DD``."""
    return f"(length({text}) = 10 AND {_is_rewritten('date', text)} AND {_is_after_zero(text)})"


def is_time(text: str) -> str:
    """Hold for ``HH:MM[:SS[.ffffff]]``."""
    return f"(length({text}) BETWEEN 5 AND 15 AND {_whole(text)} AND {_time_of_day(text)})"


def is_timestamp(text: str) -> str:
    """Hold for ``YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]]`` and for a plain date.

    The length decides what is asked, so that a usual text costs one call of a date function.
    """
    fraction = (
        f"substr({text}, 20, 1) = '.' AND {_to_the_second(f'substr({text}, 1, 19)')}"
        f" AND substr({text}, 21) NOT GLOB '*[^0-9]*'"
    )
    return (
        f"({_is_after_zero(text)} AND ((length({text}) = 19 AND {_to_the_second(text)})"
        f" OR (length({text}) BETWEEN 21 AND 26 AND {fraction})"
        f" OR {is_date(text)}"
        f" OR (length({text}) = 16 AND {_to_the_second(f'({text} || {_NO_SECONDS})')})) AND {_whole(text)})"
    )


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


def _to_the_second(text: str) -> str:
    rewritten = f"datetime({text}, '+0 days')"
    return f"({rewritten} = {text} COLLATE BINARY OR {rewritten} = replace({text}, 'T', ' ') COLLATE BINARY)"


def _moment(text: str) -> str:
    day = f"substr({text}, 1, 10)"
    return f"({is_date(day)} AND substr({text}, 11, 1) IN (' ', 'T') AND {_time_of_day(f'substr({text}, 12)')})"


def _time_of_day(text: str) -> str:
    seconds = f"substr({text}, 1, 8)"
    fraction = (
        f"length({text}) BETWEEN 10 AND 15 AND substr({text}, 9, 1) = '.' AND "
        f"{_is_rewritten('time', seconds)} AND substr({text}, 10) NOT GLOB '*[^0-9]*'"
    )
    minutes = f"length({text}) = 5 AND time({text}, '+0 days') = {text} || ':00'"
    return f"({_is_rewritten('time', text)} OR ({minutes}) OR ({fraction}))"


def _is_rewritten(function: str, text: str) -> str:
    return f"{function}({text}, '+0 days') = {text} COLLATE BINARY"


def _is_after_zero(text: str) -> str:
    # Neither the year 0000 nor one before. The plus takes the column's affinity away, which would make '0001' a number.
    return f"+{text} >= '0001' COLLATE BINARY"


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
