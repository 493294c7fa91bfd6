"""Rejected rows in a file of their own, each value as the source held it."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from producer.services import Target
from shared.errors import OperatorError
from shared.ledger.jobs import read_tables
from shared.ledger.progress import read_rejects
from shared.quoting import quote_for_sqlite
from shared.records.keys import RawText, Value, encode_value
from shared.records.work import Reject

_SQLITE: Final = frozenset({".sqlite", ".sqlite3", ".db"})
_CSV: Final = ".csv"
_FORMULAS: Final = "=+-@\t\r\n"
"""What spreadsheets take for the beginning of a formula, or leave out before one (OWASP, "CSV Injection")."""
_FINDINGS: Final = ("pgconvoy_column", "pgconvoy_reason")
"""Columns that say which column did not fit and why; they come after the row's own."""

_Rejects = Sequence[tuple[str, Reject]]


def export_rejects(target: Target, job_id: int, path: Path) -> int:
    """Write all rejected rows of a job into a new file; returns how many there are.

    Args:
        target: Where the ledger is.
        job_id: The job.
        path: ``.sqlite``, ``.sqlite3`` or ``.db``: a database with a table for each source table, values in their own
            storage classes. ``.csv``: a line a row, in it the whole row as JSON.

    Raises:
        OperatorError: where the file is there already, cannot be written, or its name says neither.
    """
    if path.suffix.lower() not in {*_SQLITE, _CSV}:
        msg = f"--export {path} says no format: name a file that ends in .sqlite or .csv"
        raise OperatorError(msg)
    with target.ledger(f"reading the rejects of job {job_id}") as ledger:
        columns = {table.plan.read.table: table.plan.read.columns for table in read_tables(ledger, job_id)}
        found = read_rejects(ledger, job_id, limit=None)
    try:
        with path.open("x"):  # never over a file that is there
            pass
        if path.suffix.lower() == _CSV:
            _write_csv(path, found, columns)
        else:
            _write_sqlite(path, found, columns)
    except FileExistsError as error:
        msg = f"--export {path}: there is such a file already, and nothing is written over it"
        raise OperatorError(msg) from error
    except (OSError, sqlite3.Error) as error:
        path.unlink(missing_ok=True)
        msg = f"--export {path} cannot be written: {getattr(error, 'strerror', None) or error}"
        raise OperatorError(msg) from error
    return len(found)


def _write_csv(path: Path, found: _Rejects, columns: dict[str, tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("table", "key", "column", "reason", "row"))
        for table, reject in found:
            row = {name: encode_value(value) for name, value in zip(columns[table], reject.values, strict=True)}
            key = [encode_value(value) for value in reject.key]
            cells = (table, json.dumps(key), reject.column, reject.reason, json.dumps(row, ensure_ascii=False))
            writer.writerow(map(_no_formula, cells))


def _no_formula(cell: str | None) -> str | None:
    """Keep a spreadsheet from running what somebody called a table or column: an apostrophe makes it a text."""
    return f"'{cell}" if cell and cell[0] in _FORMULAS else cell


def _write_sqlite(path: Path, found: _Rejects, columns: dict[str, tuple[str, ...]]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, rejects in groupby(sorted(found, key=lambda each: each[0]), key=lambda each: each[0]):
            names = [*columns[table], *_free(_FINDINGS, columns[table])]
            # Without types, so that SQLite changes no value.
            connection.execute(f"CREATE TABLE {quote_for_sqlite(table)} ({', '.join(map(quote_for_sqlite, names))})")
            for _, reject in rejects:
                _insert(connection, table, (*reject.values, reject.column, reject.reason))


def _insert(connection: sqlite3.Connection, table: str, values: Sequence[Value]) -> None:
    terms = ", ".join("CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in values)
    bound: list[Any] = [value.raw if isinstance(value, RawText) else value for value in values]
    connection.execute(f"INSERT INTO {quote_for_sqlite(table)} VALUES ({terms})", bound)


def _free(names: Iterable[str], taken: Sequence[str]) -> list[str]:
    folded = {name.lower() for name in taken}
    return [name if name not in folded else f"{name}_{len(folded)}" for name in names]
