"""Rows one by one: each value by its own storage class; what PostgreSQL refuses is found by halving, and kept."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from shared.errors import ConvoyError, NotArrowableError
from shared.quoting import qualified, quote, quote_list, quote_text
from shared.records.keys import SourceRow, Value
from shared.records.plan import LoadPath, OnConflict, TablePlan, TargetColumn, TypeKind
from shared.records.work import CopyPath, CopyResult, CopyTimes, Reject
from shared.target.application_path import application_path
from shared.target.convert import written
from shared.target.convert_values import ValueDoesNotFit, adapter_of
from shared.target.driver_errors import (
    diagnostic,
    is_data_error,
    is_missing_parent,
    said_by,
    sqlstate_of,
    translate_error,
)
from shared.target.key_forms import key_form, needs_server
from shared.target.row_session import DRIVER_ERRORS, Statement, row_session
from shared.target.upsert import conflict_clause, insert_head

_MAX_ROWS: Final = 1000
"""Rows a statement: from 300 on the time a row no longer falls; halving 1,000 takes ten steps to a bad row."""
_MAX_CHARACTERS: Final = 8_000_000
"""Text a statement, unless one row alone is longer: keeps wide rows from filling memory."""
_WIDE: Final = 65_536
"""Characters or bytes from which a value is bound: each copy of it in a statement's text would count."""
_BINDABLE: Final = {TypeKind.TEXT: "", TypeKind.JSON: "pg_catalog.json", TypeKind.JSONB: "pg_catalog.jsonb"}
"""Kinds whose own type takes a bound text as it takes a literal, and what it is cast to."""
_UNIQUE_VIOLATION: Final = "23505"
UNIQUE_VIOLATIONS: Final = frozenset({_UNIQUE_VIOLATION, "23P01"})
"""Of a unique key, and of an exclusion constraint."""
_SEEN: Final = "pgconvoy_seen_"
_LATE_CONSTRAINTS: Final = """
    SELECT n.nspname, k.conname
      FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
     WHERE k.conrelid = pg_catalog.to_regclass({table}) AND k.contype IN ('p', 'u', 'x') AND k.condeferred
"""
"""Unique and exclusion constraints that would speak up at the commit, too late to tell which row they mean."""
_PATHS: Final = {LoadPath.BARE: CopyPath.CAREFUL_BARE, LoadPath.UPSERT: CopyPath.CAREFUL_UPSERT}


@dataclass(frozen=True, slots=True)
class Wide:
    """A long value that is bound as it is, since in a statement it would be copied many times."""

    value: str | bytes
    cast: str = ""
    """The type that it is cast to; empty: it is of the column's own."""

    def __len__(self) -> int:
        return len(self.value)

    def place(self, number: int) -> str:
        """What stands for it in a statement."""
        return f"CAST(${number} AS {self.cast})" if self.cast else f"${number}"


@dataclass(frozen=True, slots=True)
class _FitRow:
    """A row whose every value has a text that its column should read."""

    row: SourceRow
    texts: Sequence[str | Wide | None]
    """One for each column that is written."""
    keys: Sequence[str | None]
    """One for each column of the match key, where rows may be overwritten."""


def write_carefully(
    connection: Any, batches: Iterable[Sequence[SourceRow]], plan: TablePlan, *, reject_orphans: bool = False
) -> CopyResult:
    """Write rows one by one, part of the caller's transaction; memory holds one batch, the rejects and,
    where rows may be overwritten, a number for each key.

    Rows that don't fit, or that PostgreSQL refuses for their values, become rejects; all others are written.
    The result's fingerprint is left empty; of its times, only the one of writing is told.

    Args:
        connection: psycopg2's, or ADBC's as `shared.target.connections.begin` leaves it.
        batches: The rows.
        plan: The table.
        reject_orphans: Whether rows that violate a foreign key become rejects too, since no parent is on its way any
            more. Deferred constraints are then checked at once, row by row: rows of one chunk that need each other
            in a circle come in where all of them do at the first trial, else they are rejects.

    Raises:
        MissingParentError: for a violated foreign key, unless such rows become rejects.
        ConvoyError: for anything that isn't about the values of a row (connection, deadlock, privilege); the
            transaction can only be rolled back.
    """
    writer = CarefulWriter(connection, plan, reject_orphans=reject_orphans)
    for batch in batches:
        writer.take(batch)
    writer.settle()
    times = CopyTimes(write_s=writer.seconds)
    return CopyResult(path=_PATHS[plan.load], rows=writer.written, rejects=tuple(writer.rejects), times=times)


