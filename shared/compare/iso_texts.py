"""Moments in ISO 8601 texts of any common shape, read from left to right: for columns whose rule says ``iso``."""

from __future__ import annotations

from typing import Final

from shared.compare.moments import MICROSECONDS_A_DAY, MICROSECONDS_A_SECOND, Moment, days_from_civil

_EXTENDED: Final = len("YYYY-MM-DD")
_BASIC: Final = len("YYYYMMDD")
_BETWEEN: Final = frozenset("Tt ")
_MOST_HOURS: Final = 15
_CLOCK_LENGTHS: Final = frozenset({2, 4, 6})


def read_iso(text: str) -> Moment | None:
    """Read the shapes that `docs/treatments.md` lists; None for anything else."""
    width = _EXTENDED if text[4:5] == "-" else _BASIC
    days = _day(text[:width])
    rest = text[width:]
    if days is None:
        return None
    if not rest:
        return Moment(microseconds=days * MICROSECONDS_A_DAY, offset=False)
    if rest[0] not in _BETWEEN:
        return None
    clock_text, zone_text = _parted(rest[1:])
    clock, east = _clock(clock_text), _east(zone_text)
    if clock is None or east is None:
        return None
    return Moment(microseconds=days * MICROSECONDS_A_DAY + clock - east, offset=bool(zone_text))


def _parted(text: str) -> tuple[str, str]:
    """The time of day, and what says how far from UTC it is; one blank may stand between them."""
    place = next((place for place, character in enumerate(text) if character in "Zz+-"), len(text))
    clock, zone = text[:place], text[place:]
    return (clock[:-1] if zone and clock.endswith(" ") else clock), zone


def _day(text: str) -> int | None:
    if len(text) == _EXTENDED:
        if text[7] != "-":
            return None
        text = text[:4] + text[5:7] + text[8:]
    if len(text) != _BASIC or not _are_digits(text):
        return None
    return days_from_civil(int(text[:4]), int(text[4:6]), int(text[6:]))


def _clock(text: str) -> int | None:
    """Microseconds since midnight; more than six decimals are read only where those after the sixth are zeros."""
    whole, point, decimals = text.replace(",", ".", 1).partition(".")
    if whole[2:3] == ":":
        parts = whole.split(":")
        if any(len(part) != 2 for part in parts):
            return None
        whole = "".join(parts)
    if len(whole) not in _CLOCK_LENGTHS or not _are_digits(whole):
        return None
    if point and (len(whole) != 6 or not _are_digits(decimals) or decimals[6:].strip("0")):
        return None
    hour, minute, second = int(whole[:2]), int(whole[2:4] or 0), int(whole[4:] or 0)
    if hour >= 24 or minute >= 60 or second >= 60:
        return None
    return (hour * 3600 + minute * 60 + second) * MICROSECONDS_A_SECOND + int((decimals + "000000")[:6])


def _east(zone: str) -> int | None:
    """Microseconds east of UTC."""
    if zone in {"", "Z", "z"}:
        return 0
    digits = zone[1:3] + zone[4:] if zone[3:4] == ":" else zone[1:]
    if zone[0] not in "+-" or len(digits) not in {2, 4} or not _are_digits(digits):
        return None
    if zone[3:4] == ":" and len(digits) != 4:
        return None
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > _MOST_HOURS or minutes >= 60:
        return None
    east = (hours * 60 + minutes) * 60 * MICROSECONDS_A_SECOND
    return -east if zone[0] == "-" else east


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
