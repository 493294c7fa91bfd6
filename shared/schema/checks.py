"""CHECK constraints, found in a CREATE TABLE statement and translated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import TokenType, tokenize
from sqlglot.errors import SqlglotError

from shared.records.plan import CheckPlan, Grade, GradedAs, ObjectGrade, TablePlan
from shared.records.source import ObjectKind
from shared.schema.columns import PlannedColumns
from shared.schema.dialect.expressions import translate_condition
from shared.schema.dialect.scope import Scope, UntranslatableError
from shared.schema.drafts import Draft
from shared.schema.names import Names, fold
from shared.schema.table_scope import own_scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One CHECK constraint."""

    written: str
    """As in the statement: ``CHECK (a > 0)``."""
    condition: str
    """What is in the parentheses."""
    name: str | None = None
    """The constraint's name, or None."""


def checks_of(create_table: str) -> tuple[Check, ...]:
    """The CHECK constraints of a CREATE TABLE statement, in their order.

    Empty where the statement cannot be taken apart.
    """
    try:
        tokens = tokenize(create_table, read="sqlite")
    except SqlglotError:
        return ()
    return tuple(_checks(create_table, tokens))


def _checks(sql: str, tokens: Sequence[Any]) -> Iterator[Check]:
    for position, token in enumerate(tokens[:-1]):
        if not _is_word(token, "CHECK") or tokens[position + 1].token_type is not TokenType.L_PAREN:
            continue
        end = _closing(tokens, position + 1)
        if end is not None:
            written = sql[token.start : tokens[end].end + 1]
            condition = sql[tokens[position + 1].end + 1 : tokens[end].start]
            named = position > 1 and _is_word(tokens[position - 2], "CONSTRAINT")
            yield Check(written=written, condition=condition, name=tokens[position - 1].text if named else None)


def _is_word(token: Any, word: str) -> bool:
    return token.token_type not in {TokenType.STRING, TokenType.IDENTIFIER} and token.text.upper() == word


def _closing(tokens: Sequence[Any], opening: int) -> int | None:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[position].token_type, 0)
        if depth == 0:
            return position
    return None


def plan_checks(
    draft: Draft, columns: PlannedColumns, plan: TablePlan, *, version: int, preserve: bool
) -> tuple[tuple[CheckPlan, ...], tuple[ObjectGrade, ...]]:
    """Translate a table's CHECK constraints, and grade each by its name, or by its number where it has none.

    `plan` is the table so far, whose keys have taken their names; `version` is the target's server_version_num.
    """
    if not draft.table.has_checks:
        return (), ()
    checks = checks_of(draft.table.sql)
    if not checks:
        reason = f"its checks cannot be found in its statement; recreate them by hand: {draft.table.sql}"
        return (), (_grade(draft, "1", Grade.REFUSED, reason),)
    names = Names(preserve=preserve, taken=[key.name for key in (plan.primary_key, *plan.unique_keys) if key])
    scope = replace(own_scope(draft, columns), version=version)
    planned = [
        _plan(draft, check, label, plan.name, names, scope)
        for check, label in zip(checks, _labels(checks), strict=True)
    ]
    return tuple(each for each, _ in planned if each is not None), tuple(grade for _, grade in planned)


def _labels(checks: Sequence[Check]) -> list[str]:
    """The names that grades know them by; a number where it has none, or where another has it already."""
    labels: list[str] = []
    for number, check in enumerate(checks, start=1):
        taken = check.name is None or fold(check.name) in {fold(label) for label in labels}
        labels.append(str(number) if taken or not check.name else check.name)
    return labels


def _plan(
    draft: Draft, check: Check, label: str, table: str, names: Names, scope: Scope
) -> tuple[CheckPlan | None, ObjectGrade]:
    try:
        translated = translate_condition(check.condition, scope)
    except UntranslatableError as error:
        reason = f"{error}; recreate it by hand: {check.written}"
        return None, _grade(draft, label, Grade.REFUSED, reason)
    given = names.give(check.name or f"{table}_check")
    doubts = list(translated.doubts)
    if check.name and given.reason:
        doubts.append(f"named {given.name} in the target, since {given.reason}")
    doubt = "; ".join(doubts)
    graded_as = GradedAs(kind=ObjectKind.CHECK, name=label, doubt=doubt)
    planned = CheckPlan(name=given.name, sql=translated.sql, graded_as=graded_as)
    return planned, _grade(draft, label, Grade.APPROXIMATED if doubt else Grade.EXACT, doubt)


def _grade(draft: Draft, label: str, grade: Grade, reason: str) -> ObjectGrade:
    return ObjectGrade(kind=ObjectKind.CHECK, name=label, table=draft.table.name, grade=grade, reason=reason)
