"""Building what a loaded table has besides its rows, one savepoint each, as often as it takes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from shared.grading import Less, Outcomes
from shared.ledger.jobs import add_grades, read_job
from shared.ledger.session import SqlAlchemyLedger
from shared.records.plan import (
    CheckPlan,
    Grade,
    GradedAs,
    IndexPlan,
    KeyPlan,
    SearchPlan,
    TablePlan,
    TargetColumn,
)
from shared.records.source import ObjectKind
from shared.target import ddl
from shared.target.statements import BEYOND_LIMITS, UNIQUE_VIOLATION, Refusal, attempt, see_extensions
from shared.target.violations import violations

log = logging.getLogger(__name__)
_EXISTING: Final = """
    SELECT c.relname FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE n.nspname = :schema AND t.relname = :name
    UNION ALL
    SELECT k.conname FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_class t ON t.oid = k.conrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE n.nspname = :schema AND t.relname = :name
"""
_COLUMN: Final = """
    SELECT a.attidentity <> '' FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE n.nspname = :schema AND t.relname = :name AND a.attname = :column AND NOT a.attisdropped
"""


def existing_objects(ledger: SqlAlchemyLedger, plan: TablePlan) -> frozenset[str]:
    """The names of the indexes and constraints that a table has."""
    found = ledger.connection.execute(sa.text(_EXISTING), {"schema": plan.schema, "name": plan.name})
    return frozenset(found.scalars())


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


def build_table(ledger: SqlAlchemyLedger, job_id: int, plan: TablePlan) -> Built:
    """Build what isn't there yet of a table's keys, indexes, checks and search.

    A key that the rows violate fails the table. What PostgreSQL refuses for another reason (an index row over the
    B-tree's limit), and a key whose values the plan said may become equal (one UUID spelled in two cases), is left
    out, and graded so in the job. A check that rows violate stays NOT VALID.
    """
    outcomes = Outcomes()
    there = existing_objects(ledger, plan)
    see_extensions(ledger.connection)
    # First: adding a stored column writes the table anew, with all indexes that it has by then.
    searchable = [each for each in plan.search if _add_search_column(ledger, plan, each, outcomes)]
    built = _build_keys(ledger, plan, outcomes, there)
    if built.error is None:
        for search in searchable:
            _add_search_index(ledger, plan, search, outcomes, there)
        for check in plan.checks:
            _add_check(ledger, plan, check, outcomes, there)
    record_outcomes(ledger, job_id, outcomes)
    return built


def record_outcomes(ledger: SqlAlchemyLedger, job_id: int, outcomes: Outcomes) -> None:
    """Say in the job what became of its objects, where that is not what it says already."""
    news = outcomes.news(read_job(ledger, job_id).grades)
    if news:
        add_grades(ledger, job_id, news)


def _build_keys(ledger: SqlAlchemyLedger, plan: TablePlan, outcomes: Outcomes, there: frozenset[str]) -> Built:
    left_out = set()
    for kind, planned, sql in _keys_and_indexes(plan):
        graded_as = planned.graded_as or GradedAs(kind=kind, name=planned.name)
        what = f"building {kind} {planned.name} of table {plan.name}"
        if planned.name in there:  # and graded when it was built: it may be a hash index instead of what was planned
            continue
        refused = attempt(ledger.connection, sql, what)
        if refused is None:
            outcomes.add(graded_as, plan.read.table, None)
            continue
        if refused.state == UNIQUE_VIOLATION and not graded_as.doubt:
            return Built(error=refused.reason)
        if not isinstance(planned, IndexPlan) or planned.unique:
            left_out.add(planned.columns)
        outcomes.add(graded_as, plan.read.table, _instead(ledger, plan, planned, refused))
    return Built(left_out=frozenset(left_out))


def _keys_and_indexes(plan: TablePlan) -> Iterator[tuple[ObjectKind, KeyPlan | IndexPlan, str]]:
    primary = ddl.primary_key(plan)
    if plan.primary_key is not None and primary is not None:
        yield ObjectKind.PRIMARY_KEY, plan.primary_key, primary
    for key in plan.unique_keys:
        yield ObjectKind.UNIQUE_KEY, key, ddl.unique_key(plan, key)
    for index in plan.indexes:
        yield ObjectKind.INDEX, index, ddl.index(plan, index)


def _instead(ledger: SqlAlchemyLedger, plan: TablePlan, planned: KeyPlan | IndexPlan, refused: Refusal) -> Less:
    """Make a hash index where the B-tree's rows are too long for it: it keeps 4 bytes of each value, however long."""
    if isinstance(planned, IndexPlan) and refused.state == BEYOND_LIMITS and _may_be_hash(planned):
        hashed = replace(planned, method="hash", descending=(False,) if planned.columns else ())
        if attempt(ledger.connection, ddl.index(plan, hashed), f"building hash index {planned.name}") is None:
            return less(Grade.APPROXIMATED, f"a hash index, which serves equality only: {refused.said}")
    return less(Grade.REFUSED, f"left out: {refused.reason}")


def _may_be_hash(index: IndexPlan) -> bool:
    return index.method == "btree" and not index.unique and len(index.columns) + len(index.terms) == 1


def _add_search_column(ledger: SqlAlchemyLedger, plan: TablePlan, search: SearchPlan, outcomes: Outcomes) -> bool:
    if _look_up(ledger, plan, search.column) is not None:
        return True
    what = f"adding search column {search.column} to table {plan.name}"
    return _noted(search, attempt(ledger.connection, ddl.search_column(plan, search), what), outcomes)


def _add_search_index(
    ledger: SqlAlchemyLedger, plan: TablePlan, search: SearchPlan, outcomes: Outcomes, there: frozenset[str]
) -> None:
    what = f"building search index {search.index} of table {plan.name}"
    if search.index not in there:
        _noted(search, attempt(ledger.connection, ddl.search_index(plan, search), what), outcomes)


def _noted(search: SearchPlan, refused: Refusal | None, outcomes: Outcomes) -> bool:
    graded_as = search.graded_as or GradedAs(kind=ObjectKind.VIRTUAL_TABLE, name=search.column)
    lost = None if refused is None else less(Grade.REFUSED, f"left out: {refused.reason}")
    # The search belongs to a virtual table of the source, and that to no table.
    outcomes.add(graded_as, None, lost)
    return refused is None


def _add_check(
    ledger: SqlAlchemyLedger, plan: TablePlan, check: CheckPlan, outcomes: Outcomes, there: frozenset[str]
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
