"""Generated columns: computed by the target where it computes the same, else copied as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Final

from sqlglot import exp

from shared.records.plan import GeneratedPlan, Grade, ObjectGrade, TargetColumn, TypeKind
from shared.records.source import Generated, ObjectKind, SourceColumn, StorageClass
from shared.schema.columns import PlannedColumns
from shared.schema.declared import Affinity, read_declared
from shared.schema.dialect.arithmetic import OVERFLOW, REAL_RANGE, ROUNDED
from shared.schema.dialect.expressions import translate_expression
from shared.schema.dialect.parsing import parse_sqlite_expression
from shared.schema.dialect.scope import Scope, Translated, UntranslatableError
from shared.schema.drafts import Draft
from shared.schema.names import fold
from shared.schema.table_scope import own_scope

HAS_VIRTUAL: Final = 180000
"""The version of PostgreSQL that computes a generated column when it is read, as VIRTUAL asks."""
_ERRORS_INSTEAD: Final = frozenset({OVERFLOW, REAL_RANGE})
"""Doubts about values that PostgreSQL refuses; those that it takes are the source's."""
_EXACT_INTEGERS: Final = 2**53
"""Up to here a double holds every integer."""
_COPIED: Final = "its values are copied, and the target computes no new ones"
_UNREADABLE: Final = "what it is computed from could not be read"
_CHANGING: Final = "PostgreSQL computes a column from nothing but the row, and this depends on more"
_SPELLS_A_NUMBER: Final = (
    "SQLite makes a number of a text that spells one in a column declared {}; text keeps it as it is"
)
_STORED: Final = "stored in the target, where the source computes it when it is read"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    plan: GeneratedPlan | None
    """None: an ordinary column."""
    reason: str = ""

    @property
    def grade(self) -> Grade:
        return Grade.APPROXIMATED if self.reason else Grade.EXACT


def plan_generated(draft: Draft, columns: PlannedColumns, *, version: int) -> PlannedColumns:
    """Let the target compute the generated columns that it computes as the source does, and grade them all.

    `version` is the target's server_version_num. A column that it may compute otherwise is an ordinary one with the
    source's values: verification compares what the target computed with what the source did.
    """
    scope = replace(own_scope(draft, columns), version=version)
    outcomes: dict[str, _Outcome] = {}
    for source in _in_order(draft.table.columns):
        outcome = _plan(draft, source, columns.of(source.name), scope)
        outcomes[source.name] = outcome
        if outcome.plan is not None:
            scope = _with_inlined(scope, source.name, outcome.plan.sql)
    grades = tuple(
        ObjectGrade(
            kind=ObjectKind.GENERATED_COLUMN,
            name=name,
            table=draft.table.name,
            grade=outcome.grade,
            reason=outcome.reason,
        )
        for name, outcome in sorted(outcomes.items())
    )
    planned = tuple(
        replace(column, generated=outcomes[column.source].plan) if column.source in outcomes else column
        for column in columns.columns
    )
    return PlannedColumns(columns=planned, grades=(*columns.grades, *grades))


def _in_order(columns: Sequence[SourceColumn]) -> list[SourceColumn]:
    """The generated columns, each after those that it names."""
    computed = {fold(each.name): each for each in columns if each.generated is not Generated.NO}
    sorter = TopologicalSorter({name: _named_by(each) & computed.keys() for name, each in computed.items()})
    try:
        return [computed[name] for name in sorter.static_order()]
    except CycleError:
        return list(computed.values())


def _named_by(source: SourceColumn) -> set[str]:
    """The columns that a generated column names, folded; none where nothing can parse it."""
    try:
        tree = parse_sqlite_expression(source.generated_sql or "")
    except UntranslatableError:
        return set()
    return {fold(str(column.name)) for column in tree.find_all(exp.Column)}


def _plan(draft: Draft, source: SourceColumn, target: TargetColumn, scope: Scope) -> _Outcome:
    try:
        translated = _translated(draft, source, target, scope)
    except UntranslatableError as error:
        written = f": AS ({source.generated_sql})" if source.generated_sql else ""
        return _Outcome(plan=None, reason=f"{error}; {_COPIED}{written}")
    stored = source.generated is Generated.STORED or scope.version < HAS_VIRTUAL or _is_indexed(draft, source)
    reasons = [*translated.doubts, *([_STORED] if stored and source.generated is Generated.VIRTUAL else [])]
    return _Outcome(plan=GeneratedPlan(sql=translated.sql, stored=stored), reason="; ".join(reasons))