class CarefulWriter:
    """Writes rows and collects the rejects of one chunk.

    Args:
        connection: As `write_carefully` takes it.
        plan: The table.
        reject_orphans: As there.
        alone: Whether all rows of the chunk come this way. Else, which of two rows that want one unique value is
            refused would not depend on their order, so `take` raises NotArrowableError where there are such.
    """

    def __init__(self, connection: Any, plan: TablePlan, *, reject_orphans: bool = False, alone: bool = True) -> None:
        self._session = row_session(connection)
        adapters = [_adapter(column, binds=self._session.binds) for column in plan.columns]
        self._plan = plan
        self._columns = written(plan.columns)
        self._adapters = [
            (place, adapters[place]) for place, column in enumerate(plan.columns) if column in self._columns
        ]
        self._reject_orphans = reject_orphans
        self._alone = alone
        self._prepared = False
        self._head = f"{insert_head(plan)} VALUES "
        self._tail = f" {conflict_clause(plan)}"
        self._source_names = {column.name: column.source for column in plan.columns}
        self._overwrites = plan.load is LoadPath.UPSERT and plan.on_conflict is OnConflict.UPDATE
        places = _key_places(plan) if self._overwrites else ()
        self._keys = [plan.columns[place] for place in places]
        self._key_adapters = [(place, plan.columns[place], adapter_of(plan.columns[place])) for place in places]
        self._seen: set[int] = set()
        self._seen_table = f"{_SEEN}{uuid.uuid4().hex}" if any(map(needs_server, self._keys)) else ""
        self._late: list[tuple[_FitRow, Exception]] = []
        self.written = 0
        self.seconds = 0.0
        """How long PostgreSQL was at the rows."""
        self.rejects: list[Reject] = []

    def take(self, batch: Iterable[SourceRow]) -> None:
        """Write the rows that fit and that PostgreSQL takes; the others become rejects.

        Raises:
            MissingParentError, ConvoyError: as `write_carefully`.
            NotArrowableError: where not all rows of the chunk come this way, and two want one unique value.
        """
        if not self._prepared:
            self._prepare()
        for rows in _bounded(self._fitting(batch)):
            self._write(rows)

    def _prepare(self) -> None:
        """Make ready what the rows are written with."""
        self._prepared = True
        statements = ["SET CONSTRAINTS ALL IMMEDIATE"] if self._reject_orphans else []
        if self._seen_table:
            columns, seen = quote_list(self._plan.match_key), quote(self._seen_table)
            table = qualified(self._plan.schema, self._plan.name)
            # As the target's own columns: whatever PostgreSQL takes for equal there, it takes for equal here.
            statements += [
                f"CREATE TEMPORARY TABLE {seen} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA",
                f"CREATE UNIQUE INDEX ON pg_temp.{seen} ({columns})",
            ]
        try:
            for statement in (*self._as_the_application(), *statements):
                self._session.run(statement)
        except DRIVER_ERRORS as error:
            raise self._failure(error) from error

    def _as_the_application(self) -> list[str]:
        """Let the table's own code find its objects; render what makes late unique keys speak up row by row."""
        if self._plan.creates:
            return []
        self._session.run(application_path(self._plan))
        table = quote_text(qualified(self._plan.schema, self._plan.name))
        found = self._session.fetch(_LATE_CONSTRAINTS.format(table=table))
        return [f"SET CONSTRAINTS {qualified(*names)} IMMEDIATE" for names in found]

    def _fitting(self, batch: Iterable[SourceRow]) -> Iterator[_FitRow]:
        """Convert each row; those with a value that fits no way go to the rejects."""
        for row in batch:
            try:
                texts = [adapt_one(row.values[place]) for place, adapt_one in self._adapters]
                keys = [_key_text(row.values[place], column, key) for place, column, key in self._key_adapters]
            except ValueDoesNotFit as misfit:
                self._reject(row, column=misfit.column.source, reason=str(misfit))
                continue
            if not self._seen_table and self._is_repeated(keys):
                self._reject_repeated(row)
            else:
                yield _FitRow(row, texts, keys)

    def _is_repeated(self, keys: Sequence[str | None]) -> bool:
        """Whether a row would overwrite one of its own chunk: hashes of the keys suffice, since a reject is no loss."""
        if not keys or None in keys:  # NULL is in conflict with nothing
            return False
        forms = [key_form(text or "", column) for text, column in zip(keys, self._keys, strict=True)]
        digest = hash(tuple(forms))
        if digest in self._seen:
            return True
        self._seen.add(digest)
        return False

    def _write(self, rows: Sequence[_FitRow]) -> None:
        """Write rows; where PostgreSQL refuses one of them, halve until it stands alone."""
        try:
            self._insert(rows)
        except DRIVER_ERRORS as error:
            if not is_data_error(error) and not (self._reject_orphans and is_missing_parent(error)):
                raise self._failure(error) from error
            if not self._alone and sqlstate_of(error) in UNIQUE_VIOLATIONS:
                msg = f"rows want one unique value in {qualified(self._plan.schema, self._plan.name)}: {said_by(error)}"
                raise NotArrowableError(msg) from error
            self._session.undo()
            self._halve(rows, error)

    def settle(self) -> None:
        """Try again what was refused for a value that another row held, as long as more rows get in.

        Where a unique value went from one row to another, the new holder comes in once the old one has let go. Where a
        row refers to another one of its chunk, it comes in once that one has.
        """
        while self._late:
            late, self._late = self._late, []
            for row, _ in reversed(late):  # a value handed down a chain is free at the chain's end first
                self._write([row])
            if len(self._late) == len(late):
                break
        for row, error in self._late:
            self._refuse(row, error)

    def _halve(self, rows: Sequence[_FitRow], error: Exception) -> None:
        if len(rows) == 1:
            if self._is_seen(error):
                self._reject_repeated(rows[0].row)
            elif is_missing_parent(error) or (self._overwrites and sqlstate_of(error) == _UNIQUE_VIOLATION):
                self._late.append((rows[0], error))
            else:
                self._refuse(rows[0], error)
            return
        middle = len(rows) // 2
        self._write(rows[:middle])
        self._write(rows[middle:])

    def _insert(self, rows: Sequence[_FitRow]) -> None:
        wide = tuple(text.value for row in rows for text in row.texts if isinstance(text, Wide))
        insert = Statement(f"{self._head}{_tuples(row.texts for row in rows)}{self._tail}", wide)
        statements = [insert, *self._noting_keys(rows)]
        if len(rows) > 1:  # two rows of one key must be found before one overwrites the other
            statements.reverse()
        begun = monotonic()
        try:
            self._session.run_in_savepoint(statements)
        finally:
            self.seconds += monotonic() - begun
        self.written += len(rows)

    def _noting_keys(self, rows: Sequence[_FitRow]) -> list[Statement]:
        """Render the INSERT that PostgreSQL refuses where two rows have one key; none where the hashes tell that."""
        if not self._seen_table:
            return []
        keys = _tuples(row.keys for row in rows)
        return [Statement(f"INSERT INTO pg_temp.{quote(self._seen_table)} VALUES {keys}")]

    def _is_seen(self, error: Exception) -> bool:
        return bool(self._seen_table) and diagnostic(error, "table_name") == self._seen_table

    def _failure(self, error: Exception) -> ConvoyError:
        return translate_error(error, what=f"writing rows into {qualified(self._plan.schema, self._plan.name)}")

    def _reject_repeated(self, row: SourceRow) -> None:
        key = quote_list(self._plan.match_key)
        self._reject(row, column=None, reason=f"an earlier row of the chunk has the same key {key} in the target")

    def _refuse(self, row: _FitRow, error: Exception) -> None:
        self._reject(row.row, column=self._blamed(error, row), reason=said_by(error))

    def _reject(self, row: SourceRow, *, column: str | None, reason: str) -> None:
        self.rejects.append(Reject(key=row.key, values=row.values, column=column, reason=reason))

    def _blamed(self, error: Exception, row: _FitRow) -> str | None:
        """Name the source column that a one-row statement failed on: as PostgreSQL says, or by where it points."""
        named = self._source_names.get(diagnostic(error, "column_name"))
        place = self._session.place_of(error)
        if named is not None or place is None:
            return named
        place -= len(self._head) + len("(")
        for column, literal in zip(self._columns, _literals(row.texts, itertools.count(1)), strict=True):
            if place <= 0:  # the literal that it points to begins there
                return column.source
            place -= len(literal) + len(", ")
        return None


