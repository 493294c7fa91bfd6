"""Tables: declared types, constraints, keys, indexes and rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tablekit.names import NAMES, TABLE_NAMES, folded, quoted
from tablekit.values import TextOf, pools

_WORDS = """
    INTEGER INT BIGINT TINYINT int2 UNSIGNED_BIG_INT MEDIUMINT TEXT VARCHAR(10) CHAR(3) CHAR(32) CLOB NVARCHAR(5) STRING
    BLOB BINARY(16) VARBINARY BYTEA REAL FLOAT DOUBLE NUMERIC NUMERIC(6,2) DECIMAL(10,5) DECIMAL(3) MONEY NUMBER BOOLEAN
    BOOL DATE DATETIME TIMESTAMP TIMESTAMPTZ TIME UUID GUID JSON JSONB XML ENUM ANY BIT INTERVAL character
""".split()  # noqa: SIM905 - read more easily so
_PHRASES = [
    "", "", "", "DOUBLE PRECISION", "FLOATING POINT", "UNSIGNED BIG INT", "timestamp with time zone",
    "varying character(7)", "CHARACTER(20)", "intege", "text nocase", "NUMERIC(70000,3)", "DECIMAL(5,9)",
    "VARCHAR(0)", "VARCHAR(-1)", "char(1e3)", "POINT", '"quoted type"', "LONGVARCHAR", "ünïcode", "[bracketed]",
    "NATIVE CHARACTER(70)", "INT(11)", "DATETIME(3)",
]  # fmt: skip
_NONSENSE = st.text("ABCXYZabcxyz_é", min_size=1, max_size=9)
_DECLARED = st.sampled_from(_WORDS) | st.sampled_from(_PHRASES) | _NONSENSE
_STRICT = st.sampled_from(["INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"])
_DEFAULTS = st.sampled_from(
    ["0", "-1", "1.5", "'x'", "''", "NULL", "TRUE", "x'00ff'", "CURRENT_TIMESTAMP", "current_date", "('a' || 'b')",
     "(1 + 1)", "'12'", "9223372036854775807", "1e999", "'2024-01-01'", '"text"', "(datetime('now'))",
     "(random())", "(NULL)"]
)  # fmt: skip
_CHECKS = (
    "{0} IS NOT 'never'", "length({0}) < 100000", "typeof({0}) <> 'nothing'", "{0} IS NULL OR {0} IS NOT NULL",
    "{0} >= 0", "{0} IN ('a', 'b', 1)", "{0} <> ''", "{0} LIKE 'a%'", "{0} BETWEEN 0 AND 10", "json_valid({0})",
    "{0} GLOB '[0-9]*'",
)  # fmt: skip
_GENERATED = (
    "{0} || 'x'", "length({0})", "typeof({0})", "coalesce({0}, 0)", "upper({0})", "substr({0}, 1, 2)", "{0} + 1",
    "{0} * 2.5", "{0} > 5", "{0}", "trim({0})", "hex({0})", "CAST({0} AS INTEGER)",
    "CASE WHEN {0} IS NULL THEN 'none' ELSE {0} END", "{0} = 'a'", "round({0}, 1)", "{0} % 3", "ifnull({0}, '')",
    "replace({0}, 'a', 'b')", "{0} IS NULL", "NULL", "-{0}", "'it''s'",
)  # fmt: skip
_INDEXES = (
    "({0})", "({0} DESC)", "({0}) WHERE {0} IS NOT NULL", "(lower({0}))", "({0} COLLATE NOCASE)", "({0}, {1})",
    "({0} COLLATE RTRIM DESC)", "({0}) WHERE {1} > 0", "({0} || {1})", "(length({0})) WHERE {0} <> ''", "({0} + 1)",
    "(typeof({0}), {1})",
)  # fmt: skip


@dataclass(frozen=True)
class MadeColumn:
    """One column and where its values come from."""

    name: str
    declared: str
    constraints: str = ""
    generated: bool = False


@dataclass(frozen=True)
class MadeTable:
    """A table with what is inserted into it; rows that SQLite refuses are left out."""

    name: str
    columns: tuple[MadeColumn, ...]
    constraints: tuple[str, ...]
    options: str
    indexes: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    rowids: tuple[int, ...] = ()

    @property
    def script(self) -> str:
        """The statements that make it."""
        columns = [f"{quoted(each.name)} {each.declared} {each.constraints}" for each in self.columns]
        body = ",\n  ".join([*columns, *self.constraints])
        statements = [f"CREATE TABLE {quoted(self.name)} (\n  {body}\n){self.options}", *self.indexes]
        return ";\n".join(statements) + ";"


@st.composite
def _columns(draw: st.DrawFn, *, strict: bool) -> list[MadeColumn]:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique_by=folded))
    made = []
    for place, name in enumerate(names):
        declared = draw(_STRICT if strict else _DECLARED)
        others = [quoted(each) for each in names[:place] if not made or each != name]
        if others and draw(st.integers(0, 9)) == 0:
            expression = draw(st.sampled_from(_GENERATED))
            how = draw(st.sampled_from(["", "VIRTUAL", "STORED"]))
            computed = expression.format(draw(st.sampled_from(others)))
            made.append(MadeColumn(name, declared, f"GENERATED ALWAYS AS ({computed}) {how}", generated=True))
        else:
            made.append(MadeColumn(name, declared, draw(_constraints(quoted(name)))))
    return made


@st.composite
def _constraints(draw: st.DrawFn, name: str) -> str:
    said = []
    if draw(st.integers(0, 7)) == 0:
        said.append("NOT NULL")
    if draw(st.integers(0, 3)) == 0:
        said.append("DEFAULT " + draw(_DEFAULTS))
    if draw(st.integers(0, 5)) == 0:
        said.append("COLLATE " + draw(st.sampled_from(["NOCASE", "RTRIM", "BINARY"])))
    if draw(st.integers(0, 5)) == 0:
        said.append(f"CHECK ({draw(st.sampled_from(_CHECKS)).format(name)})")
    if draw(st.integers(0, 9)) == 0:
        said.append("UNIQUE")
    return " ".join(said)


@st.composite
def _keys(draw: st.DrawFn, names: Sequence[str]) -> tuple[str, str]:
    """A PRIMARY KEY clause and WITHOUT ROWID, or neither."""
    if not names:
        return "", ""
    some = st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)
    clause = ", ".join(
        quoted(name) + draw(st.sampled_from(["", "", " DESC", " COLLATE NOCASE"])) for name in draw(some)
    )
    match draw(st.integers(0, 4)):
        case 0 | 1:
            return f"PRIMARY KEY ({clause})", ""
        case 2:
            return f"PRIMARY KEY ({clause})", "WITHOUT ROWID"
        case 3:
            return f"UNIQUE ({clause})", ""
    return "", ""


@st.composite
def _tables(draw: st.DrawFn) -> MadeTable:
    strict = draw(st.integers(0, 7)) == 0
    columns = draw(_columns(strict=strict))
    name = draw(TABLE_NAMES)
    plain = [column for column in columns if not column.generated]
    key, without_rowid = draw(_keys([column.name for column in plain]))
    if not key and draw(st.integers(0, 2)) == 0:
        first = columns[0]
        tail = draw(st.sampled_from(["", " AUTOINCREMENT", " DESC", " NOT NULL"]))
        columns[0] = MadeColumn(first.name, "INTEGER", f"PRIMARY KEY{tail}")
    options = ", ".join(each for each in ("STRICT" if strict else "", without_rowid) if each)
    indexes = []
    for number in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        on = [quoted(draw(st.sampled_from(columns)).name) for _ in range(2)]
        unique = draw(st.sampled_from(["", "", "UNIQUE "]))
        terms = draw(st.sampled_from(_INDEXES)).format(*on)
        indexes.append(f"CREATE {unique}INDEX {quoted(f'i{number} {name}')} ON {quoted(name)} {terms}")
    return MadeTable(
        name=name,
        columns=tuple(columns),
        constraints=(key,) if key else (),
        options=" " + options,
        indexes=tuple(indexes),
        rows=tuple(draw(st.lists(draw(_rows(len(plain))), min_size=draw(st.sampled_from([0, 5, 9])), max_size=20))),
        rowids=() if without_rowid else tuple(draw(st.lists(_ROWIDS, max_size=3))),
    )


_ROWIDS = st.integers(-5, 100) | st.sampled_from([2**63 - 1, -(2**63), 2**62])


@st.composite
def _rows(draw: st.DrawFn, width: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(*(draw(pools()) for _ in range(width)))


any_tables = st.lists(_tables(), min_size=1, max_size=2, unique_by=lambda table: folded(table.name))


def make(path: Path, tables: Sequence[MadeTable], encoding: str) -> None:
    """Make the file; a sqlite3.Error where SQLite itself takes the tables for nonsense."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("BEGIN")
        for table in tables:
            connection.executescript(table.script)
        connection.execute("PRAGMA ignore_check_constraints = 1") if encoding == "UTF-8" else None
        for table in tables:
            _fill(connection, table)
        if connection.in_transaction:
            connection.execute("COMMIT")


def _fill(connection: sqlite3.Connection, table: MadeTable) -> None:
    names = [column.name for column in table.columns if not column.generated]
    for number, row in enumerate(table.rows):
        columns, values = list(map(quoted, names)), list(row)
        if number < len(table.rowids) and _has_rowid(table):
            columns, values = ["rowid", *columns], [table.rowids[number], *values]
        marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, TextOf) else "?" for value in values)
        given = [value.raw if isinstance(value, TextOf) else value for value in values]
        try:
            connection.execute(f"INSERT INTO {quoted(table.name)} ({', '.join(columns)}) VALUES ({marks})", given)
        except sqlite3.Error:
            continue  # a key, a constraint, a STRICT column: SQLite holds no such row


def _has_rowid(table: MadeTable) -> bool:
    taken = {folded(column.name) for column in table.columns}
    return "rowid" not in taken and not any("PRIMARY KEY" in column.constraints for column in table.columns)
