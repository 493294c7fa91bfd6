"""What values mean under a rule: the same to the copy and to verification, which share no code for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from targetkit import column, stored

from shared.compare.forms import Form, Formless
from shared.compare.treated import canonical_treated
from shared.errors import NotArrowableError
from shared.records.keys import RawText, Value
from shared.records.plan import GeneratedPlan
from shared.records.rules import BadTextPolicy, NulPolicy, SourceForm, Treatment
from shared.target.convert import to_target
from shared.target.convert_values import ValueDoesNotFit, adapt

TIMESTAMP, ZONED, DATE = "timestamp without time zone", "timestamp with time zone", "date"
S, MS, US = SourceForm.UNIX_S, SourceForm.UNIX_MS, SourceForm.UNIX_US
JULIAN, ISO = SourceForm.JULIAN, SourceForm.ISO

MOMENTS: list[tuple[SourceForm, str, Value, str]] = [
    (S, TIMESTAMP, 0, "1970-01-01 00:00:00.000000"),
    (S, ZONED, -1, "1969-12-31 23:59:59.000000+00"),
    (S, TIMESTAMP, 1700000000.25, "2023-11-14 22:13:20.250000"),
    (S, TIMESTAMP, "1700000000", "2023-11-14 22:13:20.000000"),
    (S, TIMESTAMP, "-0.5", "1969-12-31 23:59:59.500000"),
    (S, TIMESTAMP, "1.7e9", "2023-11-14 22:13:20.000000"),
    (S, TIMESTAMP, "0.0000005", "1970-01-01 00:00:00.000000"),
    (S, TIMESTAMP, "0.0000015", "1970-01-01 00:00:00.000002"),
    (S, TIMESTAMP, 0.0078125, "1970-01-01 00:00:00.007812"),
    (S, TIMESTAMP, 0.0234375, "1970-01-01 00:00:00.023438"),
    (S, DATE, 86400, "1970-01-02"),
    (S, DATE, -86400.0, "1969-12-31"),
    (S, TIMESTAMP, -210866803200, "4714-11-24 00:00:00.000000 BC"),
    (S, ZONED, -62135596801, "0001-12-31 23:59:59.000000+00 BC"),
    (S, TIMESTAMP, 9224318015999, "294276-12-31 23:59:59.000000"),
    (S, DATE, 253402300800, "10000-01-01"),
    (MS, TIMESTAMP, 1700000000123, "2023-11-14 22:13:20.123000"),
    (MS, ZONED, 0.5, "1970-01-01 00:00:00.000500+00"),
    (MS, TIMESTAMP, -1, "1969-12-31 23:59:59.999000"),
    (US, TIMESTAMP, 1700000000123456, "2023-11-14 22:13:20.123456"),
    (US, TIMESTAMP, 2.5, "1970-01-01 00:00:00.000002"),
    (US, TIMESTAMP, -1, "1969-12-31 23:59:59.999999"),
    (JULIAN, TIMESTAMP, 2440587.5, "1970-01-01 00:00:00.000000"),
    (JULIAN, ZONED, 2460262.425925926, "2023-11-13 22:13:20.000000+00"),
    (JULIAN, TIMESTAMP, 2451545, "2000-01-01 12:00:00.000000"),
    (JULIAN, TIMESTAMP, "2451545.5", "2000-01-02 00:00:00.000000"),
    (JULIAN, DATE, 2451545.5, "2000-01-02"),
    (JULIAN, TIMESTAMP, 0, "4714-11-24 12:00:00.000000 BC"),
    (ISO, TIMESTAMP, "2024-01-31", "2024-01-31 00:00:00.000000"),
    (ISO, ZONED, "2024-01-31", "2024-01-31 00:00:00.000000+00"),
    (ISO, ZONED, "2024-01-31T10:00:00Z", "2024-01-31 10:00:00.000000+00"),
    (ISO, ZONED, "20240131T100000+0100", "2024-01-31 09:00:00.000000+00"),
    (ISO, ZONED, "2024-01-31 10:00:00,5", "2024-01-31 10:00:00.500000+00"),
    (ISO, ZONED, "2024-01-31 10:00:00.123456000 -05", "2024-01-31 15:00:00.123456+00"),
    (ISO, TIMESTAMP, "20240131 1000", "2024-01-31 10:00:00.000000"),
    (ISO, TIMESTAMP, "2024-01-31T10", "2024-01-31 10:00:00.000000"),
    (ISO, TIMESTAMP, "20240131t10:00:59", "2024-01-31 10:00:59.000000"),
    (ISO, ZONED, "2024-01-31t10:00z", "2024-01-31 10:00:00.000000+00"),
    (ISO, ZONED, "0001-01-01T00:00:00+15:59", "0001-12-31 08:01:00.000000+00 BC"),
    (ISO, DATE, "20240131", "2024-01-31"),
    (ISO, DATE, "2024-01-31T00:00:00Z", "2024-01-31"),
    (ISO, DATE, "2024-01-31T02:00+02:00", "2024-01-31"),
]
NO_MOMENTS: list[tuple[SourceForm, str, Value]] = [
    (S, TIMESTAMP, "soon"),
    (S, TIMESTAMP, ""),
    (S, TIMESTAMP, " 1"),
    (S, TIMESTAMP, "1_000"),
    (S, TIMESTAMP, "٣"),
    (S, TIMESTAMP, "1e9999"),
    (S, TIMESTAMP, "inf"),
    (S, TIMESTAMP, "9" * 1001),
    (S, TIMESTAMP, b"1"),
    (S, TIMESTAMP, RawText(b"\xff")),
    (S, TIMESTAMP, float("inf")),
    (S, TIMESTAMP, 2**63 - 1),
    (S, TIMESTAMP, -210866803201),
    (S, TIMESTAMP, 9224318016000),
    (S, DATE, 1),
    (S, DATE, 86400.5),
    (S, "text", 0),
    (S, "time without time zone", 0),
    (MS, DATE, 86_400_001),
    (JULIAN, TIMESTAMP, -0.5),
    (JULIAN, TIMESTAMP, 5373484.5),
    (JULIAN, TIMESTAMP, "1e400"),
    (JULIAN, TIMESTAMP, "2024-01-31"),
    (JULIAN, DATE, 2451545),
    (ISO, TIMESTAMP, 20240131),
    (ISO, TIMESTAMP, "2024-01-31T10:00:00Z"),
    (ISO, TIMESTAMP, "2024-01-31T10:00:00.1234567"),
    (ISO, TIMESTAMP, "2024-01-31T24:00:00"),
    (ISO, TIMESTAMP, "2024-01-31T10:00:60"),
    (ISO, TIMESTAMP, "2024-01-31T10:60"),
    (ISO, TIMESTAMP, "2024-01-31 "),
    (ISO, TIMESTAMP, "2024-01-31 10:00 "),
    (ISO, TIMESTAMP, "2024-01-31T10:0000"),
    (ISO, TIMESTAMP, "2024-01-31T1000:00"),
    (ISO, TIMESTAMP, "2024-01-31T10:00.5"),
    (ISO, TIMESTAMP, "2024-01-31T10:00:00."),
    (ISO, TIMESTAMP, "2024-0131"),
    (ISO, TIMESTAMP, "202401-31"),
    (ISO, TIMESTAMP, "2024-02-30"),
    (ISO, TIMESTAMP, "0000-01-01"),
    (ISO, TIMESTAMP, "2024-W05-3"),
    (ISO, TIMESTAMP, "+2024-01-31"),
    (ISO, TIMESTAMP, "2024-01-3١"),
    (ISO, TIMESTAMP, "infinity"),
    (ISO, ZONED, "2024-01-31Z"),
    (ISO, ZONED, "2024-01-31T10:00+16:00"),
    (ISO, ZONED, "2024-01-31T10:00+01:60"),
    (ISO, ZONED, "2024-01-31T10:00+1"),
    (ISO, ZONED, "2024-01-31T10:00+01:"),
    (ISO, ZONED, "2024-01-31T10:00  Z"),
    (ISO, ZONED, "2024-01-31T10:00 UTC"),
    (ISO, DATE, "2024-01-31T00:00:00+02:00"),
    (ISO, DATE, "2024-01-31T10:00"),
]
REJECT = Treatment()
TEXTS: list[tuple[Treatment, str, Value, Value]] = [
    (Treatment(null_if_empty=True), "text", "", None),
    (Treatment(null_if_empty=True), "text", " ", " "),
    (Treatment(null_if_empty=True), "bytea", b"", b""),
    (Treatment(null_if_empty=True, nul=NulPolicy.STRIP), "text", "\0\0", None),
    (Treatment(nul=NulPolicy.STRIP), "text", "\0a\0b\0", "ab"),
    (Treatment(nul=NulPolicy.REPLACE), "text", "\0a\0", "␀a␀"),
    (Treatment(nul=NulPolicy.REPLACE), "bytea", "a\0", b"a\0"),
    (Treatment(nul=NulPolicy.STRIP), "boolean", "t\0", True),
    (Treatment(bad_utf8=BadTextPolicy.LATIN_1), "text", RawText(b"gr\xf6\xdfe"), "größe"),
    (Treatment(bad_utf8=BadTextPolicy.LATIN_1), "text", RawText(b"\x80\xa4\xff"), "\x80\xa4\xff"),
    (Treatment(bad_utf8=BadTextPolicy.LATIN_1), "text", "größe", "größe"),
    (Treatment(bad_utf8=BadTextPolicy.LATIN_1, nul=NulPolicy.STRIP), "text", RawText(b"\xff\0"), "ÿ"),
    (Treatment(bad_utf8=BadTextPolicy.REPLACE), "text", RawText(b"gr\xf6\xdfe"), "gr\ufffd\ufffde"),
    (Treatment(bad_utf8=BadTextPolicy.REPLACE), "text", RawText(b"\xe2\x82\xe2\x82\xac"), "\ufffd€"),
    (Treatment(bad_utf8=BadTextPolicy.REPLACE), "text", RawText(b"a\xed\xa0\xbd"), "a\ufffd"),
    (Treatment(bad_utf8=BadTextPolicy.BYTEA), "bytea", RawText(b"\xff\0"), b"\xff\0"),
    (Treatment(bad_utf8=BadTextPolicy.REPLACE), "text", RawText(b"a\0=\xd8b\0", "utf-16le"), "a\ufffdb"),
    (Treatment(bad_utf8=BadTextPolicy.REPLACE), "text", RawText(b"\0a\xdc\0", "utf-16be"), "a\ufffd"),
    (Treatment(bad_utf8=BadTextPolicy.BYTEA), "bytea", RawText(b"=\xd8", "utf-16le"), b"=\xd8"),
    (Treatment(bad_utf8=BadTextPolicy.BYTEA), "bytea", "ö", "ö".encode()),
    (Treatment(null_if_empty=True), "bigint", "", None),
]


def _canonical(value: Value, sql: str, treatment: Treatment) -> Form:
    (form,) = canonical_treated([value], column(sql, treatment=treatment), lambda texts, _: texts)
    return form


def _instant(text: str, sql: str) -> int:
    """What PostgreSQL's spelling means, worked out by its own parts."""
    era = text.endswith(" BC")
    day, _, clock = text.removesuffix(" BC").removesuffix("+00").partition(" ")
    year, month, number = day.split("-")
    days = _days_before(1 - int(year) if era else int(year)) + _day_of_year(
        1 - int(year) if era else int(year), int(month), int(number)
    )
    if sql == DATE:
        return days
    hours, minutes, seconds = clock.split(":")
    return days * 86_400_000_000 + (int(hours) * 60 + int(minutes)) * 60_000_000 + round(float(seconds) * 1e6)


