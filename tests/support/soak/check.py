"""Whether a finished copy of the soak's source is what it must be; shares no code with what made it.

    python check.py SOURCE TARGET_URL SCHEMA JOB EXIT_CODE TABLE…

Only SQLite's and PostgreSQL's own clients are imported. Each finding is a line on stdout; none: exit code 0.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime
from typing import Any, Final

import psycopg2

_MOST: Final = 20
"""Findings of one kind that are told."""
Row = tuple[Any, ...]
Rule = Callable[[Any], Any]


def _text(stored: bytes) -> str:
    return stored.decode()


def _real(stored: float) -> str:
    return float(stored).hex()


def _day(stored: bytes) -> date:
    return date.fromisoformat(stored.decode())


def _moment(stored: bytes) -> datetime:
    return datetime.fromisoformat(stored.decode())


COLUMNS: Final[dict[str, dict[str, Rule]]] = {
    "people": {
        "id": int,
        "name": _text,
        "email": _text,
        "born": _day,
        "seen": _moment,
        "ratio": _real,
        "active": bool,
        "note": _text,
    },
    "places": {"code": _text, "name": _text, "height": int},
    "visits": {"person": int, "place": _text, "day": _text, "points": int},
    "lines": {"level": int, "said": _text},
    "files": {"id": int, "body": bytes, "told": _text},
    "dirty": {"id": int, "amount": int, "label": _text},
    "colours": {"id": int, "name": _text},
    "sizes": {"name": _text, "metres": _real},
}
"""What each column of the target must hold, made from what SQLite stores; NULL is NULL everywhere."""
KEYS: Final = {"people": 1, "places": 1, "visits": 3, "files": 1, "dirty": 1, "colours": 1, "sizes": 1}
"""How many of a table's first columns are its key; `lines` has none."""
_UNIQUE: Final = {"people": 2, "places": 1, "visits": 1, "lines": 0, "files": 1, "dirty": 1, "colours": 2, "sizes": 1}
"""Unique indexes, primary keys included."""
_REFERENCES: Final = {"visits": ("people", "places")}


class Target:
    """Plain SQL on the target."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, question: str, *values: Any) -> list[Row]:
        """All rows of an answer."""
        with self._connection.cursor() as cursor:
            cursor.execute(question, values)
            return list(cursor.fetchall())

    def stream(self, question: str) -> Iterator[Row]:
        """The rows of a long answer, a few at a time."""
        with self._connection.cursor("long") as cursor:
            cursor.itersize = 5000
            cursor.execute(question)
            yield from cursor


def findings(source: str, url: str, schema: str, job: int, exit_code: int, tables: Sequence[str]) -> list[str]:
    """Everything that is wrong with a job that has ended; empty where nothing is.

    Args:
        source: The SQLite file.
        url: The target.
        schema: Where its tables are.
        job: Its number in the ledger.
        exit_code: How the command ended that waited for it.
        tables: Those that it copied.
    """
    found: list[str] = []
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as origin, closing(psycopg2.connect(url)) as one:
        origin.text_factory = bytes
        one.set_session(readonly=True)
        target = Target(one)
        for table in tables:
            found += _table_findings(origin, target, schema, job, table)
            found += _constraint_findings(target, schema, table, set(tables))
        found += _ledger_findings(target, job, exit_code, len(tables))
    return found


def _table_findings(origin: sqlite3.Connection, target: Target, schema: str, job: int, table: str) -> list[str]:
    fit: Counter[Row] = Counter()
    refused: list[Row] = []
    for stored in origin.execute(f"SELECT * FROM {table}"):
        expected = _expected(table, stored)
        if expected is None:
            refused.append(stored)
        else:
            fit[expected] += 1
    names = ", ".join(f'"{name}"' for name in COLUMNS[table])
    rules = list(COLUMNS[table].values())
    held = sum(fit.values())
    rows, surplus = 0, []
    for shown in target.stream(f'SELECT {names} FROM "{schema}"."{table}"'):
        rows += 1
        row = tuple(_plain(value, rule) for value, rule in zip(shown, rules, strict=True))
        if fit[row] > 0:
            fit[row] -= 1
        else:
            surplus.append(row)
    missing = [row for row, count in fit.items() for _ in range(count)]
    found = [f"{table}: the target lacks the row {_short(row)}" for row in missing[:_MOST]]
    found += [f"{table}: the target has a row too many {_short(row)}" for row in surplus[:_MOST]]
    if rows != held:
        found.append(f"{table}: {held} rows fit the target, which has {rows}")
    return found + _reject_findings(target, job, table, refused)


def _expected(table: str, stored: Row) -> Row | None:
    """The row as the target must show it; None where a text of it is none of PostgreSQL's."""
    try:
        row = tuple(
            None if value is None else rule(value) for value, rule in zip(stored, COLUMNS[table].values(), strict=True)
        )
    except UnicodeDecodeError:
        return None
    return None if any(isinstance(value, str) and "\0" in value for value in row) else row


