"""Digit arithmetic of dates and times."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.compare.moment_columns import read_dates, read_moments, read_times
from shared.compare.moments import (
    civil_from_days,
    days_from_civil,
    read_date,
    read_moment,
    read_time,
    write_date,
    write_moment,
    write_time,
)

_EPOCH = dt.date(1970, 1, 1)
_FIRST, _LAST = dt.datetime.fromisoformat("0001-01-03"), dt.datetime.fromisoformat("9999-12-29")
_CHARACTERS = st.text("0123456789-: TZ+.", max_size=33)


def _microseconds(moment: dt.datetime) -> int:
    return (moment - dt.datetime.fromisoformat("1970-01-01")) // dt.timedelta(microseconds=1)


@given(st.dates())
def test_days_agree_with_the_calendar(day: dt.date) -> None:
    """Every day from 0001 to 9999 has the number that Python's calendar gives it, and back."""
    number = (day - _EPOCH).days

    assert days_from_civil(day.year, day.month, day.day) == number
    assert civil_from_days(number) == (day.year, day.month, day.day)
    assert read_date(day.isoformat()) == number == read_date(write_date(number))


@given(
    st.datetimes(), st.sampled_from([" ", "T"]), st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"])
)
def test_columns_of_moments_are_read_as_single_ones_are(moment: dt.datetime, between: str, to: str) -> None:
    """The way for whole columns finds the same microseconds as the way for single texts and as Python."""
    text = moment.isoformat(between, to)
    column = read_moments(pa.array([None, text, "?"]), zones=False)
    single = read_moment(text)

    assert single is not None
    assert not single.offset
    assert column.known.tolist() == [False, True, False]
    assert column.numbers[1] == single.microseconds
    assert single.microseconds == _microseconds(dt.datetime.fromisoformat(text))
    assert read_moment(write_moment(single.microseconds, utc=False)) == single


@given(
    st.datetimes(min_value=_FIRST, max_value=_LAST),
    st.integers(-15 * 60 - 59, 15 * 60 + 59),
)
def test_offsets_lead_to_utc(moment: dt.datetime, minutes: int) -> None:
    """A timestamp with an offset means the moment in UTC, also in whole columns."""
    text = moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes))).isoformat(" ", "microseconds")
    expected = _microseconds(moment - dt.timedelta(minutes=minutes))
    column = read_moments(pa.array([text]), zones=True)
    single = read_moment(text)

    assert single is not None
    assert (single.microseconds, single.offset) == (expected, True)
    assert column.known[0]
    assert column.numbers[0] == expected
    assert not read_moments(pa.array([text]), zones=False).known[0]


@given(st.times(), st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]))
def test_times_are_read(time: dt.time, to: str) -> None:
    """Times of day are microseconds since midnight on both ways."""
    text = time.isoformat(to)
    column = read_times(pa.array([text]))

    assert column.known[0]
    assert column.numbers[0] == read_time(text)
    assert read_time(write_time(int(column.numbers[0]))) == read_time(text)


@given(st.lists(_CHARACTERS | st.datetimes().map(str) | st.dates().map(str) | st.times().map(str), max_size=20))
def test_what_columns_know_single_texts_know_too(texts: list[str]) -> None:
    """Nothing is read from a column that would not be read from the text alone."""
    array = pa.array(texts, pa.string())
    moments, dates, times = read_moments(array, zones=True), read_dates(array), read_times(array)
    for row, text in enumerate(texts):
        if moments.known[row]:
            moment = read_moment(text)
            assert moment is not None
            assert moment.microseconds == moments.numbers[row]
        if dates.known[row]:
            assert read_date(text) == dates.numbers[row]
        if times.known[row]:
            assert read_time(text) == times.numbers[row]


@pytest.mark.parametrize("text", ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-04-31", "0000-01-01"])
def test_days_that_do_not_exist_are_not_read(text: str) -> None:
    """Neither way takes a day that no calendar has."""
    assert read_date(text) is None
    assert not read_dates(pa.array([text])).known[0]


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01 00:00:00"),
        (-1, "1969-12-31 23:59:59.999999"),
        (-62_167_219_200_000_000, "0001-01-01 00:00:00 BC"),
    ],
)
def test_moments_are_written_as_postgresql_does(microseconds: int, text: str) -> None:
    """People see timestamps as psql shows them, BC included."""
    assert write_moment(microseconds, utc=False) == text
