"""Rules that came after a table was copied: which may still change how its rejected rows are treated."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

from shared.errors import OperatorError
from shared.quoting import quote
from shared.records.plan import TablePlan, TargetColumn, TypeKind
from shared.records.rules import BadTextPolicy, NulPolicy, Treatment
from shared.schema.rules.book import RuleBook, Said
from shared.schema.treated import fitting

_HOLDS_EMPTY_TEXT: Final = frozenset({TypeKind.TEXT, TypeKind.BYTEA, TypeKind.OTHER})
"""Where an empty text was no reject, so that rows with one are in the target as they are."""


def retreated(plan: TablePlan, book: RuleBook) -> TablePlan:
    """Give a copied table's columns the treatments that the rules ask for now.

    Raises:
        OperatorError: where a rule would change rows that are in the target already: only a new job can do that.
    """
    said = book.of(plan.read.table)
    if said.name not in {None, plan.name}:
        _refuse(f"names table {plan.read.table} {said.name}", f"as {plan.name}")
    return replace(plan, columns=tuple(_retreated(plan, column, said.of(column.source)) for column in plan.columns))


def _retreated(plan: TablePlan, column: TargetColumn, said: Said) -> TargetColumn:
    place = f"{plan.read.table}.{column.source}"
    if said.exclude:
        _refuse(f"{said.rule('exclude')} leaves out {place}", "with it")
    if said.name not in {None, column.name}:
        _refuse(f"{said.rule('name')} names {place} {said.name}", f"as {column.name}")
    if said.type is not None and said.type != column.type:
        _refuse(f"{said.rule('type')} gives {place} the type {said.type.sql}", f"as {column.type.sql}")
    if column.generated is not None:
        return column  # nothing comes into it but what the target computes
    wanted = fitting(said.treatment, column.type)
    _refuse_changes(place, column, wanted)
    computed = [each.name for each in plan.columns if each.generated and quote(column.name) in each.generated.sql]
    if computed and wanted != column.treatment:
        text = f"the rules change the values of {place}, of which the target computes {', '.join(computed)}"
        _refuse(f"{text} otherwise than the source", "as they are")
    return replace(column, treatment=wanted)


def _refuse_changes(place: str, column: TargetColumn, wanted: Treatment) -> None:
    """Let only such treatments change as no row that arrived could have needed."""
    was = column.treatment
    if wanted.form != was.form:
        _refuse(f"the form of {place} is {wanted.form or 'unset'} now", f"with {was.form or 'none'}")
    if wanted.null_if_empty != was.null_if_empty and column.type.kind in _HOLDS_EMPTY_TEXT:
        _refuse(f"null_if_empty of {place} is {_toml(wanted)} now", f"with {_toml(was)}")
    if wanted.nul != was.nul and was.nul is not NulPolicy.REJECT:
        _refuse(f"nul of {place} is {wanted.nul} now", f"with {was.nul}")
    as_bytes = wanted.bad_utf8 is BadTextPolicy.BYTEA and column.type.kind is not TypeKind.BYTEA
    if wanted.bad_utf8 != was.bad_utf8 and (was.bad_utf8 is not BadTextPolicy.REJECT or as_bytes):
        _refuse(f"bad_utf8 of {place} is {wanted.bad_utf8} now", f"with {was.bad_utf8}")


def _toml(treatment: Treatment) -> str:
    return str(treatment.null_if_empty).lower()


def _refuse(now: str, then: str) -> NoReturn:
    msg = (
        f"{now}, but rows were copied {then}, and a replay does not copy them again:"
        " undo that, or start a new job with --recreate"
    )
    raise OperatorError(msg)
