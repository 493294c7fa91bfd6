from __future__ import annotations

import math
import re
import sqlite3
import tempfile
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.records.keys import RawText
from shared.records.source import ColumnProfile
from shared.source import sqlite_look, sqlite_profile
from shared.source.sqlite import open_sqlite

# --- what texts are, told without SQLite ---------------------------------------------------------------------------

_DAY = r"(?P<day>\d{4}-\d\d-\d\d)"
_TIME = r"(?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)"
_OFFSET = r"(?:Z|[+-](?:0\d|1[0-5]):[0-5]\d)"


def _matches(pattern: str, text: Any) -> bool:
    found = re.fullmatch(pattern, text, re.ASCII) if isinstance(text, str) else None
    if found is None:
        return False
    parts = found.groupdict()
    try:
        if parts.get("day"):
            date.fromisoformat(parts["day"])
        if parts.get("time"):
            time.fromisoformat(_padded(parts["time"]))
    except ValueError:
        return False
    return True


def _padded(text: str) -> str:
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<6}" if fraction else whole


_SHAPES: dict[str, Callable[[Any], bool]] = {
    "date_texts": lambda v: _matches(_DAY, v),
    "timestamp_texts": lambda v: _matches(f"{_DAY}(?:[ T]{_TIME})?", v),
    "timestamptz_texts": lambda v: _matches(f"{_DAY}[ T]{_TIME}{_OFFSET}", v),
    "time_texts": lambda v: _matches(_TIME, v),
    "boolean_texts": lambda v: (
        isinstance(v, str) and _ascii_lower(v) in {"true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"}
    ),
    "uuid_texts": lambda v: (
        isinstance(v, str)
        and bool(re.fullmatch(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", v))
    ),
    "uuid_blobs": lambda v: isinstance(v, bytes) and len(v) == 16,
    "nul_texts": lambda v: (isinstance(v, str) and "\0" in v) or (isinstance(v, RawText) and b"\0" in v.raw),
    "integral_reals": lambda v: isinstance(v, float) and abs(v) < 2**63 and v == int(v),
    "infinities": lambda v: isinstance(v, float) and math.isinf(v),
    "empty_texts": lambda v: v == "",
    "invalid_texts": lambda v: isinstance(v, RawText),
    "epoch_s": lambda v: isinstance(v, int | float) and _YEARS[0] <= v < _YEARS[1],
    "epoch_ms": lambda v: isinstance(v, int | float) and _YEARS[0] * 1000 <= v < _YEARS[1] * 1000,
    "epoch_us": lambda v: isinstance(v, int | float) and _YEARS[0] * 10**6 <= v < _YEARS[1] * 10**6,
    "julian_days": lambda v: isinstance(v, float) and 2444239.5 <= v < 2488069.5,
}
_YEARS = (datetime(1980, 1, 1, tzinfo=UTC).timestamp(), datetime(2100, 1, 1, tzinfo=UTC).timestamp())


def _ascii_lower(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def _digits(value: float, *, fraction: bool) -> int:
    shown = format(Decimal(repr(value)), "f").lstrip("-")
    whole, _, rest = shown.partition(".")
    return len(rest.rstrip("0")) if fraction else len(whole.lstrip("0"))


# --- made-up values, most of them nearly right -----------------------------------------------------------------------

_DATES = st.dates().map(date.isoformat) | st.sampled_from(
    ["0000-01-01", "-001-01-01", "2023-02-29", "2024-02-29", "2024-02-30", "2024-13-01", "2024-00-10", "2024-1-01",
     "2024-01-32", "9999-12-31", "10000-01-01", "20240101", "now", "2024-01-01 ", " 2024-01-01", "2024-01-01\0"]
)  # fmt: skip
_TIMES = st.times().map(lambda t: t.isoformat()) | st.sampled_from(
    ["12:30", "24:00", "24:00:00", "23:59:60", "23:59:59.1", "23:59:59.1234567", "1:30", "12:60", "12:30:", "12:30:1",
     "12:30:15.", "12:30.5", "12:30:15,5", "00:00:00.000000", "12:30\0", "12:30:15.12a", "12:30:15.１", "99:99"]
)  # fmt: skip
_OFFSETS = st.sampled_from(
    ["", "Z", "z", "+00:00", "-14:00", "+15:59", "+16:00", "+14:60", " Z", "+0100", "+01", "UTC", "Z\0", "-05:30", "\0"]
)
_TEXTS = st.one_of(
    st.text(max_size=5),
    _DATES,
    _TIMES,
    st.tuples(_DATES, st.sampled_from([" ", "T", "t", "  ", ""]), _TIMES, _OFFSETS).map("".join),
    st.datetimes().map(datetime.isoformat),
    st.uuids().map(str),
    st.uuids().map(lambda u: u.hex.upper()),
    st.sampled_from(["True", "T", "yes", "oN", "OFF", "1", "true ", "ΟΝ", "t\0"]),
    st.just(str(uuid.UUID(int=7))).flatmap(
        lambda u: st.integers(0, 35).map(lambda place: u[:place] + "-" + u[place + 1 :])
    ),
    st.just(str(uuid.UUID(int=7)) + "\0"),
)
_REALS = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(10**9), 10**9).map(lambda n: n / 100),
    st.integers(-(10**17), 10**17).map(lambda n: n / 1000),
    st.integers(-(2**64), 2**64).map(float),
    st.sampled_from([0.1 + 0.2, 1e-7, 1e22, 1e23, 5e-324, -(2.0**63), 2.0**63, 0.07, 99999.99, 123456.789]),
)
_MOMENTS = st.one_of(
    st.sampled_from([315532800, 315532799.5, 4102444800, 4102444799.999, 2444239.5, 2488069.5, 2488069.4]),
    st.tuples(st.sampled_from([1, 1000, 10**6]), st.integers(10**8, 5 * 10**9)).map(math.prod),
    st.floats(2e6, 3e6),
)
_LONG_TEXTS = st.tuples(st.sampled_from([255, 256, 257, 400]), st.sampled_from(["a", "é", "𝄞"]), _TEXTS).map(
    lambda parts: (parts[1] * parts[0])[: parts[0] - len(parts[2])] + parts[2]
)
_INVALID = [b"\xff", b"2024-01-01\xff", b"\xff\0", b"\x80", b"a" * 200 + b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\x80"]
_VALUES = st.one_of(
    st.none(),
    _MOMENTS,
    _LONG_TEXTS,
    st.integers(-(2**63), 2**63 - 1),
    _REALS,
    _TEXTS,
    st.binary(max_size=3),
    st.binary(min_size=16, max_size=16),
    st.sampled_from([RawText(raw) for raw in _INVALID]),
)
_FORMATS = st.sampled_from(
    ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%SZ", "%H:%M:%S",
     "%Y-%m-%dT%H:%M:%S.%f+05:30", "%Y-%m-%d %H:%M-15:59", "%Y-%m-%d %H:%M:%S.%f9", "%Y-%m-%d%H:%M:%S"]
)  # fmt: skip


@st.composite
def _written_alike(draw: st.DrawFn) -> list[str]:
    """Moments in one format, but for perhaps one character of one of them."""
    written = draw(_FORMATS)
    moments = draw(st.lists(st.datetimes(min_value=datetime(1000, 1, 1)), min_size=1, max_size=5))  # noqa: DTZ001 - naive
    texts = [moment.strftime(written) for moment in moments]
    if draw(st.booleans()):
        row, odd = draw(st.integers(0, len(texts) - 1)), draw(st.sampled_from("0123456789-+:. TZtz,\0é"))
        place = draw(st.integers(0, len(texts[row]) - 1))
        texts[row] = texts[row][:place] + odd + texts[row][place + 1 :]
    return texts


_COLUMN = _written_alike() | st.one_of(
    *(
        st.lists(st.none() | one, max_size=8)
        for one in (_VALUES, _TEXTS, _REALS, _DATES, _TIMES, _MOMENTS, _TEXTS | st.just(RawText(b"caf\xe9")))
    )
)

_TYPES = [
    "",
    "DATE",
    "DATETIME",
    "TIMESTAMP COLLATE RTRIM",
    "TIME TEXT",
    "BOOLEAN",
    "UUID",
    "CHAR(36) COLLATE NOCASE",
    "DECIMAL(12,2)",
    "NUMERIC",
    "REAL",
    "INTEGER",
    "TEXT",
    "BLOB",
    "BINARY(16)",
    "VARCHAR_TIME_BOOL_UUID",
    "UNIQUEIDENTIFIER",
]


def _table(path: Path, declared: str, values: list[Any], encoding: str) -> list[Any]:
    """Make a table of one column and return what SQLite stored."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"PRAGMA encoding = '{encoding}'; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
        )
        connection.execute(f"CREATE TABLE t(c {declared})")
        for value in values:
            raw = isinstance(value, RawText)
            place = "CAST(? AS TEXT)" if raw else "?"
            connection.execute(f"INSERT INTO t VALUES ({place})", [value.raw if raw else value])
        connection.commit()
        connection.text_factory = lambda raw: RawText(raw) if _is_undecodable(raw) else raw.decode()
        return [row[0] for row in connection.execute("SELECT c FROM t")]


def _is_undecodable(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


def _encodable(value: Any) -> bool:
    return not isinstance(value, RawText)


@pytest.mark.parametrize("declared", _TYPES)
@pytest.mark.parametrize(("range_rows", "processes"), [(50_000, 1), (3, 1), (2, 3)])
def test_the_profile_says_what_is_stored(
    monkeypatch: pytest.MonkeyPatch, declared: str, range_rows: int, processes: int
) -> None:
    """Every count, extreme and digit agrees with a count in Python, in one key range as in many, in several parts."""
    monkeypatch.setattr(sqlite_profile, "_RANGE_ROWS", range_rows)
    monkeypatch.setattr(sqlite_look, "SAMPLED_REALS", min(range_rows, 500) // 2)

    @settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
    @given(values=_COLUMN, encoding=st.sampled_from(["UTF-8", "UTF-8", "UTF-16le"]))
    def check(values: list[Any], encoding: str) -> None:
        if encoding != "UTF-8":
            values = list(filter(_encodable, values))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.db"
            stored = _table(path, declared, values, encoding)
            with open_sqlite(str(path), frozen=True) as reader:
                profile = reader.profile(reader.catalog().tables[0], processes=processes)
        assert profile.rows == len(stored)
        _check_column(profile.columns["c"], stored, encoding)

    check()


def _check_column(found: ColumnProfile, stored: list[Any], encoding: str) -> None:
    kinds = {int: "integers", float: "reals", bytes: "blobs", str: "texts", RawText: "texts"}
    names = [kinds.get(type(value), "nulls") for value in stored]
    for name in ("nulls", "integers", "reals", "texts", "blobs"):
        assert getattr(found, name) == names.count(name), name
    integers = [value for value in stored if isinstance(value, int)]
    assert found.integer_min == min(integers, default=None)
    assert found.integer_max == max(integers, default=None)
    texts = [v.raw if isinstance(v, RawText) else v.encode(encoding) for v in stored if isinstance(v, str | RawText)]
    assert found.longest_text == max(map(len, texts), default=None)
    assert found.longest_blob == max((len(v) for v in stored if isinstance(v, bytes)), default=None)
    for name, holds in _SHAPES.items():
        answer = getattr(found, name)
        if answer is not None:
            assert answer == sum(map(holds, stored)), (name, stored)
    numbers = integers + [value for value in stored if isinstance(value, float) and not math.isinf(value)]
    if found.decimal_integer_digits is not None:
        assert found.decimal_integer_digits == max((_digits(n, fraction=False) for n in numbers), default=0)
        assert found.decimal_fraction_digits == max((_digits(n, fraction=True) for n in numbers), default=0)


@pytest.mark.parametrize("known", [123.4567890123456, 0.5, 1e15, 1e-9])
@pytest.mark.parametrize("longer", [12.34567890123456, 1.2345678901234567, 999.9999999999999, 1e-10, 1.5e-300])
def test_a_real_with_more_digits_than_any_before_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: float, longer: float
) -> None:
    """What spares counting one by one never hides a value, however its digits lie about the point."""
    monkeypatch.setattr(sqlite_look, "SAMPLED_REALS", 1)
    _table(tmp_path / "r.db", "NUMERIC", [known, longer], "UTF-8")
    with open_sqlite("r.db", frozen=True) as reader:
        column = reader.profile(reader.catalog().tables[0]).columns["c"]
    assert column.decimal_fraction_digits == max(_digits(n, fraction=True) for n in (known, longer))


_UUIDS = {"uuid_texts", "uuid_blobs"}
_EPOCHS = {"epoch_s", "epoch_ms", "epoch_us", "julian_days"}


@pytest.mark.parametrize(
    ("column", "asked"),
    [
        ("c INTEGER", set()),
        ("c TEXT", set()),
        ("c REAL", {"integral_reals", "infinities"}),
        ("c DECIMAL(5,2)", {"integral_reals", "infinities", "decimal_integer_digits", "decimal_fraction_digits"}),
        ("c JSON TEXT", {"json_texts", "jsonb_texts"}),
        ("c char (36)", _UUIDS),
        ("c UniqueIdentifier TEXT", _UUIDS),
        ("c character varying (36)", _UUIDS),
        ("c BLOB(16)", _UUIDS),
        ("c VARCHAR(360)", set()),
        ("c TEXT DATE", {"date_texts", "timestamp_texts", "timestamptz_texts", "time_texts"} | _EPOCHS),
        ("c BOOLEAN TEXT", {"boolean_texts"}),
        ("created_at INTEGER", _EPOCHS),
        ("lastVisit TEXT", _EPOCHS),
        ("expiryAt INT", _EPOCHS),
        ("flat INT", set()),
        ("season INT", set()),
    ],
)
def test_only_what_type_and_name_raise_is_asked(tmp_path: Path, column: str, asked: set[str]) -> None:
    """A question that was not asked is answered None, one that was asked of no value is answered 0."""
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.execute(f"CREATE TABLE t({column})")
        connection.execute("INSERT INTO t VALUES (NULL)")
        connection.commit()
    with open_sqlite("t.db") as reader:
        (found,) = reader.profile(reader.catalog().tables[0]).columns.values()
    optional = {"integral_reals", "infinities", "decimal_integer_digits", "decimal_fraction_digits", "boolean_texts",
                "date_texts", "timestamp_texts", "timestamptz_texts", "time_texts", "json_texts", "jsonb_texts",
                *_UUIDS, *_EPOCHS}  # fmt: skip
    assert {name for name in optional if getattr(found, name) is not None} == asked
    assert all(getattr(found, name) == 0 for name in asked)
    assert (found.empty_texts, found.invalid_texts, found.nul_texts) == (0, 0, 0)
    assert (found.longest_text, found.longest_blob) == (None, None)


def test_postgresql_takes_every_text_of_a_shape(postgres_url: str) -> None:
    """What counts as a date, time, timestamp or UUID is one that PostgreSQL's types take."""
    types = {
        "date_texts": "date",
        "time_texts": "time",
        "timestamp_texts": "timestamp",
        "timestamptz_texts": "timestamptz",
        "uuid_texts": "uuid",
        "boolean_texts": "boolean",
    }
    connection = psycopg2.connect(postgres_url)

    @settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
    @given(text=_TEXTS)
    def check(text: str) -> None:
        for shape, sql in types.items():
            if _SHAPES[shape](text):
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_input_is_valid(%s, %s)", (text, sql))
                    assert cursor.fetchone() == (True,), (text, sql)

    try:
        check()
    finally:
        connection.close()


def test_strict_tables_and_rowid_aliases_need_no_classes(tmp_path: Path) -> None:
    """SQLite's own promises are used, and give the same profile."""
    with closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        connection.executescript(
            """
            CREATE TABLE t(id INTEGER PRIMARY KEY, i INT, r REAL, x TEXT, b BLOB, a ANY) STRICT;
            INSERT INTO t VALUES (-5, 1, 2, 'x', x'00', 1), (7, NULL, 0.5, NULL, NULL, '1'), (9, 3, NULL, '', x'', 1.5);
            """
        )
    with open_sqlite("s.db") as reader:
        profile = reader.profile(reader.catalog().tables[0], processes=2)
    found = {name: (c.nulls, c.integers, c.reals, c.texts, c.blobs) for name, c in profile.columns.items()}
    assert found == {
        "id": (0, 3, 0, 0, 0),
        "i": (1, 2, 0, 0, 0),
        "r": (1, 0, 2, 0, 0),
        "x": (1, 0, 0, 2, 0),
        "b": (1, 0, 0, 0, 2),
        "a": (0, 1, 1, 1, 0),
    }
    assert (profile.columns["id"].integer_min, profile.columns["id"].integer_max) == (-5, 9)
    assert list(profile.columns) == ["id", "i", "r", "x", "b", "a"]


def test_bytes_are_counted_where_they_are(tmp_path: Path) -> None:
    """Large values count wherever they lie in the table, texts by their bytes, U+0000 or not."""
    with closing(sqlite3.connect(tmp_path / "b.db")) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
        connection.executemany("INSERT INTO t(v) VALUES (?)", [(1,)] * 999)
        connection.execute("INSERT INTO t(v) VALUES (?)", (bytes(5_000_000),))
        connection.execute("INSERT INTO t(v) VALUES (?)", ("a\0" + "é" * 1_000_000,))
        connection.commit()
    with open_sqlite("b.db") as reader:
        profile = reader.profile(reader.catalog().tables[0])
    assert 7_000_000 < profile.source_bytes < 7_050_000
    assert profile.row_bytes == profile.source_bytes / 1001


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_json_is_judged_where_it_is_stored(tmp_path: Path, encoding: str) -> None:
    """Both counts come out of one question, whatever the database's encoding; numbers and blobs are no JSON texts."""
    values = ['{"é": 1}', "[1]", '{"a": 1, "a": 2}', "nope", None, b"[1]", 5, '"\\u0000"']
    _table(tmp_path / "j.db", "JSON", values, encoding)
    with open_sqlite("j.db", frozen=True) as reader:
        column = reader.profile(reader.catalog().tables[0], processes=2).columns["c"]
    assert (column.json_texts, column.jsonb_texts, column.texts) == (4, 2, 5)


def test_tables_of_very_many_columns(tmp_path: Path) -> None:
    """A table of 1,500 columns is profiled, read by columns and asked for its classes."""
    names = [f"c{number} DATETIME" for number in range(1500)]
    with closing(sqlite3.connect(tmp_path / "w.db")) as connection:
        connection.execute(f"CREATE TABLE t({', '.join(names)})")
        connection.execute(f"INSERT INTO t VALUES ({', '.join(['?'] * 1500)})", ["2024-01-01 10:00:00"] * 1500)
        connection.commit()
    with open_sqlite("w.db") as reader:
        profile = reader.profile(reader.catalog().tables[0])
    assert all(column.timestamp_texts == 1 for column in profile.columns.values())
