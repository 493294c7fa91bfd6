"""How one key or index of a large table is built: claim the largest, hold it, build, record; then the table's end."""

from __future__ import annotations

import logging
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from shared.ledger.builds import (
    claim_largest,
    count_building,
    fail_if_current,
    finish_if_current,
    hold_if_current,
    release_if_current,
)
from shared.ledger.jobs import read_table
from shared.ledger.queueing import step_of
from shared.ledger.steps import Step
from shared.points import Point, reach
from shared.records.builds import Build
from shared.records.plan import TablePlan
from shared.target.build_sessions import give_memory, name_build
from shared.target.statements import see_extensions
from workers.building import build_one
from workers.context import WorkerContext
from workers.failures import is_surprise, left_to_rescue, sentence_of
from workers.finish_table import finish_table
from workers.planned_builds import planned_builds
from workers.retrying import delay_before_retry
from workers.stopping import given_back_at_exit

log = logging.getLogger(__name__)


@left_to_rescue
def build_index(context: WorkerContext, job_id: int) -> str:
    """Build the largest key or index that a job waits for, or find that there is none; never raises.

    Returns:
        What happened, in a few words, for Flower and the log.
    """
    with context.store.transaction() as ledger:
        build = claim_largest(ledger, job_id, context.worker)
        if build is None:
            return "nothing to do: no build is due, or the job is paused or has ended"
        table = read_table(ledger, build.table_id)
    assert table is not None  # noqa: S101 - the ledger's foreign key says so
    what = f"{build.kind} {build.name} of table {table.plan.name}"
    try:
        with given_back_at_exit(context, partial(release_if_current, build=build)):
            came_to = _build(context, build, table.plan)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is recorded with the build
        came_to = _record_failure(context, build, f"building {what}, attempt {build.attempt}", error)
    with context.store.transaction() as ledger:
        is_last = step_of(ledger, build.table_id) is Step.BUILD
    if is_last:
        finish_table(context, build.table_id)
    return f"{what}: {came_to}"


def _build(context: WorkerContext, build: Build, plan: TablePlan) -> str:
    """Build in the transaction that records it; the index is there with its record, or neither is."""
    with context.store.transaction() as ledger:
        name_build(ledger.connection, build.job_id, build.name)  # first: whoever cancels the job then finds it
        if not hold_if_current(ledger, build):
            return "overtaken, or its job has ended"
        planned = next(each for each in planned_builds(plan) if each.name == build.name)
        give_memory(
            ledger.connection,
            at_once=count_building(ledger, build.job_id),
            memory_mb=context.settings.maintenance_work_mem_mb,
            workers=context.settings.maintenance_workers,
        )
        see_extensions(ledger.connection)
        outcome = build_one(ledger.connection, plan, planned, planned.apart)
        finish_if_current(ledger, build, outcome)
        reach(Point.BUILT_NOT_COMMITTED, build.id)
    return "built" if outcome.there else outcome.error or outcome.reason or ""


def _record_failure(context: WorkerContext, build: Build, what: str, error: Exception) -> str:
    """Record the failure with the time of the next attempt; a failure of that too is left to rescue."""
    sentence = f"{what}: {sentence_of(error)}"
    log.warning("%s", sentence, exc_info=is_surprise(error))
    settings = context.settings
    delay_s = delay_before_retry(settings, error)
    try:
        with context.store.transaction() as ledger:
            state = fail_if_current(
                ledger,
                build,
                sentence,
                retry=delay_s > 0,
                max_attempts=settings.max_attempts,
                delay_s=delay_s,
            )
    except SQLAlchemyError as lost:
        return f"failed, and the ledger could not be told: {sentence_of(lost)}"
    return f"failed, it is {state or 'not ours any more'}: {sentence}"
