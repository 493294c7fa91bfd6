"""Many odd tables in one job: every value arrives, or its row is kept whole in the rejects."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from fleetkit import RunningWorker
from producerkit import Producer, ledger_rows, make_source

_INFINITY = float("inf")
_BIG = 2**63
_NAMES = ("select", "has space", 'quo"te', "apo'strophe", "%s", "100%%", "dot.ted", "back\\slash", "Mixed", "Äpfel")
_NAMES += ("1digit", "x" * 64, "x" * 65, "y" * 62 + "é", "new\nline", "--comment", ":name", "ctid", "😀", "")

KEYS = """
CREATE TABLE extreme (v TEXT);
INSERT INTO extreme (rowid, v) VALUES (-9223372036854775808, 'least'), (-5, 'b'), (0, 'c'), (9223372036854775807, 'd');
CREATE TABLE null_key (a TEXT PRIMARY KEY, b INT);
INSERT INTO null_key VALUES (NULL, 1), (NULL, 2), (NULL, 2), ('', 3), ('x', 4);
CREATE TABLE null_parts (a TEXT, b INT, c TEXT, PRIMARY KEY (a, b));
INSERT INTO null_parts VALUES (NULL, 1, 'x'), (NULL, 1, 'x'), ('a', NULL, 'y'), ('a', 1, 'z'), (NULL, NULL, NULL);
CREATE TABLE no_key (a, b);
INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL), (1, 'y');
CREATE TABLE hidden_rowid (rowid TEXT, oid INT, _rowid_ BLOB);
INSERT INTO hidden_rowid VALUES ('a', 1, x'00'), ('a', 1, x'00'), (NULL, NULL, NULL);
CREATE TABLE hidden_unique (rowid TEXT UNIQUE, oid INT, _rowid_ BLOB);
INSERT INTO hidden_unique VALUES ('a', 1, x'00'), ('b', 1, NULL), (NULL, 1, NULL), (NULL, 1, NULL), (NULL, 2, NULL);
CREATE TABLE hidden_alias (id INTEGER PRIMARY KEY, rowid TEXT, oid INT, _rowid_ BLOB);
INSERT INTO hidden_alias VALUES (-6, 'a', 1, x'00'), (5, 'a', 1, x'00');
CREATE TABLE no_alias (id INTEGER PRIMARY KEY DESC, v);
INSERT INTO no_alias VALUES (3, 'a'), (NULL, 'b'), (NULL, 'c');
CREATE TABLE text_and_blob (k BLOB, t TEXT, v REAL, PRIMARY KEY (t DESC, k)) WITHOUT ROWID;
INSERT INTO text_and_blob VALUES (x'', '', 1), (x'00', '', 2), (x'', ' ', NULL), (x'ff', 'ä', 0.1), (x'ff', 'Ä', -0.0);
CREATE TABLE vacant (a, b DECIMAL(5, 2), c DATE);
CREATE TABLE one_column (a);
INSERT INTO one_column VALUES (NULL), (1), (1);
CREATE TABLE after_gap (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
INSERT INTO after_gap VALUES (500, 'gone'), (3, 'kept');
DELETE FROM after_gap WHERE id = 500;
CREATE VIRTUAL TABLE search USING fts5 (body);
INSERT INTO search VALUES ('hello');
"""
FOREIGN_KEYS = """
CREATE TABLE node (a INT, b TEXT, pa INT, pb TEXT, PRIMARY KEY (a, b), FOREIGN KEY (pa, pb) REFERENCES node (a, b));
INSERT INTO node VALUES (1, 'x', NULL, NULL), (2, 'y', 1, 'x'), (3, 'z', 3, 'z'), (4, 'q', 99, 'x'), (5, 'r', 9, NULL);
CREATE TABLE hen (id INTEGER PRIMARY KEY, egg INT REFERENCES egg (id));
CREATE TABLE egg (id INTEGER PRIMARY KEY, hen INT REFERENCES hen);
INSERT INTO hen VALUES (1, 2), (2, 1);
INSERT INTO egg VALUES (1, 1), (2, 2);
CREATE TABLE orphan (id INTEGER PRIMARY KEY, hen INT REFERENCES hen (id));
INSERT INTO orphan VALUES (1, 1), (2, 777), (3, NULL);
"""
VALUES: dict[str, list[tuple[Any, ...]]] = {
    "reals (a REAL, b DOUBLE, c FLOAT)": [
        (value, value, value)
        for value in (0.0, -0.0, _INFINITY, -_INFINITY, 5e-324, 1e300, 0.1, 1 / 3, 2.0**53, 2.0**63, None)
    ],
    "large_in_real (a REAL, b NUMERIC)": [(_BIG - 1, 2**53 + 1), (1.5, 1.5), (1, 1)],
    "numbers (a DECIMAL(10, 2), b NUMERIC)": [(value, value) for value in (0, 1.5, -1, 1e300, 5e-324, _BIG - 1, 0.3)],
    "priced (a DECIMAL(10, 2))": [(5,), (5.5,), (99999999.99,), (-0.01,), (None,)],
    "several_classes (id INTEGER PRIMARY KEY, a TEXT, b INT, c)": [
        (1, b"\xff\0", 1, 1),
        (2, "text", "text", "text"),
        (3, "", 1.5, b""),
        (4, None, None, -0.0),
    ],
    "widened (a, b VARCHAR(3))": [("1.5", "longer than three"), (1, "ä"), (2.5, ""), (1e300, None)],
    "moments (a DATE, b DATETIME, c TIME)": [
        ("0001-01-01", "9999-12-31 23:59:59.999999", "00:00"),
        ("9999-12-31", "0001-01-01T00:00", "23:59:59.999999"),
        ("2024-02-29", "2024-02-29", None),
    ],
    "no_moments (a DATE, b DATETIME, c TIME)": [
        ("2023-02-29", "2024-01-01 24:00:00", "24:00"),
        ("0000-00-00", "infinity", "now"),
        ("", 1_700_000_000, 1.5),
    ],
    "truths (a BOOLEAN, b BOOLEAN)": [(1, "t"), (0, "FALSE"), (None, "Yes"), (1, "off")],
    "doubtful (a BOOLEAN, b BOOLEAN)": [(1, "maybe"), (2, "true"), ("true", "")],
    "documents (a JSON, b JSON)": [('{"a": 1, "a": 2}', '{"a": 1}'), ('"\\u0000"', "[1.10]"), ("1e400", "null")],
    "texts (id INTEGER PRIMARY KEY, t TEXT)": [
        (number, text)
        for number, text in enumerate(
            ("", " ", "NULL", "\\N", "\t\r\n", "%s", "😀", "a\0b", "\0", "\ufeff", "x" * 99_999)
        )
    ],
    "wide (" + ", ".join(f'"c {n}" {("INT", "TEXT", "REAL", "BLOB")[n % 4]}' for n in range(300)) + ")": [
        tuple(None if (n + row) % 11 == 0 else (n, str(n), n / 7, bytes([row]))[n % 4] for n in range(300))
        for row in range(5)
    ],
    "large (id INTEGER PRIMARY KEY, b BLOB)": [(1, bytes(range(256)) * 40_000), (2, b""), (3, None)],
}
"""By table: rows of values at the edges of their types."""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _odd_names() -> str:
    """Tables, columns, indexes and foreign keys under each of the odd names."""
    statements = []
    for name in _NAMES:
        table, value, index = _quoted(name), _quoted(f"v{name}"), _quoted(f"i {name}")
        statements += [
            f"CREATE TABLE {table} ({table} INTEGER PRIMARY KEY, {value} TEXT UNIQUE, p INT REFERENCES {table});",
            f"INSERT INTO {table} VALUES (1, 'a', NULL), (-2, NULL, 1), (3, NULL, -2);",
            f"CREATE INDEX {index} ON {table} ({value}, {table} DESC);",
        ]
    return "\n".join(statements)


def _source_form(value: Any, sql: str) -> Any:  # noqa: PLR0911 - one case a type reads best
    """A source value in the one form that both sides are brought to, by the type of the target's column."""
    if value is None:
        return None
    text = {"inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), str(value))
    match sql.split("(", maxsplit=1)[0]:
        case "bytea":
            return value if isinstance(value, bytes) else text.encode()
        case "double precision":
            return struct.pack(">d", value)
        case "bigint" | "numeric":
            return Decimal(text).normalize()
        case "boolean":
            return text.lower() in {"1", "t", "true", "yes", "y", "on"}
        case "timestamp without time zone":
            day, _, clock = value.replace("T", " ").partition(" ")
            return f"{day} {clock or '00:00'}:00"[: 19 if len(clock) <= 8 else None].removesuffix(":00")
        case "time without time zone":
            return text if len(text) > len("HH:MM") else f"{text}:00"
        case "jsonb":
            return json.loads(text, parse_float=Decimal)
        case _:
            return text


def _target_form(value: Any, sql: str) -> Any:  # noqa: PLR0911 - one case a type reads best
    if value is None:
        return None
    match sql.split("(", maxsplit=1)[0]:
        case "bytea" | "double precision":
            return bytes(value)
        case "bigint" | "numeric":
            return Decimal(value).normalize()
        case "boolean":
            return value == "true"
        case "timestamp without time zone":
            return value.removesuffix(":00")
        case "jsonb":
            return json.loads(value, parse_float=Decimal)
        case _:
            return value


def _rows(url: str, schema: str, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The types of a target table's columns, and its rows."""
    types = ledger_rows(
        url,
        f"""SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 AND attgenerated = ''
                AND attrelid = $name${_quoted(schema)}.{_quoted(table)}$name$::regclass ORDER BY attnum""",
    )
    reads = {"bytea": "{}", "double precision": "float8send({})"}
    terms = ", ".join(reads.get(sql, "{}::text").format(_quoted(name)) for name, sql in types)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {terms} FROM {_quoted(schema)}.{_quoted(table)}")
        return [sql for _, sql in types], cursor.fetchall()


def _rejected(url: str, table_id: int) -> Counter[str]:
    """The rejects of a table, each as the source row that it was."""
    rows = ledger_rows(url, f'SELECT "row" FROM pgconvoy.rejects WHERE table_id = {table_id}')
    return Counter(repr([_decoded(value) for _, value in row]) for (row,) in rows)


def _decoded(value: dict[str, str] | None) -> Any:
    if value is None:
        return None
    ((storage, text),) = value.items()
    read = {
        "integer": int,
        "real": float.fromhex,
        "blob": bytes.fromhex,
        "raw_text": lambda raw: bytes.fromhex(raw).decode(),
    }
    return read.get(storage, str)(text)


def _lost(source: Path, url: str, schema: str, entry: tuple[int, str, str]) -> Counter[str]:
    """What one side has more of than the other, once the rejects are put to the target's side."""
    table_id, source_name, target_name = entry
    types, target = _rows(url, schema, target_name)
    rejected = _rejected(url, table_id)
    left = rejected.copy()
    ours: Counter[str] = Counter()
    with closing(sqlite3.connect(source)) as connection:
        rowid = "rowid, " if f"VIRTUAL TABLE {source_name} " in KEYS else ""
        for row in connection.execute(f"SELECT {rowid}* FROM {_quoted(source_name)}"):
            if left[repr(list(row))] > 0:
                left[repr(list(row))] -= 1
            else:
                ours[repr([_source_form(value, sql) for value, sql in zip(row, types, strict=True)])] += 1
    ours.update(left)  # a reject that is no row of the source
    ours.subtract(repr([_target_form(value, sql) for value, sql in zip(row, types, strict=True)]) for row in target)
    return Counter({row: count for row, count in ours.items() if count})


@pytest.mark.parametrize("identifiers", ["lower", "preserve"])
def test_every_row_of_odd_tables_arrives_or_is_a_reject(
    identifiers: str, tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """Odd keys, names and values, into an oddly named schema: source rows = target rows + rejects, value by value."""
    script = KEYS + FOREIGN_KEYS + _odd_names() + "".join(f"CREATE TABLE {table};" for table in VALUES)
    source = make_source(tmp_path / "s.db", script, {table.split()[0]: rows for table, rows in VALUES.items()})
    schema = 'Odd "schema" %s.x'
    options = ("--identifiers", identifiers, "--schema", schema, "--chunk-mb", "0.01")
    report = producer("start", "--source", source, *options, "--json", code=1).json
    assert report["progress"]["state"] == "completed_with_rejects"
    tables = ledger_rows(target_url, "SELECT id, source_name, target_name FROM pgconvoy.tables ORDER BY id")
    made = sum(script.count(f"CREATE {kind}") for kind in ("TABLE", "VIRTUAL TABLE"))
    assert len(tables) == made
    assert {entry[1]: lost for entry in tables if (lost := _lost(source, target_url, schema, entry))} == {}
    rejects = (
        "SELECT t.source_name, r.key FROM pgconvoy.rejects r JOIN pgconvoy.tables t ON t.id = r.table_id"
        " ORDER BY r.key::text"  # not as they were found: two workers may have been at it
    )
    assert ledger_rows(target_url, rejects) == [("texts", [{"integer": "7"}]), ("texts", [{"integer": "8"}])]
    not_valid = "SELECT conrelid::regclass::text FROM pg_constraint WHERE NOT convalidated ORDER BY 1"
    assert [name.rpartition(".")[2] for (name,) in ledger_rows(target_url, not_valid)] == ["node", "orphan"]
    keys = """SELECT count(*) FROM pg_constraint
               WHERE contype = 'f' AND convalidated AND connamespace <> 'pgconvoy'::regnamespace"""
    assert ledger_rows(target_url, keys) == [(len(_NAMES) + 2,)]
    next_id = f"INSERT INTO {_quoted(schema)}.after_gap (v) VALUES ('next') RETURNING id"
    with closing(psycopg2.connect(target_url)) as connection, connection.cursor() as cursor:
        cursor.execute(next_id)
        assert cursor.fetchone() == (501,)


@pytest.mark.parametrize(("type_", "key"), [("colour", "red"), ("integer[]", "{1,2}"), ("inet", "10.0.0.1")])
def test_keys_that_only_postgresql_reads_are_looked_up_beside_texts_that_are_none(
    type_: str, key: str, tmp_path: Path, producer: Producer, worker: RunningWorker, target_url: str
) -> None:
    """Into a table made by hand: what is no value of the key's type is a reject, and all else is verified."""
    script = f"CREATE TABLE paint (k TEXT PRIMARY KEY, v TEXT); INSERT INTO paint VALUES ('{key}', 1), ('no value', 2);"
    source = make_source(tmp_path / "s.db", script)
    with closing(psycopg2.connect(target_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TYPE colour AS ENUM ('red', 'blue')")
        cursor.execute(f"CREATE TABLE paint (k {type_} PRIMARY KEY, v text)")
    report = producer("start", "--source", source, "--data-only", "--json", code=1).json
    assert report["progress"]["state"] == "completed_with_rejects"
    assert ledger_rows(target_url, "SELECT k::text, v FROM paint") == [(key if type_ != "inet" else f"{key}/32", "1")]
    assert ledger_rows(target_url, "SELECT rows, rejects, state FROM pgconvoy.chunks") == [(1, 1, "verified")]