def _plain(shown: Any, rule: Rule) -> Any:
    """A value of the target, told apart by its Python type: 1 is not True and not 1.0 here."""
    if isinstance(shown, memoryview):
        return bytes(shown)
    if shown is None or rule is _real:
        return shown if shown is None else float(shown).hex()
    wanted = {int: int, bool: bool, bytes: bytes, _text: str, _day: date, _moment: datetime}[rule]
    return shown if type(shown) is wanted else ("another type", repr(shown))


def _short(row: Row) -> str:
    return ", ".join(repr(value)[:40] for value in row)


def _reject_findings(target: Target, job: int, table: str, refused: list[Row]) -> list[str]:
    """The rejects of the ledger must be exactly the rows that no PostgreSQL can hold, each once, each whole."""
    question = """
        SELECT r.row, r.raw FROM pgconvoy.rejects r JOIN pgconvoy.tables t ON t.id = r.table_id
         WHERE r.job_id = %s AND t.source_name = %s
    """
    kept = Counter((_stored(row), bytes(raw)) for row, raw in target.rows(question, job, table))
    blamed = Counter((tuple(row), next(value for value in row if _is_none_of_postgresqls(value))) for row in refused)
    found = [f"{table}: no reject holds the row {_short(row)}" for row, _ in list(blamed - kept)[:_MOST]]
    return found + [f"{table}: a reject that should not be: {_short(row)}" for row, _ in list(kept - blamed)[:_MOST]]


def _is_none_of_postgresqls(value: Any) -> bool:
    if not isinstance(value, bytes):
        return False
    try:
        return "\0" in value.decode()
    except UnicodeDecodeError:
        return True


def _stored(row: Any) -> Row:
    """A rejected row as SQLite gave it: texts as bytes."""
    return tuple(_stored_value(value) for _, value in (json.loads(row) if isinstance(row, str) else row))


def _stored_value(value: Any) -> Any:
    if value is None:
        return None
    ((kind, text),) = value.items()
    read: dict[str, Callable[[str], Any]] = {
        "integer": int,
        "real": float.fromhex,
        "text": str.encode,
        "blob": bytes.fromhex,
        "raw_text": bytes.fromhex,
    }
    return read[kind](text)


def _constraint_findings(target: Target, schema: str, table: str, tables: set[str]) -> list[str]:
    place = f'"{schema}"."{table}"'
    question = "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass AND indisunique AND indisvalid"
    ((unique,),) = target.rows(question, place)
    question = """
        SELECT confrelid::regclass::text, convalidated FROM pg_constraint
         WHERE contype = 'f' AND conrelid = %s::regclass
    """
    valid = {name.rpartition(".")[2].strip('"') for name, validated in target.rows(question, place) if validated}
    wanted = {parent for parent in _REFERENCES.get(table, ()) if parent in tables}
    found = [] if unique == _UNIQUE[table] else [f"{table}: {unique} unique indexes, not {_UNIQUE[table]}"]
    return found + (
        [] if valid == wanted else [f"{table}: valid foreign keys to {sorted(valid)}, not {sorted(wanted)}"]
    )


