"""One table on both sides, with the values that tell SQLite and PostgreSQL apart, and expressions run over it."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg2

from shared.records.plan import TargetType, TypeKind
from shared.schema.declared import Affinity, affinity_of
from shared.schema.dialect.expressions import translate_condition, translate_expression
from shared.schema.dialect.scope import Named, Scope, Translated, UntranslatableError, only

COLUMNS: tuple[tuple[str, str, TypeKind], ...] = (
    ("id", "INTEGER PRIMARY KEY", TypeKind.BIGINT),
    ("i", "INTEGER", TypeKind.BIGINT),
    ("j", "BIGINT", TypeKind.BIGINT),
    ("r", "REAL", TypeKind.DOUBLE),
    ("m", "RATIO", TypeKind.DOUBLE),
    ("n", "NUMERIC", TypeKind.NUMERIC),
    ("f", "BOOLEAN", TypeKind.BOOLEAN),
    ("t", "TEXT", TypeKind.TEXT),
    ("u", "VARCHAR(20)", TypeKind.TEXT),
    ("c", "TEXT COLLATE NOCASE", TypeKind.TEXT),
    ("p", "TEXT COLLATE RTRIM", TypeKind.TEXT),
    ("x", "", TypeKind.TEXT),
    ("b", "BLOB", TypeKind.BYTEA),
    ("d", "DATE", TypeKind.DATE),
    ("s", "DATETIME", TypeKind.TIMESTAMP),
    ("h", "TIME", TypeKind.TIME),
    ("e", "INTEGER", TypeKind.BIGINT),
    ("k", "JSON", TypeKind.JSONB),
)
"""Name, declared type, type in the target."""

_INTEGERS = (None, 0, 1, -1, 2, 5, -7, 10, 100, 2**31, -(2**31) - 5, 3)
_REALS = (None, 0.0, 1.0, -1.5, 2.5, 0.5, -0.5, 1e10, 0.1, 3.0, -2.25, 1234.56)
_TEXTS = (
    None,
    "",
    "a",
    "A",
    "abc",
    "ABC",
    "aBcd",
    "5",
    "5.0",
    "ä",
    "Ä",
    "zebra Zoo",
    " a ",
    "a_b%c",
    "10",
    "-",
    "a\nb",
    "Ünï",
)
_MORE_TEXTS = (
    "abc",
    None,
    "b",
    "a",
    "ABC",
    "x'y",
    "5",
    "é",
    "a.b",
    "[x]",
    "\\",
    "😀",
    "a  ",
    "aa",
    "5 apples",
    "z",
    "Z",
    "",
)
_BLOBS = (None, b"", b"a", b"\x00\xff", b"abc", b"\x80")
_DATES = (None, "2020-01-31", "2020-02-29", "1969-12-31", "2024-12-30", "1000-01-01", "2023-01-01")
_STAMPS = (
    None,
    "2020-01-31 00:00:00",
    "2020-02-29 23:59:59",
    "1969-12-31 12:30:00",
    "2024-12-30 06:07:08",
    "2000-06-15 01:02:03",
)
_TIMES = (None, "00:00:00", "23:59:59", "12:30:01")
_EPOCHS = (None, 0, 1, -1, 86399, 1700000000, 951782400, -86401)
_DOCUMENTS = (
    None,
    '{"a": 1, "b": "x", "c": null, "d": true, "e": [1, 2, "y"], "f": {"g": 2.5}}',
    '{"a": "1", "b": 5, "d": false, "e": []}',
    "[1, 2, 3]",
    '"text"',
    "{}",
)


_AT_ONCE = 40
"""Expressions asked for in one statement."""


def _pick(number: int, values: Sequence[Any], step: int) -> Any:
    return values[(number * step + number // len(values)) % len(values)]


def rows() -> Iterator[tuple[Any, ...]]:
    """Rows in which every value of a column meets many of the others'."""
    for number in range(120):
        of = partial(_pick, number)
        yield (
            number + 1, of(_INTEGERS, 1), of(_INTEGERS, 5), of(_REALS, 1), of(_REALS, 7), of(_REALS, 5),
            of((None, 0, 1, 1, 0), 1), of(_TEXTS, 1), of(_MORE_TEXTS, 1), of(_TEXTS, 5), of(_MORE_TEXTS, 7),
            of(_TEXTS, 7), of(_BLOBS, 1), of(_DATES, 1), of(_STAMPS, 1), of(_TIMES, 1), of(_EPOCHS, 1),
            of(_DOCUMENTS, 1),
        )  # fmt: skip


def scope(version: int = 0) -> Scope:
    """What an expression over the table sees."""
    return only([_named(*column) for column in COLUMNS], version=version)