def _translated(draft: Draft, source: SourceColumn, target: TargetColumn, scope: Scope) -> Translated:
    """What the target computes the column from.

    Raises:
        UntranslatableError: where it may compute another value, or none.
    """
    if source.generated_sql is None:
        raise UntranslatableError(_UNREADABLE)
    treated = _treated(draft, _named_by(source) | {fold(source.name)})
    if treated:
        msg = f"a rule changes the values of {', '.join(treated)}"
        raise UntranslatableError(msg)
    translated = translate_expression(source.generated_sql, scope, wanted=target.type)
    overflown = OVERFLOW in translated.doubts and StorageClass.REAL in target.classes
    harmless = _ERRORS_INSTEAD | ({ROUNDED} if _stays_exact(draft, source) else set())
    doubts = [doubt for doubt in translated.doubts if doubt not in harmless or overflown]
    if doubts:
        raise UntranslatableError("; ".join(doubts))
    if not translated.immutable:
        raise UntranslatableError(_CHANGING)
    return _as_stored(draft, source, target, translated)


def _stays_exact(draft: Draft, source: SourceColumn) -> bool:
    """Whether no integer that the source's rows count with, nor what they make of them, is beyond a double's."""
    tree = parse_sqlite_expression(source.generated_sql or "")
    literals = [abs(int(each.this)) for each in tree.find_all(exp.Literal) if str(each.this).isdigit()]
    profiles = [profile for name, profile in draft.profile.columns.items() if fold(name) in _named_by(source)]
    ends = [end for profile in profiles for end in (profile.integer_min, profile.integer_max) if end is not None]
    products, sums = (len(list(tree.find_all(kind))) for kind in (exp.Mul, exp.Binary))
    largest = max([1, *literals, *map(abs, ends)])
    return draft.profile.sampled_rows is None and largest ** (products + 1) * 2**sums <= _EXACT_INTEGERS


def _as_stored(draft: Draft, source: SourceColumn, target: TargetColumn, translated: Translated) -> Translated:
    """Reckon with what the column's affinity makes of a computed text: a number, where it spells one.

    Raises:
        UntranslatableError: where that happened, or nobody knows; and where the type has a limit.
    """
    if "(" in target.type.sql:
        msg = f"{target.type.sql} may not hold all that it makes"
        raise UntranslatableError(msg)
    affinity = read_declared(source.declared_type, strict=draft.table.strict).affinity
    if target.type.kind is not TypeKind.TEXT or affinity in {Affinity.TEXT, Affinity.BLOB}:
        return translated
    doubt = _SPELLS_A_NUMBER.format(source.declared_type)
    if set(target.classes) - {StorageClass.TEXT} or draft.profile.sampled_rows is not None:
        raise UntranslatableError(doubt)
    return replace(translated, doubts=(*translated.doubts, doubt))


def _treated(draft: Draft, named: set[str]) -> list[str]:
    """The columns among those named whose values a rule changes on their way."""
    return [
        column.name
        for position, column in enumerate(draft.table.columns)
        if fold(column.name) in named and not draft.types[position].treatment.is_plain
    ]


def _is_indexed(draft: Draft, source: SourceColumn) -> bool:
    """Whether a key or an index has it, which PostgreSQL allows for stored columns alone."""
    table = draft.table
    indexed = {fold(column.name) for index in table.indexes for column in index.columns if column.name is not None}
    by_expression = any(fold(source.name) in fold(index.sql or "") for index in table.indexes)
    related = {fold(name) for key in table.foreign_keys for name in key.columns}
    return by_expression or fold(source.name) in indexed | related | {fold(name) for name in table.primary_key}


def _with_inlined(scope: Scope, source: str, sql: str) -> Scope:
    """A scope in which a generated column is what it is computed from: none may name another in PostgreSQL."""
    (relation,) = scope.relations
    columns = tuple(
        replace(named, inlined=sql) if fold(named.source) == fold(source) else named for named in relation.columns
    )
    return replace(scope, relations=(replace(relation, columns=columns),))
