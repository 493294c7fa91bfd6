from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from shared.source.sqlite_common_shape import common_shape
from shared.source.sqlite_moments import SHAPES

TOLD = {
    "2024-02-29": "date_texts",
    "2000-02-29": "date_texts",
    "0001-01-01": "date_texts",
    "2023-12-31 23:59": "timestamp_texts",
    "1999-10-19T19:50:49": "timestamp_texts",
    "2023-04-30 00:00:00.1": "timestamp_texts",
    "2023-04-30T09:39:59.123456": "timestamp_texts",
    "2023-04-30T09:39Z": "timestamptz_texts",
    "2023-04-30 09:39:29Z": "timestamptz_texts",
    "2023-04-30 09:39:29.123456Z": "timestamptz_texts",
    "2023-04-30 09:39+15:59": "timestamptz_texts",
    "2023-04-30 09:39:29-05:30": "timestamptz_texts",
    "2023-04-30T09:39:29.999999+00:00": "timestamptz_texts",
}
NOT_TOLD = ["", "2023-02-29", "1900-02-29", "0000-01-01", "2023-04-31", "12:30:15", "2023-04-30 9:39", "yesterday",
            "2023-04-30 09:39:29.", "2023-04-30 09:39:29.1234567", "2023-04-30 09", "2023-04-30Z", "2023-04-30+01:00",
            "2023-04-30 09:39+16:00", "2023-04-30 09:39+01:60", "2023-04-30 24:00", "2023-04-30 23:59:60"]  # fmt: skip


def _changed(text: str) -> Iterator[str]:
    """Every text that differs in one character."""
    for place in range(len(text)):
        for other in "0123456789-+:. TZtz,\0a":
            yield text[:place] + other + text[place + 1 :]


@pytest.fixture(scope="module")
def shapes_of() -> Iterator[dict[str, set[str]]]:
    """What SQLite says of the texts and of all that differ from them in one character."""
    texts = {other for text in TOLD for other in _changed(text)} | {*TOLD, *NOT_TOLD}
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t(v TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
        found = connection.execute(f"SELECT v, {', '.join(condition('v') for condition in SHAPES.values())} FROM t")
        yield {text: {shape for shape, holds in zip(SHAPES, answers, strict=True) if holds} for text, *answers in found}


@pytest.mark.parametrize(("text", "shape"), TOLD.items())
def test_usual_shapes_are_told(text: str, shape: str) -> None:
    """Of one text, and of many."""
    for texts in (1, 2, 1000):
        assert common_shape(",".join([text] * texts).encode(), texts) == shape


@pytest.mark.parametrize("text", TOLD)
def test_one_odd_character_is_told_as_sqlite_tells_it(text: str, shapes_of: dict[str, set[str]]) -> None:
    """In the first or the last of several texts: what has no shape for SQLite, or another one, has none in common."""
    for other in _changed(text):
        alike = TOLD[text] if TOLD[text] in shapes_of[other] else None
        assert common_shape(f"{text},{other}".encode(), 2) == alike, other
        assert common_shape(f"{other},{text},{text}".encode(), 3) == alike, other
        assert common_shape(other.encode(), 1) in {*shapes_of[other], None}, other


def test_what_has_no_shape_is_not_told(shapes_of: dict[str, set[str]]) -> None:
    """Texts of other lengths and kinds, alone and among good ones."""
    for text in NOT_TOLD:
        assert common_shape(text.encode(), 1) is None, text
        assert not shapes_of[text] - {"time_texts"}, text
    assert common_shape(b"2023-04-30,2023-04-3,2023-04-301", 3) is None
    assert common_shape(b"2023-04-30 10:00,2023-04-30", 2) is None