def _days_before(year: int) -> int:
    """Days from 1970-01-01 to the first of January, by counting leap years."""
    years = year - 1
    return years * 365 + years // 4 - years // 100 + years // 400 - 719_162


def _day_of_year(year: int, month: int, day: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return sum(lengths[: month - 1]) + day - 1


@pytest.mark.parametrize(("form", "sql", "value", "expected"), MOMENTS)
def test_a_moment_means_the_same_on_both_sides(form: SourceForm, sql: str, value: Value, expected: str) -> None:
    """Each form's moments are what SQLite, ISO 8601 and the calendar say, by value, by column and to verification."""
    treatment = Treatment(form=form)
    target = column(sql, treatment=treatment)
    assert adapt(value, target) == expected
    assert _canonical(value, sql, treatment) == _instant(expected, sql)
    try:
        converted = to_target(stored([None, value]), [target]).column(0)
    except NotArrowableError:
        return
    integers = converted.cast(pa.int32() if sql == DATE else pa.int64())
    assert integers.to_pylist() == [None, _instant(expected, sql)]


@pytest.mark.parametrize(("form", "sql", "value"), NO_MOMENTS)
def test_no_moment_is_refused_on_both_sides(form: SourceForm, sql: str, value: Value) -> None:
    """What is no moment of the form, or none that the type can hold exactly, fits nowhere."""
    treatment = Treatment(form=form)
    with pytest.raises(ValueDoesNotFit):
        adapt(value, column(sql, treatment=treatment))
    assert isinstance(_canonical(value, sql, treatment), Formless)
    if not isinstance(value, RawText):
        with pytest.raises(NotArrowableError):
            to_target(stored([value]), [column(sql, treatment=treatment)])


@pytest.mark.parametrize(("treatment", "sql", "value", "expected"), TEXTS)
def test_texts_are_treated_alike_on_both_sides(treatment: Treatment, sql: str, value: Value, expected: Value) -> None:
    """Undecodable, NUL-holding and empty texts become what the rule says, in this order."""
    target = column(sql, treatment=treatment)
    plain = column(sql)
    assert adapt(value, target) == adapt(int(expected) if isinstance(expected, bool) else expected, plain)
    assert _canonical(value, sql, treatment) == expected
    if not isinstance(value, RawText) and sql != "bigint":
        read = to_target(stored([value, None]), [target]).column(0).to_pylist()
        assert read == [expected, None]


def test_an_undecodable_text_is_refused_without_a_rule() -> None:
    """Without a rule, and with NULs stripped alone, what cannot be decoded fits no text."""
    for treatment in (Treatment(), Treatment(nul=NulPolicy.STRIP)):
        with pytest.raises(ValueDoesNotFit):
            adapt(RawText(b"\xff\0"), column("text", treatment=treatment))
        assert isinstance(_canonical(RawText(b"\xff\0"), "text", treatment), Formless)


def test_latin_1_is_read_in_files_of_utf_8_alone() -> None:
    """In a file of UTF-16 nobody wrote single bytes: such a text stays what it is, a reject."""
    treatment = Treatment(bad_utf8=BadTextPolicy.LATIN_1)
    with pytest.raises(ValueDoesNotFit):
        adapt(RawText(b"=\xd8", "utf-16le"), column("text", treatment=treatment))
    assert isinstance(_canonical(RawText(b"=\xd8", "utf-16le"), "text", treatment), Formless)


@pytest.mark.parametrize("value", ["2024-01-01", 0, None])
def test_decimals_that_a_type_would_round_away_do_not_fit(value: Value) -> None:
    """A timestamp(3) takes milliseconds from a form, never microseconds."""
    form = ISO if isinstance(value, str) else US
    short = column("timestamp(3) without time zone", treatment=Treatment(form=form))
    adapt(value, short)
    with pytest.raises(ValueDoesNotFit):
        adapt("2024-01-01T00:00:00.0001" if form is ISO else 1, short)
    with pytest.raises(NotArrowableError):
        to_target(stored([1]), [column("timestamp(3) without time zone", treatment=Treatment(form=US))])


@given(st.floats(0, 5373484.4) | st.floats(2440000, 2470000) | st.integers(0, 5373484))
def test_julian_days_are_what_sqlite_says(day: float) -> None:
    """A Julian day number is the millisecond that SQLite's own date functions show."""
    with closing(sqlite3.connect(":memory:")) as sqlite:
        shown, seconds = sqlite.execute(
            "SELECT strftime('%Y-%m-%d %H:%M:%f', ?1), strftime('%s', ?1)", (day,)
        ).fetchone()
    treatment = Treatment(form=JULIAN)
    micros = _canonical(day, TIMESTAMP, treatment)
    assert isinstance(micros, int)
    millis = int(shown[-3:])
    assert micros == int(seconds) * 1_000_000 + millis * 1_000
    assert _instant(adapt(day, column(TIMESTAMP, treatment=treatment)) or "", TIMESTAMP) == micros


@given(st.binary(max_size=12), st.sampled_from(["utf-8", "utf-16le", "utf-16be"]))
@example(b"\x61\0\x3d\xd8", "utf-16le")
@example(b"\x61\0\0\xdc\x62\0", "utf-16le")
@example(b"\xd8\x3d\xd8\x3d\xde\0\0\x61\0", "utf-16be")
@example(b"\x3d\xd8\x61", "utf-16le")
def test_undecodable_texts_are_replaced_alike(raw: bytes, encoding: str) -> None:
    """Both sides put U+FFFD for the same bytes, and leave a text that can be decoded as it is."""
    treatment = Treatment(bad_utf8=BadTextPolicy.REPLACE, nul=NulPolicy.STRIP)
    text = RawText(raw, encoding)
    assert adapt(text, column("text", treatment=treatment)) == _canonical(text, "text", treatment)


def test_generated_columns_do_not_leave() -> None:
    """What the target computes itself is not among the columns that are sent, whatever its type."""
    columns = [column("bigint", "a"), column("inet", "b", generated=GeneratedPlan(sql="x")), column("text", "c")]
    assert to_target(stored([1], ["nowhere"], ["x"]), columns).column_names == ["a", "c"]


@pytest.mark.parametrize(
    ("form", "sql", "value", "copied", "compared"),
    [
        (US, "interval", 93_784_000_001, "1 days 7384.000001 seconds", "1 d 7384000001 us"),
        (US, "interval", -1, "-1 days 86399.999999 seconds", "-1 d 86399999999 us"),
        (MS, "interval", 1.5, "0 days 0.001500 seconds", "0 d 1500 us"),
        (S, "interval(3)", "90", "0 days 90.000000 seconds", "0 d 90000000 us"),
        (S, "interval", None, None, None),
    ],
)
def test_what_is_counted_becomes_an_interval_on_both_sides(
    form: SourceForm, sql: str, value: Value, copied: str | None, compared: str | None
) -> None:
    """Each side writes the interval in its own way; PostgreSQL, which reads both, finds them equal."""
    typed = column(sql, treatment=Treatment(form=form))
    assert adapt(value, typed) == copied
    assert canonical_treated([value], typed, lambda texts, _: texts) == [compared]


@pytest.mark.parametrize(
    ("form", "sql", "value"),
    [
        (US, "interval", "soon"),
        (US, "interval", b"1"),
        (US, "interval(3)", 1),
        (JULIAN, "interval", 1),
        (ISO, "interval", "1"),
    ],
)
def test_what_counts_nothing_is_no_interval(form: SourceForm, sql: str, value: Value) -> None:
    """Other texts, blobs and forms of moments are refused, and so is what the type would round."""
    typed = column(sql, treatment=Treatment(form=form))
    with pytest.raises(ValueDoesNotFit):
        adapt(value, typed)
    if sql == "interval":
        assert isinstance(canonical_treated([value], typed, lambda texts, _: texts)[0], Formless)
