"""Fit a plan onto a table that is in the target already: pure, from what introspection found."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.errors import OperatorError
from shared.records.existing import ExistingTable
from shared.records.plan import Grade, JobOptions, LoadPath, ObjectGrade, TablePlan, TargetColumn
from shared.records.source import ObjectKind
from shared.schema.existing_columns import Pair, column_doubt, pair_columns, refuse_formless, refuse_unfilled
from shared.schema.matching import chunk_column_of, compare_by
from shared.schema.replacing import refuse_part
from shared.schema.setting_aside import said_of, to_set_aside

_COMPUTED: Final = "left out: the table that was there before has no such column, and its values follow from the others"


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedTable:
    """A plan that suits the target as it is, and what a person should know about that."""

    plan: TablePlan
    grades: tuple[ObjectGrade, ...] = ()
    """Empty where the job makes the table."""


def fit(
    plan: TablePlan, existing: ExistingTable | None, options: JobOptions, *, loaded: Collection[str] = ()
) -> FittedTable:
    """Fit a plan onto what stands under its name in the target, or None.

    A table that was there before keeps its columns, keys, indexes and foreign keys; rows are upserted by a key of it.
    `loaded` are the target tables of the job.

    Raises:
        OperatorError: where the rows could not go there: a sentence that says why and what to do.
    """
    if existing is None:
        if options.data_only:
            raise OperatorError(_not_there(plan))
        return FittedTable(plan=plan)
    if not existing.kind.takes_rows:
        raise OperatorError(_no_table(existing))
    if options.recreate and not options.data_only:
        refuse_part(existing)
        return FittedTable(plan=plan)
    pairs = pair_columns(plan, existing)
    refuse_unfilled(plan, existing, pairs)
    refuse_formless(existing, pairs)
    written = tuple(pair for pair in pairs if not pair.existing.generated)
    match_key = _match_key(existing, written)
    if not match_key and existing.has_rows and not options.schema_only:
        raise OperatorError(_no_key(existing))
    chosen = to_set_aside(existing, options, loaded)
    note = said_of(existing, chosen, options)
    fitted = replace(_fitted(plan, written, match_key), set_aside=chosen)
    return FittedTable(plan=fitted, grades=_grades(plan, existing, pairs, match_key, note))


def _not_there(plan: TablePlan) -> str:
    return (
        f"the table {plan.schema}.{plan.name} is not in the target and --data-only makes none: "
        "make it first, leave it out with --exclude, or run without --data-only"
    )


def _no_table(existing: ExistingTable) -> str:
    return (
        f"{existing.schema}.{existing.name} is a {existing.kind} in the target, where a table has to go: "
        "rename it, or choose another schema with PGCONVOY_TARGET_SCHEMA"
    )


def _no_key(existing: ExistingTable) -> str:
    if existing.finish_with:
        return (
            f"the table {existing.schema}.{existing.name} of the target holds rows of an earlier job that ended before "
            f"its keys were built, so rows cannot be matched: finish that job with `{existing.finish_with}`, "
            "or let this one make the table anew with --recreate"
        )
    return (
        f"the table {existing.schema}.{existing.name} of the target holds rows and has no primary or unique NOT NULL "
        "key of columns that the source fills, so rows cannot be matched: add such a key, empty the table, "
        "let the job make it anew with --recreate, or leave it out with --exclude"
    )


def _match_key(existing: ExistingTable, written: Sequence[Pair]) -> tuple[str, ...]:
    """The first key that every row has: NULLs in a unique key never conflict, so they would come in twice."""
    never_null = {pair.existing.name for pair in written if pair.existing.not_null}
    return next((key.columns for key in existing.keys if set(key.columns) <= never_null), ())


def _fitted(plan: TablePlan, written: Sequence[Pair], match_key: tuple[str, ...]) -> TablePlan:
    columns = tuple(_column(pair) for pair in written)
    rowid_column = next((column.source for column in plan.columns if column.identity), None)
    return replace(
        plan,
        read=replace(plan.read, columns=tuple(column.source for column in columns)),
        columns=columns,
        creates=False,
        load=LoadPath.UPSERT if match_key else LoadPath.BARE,
        primary_key=None,
        unique_keys=(),
        indexes=(),
        foreign_keys=(),
        checks=(),
        search=(),
        match_key=match_key,
        compare_by=compare_by(match_key, columns, chunk_column_of(plan.read.chunk_key, rowid_column)),
    )


def _column(pair: Pair) -> TargetColumn:
    same = pair.existing.type == pair.planned.type
    return replace(
        pair.planned,
        name=pair.existing.name,
        type=pair.existing.type,
        not_null=pair.existing.not_null,
        default=None,
        generated=None,
        collation=pair.existing.collation,
        identity=pair.existing.has_sequence or pair.existing.sequence is not None,
        sequence=pair.existing.sequence,
        insert_only=pair.existing.identity_always,
        reason="the column was there before",
        expected_rejects=pair.planned.expected_rejects if same else 0,
        possible_rejects=pair.planned.possible_rejects if same else 0,
    )


def _grades(
    plan: TablePlan, existing: ExistingTable, pairs: Sequence[Pair], match_key: Sequence[str], note: str
) -> tuple[ObjectGrade, ...]:
    how = f"rows are matched by ({', '.join(match_key)})" if match_key else "it is empty and has no key to match by"
    reason = f"the {existing.kind} was there before and keeps its columns, keys and indexes; {how}"
    own = _unpaired(existing, pairs)
    reason += f"; the source fills none of its columns {', '.join(own)}" if own else ""
    reason += f"; {note}" if note else ""
    table = ObjectGrade(
        kind=ObjectKind.TABLE, name=plan.read.table, table=None, grade=Grade.APPROXIMATED, reason=reason
    )
    columns = (
        ObjectGrade(
            kind=ObjectKind.COLUMN,
            name=pair.planned.source,
            table=plan.read.table,
            grade=Grade.APPROXIMATED,
            reason=reason,
        )
        for pair in pairs
        if (reason := column_doubt(pair, match_key))
    )
    paired = {pair.planned.source for pair in pairs}
    left_out = (
        ObjectGrade(
            kind=ObjectKind.COLUMN, name=column.source, table=plan.read.table, grade=Grade.REFUSED, reason=_COMPUTED
        )
        for column in plan.columns
        if column.source not in paired
    )
    return (table, *columns, *left_out)


def _unpaired(existing: ExistingTable, pairs: Sequence[Pair]) -> tuple[str, ...]:
    filled = {pair.existing.name for pair in pairs}
    return tuple(column.name for column in existing.columns if column.name not in filled and not column.generated)
