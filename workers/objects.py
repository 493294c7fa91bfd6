"""Building what a loaded table has besides its rows, one savepoint each, as often as it takes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa

from shared.grading import Less, Outcomes
from shared.ledger.jobs import add_grades, grades_of
from shared.ledger.session import SqlAlchemyLedger
from shared.records.builds import BuildOutcome
from shared.records.plan import CheckPlan, Grade, GradedAs, SearchPlan, TablePlan, TargetColumn
from shared.records.source import ObjectKind
from shared.target import ddl
from shared.target.statements import attempt, see_extensions
from shared.target.violations import violations
from workers.building import attach_key, build_one, less_of
from workers.planned_builds import PlannedBuild, graded_search, planned_builds

log = logging.getLogger(__name__)
_EXISTING: Final = """
    SELECT c.relname AS name, false AS is_constraint FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE n.nspname = :schema AND t.relname = :name
    UNION ALL
    SELECT k.conname, true FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE n.nspname = :schema AND t.relname = :name
"""
_NOTHING: Final[Mapping[str, BuildOutcome]] = MappingProxyType({})
_COLUMN: Final = """
    SELECT a.attidentity <> '' FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE n.nspname = :schema AND t.relname = :name AND a.attname = :column AND NOT a.attisdropped
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """What a table has."""

    indexes: frozenset[str]
    """Those of constraints too."""
    constraints: frozenset[str]

    def __contains__(self, name: str) -> bool:
        return name in self.indexes or name in self.constraints


def existing_objects(ledger: SqlAlchemyLedger, plan: TablePlan) -> Existing:
    """The names of the indexes and constraints that a table has."""
    found = ledger.connection.execute(sa.text(_EXISTING), {"schema": plan.schema, "name": plan.name}).all()
    return Existing(
        indexes=frozenset(row.name for row in found if not row.is_constraint),
        constraints=frozenset(row.name for row in found if row.is_constraint),
    )


def is_identity(ledger: SqlAlchemyLedger, plan: TablePlan, column: TargetColumn) -> bool:
    """Whether a column is an identity already."""
    return bool(_look_up(ledger, plan, column.name))


def _look_up(ledger: SqlAlchemyLedger, plan: TablePlan, column: str) -> bool | None:
    """Whether a column is an identity; None: there is no such column."""
    names = {"schema": plan.schema, "name": plan.name, "column": column}
    found: bool | None = ledger.connection.execute(sa.text(_COLUMN), names).scalar()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What building a table's keys and other objects came to."""

    error: str | None = None
    """Why the table fails, or None."""
    left_out: frozenset[tuple[str, ...]] = frozenset()
    """The columns of the keys that are not there, though they were planned."""


def missing_builds(
    ledger: SqlAlchemyLedger, job_id: int, plan: TablePlan, there: Existing, came_to: Mapping[str, BuildOutcome]
) -> list[PlannedBuild]:
    """Add the columns of a table's search, and return the keys and indexes that are not there yet.

    Those that came to no index, by what `came_to` says of them, are not asked for again.
    """
    # First: adding a stored column writes the table anew, with all indexes that it has by then.
    unsearchable = _add_search_columns(ledger, job_id, plan)
    over = {name for name, outcome in came_to.items() if not outcome.there} | unsearchable
    return [build for build in planned_builds(plan) if build.name not in there and build.name not in over]


def build_table(
    ledger: SqlAlchemyLedger, job_id: int, plan: TablePlan, came_to: Mapping[str, BuildOutcome] = _NOTHING
) -> Built:
    """Build what isn't there yet of a table's keys, indexes, search and checks, in the caller's transaction.

    A key that the rows violate fails the table. What PostgreSQL refuses for another reason (an index row over the
    B-tree's limit), and a key whose values the plan said may become equal (one UUID spelled in two cases), is left
    out, and graded so in the job. A check that rows violate stays NOT VALID.

    Args:
        ledger: A transaction that holds the table's row.
        job_id: The job.
        plan: The table's plan.
        came_to: What builds that were tasks of their own came to, by name. Such a key has its index alone until now.
    """
    there = existing_objects(ledger, plan)
    see_extensions(ledger.connection)
    found = dict(came_to)
    if _error_of(found) is None:
        found |= _build_missing(ledger, plan, missing_builds(ledger, job_id, plan, there, came_to))
    found |= _attach_keys(ledger, plan, there)
    outcomes = Outcomes()
    for build, outcome in _outcomes_of(plan, found):
        outcomes.add(build.graded_as, plan.read.table if build.is_of_table else None, less_of(outcome))
    error = _error_of(found)
    for check in plan.checks if error is None else ():
        _add_check(ledger, plan, check, outcomes, there)
    record_outcomes(ledger, job_id, outcomes)
    return Built(error=error, left_out=_left_out(plan, found))