def _adapter(column: TargetColumn, *, binds: bool) -> Callable[[Value], str | Wide | None]:
    """Make what renders a column's values, or keeps long ones as they are where its type is sure to take them so."""
    kind, adapt_one = column.type.kind, adapter_of(column)
    if not binds or column.type.sql != kind.value:
        return adapt_one
    if kind is TypeKind.BYTEA and column.treatment.form is None:
        return lambda value: Wide(value) if isinstance(value, bytes) and len(value) > _WIDE else adapt_one(value)
    if kind not in _BINDABLE:
        return adapt_one

    def adapt_text(value: Value) -> str | Wide | None:
        text = adapt_one(value)
        return Wide(text, _BINDABLE[kind]) if text is not None and len(text) > _WIDE else text

    return adapt_text


def _key_places(plan: TablePlan) -> tuple[int, ...]:
    """Where the match key stands in a row."""
    names = [column.name for column in plan.columns]
    return tuple(names.index(name) for name in plan.match_key)


def _key_text(value: Value, column: TargetColumn, adapt_one: Callable[[Value], str | None]) -> str | None:
    """A part of the key; None where the target computes it and the source's value does not say what it will be.

    Raises:
        ValueDoesNotFit: for a value that is written and does not fit.
    """
    try:
        return adapt_one(value)
    except ValueDoesNotFit:
        if column.generated is None:
            raise
        return None


def _tuples(rows: Iterable[Sequence[str | Wide | None]]) -> str:
    numbers = itertools.count(1)
    return ", ".join(f"({', '.join(_literals(texts, numbers))})" for texts in rows)


def _literals(texts: Iterable[str | Wide | None], numbers: Iterator[int]) -> Iterator[str]:
    """Untyped, so that the column's type reads them; what is bound by its number."""
    for text in texts:
        if isinstance(text, Wide):
            yield text.place(next(numbers))
        else:
            yield "NULL" if text is None else quote_text(text)


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
