"""Columns of ISO 8601 texts as dates, times of day and moments, read by position.

Arrow's own parser takes more shapes than these and no offsets of some of them; here a text is of one of the
forms that the profile counts (`shared.records.source.ColumnProfile`), to the character, or it does not fit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from shared.target.convert_arrays import Bytes, Int64s, Rows, Texts, array_of, texts_of
from shared.target.value_rules import MAX_OFFSET_HOURS, MICROSECOND_DIGITS, Limits, Unfit, UnfitError, refuse_where

_Reader: TypeAlias = Callable[[Bytes, Unfit], Int64s]
_DAY_WIDTH: Final = 10
_OFFSET_WIDTH: Final = 6
_TO_MINUTES: Final = 16
"""``YYYY-MM-DD HH:MM``: the shortest text that an offset may follow."""
_TIME_WIDTHS: Final = frozenset({5, 8, 10, 11, 12, 13, 14, 15})
"""``HH:MM``, ``HH:MM:SS``, and that with a point and one to six decimals."""
_MICROS_A_SECOND: Final = 10**MICROSECOND_DIGITS
_MICROS_A_MINUTE: Final = 60 * _MICROS_A_SECOND
_MICROS_A_DAY: Final = 24 * 60 * _MICROS_A_MINUTE
_FIRST_MONTH: Final = np.datetime64("0001-01", "M")
_AFTER_LAST_MONTH: Final = np.datetime64("10000-02", "M")


def to_dates(array: pa.Array, wire_type: pa.DataType) -> pa.Array:
    """Convert ``YYYY-MM-DD``, a real day of the years 0001 to 9999."""
    texts = texts_of(array)
    refuse_where(texts.lengths != _DAY_WIDTH, Unfit.NOT_DATE)
    days = _days(texts.cut(slice(None), _DAY_WIDTH), Unfit.NOT_DATE)
    return array_of(days.astype(np.int32), array, wire_type)


def to_times(array: pa.Array, wire_type: pa.DataType, limits: Limits) -> pa.Array:
    """Convert ``HH:MM[:SS[.ffffff]]``, from 00:00 to before 24:00."""
    texts = texts_of(array)
    micros = _by_width(texts, texts.lengths, _time, Unfit.NOT_TIME)
    return array_of(_within(micros, limits), array, wire_type)


def to_timestamps(array: pa.Array, wire_type: pa.DataType, limits: Limits) -> pa.Array:
    """Convert ``YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]]`` without offset, or a plain date as its midnight."""
    texts = texts_of(array)
    micros = _by_width(texts, texts.lengths, _moment, Unfit.NOT_TIMESTAMP)
    return array_of(_within(micros, limits), array, wire_type)


def to_timestamps_utc(array: pa.Array, wire_type: pa.DataType, limits: Limits) -> pa.Array:
    """Convert ``YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]]`` followed by ``Z``, ``+HH:MM`` or ``-HH:MM`` to UTC.

    What has no offset is in UTC already, as for SQLite's own date functions; a plain date is its midnight.
    """
    reason = Unfit.NOT_TIMESTAMPTZ
    texts = texts_of(array)
    widths = texts.lengths
    refuse_where(widths < _DAY_WIDTH, reason)
    zulu = texts.data[texts.starts + widths - 1] == ord("Z")
    signed = np.isin(texts.data[texts.starts + widths - _OFFSET_WIDTH], (ord("+"), ord("-"))) & (widths > _TO_MINUTES)
    zones = np.where(zulu, 1, np.where(signed, _OFFSET_WIDTH, 0))
    refuse_where((widths - zones <= _DAY_WIDTH) & (zones > 0), reason)
    local = _by_width(texts, widths - zones, _moment, reason)
    rows = np.flatnonzero(signed & ~zulu)
    with _among(rows, len(widths)):
        local[rows] -= _offsets(texts, rows, reason)
    return array_of(_within(local, limits), array, wire_type)


def _by_width(texts: Texts, widths: Int64s, read: _Reader, reason: Unfit) -> Int64s:
    """Read texts of the same width together, since their parts stand at the same places."""
    micros = np.empty(len(widths), np.int64)
    for width, rows in texts.groups(widths):
        if width < min(_TIME_WIDTHS) or width > _DAY_WIDTH + 1 + max(_TIME_WIDTHS):
            raise UnfitError(reason, widths == width)
        with _among(rows, len(widths)):
            micros[rows] = read(texts.cut(rows, width), reason)
    return micros


@contextmanager
def _among(rows: Rows, count: int) -> Iterator[None]:
    """Say of all texts which ones do not fit, where it is known of some."""
    try:
        yield
    except UnfitError as unfit:
        if unfit.bad is None:
            raise
        bad = np.zeros(count, np.bool_)
        bad[rows] = unfit.bad
        raise UnfitError(unfit.reason, bad) from None


def _moment(text: Bytes, reason: Unfit) -> Int64s:
    if text.shape[1] == _DAY_WIDTH:
        return _days(text, reason) * _MICROS_A_DAY
    return _moment_with_time(text, reason)


def _moment_with_time(text: Bytes, reason: Unfit) -> Int64s:
    if text.shape[1] <= _DAY_WIDTH:
        raise UnfitError(reason, np.ones(len(text), np.bool_))
    refuse_where(~np.isin(text[:, _DAY_WIDTH], (ord(" "), ord("T"))), reason)
    return _days(text[:, :_DAY_WIDTH], reason) * _MICROS_A_DAY + _time(text[:, _DAY_WIDTH + 1 :], reason)


def _days(text: Bytes, reason: Unfit) -> Int64s:
    """Count the days since 1970-01-01 of texts ``YYYY-MM-DD``."""
    _require(text, (4, 7), "-", reason)
    year, month, day = _number(text[:, :4], reason), _number(text[:, 5:7], reason), _number(text[:, 8:10], reason)
    refuse_where((year < 1) | (month < 1) | (month > 12), reason)
    starts = _month_starts()
    place = (year - 1) * 12 + month - 1
    first = starts[place]
    refuse_where((day < 1) | (day > starts[place + 1] - first), reason)
    days: Int64s = first + day - 1
    return days


@functools.cache
def _month_starts() -> Int64s:
    """The first day of each month of the years 0001 to 9999 as days since 1970-01-01, and of the one after."""
    return np.arange(_FIRST_MONTH, _AFTER_LAST_MONTH).astype("datetime64[D]").astype(np.int64)


def _time(text: Bytes, reason: Unfit) -> Int64s:
    """Count the microseconds since midnight of texts ``HH:MM[:SS[.ffffff]]``."""
    width = text.shape[1]
    if width not in _TIME_WIDTHS:
        raise UnfitError(reason, np.ones(len(text), np.bool_))
    _require(text, (2, 5) if width > 5 else (2,), ":", reason)
    micros = (
        _below(24, text[:, :2], reason) * 60 * _MICROS_A_MINUTE + _below(60, text[:, 3:5], reason) * _MICROS_A_MINUTE
    )
    if width > 5:
        micros += _below(60, text[:, 6:8], reason) * _MICROS_A_SECOND
    if width > 8:
        _require(text, (8,), ".", reason)
        micros += _number(text[:, 9:], reason) * 10 ** (MICROSECOND_DIGITS - (width - 9))
    return micros


def _offsets(texts: Texts, rows: Int64s, reason: Unfit) -> Int64s:
    """Read the microseconds that ``+HH:MM`` and ``-HH:MM`` are ahead of UTC, at the ends of some texts."""
    if not len(rows):
        return np.empty(0, np.int64)
    tails = Texts(
        data=texts.data,
        starts=texts.starts[rows] + texts.lengths[rows] - _OFFSET_WIDTH,
        lengths=np.full(len(rows), _OFFSET_WIDTH),
    )
    text = tails.cut(slice(None), _OFFSET_WIDTH)
    ahead = text[:, 0] == ord("+")
    refuse_where(~ahead & (text[:, 0] != ord("-")), reason)
    _require(text, (3,), ":", reason)
    minutes = _below(MAX_OFFSET_HOURS + 1, text[:, 1:3], reason) * 60 + _below(60, text[:, 4:6], reason)
    return np.where(ahead, minutes, -minutes) * _MICROS_A_MINUTE


def _below(bound: int, text: Bytes, reason: Unfit) -> Int64s:
    number = _number(text, reason)
    refuse_where(number >= bound, reason)
    return number


def _number(text: Bytes, reason: Unfit) -> Int64s:
    digits = text - np.uint8(ord("0"))  # anything below '0' wraps round to a large number
    if (digits > 9).any():
        raise UnfitError(reason, np.any(digits > 9, axis=1))
    number = np.zeros(len(text), np.int64)
    for place in range(text.shape[1]):
        number *= 10
        number += digits[:, place]
    return number


def _require(text: Bytes, places: tuple[int, ...], character: str, reason: Unfit) -> None:
    for place in places:
        refuse_where(text[:, place] != ord(character), reason)


def _within(micros: Int64s, limits: Limits) -> Int64s:
    """Refuse decimals of a second that ``timestamp(n)`` would round away."""
    step = 10 ** (MICROSECOND_DIGITS - limits.second_digits)
    if step > 1:
        refuse_where(micros % step != 0, Unfit.TOO_MANY_DIGITS)
    return micros
