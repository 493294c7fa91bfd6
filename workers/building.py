"""Building one key or index on a loaded table, in a savepoint, and what PostgreSQL said of it."""

from __future__ import annotations

import logging
from dataclasses import replace

from sqlalchemy import Connection

from shared.grading import Less
from shared.ledger.states import BuildState
from shared.records.builds import Build, BuildOutcome
from shared.records.plan import Grade, IndexPlan, KeyPlan, TablePlan
from shared.records.source import ObjectKind
from shared.target import ddl
from shared.target.statements import BEYOND_LIMITS, UNIQUE_VIOLATION, Refusal, attempt
from workers.planned_builds import PlannedBuild

log = logging.getLogger(__name__)


def build_one(connection: Connection, plan: TablePlan, build: PlannedBuild, sql: str) -> BuildOutcome:
    """Run the statement that makes a key or index, and judge what PostgreSQL says.

    Raises:
        ConvoyError: where the moment was wrong rather than the statement; trying again may mend that.
    """
    refused = attempt(connection, sql, _what(plan, build))
    if refused is None:
        return BuildOutcome(there=True)
    if refused.state == UNIQUE_VIOLATION and not build.graded_as.doubt:
        return BuildOutcome(there=False, error=refused.reason)
    return _hashed(connection, plan, build, refused) or _left_out(refused)


def attach_key(connection: Connection, plan: TablePlan, build: PlannedBuild) -> BuildOutcome | None:
    """Make a key's index into its constraint; returns what it comes to where PostgreSQL refuses, and None else."""
    assert isinstance(build.planned, KeyPlan)  # noqa: S101 - narrows the type: no other build has a constraint
    primary = build.kind is ObjectKind.PRIMARY_KEY
    refused = attempt(connection, ddl.attach_key(plan, build.planned, primary=primary), _what(plan, build))
    if refused is None:
        return None
    # Refused as a whole, as a constraint that is made at once is.
    attempt(connection, ddl.drop_index(plan, build.name), f"dropping index {build.name} of table {plan.name}")
    return _left_out(refused)


def outcome_of(build: Build) -> BuildOutcome:
    """What a build that was a task of its own came to, as the ledger has it."""
    return BuildOutcome(
        there=build.state == BuildState.BUILT,
        grade=build.grade,
        reason=build.reason,
        error=build.error if build.state == BuildState.FAILED else None,
    )


def less_of(outcome: BuildOutcome) -> Less | None:
    """What the object is less than planned, or None."""
    if outcome.grade is None:
        return None
    return Less(grade=outcome.grade, reason=outcome.reason or "")


def _what(plan: TablePlan, build: PlannedBuild) -> str:
    kind = "search index" if build.kind is ObjectKind.VIRTUAL_TABLE else build.kind
    return f"building {kind} {build.name} of table {plan.name}"


def _hashed(connection: Connection, plan: TablePlan, build: PlannedBuild, refused: Refusal) -> BuildOutcome | None:
    """Make a hash index where the B-tree's rows are too long for it: it keeps 4 bytes of each value, however long."""
    planned = build.planned
    if not isinstance(planned, IndexPlan) or refused.state != BEYOND_LIMITS or not _may_be_hash(planned):
        return None
    hashed = replace(planned, method="hash", descending=(False,) if planned.columns else ())
    if attempt(connection, ddl.index(plan, hashed), f"building hash index {planned.name}") is not None:
        return None
    return _less(Grade.APPROXIMATED, f"a hash index, which serves equality only: {refused.said}", there=True)


def _may_be_hash(index: IndexPlan) -> bool:
    return index.method == "btree" and not index.unique and len(index.columns) + len(index.terms) == 1


def _left_out(refused: Refusal) -> BuildOutcome:
    return _less(Grade.REFUSED, f"left out: {refused.reason}", there=False)


def _less(grade: Grade, reason: str, *, there: bool) -> BuildOutcome:
    log.warning("%s: %s", grade, reason)
    return BuildOutcome(there=there, grade=grade, reason=reason)
