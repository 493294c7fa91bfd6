"""Building keys, indexes and foreign keys on a loaded table, one savepoint each, as often as it takes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from shared.ledger.jobs import add_grades
from shared.ledger.session import SqlAlchemyLedger
from shared.records.plan import Grade, GradedAs, IndexPlan, KeyPlan, ObjectGrade, TablePlan, TargetColumn
from shared.records.source import ObjectKind
from shared.redact import redact
from shared.target import ddl
from shared.target.connections import translate_error

log = logging.getLogger(__name__)
_UNIQUE_VIOLATION: Final = "23505"
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
_IDENTITY: Final = """
    SELECT 1 FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE n.nspname = :schema AND t.relname = :name AND a.attname = :column AND a.attidentity <> ''
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What PostgreSQL said when it refused a statement."""

    reason: str
    by_rows: bool
    """Whether the rows violate a key, rather than the object being impossible."""


def existing_objects(ledger: SqlAlchemyLedger, plan: TablePlan) -> frozenset[str]:
    """The names of the indexes and constraints that a table has."""
    found = ledger.connection.execute(sa.text(_EXISTING), {"schema": plan.schema, "name": plan.name})
    return frozenset(found.scalars())


def is_identity(ledger: SqlAlchemyLedger, plan: TablePlan, column: TargetColumn) -> bool:
    """Whether a column is an identity already."""
    names = {"schema": plan.schema, "name": plan.name, "column": column.name}
    return ledger.connection.execute(sa.text(_IDENTITY), names).first() is not None


def run(ledger: SqlAlchemyLedger, sql: str) -> None:
    """Run a statement that has no bound values; a percent sign stands for itself."""
    ledger.connection.exec_driver_sql(sql.replace("%", "%%"))


def attempt(ledger: SqlAlchemyLedger, sql: str, what: str) -> Refusal | None:
    """Run a statement in a savepoint; returns what PostgreSQL said where it refused.

    Raises:
        ConvoyError: for what trying again may mend (a lost connection, a lock).
    """
    try:
        with ledger.connection.begin_nested():
            run(ledger, sql)
    except DBAPIError as error:
        translated = translate_error(error, what=what)
        state = getattr(error.orig, "pgcode", None)
        if state is None or not state.startswith(("22", "23", "42", "54", "0A")):
            raise translated from error
        log.warning("%s", translated)
        return Refusal(reason=redact(str(translated)), by_rows=state == _UNIQUE_VIOLATION)
    return None


def grade_object(
    ledger: SqlAlchemyLedger, job_id: int, plan: TablePlan, graded_as: GradedAs, *, grade: Grade, reason: str
) -> None:
    """Say in the job what became of an object of a table, instead of what its plan said."""
    found = ObjectGrade(kind=graded_as.kind, name=graded_as.name, table=plan.read.table, grade=grade, reason=reason)
    add_grades(ledger, job_id, [found])


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What building a table's keys and indexes came to."""

    error: str | None = None
    """Why the table fails, or None."""
    left_out: frozenset[tuple[str, ...]] = frozenset()
    """The columns of the keys that are not there, though they were planned."""


def build_keys(ledger: SqlAlchemyLedger, job_id: int, plan: TablePlan) -> Built:
    """Build what isn't there yet of a table's keys and indexes.

    A key that the rows violate fails the table. What PostgreSQL refuses for another reason (an index row over the
    B-tree's limit), and a key whose values the plan said may become equal (one UUID spelled in two cases), is left
    out, and graded so in the job.
    """
    there = existing_objects(ledger, plan)
    left_out = set()
    for kind, planned, sql in _keys_and_indexes(plan):
        if planned.name in there:
            continue
        refused = attempt(ledger, sql, f"building {kind} {planned.name} of table {plan.name}")
        if refused is None:
            continue
        graded_as = planned.graded_as or GradedAs(kind=kind, name=planned.name)
        if refused.by_rows and not graded_as.doubt:
            return Built(error=refused.reason)
        left_out.add(planned.columns)
        grade_object(ledger, job_id, plan, graded_as, grade=Grade.REFUSED, reason=f"left out: {refused.reason}")
    return Built(left_out=frozenset(left_out))


def _keys_and_indexes(plan: TablePlan) -> Iterator[tuple[ObjectKind, KeyPlan | IndexPlan, str]]:
    primary = ddl.primary_key(plan)
    if plan.primary_key is not None and primary is not None:
        yield ObjectKind.PRIMARY_KEY, plan.primary_key, primary
    for key in plan.unique_keys:
        yield ObjectKind.UNIQUE_KEY, key, ddl.unique_key(plan, key)
    for index in plan.indexes:
        yield ObjectKind.INDEX, index, ddl.index(plan, index)
