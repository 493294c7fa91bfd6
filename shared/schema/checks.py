"""CHECK constraints in PostgreSQL's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared.records.plan import CheckPlan, Grade, GradedAs, ObjectGrade, TablePlan
from shared.records.source import ObjectKind
from shared.schema.columns import PlannedColumns
from shared.schema.dialect.expressions import translate_condition
from shared.schema.dialect.scope import Scope, UntranslatableError
from shared.schema.drafts import Draft
from shared.schema.names import Names, fold
from shared.schema.table_scope import own_scope
from shared.schema.written import WrittenCheck, read_checks


def plan_checks(
    draft: Draft, columns: PlannedColumns, plan: TablePlan, *, version: int, preserve: bool
) -> tuple[tuple[CheckPlan, ...], tuple[ObjectGrade, ...]]:
    """Translate a table's CHECK constraints, and grade each by its name, or by its number where it has none.

    `plan` is the table so far, whose keys have taken their names; `version` is the target's server_version_num.
    """
    if not draft.table.has_checks:
        return (), ()
    checks = read_checks(draft.table.sql)
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


def _labels(checks: Sequence[WrittenCheck]) -> list[str]:
    """The names that grades know them by; a number where it has none, or where another has it already."""
    labels: list[str] = []
    for number, check in enumerate(checks, start=1):
        taken = check.name is None or fold(check.name) in {fold(label) for label in labels}
        labels.append(str(number) if taken or not check.name else check.name)
    return labels


def _plan(
    draft: Draft, check: WrittenCheck, label: str, table: str, names: Names, scope: Scope
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