def _named(name: str, declared: str, kind: TypeKind) -> Named:
    base, _, collation = declared.partition(" COLLATE ")
    return Named(
        source=name,
        name=name,
        type=TargetType(kind=kind, sql=kind.value),
        affinity=affinity_of(base) if declared else Affinity.BLOB,
        collation=collation or "BINARY",
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What both sides make of one expression, row by row."""

    expression: str
    translated: Translated
    source: tuple[Any, ...]
    target: tuple[Any, ...]

    @property
    def differences(self) -> list[str]:
        """The rows in which they differ, for people."""
        pairs = enumerate(zip(self.source, self.target, strict=True), start=1)
        return [
            f"{self.expression} | {self.translated.sql} | row {number}: SQLite {left!r}, PostgreSQL {right!r}"
            for number, (left, right) in pairs
            if left != right
        ]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What both sides make of many expressions."""

    exact: list[Answer]
    doubted: list[Answer]
    refused: dict[str, str]
    """The reasons, by expression."""

    @property
    def exact_differences(self) -> list[str]:
        """The first difference of each expression that should have none."""
        return [answer.differences[0] for answer in self.exact if answer.differences]

    @property
    def doubted_differences(self) -> list[str]:
        """The first difference of each expression that may have some."""
        return [answer.differences[0] for answer in self.doubted if answer.differences]


class BothSides:
    """The table in SQLite and in PostgreSQL."""

    def __init__(self, source: sqlite3.Connection, target: Any) -> None:
        self._source, self._target = source, target

    def values(self, expressions: Iterable[str]) -> Answers:
        """Ask both sides for the values of many expressions."""
        return self._ask([(each, each, translate_expression) for each in dict.fromkeys(expressions)])

    def conditions(self, expressions: Iterable[str]) -> Answers:
        """Ask both sides whether many conditions hold."""
        return self._ask(
            [
                (each, f"CASE WHEN ({each}) THEN 1 WHEN NOT ({each}) THEN 0 END", translate_condition)
                for each in dict.fromkeys(expressions)
            ]
        )

    def _ask(self, questions: Sequence[tuple[str, str, Callable[..., Translated]]]) -> Answers:
        asked: list[tuple[str, str, Translated]] = []
        refused: dict[str, str] = {}
        for expression, source, translate in questions:
            try:
                asked.append((expression, source, translate(expression, scope())))
            except UntranslatableError as error:
                refused[expression] = str(error)
        answers = [answer for part in batched(asked, _AT_ONCE) for answer in self._ask_at_once(part)]
        return Answers(
            exact=[each for each in answers if not each.translated.doubts],
            doubted=[each for each in answers if each.translated.doubts],
            refused=refused,
        )

    def _ask_at_once(self, asked: Sequence[tuple[str, str, Translated]]) -> Iterator[Answer]:
        source = self._source.execute(f"SELECT {', '.join(f'({sql})' for _, sql, _ in asked)} FROM probe ORDER BY id")
        found = source.fetchall()
        with self._target.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(f'({each.sql})' for _, _, each in asked)} FROM probe ORDER BY id")
            target = cursor.fetchall()
        for place, (expression, _, translated) in enumerate(asked):
            yield Answer(
                expression=expression,
                translated=translated,
                source=tuple(_plain(row[place]) for row in found),
                target=tuple(_plain(row[place]) for row in target),
            )

    def aggregates(self, expression: str) -> tuple[Any, Any, Translated]:
        """Ask both sides for an aggregate over the table, group by group."""
        translated = translate_expression(expression, scope())
        source = self._source.execute(f"SELECT id % 7, {expression} FROM probe GROUP BY 1 ORDER BY 1").fetchall()
        with self._target.cursor() as cursor:
            cursor.execute(f"SELECT id % 7, {translated.sql} FROM probe GROUP BY 1 ORDER BY 1")
            target = cursor.fetchall()
        return [_plain(row[1]) for row in source], [_plain(row[1]) for row in target], translated

    def is_immutable(self, sql: str) -> bool:
        """Whether PostgreSQL takes it in an index."""
        with self._target.cursor() as cursor:
            cursor.execute("SAVEPOINT asked")
            try:
                cursor.execute(f"CREATE INDEX ON probe (({sql}))")
            except psycopg2.Error:
                return False
            finally:
                cursor.execute("ROLLBACK TO SAVEPOINT asked")
            return True


def _plain(value: Any) -> Any:
    """A value as both sides would write it; a truth is 0 or 1, numbers are equal if they are the same number."""
    match value:
        case bool() | Decimal() | float():
            return _number(value)
        case memoryview():
            return bytes(value)
        case dt.datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")
        case dt.date() | dt.time():
            return value.isoformat()
        case dict() | list():
            return json.dumps(value, sort_keys=True)
    return value


def _number(value: Decimal | float) -> float:
    number = float(value)
    return int(number) if number.is_integer() else number


def batched(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Cut a sequence into pieces."""
    return (values[start : start + size] for start in range(0, len(values), size))


def _for_target(value: Any, kind: TypeKind) -> Any:
    return bool(value) if kind is TypeKind.BOOLEAN and value is not None else value


@contextmanager
def both_sides(url: str) -> Iterator[BothSides]:
    """Make the table on both sides."""
    with closing(sqlite3.connect(":memory:")) as source, closing(psycopg2.connect(url)) as target:
        source.execute(f"CREATE TABLE probe ({', '.join(f'{name} {declared}' for name, declared, _ in COLUMNS)})")
        marks = ", ".join("?" * len(COLUMNS))
        source.executemany(f"INSERT INTO probe VALUES ({marks})", rows())
        with target.cursor() as cursor:
            cursor.execute("SET TimeZone = 'Europe/Madrid'")
            cursor.execute(f"CREATE TABLE probe ({', '.join(f'{name} {kind.value}' for name, _, kind in COLUMNS)})")
            taken = source.execute("SELECT * FROM probe").fetchall()
            kinds = [kind for _, _, kind in COLUMNS]
            cursor.executemany(
                f"INSERT INTO probe VALUES ({', '.join(['%s'] * len(COLUMNS))})",
                [tuple(map(_for_target, row, kinds)) for row in taken],
            )
        yield BothSides(source, target)
