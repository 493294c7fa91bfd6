"""Indexes of a table in the target: those that are no keys, and unique ones that no key could be.

Keys of an index keep PostgreSQL's own order of NULLs, last where ascending, though SQLite has them first: an index
serves ORDER BY as people write it, and they write it without NULLS FIRST.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.quoting import quote
from shared.records.plan import Grade, GradedAs, IndexPlan, ObjectGrade, TypeKind
from shared.records.source import IndexColumn, IndexOrigin, ObjectKind, SourceIndex
from shared.schema.collation_terms import BINARY, Folding, comparable_term, folding_of, key_term, known
from shared.schema.columns import PlannedColumns
from shared.schema.dialect.expressions import translate_condition, translate_expression
from shared.schema.dialect.scope import Scope, Translated, UntranslatableError
from shared.schema.drafts import Draft
from shared.schema.key_doubts import impossible, losses, too_long
from shared.schema.key_shapes import is_key
from shared.schema.names import Names
from shared.schema.table_scope import own_scope
from shared.schema.written import WrittenIndex, read_index


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """One key of an index."""

    column: str | None
    """The target column, where it is a plain one."""
    sql: str
    descending: bool
    doubts: tuple[str, ...] = ()


def plan_indexes(
    draft: Draft, columns: PlannedColumns, relations: Names
) -> tuple[tuple[IndexPlan, ...], tuple[ObjectGrade, ...]]:
    """Plan the indexes that are no keys; take their names from `relations`."""
    indexes: list[IndexPlan] = []
    grades: list[ObjectGrade] = []
    scope = own_scope(draft, columns)
    for index in draft.table.indexes:
        if is_key(index) or index.origin is not IndexOrigin.CREATED:
            continue
        try:
            planned = _plan(columns, scope, index)
        except UntranslatableError as error:
            reason = f"{error}; recreate it by hand: {index.sql}"
            grades.append(_grade(draft, index, Grade.REFUSED, reason))
            continue
        given = relations.give(index.name)
        renamed = [f"named {given.name} in the target, since {given.reason}"] if given.reason else []
        doubt = "; ".join([*renamed, *_doubts(draft, columns, index), *planned.doubts])
        graded_as = GradedAs(kind=_kind(index), name=index.name, doubt=doubt)
        indexes.append(_rendered(planned, given.name, graded_as))
        grades.append(_grade(draft, index, Grade.APPROXIMATED if doubt else Grade.EXACT, doubt))
    return tuple(indexes), tuple(grades)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    unique: bool
    terms: tuple[_Term, ...]
    where: str | None
    doubts: tuple[str, ...]


def _plan(columns: PlannedColumns, scope: Scope, index: SourceIndex) -> _Planned:
    sources = tuple(column.name for column in index.columns if column.name is not None)
    refusal = impossible(columns, sources, width=len(index.columns))
    if refusal:
        raise UntranslatableError(refusal)
    written = _written(index)
    terms = tuple(
        _expression_term(columns, scope, each, written.terms[place])
        if each.name is None
        else _column_term(columns, each.name, each)
        for place, each in enumerate(index.columns)
    )
    where = translate_condition(written.where or "", scope) if index.partial else None
    if where is not None and not where.immutable:
        _refuse_changing(written.where or "")
    doubts = [*(doubt for term in terms for doubt in term.doubts), *(where.doubts if where else ())]
    return _Planned(
        unique=index.unique, terms=terms, where=where.sql if where else None, doubts=tuple(dict.fromkeys(doubts))
    )


def _written(index: SourceIndex) -> WrittenIndex:
    """Read the statement of an index that says more than its columns."""
    if not index.partial and all(column.name is not None for column in index.columns):
        return WrittenIndex(terms=("",) * len(index.columns))
    written = read_index(index.sql or "")
    if written is None or len(written.terms) != len(index.columns) or index.partial != (written.where is not None):
        msg = "its statement cannot be taken apart"
        raise UntranslatableError(msg)
    return written


def _column_term(columns: PlannedColumns, name: str, each: IndexColumn) -> _Term:
    column = columns.of(name)
    if column.type.kind is TypeKind.JSON:
        msg = f"{column.name} is json in the target, which PostgreSQL cannot index as a plain column"
        raise UntranslatableError(msg)
    doubts: tuple[str, ...] = ()
    if column.type.kind is TypeKind.TEXT and not known(each.collation):
        doubts = (f"{each.collation} is a collation of the application: PostgreSQL's own order takes its place",)
    term = key_term(column, each.collation)
    if term is not None:
        shown = f"{term} stands for {each.collation.upper()} of {column.name}: queries that want the index say the same"
        doubts = (*doubts, shown)
    return _Term(
        column=column.name if term is None else None,
        sql=term or quote(column.name),
        descending=each.descending,
        doubts=doubts,
    )


def _expression_term(columns: PlannedColumns, scope: Scope, each: IndexColumn, written: str) -> _Term:
    translated = translate_expression(written, scope)
    if not translated.immutable:
        _refuse_changing(written)
    kind = translated.type.kind if translated.type else TypeKind.TEXT
    if kind is TypeKind.JSON:
        msg = f"{written} is json in the target, which PostgreSQL cannot index"
        raise UntranslatableError(msg)
    doubts = translated.doubts
    if kind is TypeKind.TEXT and not known(each.collation):
        doubts = (*doubts, f"{each.collation} is a collation of the application: PostgreSQL's own takes its place")
    return _Term(
        column=None, sql=_compared(columns, translated, each.collation), descending=each.descending, doubts=doubts
    )


def _compared(columns: PlannedColumns, translated: Translated, collation: str) -> str:
    """Let an expression compare as SQLite lets it: by bytes, whatever the columns in it do, if nothing else is said."""
    is_text = translated.type is None or translated.type.kind is TypeKind.TEXT
    folds = any(folding_of(column) is not Folding.NONE for column in columns.columns)
    if not is_text:
        return f"({translated.sql})"
    as_text = f"({translated.sql})" + ("::text" if folds or translated.type is None else "")
    if collation.upper() == BINARY and not folds:
        return f"({as_text})"
    return comparable_term(as_text, collation) or f"({as_text})"


def _refuse_changing(written: str) -> None:
    msg = f"PostgreSQL does not compute {written} the same at all times, so it cannot stand in an index"
    raise UntranslatableError(msg)


def _rendered(planned: _Planned, name: str, graded_as: GradedAs) -> IndexPlan:
    names = tuple(term.column for term in planned.terms if term.column is not None)
    plain = len(names) == len(planned.terms)
    return IndexPlan(
        name=name,
        columns=names if plain else (),
        descending=tuple(term.descending for term in planned.terms) if plain else (),
        terms=() if plain else tuple(term.sql + (" DESC" if term.descending else "") for term in planned.terms),
        unique=planned.unique,
        where=planned.where,
        graded_as=graded_as,
    )


def _doubts(draft: Draft, columns: PlannedColumns, index: SourceIndex) -> Sequence[str]:
    plain = [(column.name, column.collation) for column in index.columns if column.name is not None]
    names, collations = [name for name, _ in plain], [collation for _, collation in plain]
    losing = losses(columns, names, collations) if index.unique else []
    long = too_long(draft, names)
    return [*losing, *([long] if long else [])]


def _kind(index: SourceIndex) -> ObjectKind:
    return ObjectKind.UNIQUE_KEY if index.unique else ObjectKind.INDEX


def _grade(draft: Draft, index: SourceIndex, grade: Grade, reason: str) -> ObjectGrade:
    return ObjectGrade(kind=_kind(index), name=index.name, table=draft.table.name, grade=grade, reason=reason)