def _build_missing(
    ledger: SqlAlchemyLedger, plan: TablePlan, missing: Iterable[PlannedBuild]
) -> dict[str, BuildOutcome]:
    found = {}
    for build in missing:
        found[build.name] = build_one(ledger.connection, plan, build, build.whole)
        if found[build.name].error is not None:
            break
    return found


def _attach_keys(ledger: SqlAlchemyLedger, plan: TablePlan, there: Existing) -> dict[str, BuildOutcome]:
    """Give keys whose indexes were built alone their constraints; returns what those come to that are refused."""
    alone = there.indexes - there.constraints
    keys = [build for build in planned_builds(plan) if build.is_key and build.name in alone] if alone else []
    refused = {build.name: attach_key(ledger.connection, plan, build) for build in keys}
    return {name: outcome for name, outcome in refused.items() if outcome is not None}


def _outcomes_of(plan: TablePlan, found: Mapping[str, BuildOutcome]) -> list[tuple[PlannedBuild, BuildOutcome]]:
    """What the builds came to that PostgreSQL judged; one whose rows violate it fails the table and has no grade."""
    judged = [(build, found[build.name]) for build in planned_builds(plan) if build.name in found]
    return [(build, outcome) for build, outcome in judged if outcome.error is None]


def _left_out(plan: TablePlan, found: Mapping[str, BuildOutcome]) -> frozenset[tuple[str, ...]]:
    keys = [(build.unique_columns, outcome) for build, outcome in _outcomes_of(plan, found)]
    return frozenset(columns for columns, outcome in keys if columns is not None and not outcome.there)


def _error_of(found: Mapping[str, BuildOutcome]) -> str | None:
    return next((outcome.error for outcome in found.values() if outcome.error is not None), None)


def record_outcomes(ledger: SqlAlchemyLedger, job_id: int, outcomes: Outcomes) -> None:
    """Say in the job what became of its objects, where that is not what it says already."""
    news = outcomes.news(grades_of(ledger, job_id, outcomes.names, outcomes.tables))
    if news:
        add_grades(ledger, job_id, news)


def _add_search_columns(ledger: SqlAlchemyLedger, job_id: int, plan: TablePlan) -> frozenset[str]:
    """Add the columns of a table's search; returns the names of the indexes of those that PostgreSQL refuses."""
    if not plan.search:
        return frozenset()
    outcomes = Outcomes()
    see_extensions(ledger.connection)
    refused = [search.index for search in plan.search if not _add_search_column(ledger, plan, search, outcomes)]
    record_outcomes(ledger, job_id, outcomes)
    return frozenset(refused)


def _add_search_column(ledger: SqlAlchemyLedger, plan: TablePlan, search: SearchPlan, outcomes: Outcomes) -> bool:
    if _look_up(ledger, plan, search.column) is not None:
        return True
    what = f"adding search column {search.column} to table {plan.name}"
    refused = attempt(ledger.connection, ddl.search_column(plan, search), what)
    lost = None if refused is None else less(Grade.REFUSED, f"left out: {refused.reason}")
    # The search belongs to a virtual table of the source, and that to no table.
    outcomes.add(graded_search(search), None, lost)
    return refused is None


def _add_check(
    ledger: SqlAlchemyLedger, plan: TablePlan, check: CheckPlan, outcomes: Outcomes, there: Existing
) -> None:
    graded_as = check.graded_as or GradedAs(kind=ObjectKind.CHECK, name=check.name)
    outcomes.add(graded_as, plan.read.table, _check(ledger, plan, check, there=check.name in there))


def _check(ledger: SqlAlchemyLedger, plan: TablePlan, check: CheckPlan, *, there: bool) -> Less | None:
    """Add and validate a CHECK; returns what is less than planned and why, or None."""
    what = f"check {check.name} of table {plan.name}"
    if not there:
        refused = attempt(ledger.connection, ddl.check(plan, check), f"adding {what}")
        if refused is not None:
            return less(Grade.REFUSED, f"left out: {refused.reason}")
    refused = attempt(ledger.connection, ddl.validate_constraint(plan, check.name), f"validating {what}")
    if refused is None:
        return None
    found = violations(ledger.connection, plan, check) or refused.reason
    return left_not_valid(found, check.graded_as)


def less(grade: Grade, reason: str) -> Less:
    """Log and return what an object is less than planned."""
    log.warning("%s: %s", grade, reason)
    return Less(grade=grade, reason=reason)


def left_not_valid(found: str, graded_as: GradedAs | None) -> Less:
    """Say of a constraint that rows which were copied violate it, besides what the plan said of it."""
    planned = f"; {graded_as.doubt}" if graded_as is not None and graded_as.doubt else ""
    return less(Grade.APPROXIMATED, f"left NOT VALID, so that it binds new rows alone: {found}{planned}")