_LEDGER: Final = {
    "a table of the job has not completed": "SELECT source_name, state, error FROM pgconvoy.tables"
    " WHERE job_id = %(job)s AND (state <> 'completed' OR NOT planned OR ended_at IS NULL OR mismatches <> 0)",
    "a chunk is not verified": "SELECT table_id, number, state, error FROM pgconvoy.chunks"
    " WHERE job_id = %(job)s AND (state <> 'verified' OR mismatches <> 0 OR rows IS NULL OR attempt < 1)",
    "a key range stands in the ledger twice": "SELECT table_id, key_range FROM pgconvoy.chunks WHERE job_id = %(job)s"
    " GROUP BY table_id, key_range HAVING count(*) > 1",
    "the key ranges of a table do not follow each other": "SELECT c.table_id, c.number, c.key_range"
    " FROM pgconvoy.chunks c WHERE c.job_id = %(job)s AND c.key_range ->> 'to' <> 'open' AND 1 <> (SELECT count(*)"
    " FROM pgconvoy.chunks n WHERE n.table_id = c.table_id AND n.key_range -> 'from' = c.key_range -> 'to')",
    "a table has not one first and one last key range": "SELECT table_id FROM pgconvoy.chunks WHERE job_id = %(job)s"
    " GROUP BY table_id HAVING 1 <> count(*) FILTER (WHERE key_range ->> 'from' = 'open')"
    " OR 1 <> count(*) FILTER (WHERE key_range ->> 'to' = 'open')",
    "a chunk's rejects are not those that it says": "SELECT c.id, c.rejects, count(r.id) FROM pgconvoy.chunks c"
    " LEFT JOIN pgconvoy.rejects r ON r.chunk_id = c.id WHERE c.job_id = %(job)s"
    " GROUP BY c.id HAVING c.rejects <> count(r.id)",
    "a build has not ended well": "SELECT name, state, error FROM pgconvoy.builds"
    " WHERE job_id = %(job)s AND state <> 'built'",
    "a mismatch stands in the ledger": "SELECT kind, key FROM pgconvoy.mismatches WHERE job_id = %(job)s",
    "rows of chunks are not those that were expected": "SELECT t.source_name, t.rows_expected, sum(c.rows + c.rejects)"
    " FROM pgconvoy.tables t JOIN pgconvoy.chunks c ON c.table_id = t.id WHERE t.job_id = %(job)s"
    " GROUP BY t.id HAVING t.rows_expected <> sum(c.rows + c.rejects)",
}


def _ledger_findings(target: Target, job: int, exit_code: int, tables: int) -> list[str]:
    found = []
    for wrong, question in _LEDGER.items():
        rows = target.rows(question.replace("%(job)s", str(int(job))))
        found += [f"{wrong}: {row}" for row in rows[:_MOST]]
    ((state, ended),) = target.rows("SELECT state, ended_at FROM pgconvoy.jobs WHERE id = %s", job)
    ((rejects,),) = target.rows("SELECT count(*) FROM pgconvoy.rejects WHERE job_id = %s", job)
    wanted = ("completed_with_rejects", 1) if rejects else ("completed", 0)
    if (state, exit_code) != wanted or ended is None:
        found.append(f"job {job} is {state} (ended {ended}), exit code {exit_code}; {rejects} rejects ask for {wanted}")
    ((recorded,),) = target.rows("SELECT count(*) FROM pgconvoy.tables WHERE job_id = %s", job)
    if recorded != tables:
        found.append(f"job {job} has {recorded} tables, not {tables}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong; 1 where something is."""
    source, url, schema, job, exit_code, *tables = arguments
    found = findings(source, url, schema, int(job), int(exit_code), tables)
    for line in found:
        print(line)  # noqa: T201 - what this program is for
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
