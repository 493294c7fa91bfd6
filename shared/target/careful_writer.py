"""Rows one by one: each value by its own storage class; what PostgreSQL refuses is found by halving, and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg2

from shared.records.keys import SourceRow
from shared.records.plan import LoadPath, OnConflict, TablePlan
from shared.records.work import CopyPath, CopyResult, Reject
from shared.target.convert_values import ValueDoesNotFit, adapt
from shared.target.driver_errors import is_data_error, said_by, sqlstate_of, translate_error
from shared.target.key_forms import key_form
from shared.target.quoting import qualified, quote_list
from shared.target.upsert import conflict_clause, insert_head

_MAX_ROWS: Final = 1000
"""Rows a statement: from 300 on the time a row no longer falls; halving 1,000 takes ten steps to a bad row."""
_MAX_CHARACTERS: Final = 8_000_000
"""Text a statement, unless one row alone is longer: keeps wide rows from filling memory."""
_UNIQUE_VIOLATION: Final = "23505"
_SAVEPOINT: Final = "pgconvoy_careful"
_PATHS: Final = {LoadPath.BARE: CopyPath.CAREFUL_BARE, LoadPath.UPSERT: CopyPath.CAREFUL_UPSERT}


@dataclass(frozen=True, slots=True)
class _FitRow:
    """A row whose every value has a text that its column should read."""

    row: SourceRow
    texts: tuple[str | None, ...]


def write_carefully(connection: Any, batches: Iterable[Sequence[SourceRow]], plan: TablePlan) -> CopyResult:
    """Write rows through psycopg2, part of the caller's transaction; memory holds one batch, the rejects and,
    where rows may be overwritten, a number for each key.

    Rows that don't fit, or that PostgreSQL refuses for their values, become rejects; all others are written.
    The result's fingerprint is left empty.

    Raises:
        ConvoyError: for anything that isn't about the values of a row (connection, deadlock, missing parent row,
            privilege); the transaction can only be rolled back.
    """
    writer = _Writer(connection, plan)
    for batch in batches:
        for rows in _bounded(writer.fitting(batch)):
            writer.write(rows)
    writer.settle()
    return CopyResult(path=_PATHS[plan.load], rows=writer.written, rejects=tuple(writer.rejects))


class _Writer:
    """Writes rows and collects the rejects of one chunk."""

    def __init__(self, connection: Any, plan: TablePlan) -> None:
        self._connection = connection
        self._plan = plan
        self._head = f"SAVEPOINT {_SAVEPOINT}; {insert_head(plan)} VALUES "
        self._tail = f" {conflict_clause(plan)}; RELEASE SAVEPOINT {_SAVEPOINT}"
        self._row_template = f"({', '.join(['%s'] * len(plan.columns))})"
        self._source_names = {column.name: column.source for column in plan.columns}
        self._overwrites = plan.load is LoadPath.UPSERT and plan.on_conflict is OnConflict.UPDATE
        self._key_places = _key_places(plan) if self._overwrites else ()
        self._seen: set[int] = set()
        self._late: list[tuple[_FitRow, psycopg2.Error]] = []
        self.written = 0
        self.rejects: list[Reject] = []

    def fitting(self, batch: Iterable[SourceRow]) -> Iterator[_FitRow]:
        """Convert each row; those with a value that fits no way go to the rejects."""
        columns = self._plan.columns
        for row in batch:
            try:
                texts = tuple(adapt(value, column) for value, column in zip(row.values, columns, strict=True))
            except ValueDoesNotFit as misfit:
                self._reject(row, column=misfit.column.source, reason=str(misfit))
                continue
            if self._is_repeated(texts):
                key = quote_list(self._plan.match_key)
                self._reject(
                    row, column=None, reason=f"an earlier row of the chunk has the same key {key} in the target"
                )
            else:
                yield _FitRow(row, texts)

    def _is_repeated(self, texts: Sequence[str | None]) -> bool:
        """Whether a row would overwrite one of its own chunk: hashes of the keys suffice, since a reject is no loss."""
        forms = []
        for place in self._key_places:
            text = texts[place]
            if text is None:  # NULL is in conflict with nothing
                return False
            forms.append(key_form(text, self._plan.columns[place]))
        if not forms:
            return False
        digest = hash(tuple(forms))
        if digest in self._seen:
            return True
        self._seen.add(digest)
        return False

    def write(self, rows: Sequence[_FitRow]) -> None:
        """Write rows; where PostgreSQL refuses one of them, halve until it stands alone."""
        try:
            self._insert(rows)
        except psycopg2.Error as error:
            if not is_data_error(error):
                what = f"writing rows into {qualified(self._plan.schema, self._plan.name)}"
                raise translate_error(error, what=what) from error
            self._execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}")
            self._halve(rows, error)

    def settle(self) -> None:
        """Try again what was refused for a value that another row held, as long as more rows get in.

        Where a unique value went from one row to another, the new holder comes in once the old one has let go.
        """
        while self._late:
            late, self._late = self._late, []
            for row, _ in reversed(late):  # a value handed down a chain is free at the chain's end first
                self.write([row])
            if len(self._late) == len(late):
                break
        for row, error in self._late:
            self._refuse(row, error)

    def _halve(self, rows: Sequence[_FitRow], error: psycopg2.Error) -> None:
        if len(rows) == 1:
            if self._overwrites and sqlstate_of(error) == _UNIQUE_VIOLATION:
                self._late.append((rows[0], error))
            else:
                self._refuse(rows[0], error)
            return
        middle = len(rows) // 2
        self.write(rows[:middle])
        self.write(rows[middle:])

    def _insert(self, rows: Sequence[_FitRow]) -> None:
        with self._connection.cursor() as cursor:
            template = ", ".join([self._row_template] * len(rows))
            values = cursor.mogrify(template, [text for row in rows for text in row.texts])
            # Put together by hand: a percent sign in an identifier is no placeholder.
            cursor.execute(self._head.encode() + values + self._tail.encode())
        self.written += len(rows)

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def _refuse(self, row: _FitRow, error: psycopg2.Error) -> None:
        self._reject(row.row, column=self._blamed(error, row), reason=said_by(error))

    def _reject(self, row: SourceRow, *, column: str | None, reason: str) -> None:
        self.rejects.append(Reject(key=row.key, values=row.values, column=column, reason=reason))

    def _blamed(self, error: psycopg2.Error, row: _FitRow) -> str | None:
        """Name the source column that a one-row statement failed on: as PostgreSQL says, or by where it points."""
        named = self._source_names.get(error.diag.column_name or "")
        position = error.diag.statement_position
        if named is not None or position is None:
            return named
        # 1-based and in characters; the literal that it points to begins there.
        place = int(position) - 1 - len(self._head) - len("(")
        with self._connection.cursor() as cursor:
            for column, text in zip(self._plan.columns, row.texts, strict=True):
                if place <= 0:
                    return column.source
                place -= len(cursor.mogrify("%s", (text,)).decode()) + len(", ")
        return None


def _key_places(plan: TablePlan) -> tuple[int, ...]:
    """Where the match key stands in a row."""
    return tuple(place for place, column in enumerate(plan.columns) if column.name in plan.match_key)


def _bounded(rows: Iterable[_FitRow]) -> Iterator[list[_FitRow]]:
    """Cut rows into statements of bounded size."""
    held: list[_FitRow] = []
    characters = 0
    for row in rows:
        width = sum(len(text) for text in row.texts if text is not None)
        if held and (len(held) >= _MAX_ROWS or characters + width > _MAX_CHARACTERS):
            yield held
            held, characters = [], 0
        held.append(row)
        characters += width
    if held:
        yield held
