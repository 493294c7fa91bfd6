"""Whether texts are dates or timestamps of one and the same shape, told of many at once.

The same definitions as in `sqlite_moments`, for the usual case that a program wrote all of them with one format: then
they are equally long, lie below each other as a matrix of bytes, and a condition on a place is one on a column.
Measured: 30 ns a text, where SQLite's date functions take 250 to 650.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Numbers: TypeAlias = npt.NDArray[np.int32]

_DATE: Final = 10
_TO_THE_MINUTE: Final = 16
_TO_THE_SECOND: Final = 19
_LONGEST: Final = 26
_OFFSET: Final = 6
_DAYS: Final = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int32)


def common_shape(joined: bytes, texts: int) -> str | None:
    """Name the shape that all of some texts have; None where they have several, none, or one that is not told here.

    Args:
        joined: The texts with commas between them.
        texts: How many.
    """
    width, rest = divmod(len(joined) + 1, texts)
    if rest or not _DATE < width <= _LONGEST + _OFFSET + 1:
        return None
    # No shape has a comma in it: where all rows have a shape, the commas can only stand in the last column.
    return shape_of_rows(np.frombuffer(joined + b",", np.uint8).reshape(texts, width)[:, :-1])


def shape_of_rows(rows: npt.NDArray[np.uint8]) -> str | None:
    """Name the shape that texts of one length have, as `common_shape` does; a row holds the bytes of a text."""
    if not _DATE <= rows.shape[1] <= _LONGEST + _OFFSET:
        return None
    if _all(rows[:, -1], b"Z"):
        return "timestamptz_texts" if _are_moments(rows[:, :-1]) else None
    if rows.shape[1] > _TO_THE_MINUTE and _among(rows[:, -_OFFSET], b"+-"):
        return "timestamptz_texts" if _are_moments(rows[:, :-_OFFSET]) and _are_offsets(rows[:, -_OFFSET:]) else None
    if rows.shape[1] == _DATE:
        return "date_texts" if _are_dates(rows) else None
    return "timestamp_texts" if _are_moments(rows) else None


def _are_moments(rows: _Bytes) -> bool:
    """``YYYY-MM-DD[ T]HH:MM[:SS[.ffffff]]``, the time of day included."""
    length = rows.shape[1]
    if not (length in {_TO_THE_MINUTE, _TO_THE_SECOND} or _TO_THE_SECOND + 1 < length <= _LONGEST):
        return False
    return _are_dates(rows[:, :_DATE]) and _among(rows[:, _DATE], b" T") and _are_times(rows[:, _DATE + 1 :])


def _are_dates(rows: _Bytes) -> bool:
    if not (_all(rows[:, 4], b"-") and _all(rows[:, 7], b"-") and _are_digits(rows, (0, 1, 2, 3, 5, 6, 8, 9))):
        return False
    year, month, day = _number(rows, 0) * 100 + _number(rows, 2), _number(rows, 5), _number(rows, 8)
    if year.min() < 1 or month.min() < 1 or month.max() > 12 or day.min() < 1:
        return False
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return bool(np.all(day <= _DAYS[month] - ((month == 2) & ~leap)))


def _are_times(rows: _Bytes) -> bool:
    """``HH:MM[:SS[.ffffff]]``."""
    length = rows.shape[1]
    colons, digits = [2], [0, 1, 3, 4]
    if length > 5:
        colons, digits = [2, 5], [0, 1, 3, 4, 6, 7, *range(9, length)]
    if not all(_all(rows[:, place], b":") for place in colons) or not _are_digits(rows, digits):
        return False
    if length > 8 and not _all(rows[:, 8], b"."):
        return False
    limits = zip((0, 3, 6), (23, 59, 59), strict=True)
    return all(int(_number(rows, place).max()) <= most for place, most in limits if place < length)


def _are_offsets(rows: _Bytes) -> bool:
    """``+HH:MM`` or ``-HH:MM``, up to 15:59."""
    if not (_all(rows[:, 3], b":") and _are_digits(rows, (1, 2, 4, 5))):
        return False
    return int(_number(rows, 1).max()) <= 15 and int(_number(rows, 4).max()) <= 59


def _all(column: _Bytes, byte: bytes) -> bool:
    return bool((column == byte[0]).all())


def _among(column: _Bytes, two: bytes) -> bool:
    return bool(((column == two[0]) | (column == two[1])).all())


def _are_digits(rows: _Bytes, places: tuple[int, ...] | list[int]) -> bool:
    return bool(((rows[:, list(places)] - np.uint8(48)) <= 9).all())


def _number(rows: _Bytes, place: int) -> _Numbers:
    """Two digits."""
    return (rows[:, place].astype(np.int32) - 48) * 10 + rows[:, place + 1] - 48
