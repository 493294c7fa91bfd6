"""The columns of a table tried on PostgreSQL: the parts that it is refused for are found and left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.errors import OperatorError
from shared.grading import Less, Outcomes
from shared.records.plan import Grade, GradedAs, TablePlan, TargetColumn
from shared.records.source import ObjectKind
from shared.target import ddl
from shared.target.statements import Refusal

Try = Callable[[str, str], Refusal | None]
"""Runs a statement and takes it back; the second text says what is being done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of a column that the column can do without."""

    place: int
    """Of the column in its table."""
    column: TargetColumn
    """As it was planned."""
    kind: ObjectKind
    without: str
    """What becomes of the column without it."""

    def added(self, table: TablePlan) -> TablePlan:
        """The table with this part."""
        bare = table.columns[self.place]
        match self.kind:
            case ObjectKind.COLLATION:
                column = replace(bare, collation=self.column.collation)
            case ObjectKind.DEFAULT:
                column = replace(bare, default=self.column.default)
            case _:
                column = replace(bare, generated=self.column.generated)
        return _with_column(table, self.place, column)


_WITHOUT: Final = (
    (ObjectKind.COLLATION, "collation", "texts compare as they are"),
    (ObjectKind.DEFAULT, "default", "the column has no default"),
    (ObjectKind.GENERATED_COLUMN, "generated", "its values are copied, and the target computes no new ones"),
)
"""In this order: what a column is computed from may need another's collation."""


def without_refused(table: TablePlan, attempt: Try, outcomes: Outcomes) -> TablePlan:
    """Find out which parts of a refused table PostgreSQL takes; what it does not is left out and graded so.

    Raises:
        OperatorError: where it takes the table in no form.
    """
    parts = [
        _Part(place=place, column=column, kind=kind, without=without)
        for kind, field, without in _WITHOUT
        for place, column in enumerate(table.columns)
        if getattr(column, field) is not None
    ]
    bare = replace(
        table, columns=tuple(replace(each, collation=None, default=None, generated=None) for each in table.columns)
    )
    refused = attempt(ddl.create_table(bare), f"making table {table.name}")
    if refused is not None:
        raise OperatorError(_impossible(bare, refused, attempt))
    return _most_of(bare, parts, attempt, outcomes)


def _most_of(table: TablePlan, parts: Sequence[_Part], attempt: Try, outcomes: Outcomes) -> TablePlan:
    """Add all parts that PostgreSQL takes, found by halving."""
    whole = table
    for part in parts:
        whole = part.added(whole)
    refused = attempt(ddl.create_table(whole), f"making table {table.name}")
    if refused is None:
        return whole
    if len(parts) > 1:
        middle = len(parts) // 2
        first = _most_of(table, parts[:middle], attempt, outcomes)
        return _most_of(first, parts[middle:], attempt, outcomes)
    (part,) = parts
    stored = _as_stored(whole, part)
    if stored is not None and attempt(ddl.create_table(stored), f"making table {table.name}") is None:
        return stored
    less = Less(grade=Grade.REFUSED, reason=f"PostgreSQL refuses it: {refused.said}; {part.without}")
    outcomes.add(GradedAs(kind=part.kind, name=part.column.source), table.read.table, less)
    return table


def _as_stored(table: TablePlan, part: _Part) -> TablePlan | None:
    """The table with a column STORED that PostgreSQL refuses as VIRTUAL: it allows less there."""
    column = table.columns[part.place]
    if part.kind is not ObjectKind.GENERATED_COLUMN or column.generated is None or column.generated.stored:
        return None
    return _with_column(table, part.place, replace(column, generated=replace(column.generated, stored=True)))


def _with_column(table: TablePlan, place: int, column: TargetColumn) -> TablePlan:
    return replace(table, columns=(*table.columns[:place], column, *table.columns[place + 1 :]))


def _impossible(table: TablePlan, refused: Refusal, attempt: Try) -> str:
    for column in table.columns:
        alone = attempt(ddl.create_table(replace(table, columns=(column,))), f"making table {table.name}")
        if alone is not None and alone.state == refused.state:
            return (
                f"column {column.source} of table {table.read.table} cannot be {column.type.sql} in the target:"
                f" {alone.said}; name another type for it in the rules of pgconvoy.toml"
            )
    return (
        f"table {table.read.table} cannot be made in the target as {table.schema}.{table.name}: {refused.said};"
        " leave it out with --exclude, or change it in the source"
    )
