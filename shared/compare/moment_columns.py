"""Columns of ISO texts read as days and microseconds at once, for the layouts that nearly all of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.compare.moments import MICROSECONDS_A_DAY
from shared.compare.text_bytes import Bytes, Mask, text_bytes

_DATE_LENGTH: Final = len("YYYY-MM-DD")
_TO_MINUTES: Final = len("HH:MM")
_TO_SECONDS: Final = len("HH:MM:SS")
_FRACTIONS: Final = range(_TO_SECONDS + 2, _TO_SECONDS + 8)
"""Lengths with a point and one to six decimals."""
_CLOCK_LENGTHS: Final = (_TO_MINUTES, _TO_SECONDS, *_FRACTIONS)
_NO_ZONE, _UTC, _OFFSET = 0, len("Z"), len("+HH:MM")
_DAYS_IN_MONTH: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """What could be read of a column of texts; rows that are not `known` are left to `shared.compare.moments`."""

    numbers: Numbers
    known: Mask


def read_moments(array: pa.Array, *, zones: bool) -> ReadColumn:
    """Microseconds since 1970-01-01 of timestamps; offsets are read where `zones` says so."""
    widths = (_NO_ZONE, _UTC, _OFFSET) if zones else (_NO_ZONE,)
    layouts = [(_DATE_LENGTH, _NO_ZONE)] + [
        (_DATE_LENGTH + 1 + clock + zone, zone) for clock in _CLOCK_LENGTHS for zone in widths
    ]
    texts, column = text_bytes(array), _nothing_known(len(array))
    present = set(np.unique(texts.lengths).tolist())
    for length, zone in layouts:
        if length in present:
            for rows, matrix in texts.of_length(length):
                numbers, good = _moments(matrix, zone)
                column.numbers[rows[good]] = numbers[good]
                column.known[rows[good]] = True
    return column


def read_dates(array: pa.Array) -> ReadColumn:
    """Days since 1970-01-01 of plain dates."""
    column = _nothing_known(len(array))
    for rows, matrix in text_bytes(array).of_length(_DATE_LENGTH):
        column.numbers[rows], column.known[rows] = _days(matrix)
    return column


def read_times(array: pa.Array) -> ReadColumn:
    """Microseconds since midnight of times of day."""
    texts, column = text_bytes(array), _nothing_known(len(array))
    for length in _CLOCK_LENGTHS:
        for rows, matrix in texts.of_length(length):
            column.numbers[rows], column.known[rows] = _clock(matrix)
    return column


def _nothing_known(rows: int) -> ReadColumn:
    return ReadColumn(np.zeros(rows, np.int64), np.zeros(rows, np.bool_))


def _moments(text: Bytes, zone: int) -> tuple[Numbers, Mask]:
    days, good = _days(text[:_DATE_LENGTH])
    numbers = days * MICROSECONDS_A_DAY
    if len(text) == _DATE_LENGTH:
        return numbers, good
    between = text[_DATE_LENGTH]
    clock, clock_good = _clock(text[_DATE_LENGTH + 1 : len(text) - zone])
    offset, offset_good = _zone(text[len(text) - zone :])
    return numbers + clock - offset, good & clock_good & offset_good & ((between == ord(" ")) | (between == ord("T")))


def _digits(text: Bytes) -> tuple[Numbers, Mask]:
    """The number that lines of digits spell."""
    number, good = np.zeros(text.shape[1], np.int64), np.ones(text.shape[1], np.bool_)
    for line in text:
        digit = line - np.uint8(ord("0"))  # wraps around for what is no digit
        good &= digit <= 9
        number = number * 10 + digit
    return number, good


def _days(text: Bytes) -> tuple[Numbers, Mask]:
    """`shared.compare.moments.days_from_civil` for whole columns."""
    (year, year_good), (month, month_good), (day, day_good) = _digits(text[:4]), _digits(text[5:7]), _digits(text[8:10])
    good = year_good & month_good & day_good & (text[4] == ord("-")) & (text[7] == ord("-"))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    last = _DAYS_IN_MONTH[np.where(good, month, 0)] + (leap & (month == 2))
    good &= day <= last
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468, good


def _clock(text: Bytes) -> tuple[Numbers, Mask]:
    (hour, hour_good), (minute, minute_good) = _digits(text[:2]), _digits(text[3:5])
    good = hour_good & minute_good & (text[2] == ord(":")) & (hour <= 23) & (minute <= 59)
    seconds = (hour * 60 + minute) * 60
    if len(text) == _TO_MINUTES:
        return seconds * 1_000_000, good
    second, second_good = _digits(text[6:8])
    good &= second_good & (text[5] == ord(":")) & (second <= 59)
    number = (seconds + second) * 1_000_000
    if len(text) > _TO_SECONDS:
        fraction, fraction_good = _digits(text[9:])
        good &= fraction_good & (text[8] == ord("."))
        number += fraction * 10 ** (6 - (len(text) - 9))
    return number, good


def _zone(text: Bytes) -> tuple[Numbers, Mask]:
    """Microseconds east of UTC."""
    nothing = np.zeros(text.shape[1], np.int64)
    if len(text) == _NO_ZONE:
        return nothing, np.ones(text.shape[1], np.bool_)
    if len(text) == _UTC:
        return nothing, text[0] == ord("Z")
    (hours, hours_good), (minutes, minutes_good) = _digits(text[1:3]), _digits(text[4:6])
    west = text[0] == ord("-")
    good = hours_good & minutes_good & (text[3] == ord(":")) & (west | (text[0] == ord("+")))
    good &= (hours <= 15) & (minutes <= 59)
    offset = (hours * 60 + minutes) * 60_000_000
    return np.where(west, -offset, offset), good
