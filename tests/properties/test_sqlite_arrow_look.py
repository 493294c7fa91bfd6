"""What Arrow tells of a key range against what SQL answers: whichever looks, the profile is the same."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.records.keys import RawText
from shared.records.source import TableProfile
from shared.source import sqlite_profile
from shared.source.sqlite import open_sqlite
from shared.source.sqlite_arrow_look import ArrowLook

_ROWS = 24
_INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5) | st.sampled_from([2**53, 2**53 + 1, 315532800])
_REALS = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(10**9), 10**9).map(lambda n: n / 100 + 0.001),
    st.integers(0, 9).map(float),
    st.sampled_from([-(2.0**63), 2.0**63, 5e-324, 1e22, 0.1 + 0.2, 2444239.5, 315532799.5, float("inf")]),
)
_MOMENTS = st.datetimes().map(lambda moment: moment.isoformat(sep=" ")) | st.datetimes().map(
    lambda moment: moment.isoformat(timespec="seconds") + "Z"
)
_TEXTS = st.one_of(
    st.text(max_size=4),
    st.sampled_from(["", "true", "T", "ok", "[1]", "{", "a\0b", "é", "x" * 256, "x" * 257, "é" * 129, "2024-02-30"]),
    st.uuids().map(str),
    st.uuids().map(lambda u: u.hex.upper()),
)
_BLOBS = st.binary(max_size=3) | st.binary(min_size=16, max_size=16)
_KINDS: list[st.SearchStrategy[Any]] = [
    _INTEGERS,
    _REALS,
    _INTEGERS | _REALS,
    st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6),
    _TEXTS,
    st.dates().map(str),
    _MOMENTS,
    _BLOBS,
]
_ODD = st.one_of(_INTEGERS, _REALS, _TEXTS, _BLOBS, st.sampled_from([RawText(b"\xff"), RawText(b"caf\xe9\0")]))


@st.composite
def _column(draw: st.DrawFn) -> list[Any]:
    """Values of one kind, NULLs among them or not, and perhaps one that is of another kind."""
    kind = draw(st.sampled_from(_KINDS))
    values = draw(st.lists(draw(st.sampled_from([kind, st.none() | kind])), min_size=_ROWS, max_size=_ROWS))
    if draw(st.booleans()):
        values[draw(st.integers(0, _ROWS - 1))] = draw(_ODD)
    return values


_DECLARED = ["", "DATETIME", "TEXT DATE COLLATE NOCASE", "BOOLEAN", "UUID BLOB", "NUMERIC", "REAL", "INT", "JSON TEXT"]


def _make(path: Path, declared: list[str], rows: list[tuple[Any, ...]]) -> None:
    columns = ", ".join(f"c{number} {each}" for number, each in enumerate(declared))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        connection.execute(f"CREATE TABLE t({columns})")
        for row in rows:
            places = ", ".join("CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in row)
            values = [value.raw if isinstance(value, RawText) else value for value in row]
            connection.execute(f"INSERT INTO t VALUES ({places})", values)
        connection.commit()


def _profile(path: Path) -> TableProfile:
    with open_sqlite(str(path), frozen=True) as reader:
        return reader.profile(reader.catalog().tables[0])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many columns Arrow told of, look by look; small key ranges."""
    counts: list[int] = []
    see = ArrowLook.see

    def counted(self: ArrowLook, *args: Any, **kwargs: Any) -> Any:
        found = see(self, *args, **kwargs)
        counts.append(len(found))
        return found

    monkeypatch.setattr(ArrowLook, "see", counted)
    monkeypatch.setattr(sqlite_profile, "_RANGE_ROWS", 5)
    return counts


@pytest.fixture
def by_sql(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], TableProfile]:
    """Profile a table by SQL alone."""

    def profile(path: Path) -> TableProfile:
        with monkeypatch.context() as patch:
            patch.setattr(ArrowLook, "see", lambda *_, **__: [])
            return _profile(path)

    return profile


def test_arrow_and_sql_give_the_same_profile(told: list[int], by_sql: Callable[[Path], TableProfile]) -> None:
    """Every count, extreme and digit, whatever kinds of values lie in whatever kinds of columns."""

    @settings(deadline=None, max_examples=250, suppress_health_check=list(HealthCheck))
    @given(columns=st.lists(st.tuples(st.sampled_from(_DECLARED), _column()), min_size=1, max_size=4))
    def check(columns: list[tuple[str, list[Any]]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.db"
            _make(path, [declared for declared, _ in columns], list(zip(*(each for _, each in columns), strict=True)))
            assert _profile(path) == by_sql(path)

    check()
    assert sum(told) > 250


@pytest.mark.parametrize(
    ("declared", "usual", "odd"),
    [
        ("TEXT", "abc", RawText(b"\xff")),
        ("TEXT", "abc", "a\0"),
        ("TEXT", "abc", b"abc"),
        ("TEXT", "abc", "x" * 257),
        ("", "7", 7),
        ("", "7", 7.5),
        ("", 7.5, 7),
        ("", 7.5, float("inf")),
        ("", 7, "7"),
        ("", 7, b"7"),
        ("", b"7", "7"),
        ("", b"7", 7),
        ("NUMERIC", 7.5, 2**53 + 1),
        ("NUMERIC", 7.5, "seven"),
        ("DATETIME", "2024-02-29 10:00:00", "2024-02-30 10:00:00"),
    ],
)
def test_one_odd_value_is_not_overlooked(
    tmp_path: Path,
    told: list[int],
    by_sql: Callable[[Path], TableProfile],
    declared: str,
    usual: Any,
    odd: Any,
) -> None:
    """Behind twenty rows of one kind, among rows of that kind: the driver would hide it, or not take it."""
    _make(tmp_path / "t.db", [declared, "INT"], [(usual, 1)] * 20 + [(odd, 1)] + [(usual, 1)] * 3)
    profile = _profile(tmp_path / "t.db")
    assert sum(told) >= 4
    assert profile == by_sql(tmp_path / "t.db")
    column = profile.columns["c0"]
    assert column.integers + column.reals + column.texts + column.blobs == profile.rows == 24


def test_integers_that_the_driver_would_round_are_seen(
    tmp_path: Path, told: list[int], by_sql: Callable[[Path], TableProfile]
) -> None:
    """Integers and reals come together as doubles; one beyond 2**53 is not what it was then."""
    _make(tmp_path / "t.db", ["NUMERIC"], [(7.5,), (7,)] * 10 + [(7.5,), (2**53 + 1,)])
    profile = _profile(tmp_path / "t.db")
    assert sum(told) >= 3
    assert profile == by_sql(tmp_path / "t.db")
    assert profile.columns["c0"].integer_max == 2**53 + 1


def test_a_number_where_its_column_makes_texts_of_numbers_is_seen(
    tmp_path: Path, told: list[int], by_sql: Callable[[Path], TableProfile]
) -> None:
    """A schema that was changed by hand leaves integers in a column of TEXT affinity."""
    _make(tmp_path / "t.db", ["", "INT"], [("7", 1)] * 22 + [(7, 1)])
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE t(c0 TEXT, c1 INT)'")
        connection.commit()
    profile = _profile(tmp_path / "t.db")
    assert sum(told) >= 4
    assert profile == by_sql(tmp_path / "t.db")
    assert (profile.columns["c0"].texts, profile.columns["c0"].integers) == (22, 1)
