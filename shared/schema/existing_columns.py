"""Columns of the source and those of a table that was there before, which take their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.errors import OperatorError
from shared.records.existing import ExistingColumn, ExistingTable
from shared.records.plan import TablePlan, TargetColumn, TypeKind
from shared.records.source import StorageClass
from shared.schema.existing_names import matched
from shared.schema.rules.checks import MOMENTS, may_become

_MAY_LACK_OFFSET: Final = frozenset({TypeKind.TEXT, TypeKind.TIMESTAMP, TypeKind.DATE})
_NUMBERS: Final = frozenset({StorageClass.INTEGER, StorageClass.REAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A planned column and the one of the target that takes its values."""

    planned: TargetColumn
    existing: ExistingColumn


def pair_columns(plan: TablePlan, existing: ExistingTable) -> tuple[Pair, ...]:
    """Find the target's column for each planned one; a generated column may go without.

    Raises:
        OperatorError: where the target lacks columns whose values would be lost.
    """
    by_name = {column.name: column for column in existing.columns}
    found = matched([(column.source, column.name) for column in plan.columns], by_name)
    missing = [column.source for column in plan.columns if column.source not in found and column.generated is None]
    if missing:
        rule = f'[[rules]] table = "{plan.read.table}", column = "{missing[0]}"'
        msg = (
            f"the table {existing.schema}.{existing.name} of the target lacks columns of the source: "
            f"{', '.join(missing)}; add them, leave them out with a rule ({rule}, exclude = true), or say what they "
            f'are called there ({rule}, name = "…")'
        )
        raise OperatorError(msg)
    named = ((column, found.get(column.source)) for column in plan.columns)
    return tuple(Pair(planned=column, existing=by_name[name]) for column, name in named if name is not None)


def refuse_unfilled(plan: TablePlan, existing: ExistingTable, pairs: Sequence[Pair]) -> None:
    """Refuse columns that would stay NULL where NULL may not be.

    Raises:
        OperatorError: names them.
    """
    filled = {pair.existing.name for pair in pairs}
    unfilled = [
        column.name
        for column in existing.columns
        if column.not_null and not column.has_default and not column.generated and column.name not in filled
    ]
    if unfilled:
        msg = (
            f"the table {existing.schema}.{existing.name} of the target has NOT NULL columns without a default that "
            f"the source's {plan.read.table} does not fill: {', '.join(unfilled)}; give them a default, "
            f'or say which column of the source goes there with a rule (table = "{plan.read.table}", column = "…", '
            f'name = "{unfilled[0]}")'
        )
        raise OperatorError(msg)


def refuse_formless(existing: ExistingTable, pairs: Sequence[Pair]) -> None:
    """Refuse a rule that makes moments of what goes into a column of another type: each row would be a reject.

    Raises:
        OperatorError: names the column.
    """
    for pair in pairs:
        form, target = pair.planned.treatment.form, pair.existing.type
        if form is not None and not pair.existing.generated and not may_become(form, target):
            msg = (
                f"a rule gives {pair.planned.source} of the source the form {form}, but {pair.existing.name} of "
                f"{existing.schema}.{existing.name} in the target is {target.sql}, which holds no moment: leave the "
                "form out, or change the column's type"
            )
            raise OperatorError(msg)


def column_doubt(pair: Pair, match_key: Sequence[str]) -> str:
    """Say what a person should know of a column before trusting it; empty where it takes every value as it is."""
    if pair.existing.generated:
        return "the target computes this column itself, so it is neither copied nor compared"
    doubts = []
    if pair.existing.name not in {pair.planned.source, pair.planned.name}:
        doubts.append(f"the target calls it {pair.existing.name}")
    form = pair.planned.treatment.form
    if form is not None:
        doubts.append(f"a rule reads its values as {form} into {pair.existing.type.sql}")
    elif pair.existing.type != pair.planned.type:
        doubts.append(
            f"the target has it as {pair.existing.type.sql}, where {pair.planned.type.sql} would hold every value: "
            "values that do not fit become rejects"
        )
    if form is None:
        doubts += _of_moments(pair)
    if pair.existing.identity_always and match_key and pair.existing.name not in match_key:
        doubts.append(
            "the target has it GENERATED ALWAYS AS IDENTITY, which no UPDATE may write: new rows bring the source's "
            "value, rows that are there keep theirs, and verification names those that differ"
        )
    return "; ".join(doubts)


def _of_moments(pair: Pair) -> Iterator[str]:
    kind = pair.existing.type.kind
    if kind in MOMENTS and _NUMBERS & set(pair.planned.classes):
        yield 'numbers become rejects, unless a rule says what they count, such as form = "unix_s"'
    if kind is TypeKind.TIMESTAMPTZ and pair.planned.type.kind in _MAY_LACK_OFFSET:
        yield "moments without an offset are taken as UTC"
    if kind is TypeKind.TIME and pair.planned.type.kind in {TypeKind.TEXT, TypeKind.TIMESTAMP}:
        yield "a time of day is also read with the day 2000-01-01 before it, as Rails writes it"
