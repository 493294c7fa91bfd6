"""Both sides of a job and its rejects, read afresh and held against each other."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg2
from psycopg2 import sql

from oraclekit.meaning import NO_PLACE, Handling, Text, json_meaning, meaning

_TYPES = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = format('%%I.%%I', %s, %s)::regclass AND attnum > 0 AND NOT attisdropped
"""
_TABLES = """
    SELECT id, source_name, target_schema, target_name, plan -> 'columns', state FROM pgconvoy.tables
     WHERE job_id = %s ORDER BY id
"""
_MICROS = "(extract(epoch FROM {}) * 1000000)::bigint"
_MICROS_SINCE = "(extract(epoch FROM {{}} - '2000-01-01 00:00:00+00'::{}) * 1000000)::numeric + 946684800000000"
"""PostgreSQL counts moments from 2000; of one beyond 64 bits since 1970 it would round the last decimals."""
_READ: Final[dict[str, tuple[str, Callable[[Any], Hashable]]]] = {
    "double precision": ("float8send({})", bytes),
    "real": ("float8send({}::float8)", bytes),
    "numeric": ("{}::text", Decimal),
    "character": ("{}::text", str),
    "bytea": ("{}", bytes),
    "uuid": ("{}::text", UUID),
    "json": ("{}::text", str),
    "jsonb": ("{}::text", json_meaning),
    "date": ("{} - date '1970-01-01'", int),
    "time without time zone": (_MICROS, int),
    "timestamp without time zone": (_MICROS_SINCE.format("timestamp"), int),
    "timestamp with time zone": (_MICROS_SINCE.format("timestamptz"), int),
}
"""How psycopg2 reads a type without loss, and what is made of it; all others are read as they are."""


@dataclass(frozen=True)
class _Column:
    source: str
    name: str
    type: str
    handling: Handling


def problems_of(
    url: str,
    path: Path,
    job: int,
    handlings: Mapping[tuple[str, str], Handling] | None = None,
    *,
    sampled: bool = False,
) -> list[str]:
    """Say what is not as it must be: each row of the source is in the target, every value what it means there, or it is
    kept whole as a reject because a value of it has no place; and nothing else is in either.

    `handlings` are what rules say, by the source's names of table and column. Where types were chosen by a sample, a
    rule may make a NULL in a column that stayed NOT NULL: its row may be a reject.
    """
    problems: list[str] = []
    with closing(psycopg2.connect(url)) as target, closing(_open(path)) as source:
        for number, table, schema, name, planned, state in _rows(target, _TABLES, (job,)):
            if state != "completed":
                problems.append(f"table {table!r} is {state}")
            types = dict(_rows(target, _TYPES, (schema, name)))
            columns = [
                _Column(
                    each["source"],
                    each["name"],
                    types[each["name"]].rpartition(".")[2] if "citext" in types[each["name"]] else types[each["name"]],
                    (handlings or {}).get((table, each["source"]), Handling()),
                )
                for each in planned
            ]
            rows = _source_rows(source, table, [column.source for column in columns])
            held = _target_rows(target, schema, name, columns)
            kept = [(_decoded(row), reason) for row, reason in _rows(target, _REJECTS, (number,))]
            rejected = Counter(row for row, _ in kept)
            emptied = Counter(row for row, reason in kept if sampled and "violates not-null constraint" in reason)
            found = _differences(rows, held, rejected, columns, emptied)
            problems += [f"table {table!r}: {each}; reasons: { ({reason for _, reason in kept}) }" for each in found]
    return problems


_REJECTS = "SELECT row, reason FROM pgconvoy.rejects WHERE table_id = %s"


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    return connection


def _differences(
    rows: Sequence[tuple[Any, ...]],
    held: Counter[tuple[Hashable, ...]],
    rejected: Counter[tuple[Hashable, ...]],
    columns: Sequence[_Column],
    emptied: Counter[tuple[Hashable, ...]],
) -> list[str]:
    wanted: Counter[tuple[Hashable, ...]] = Counter()
    refused: Counter[tuple[Hashable, ...]] = Counter()
    for row in rows:
        meant = tuple(meaning(value, column.type, column.handling) for value, column in zip(row, columns, strict=True))
        kept = tuple(map(_stored, row))
        if NO_PLACE in meant or (meant.count(None) > row.count(None) and refused[kept] < emptied[kept]):
            refused[kept] += 1
        else:
            wanted[meant] += 1
    shown = [f"{column.name} {column.type}" for column in columns]
    found = []
    if wanted != held:
        found.append(f"({shown}) should hold {wanted - held} and holds {held - wanted}")
    if refused != rejected:
        found.append(f"({shown}) should reject {refused - rejected} and rejects {rejected - refused}")
    if len(rows) != sum(held.values()) + sum(rejected.values()):
        found.append(f"{len(rows)} source rows, {sum(held.values())} target rows, {sum(rejected.values())} rejects")
    return found


def _source_rows(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """All rows, each text by its bytes as they are stored."""
    terms = ", ".join(
        f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in map(_quoted, columns)
    )
    encoding = connection.execute("PRAGMA encoding").fetchone()[0].decode().lower()
    rows = connection.execute(f"SELECT {terms} FROM {_quoted(table)}")
    return [
        tuple(
            Text(value or b"", encoding) if storage == b"text" else value
            for storage, value in zip(row[::2], row[1::2], strict=True)
        )
        for row in rows
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _target_rows(connection: Any, schema: str, table: str, columns: Sequence[_Column]) -> Counter[tuple[Hashable, ...]]:
    terms, readers = [], []
    for column in columns:
        term, reader = _READ.get(re.sub(r"\(.*\)", "", column.type), ("{}", _as_it_is))
        terms.append(sql.SQL(term).format(sql.Identifier(column.name)))
        readers.append(reader)
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(terms), sql.Identifier(schema, table))
    return Counter(
        tuple(None if value is None else read(value) for read, value in zip(readers, row, strict=True))
        for row in _rows(connection, query, None)
    )


def _as_it_is(value: Any) -> Hashable:
    assert isinstance(value, bool | int | str), value
    return value


def _stored(value: Any) -> Hashable:
    """A value with its storage class, to the bit."""
    match value:
        case None:
            return None
        case float():
            return ("real", value.hex())
        case int():
            return ("integer", str(value))
        case Text():
            return ("text", value.raw if value.decoded is None else value.decoded.encode())
    return ("blob", bytes(value))


def _decoded(row: Sequence[tuple[str, dict[str, str] | None]]) -> tuple[Hashable, ...]:
    """A reject's row as `_stored` has it, read from the form that the ledger documents."""
    return tuple(None if value is None else _decoded_value(*next(iter(value.items()))) for _, value in row)


def _decoded_value(storage_class: str, text: str) -> Hashable:
    match storage_class:
        case "raw_text" | "raw_utf-16le" | "raw_utf-16be":
            return ("text", bytes.fromhex(text))
        case "text":
            return ("text", text.encode())
        case "blob":
            return ("blob", bytes.fromhex(text))
    return (storage_class, text)


def _rows(connection: Any, query: Any, values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
