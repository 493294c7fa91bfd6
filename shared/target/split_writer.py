"""Columns into a table, and the places of the rows that PostgreSQL refuses: found by the line that it names."""

from __future__ import annotations

import re
from typing import Any, Final

import adbc_driver_manager
import pyarrow as pa

from shared.errors import NotArrowableError
from shared.quoting import qualified
from shared.records.plan import TablePlan
from shared.target.application_path import application_path
from shared.target.careful_writer import UNIQUE_VIOLATIONS
from shared.target.copy_writer import copy_failure
from shared.target.driver_errors import diagnostic, is_data_error, said_by, sqlstate_of

_ROWS_AFTER_REFUSAL: Final = 2_048
"""Rows a COPY once one was refused: what went before a refused row is sent twice. So many cost a tenth more than
16,384 do."""
_MOST_REFUSALS: Final = 200
"""Refused rows after which a chunk is full of them. Each one costs a COPY of half so many rows."""
_SAVEPOINT: Final = "pgconvoy_columns"
_NUMBER: Final = re.compile(r"\D*(\d+)")


class SplitWriter:
    """COPYs the columns of one chunk, batch by batch, each in a savepoint.

    Args:
        connection: ADBC's, in a transaction that `shared.target.connections.begin` began.
        plan: A table that is loaded bare.
    """

    def __init__(self, connection: Any, plan: TablePlan) -> None:
        self._connection = connection
        self._plan = plan
        self._most_rows: int | None = None
        self._refusals = 0
        self._prepared = plan.creates
        self.written = 0

    def write(self, rows: pa.Table) -> list[int]:
        """Write rows in wire types; returns the places of those that PostgreSQL refuses for their values, in order.

        Raises:
            NotArrowableError: where two rows want one unique value (which one comes in would depend on their order),
                or where too many are refused.
            ConvoyError: anything else, as `translate_error` says; the transaction can only be rolled back.
        """
        refused: list[int] = []
        ranges = [(0, rows.num_rows)] if rows.num_rows else []
        while ranges:
            first, last = ranges.pop()
            if self._most_rows is not None and last - first > self._most_rows:
                ranges.append((first + self._most_rows, last))
                last = first + self._most_rows
            error = self._copy(rows.slice(first, last - first))
            if error is None:
                self.written += last - first
            else:
                self._count(error)
                ranges += _around(error, self._plan, first, last, refused)
        return refused

    def _copy(self, rows: pa.Table) -> adbc_driver_manager.Error | None:
        """COPY rows; returns what PostgreSQL said where it refused one of them for its values."""
        try:
            if not self._prepared:
                self._run(application_path(self._plan))
                self._prepared = True
            self._run(f"SAVEPOINT {_SAVEPOINT}")
            with self._connection.cursor() as cursor:
                cursor.adbc_ingest(self._plan.name, rows, mode="append", db_schema_name=self._plan.schema)
        except adbc_driver_manager.Error as error:
            if not is_data_error(error) or sqlstate_of(error) in UNIQUE_VIOLATIONS:
                raise copy_failure(error, self._plan) from error
            self._run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            return error
        self._run(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        return None

    def _count(self, error: adbc_driver_manager.Error) -> None:
        self._most_rows = _ROWS_AFTER_REFUSAL
        self._refusals += 1
        if self._refusals > _MOST_REFUSALS:
            table = qualified(self._plan.schema, self._plan.name)
            msg = f"{table} refused {self._refusals} rows of one chunk, the last one because {said_by(error)}"
            raise NotArrowableError(msg) from error

    def _run(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)


def _around(
    error: adbc_driver_manager.Error, plan: TablePlan, first: int, last: int, refused: list[int]
) -> list[tuple[int, int]]:
    """What is left to be written of a range in which a row was refused, the beginning last.

    A row that is alone, or that PostgreSQL names by its line, is refused; where it names none, the range is halved.
    """
    line = _line(error, plan)
    bad = first if last - first == 1 else None if line is None else first + line - 1
    if bad is not None and first <= bad < last:
        refused.append(bad)
        return [each for each in ((bad + 1, last), (first, bad)) if each[0] < each[1]]
    middle = (first + last) // 2
    return [(middle, last), (first, middle)]


def _line(error: adbc_driver_manager.Error, plan: TablePlan) -> int | None:
    """The line that the error's context names, ``COPY t, line 3``, whatever the language; None where it names none."""
    for context in diagnostic(error, "context").splitlines():
        _, named, place = context.partition(f"COPY {plan.name},")
        found = _NUMBER.match(place) if named else None
        if found:
            return int(found[1])
    return None
