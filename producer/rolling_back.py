"""`producer rollback`: what a job made goes, what it changed is as it was; all of it in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from producer.services import open_ledger
from producer.wording import counted, state
from shared.errors import OperatorError
from shared.ledger.jobs import lock_starts, move_job, read_job, read_tables
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.states import JOB_ENDS, JobState
from shared.ledger.suspended import end_idle_chunks
from shared.ledger.way_back import forget_undo, later_jobs, made_by, rows_arrived, settle, settled_elsewhere
from shared.records.way_back import MadeObject
from shared.records.work import Job, JobTable
from shared.setting_aside import put_back_if_idle
from shared.settings import Settings
from shared.target.made_objects import objects_in
from shared.target.referring import groups, refer_to_what_goes
from shared.target.removing import attached, drop, rows_of, too_long_ago
from shared.target.restoring import Changed, Place, lock, place_of, restore, switch, triggers_of, unlike, weigh
from shared.target.statements import judged, taken_back

_STAY: Final = frozenset({"extension"})
"""Kinds that other schemas may use by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackView:
    """What a rollback removes. JSON of `producer rollback`."""

    job: int
    done: bool
    """False: it was only tried (--dry-run)."""
    dropped: tuple[str, ...]
    """Tables that the job made."""
    rows_dropped: int
    """The rows of those."""
    objects: tuple[str, ...]
    """What else it made: views, functions, collations, schemas."""
    restored: tuple[str, ...]
    """Tables that were there before, in which it wrote."""
    rows_deleted: int
    """Rows there that it inserted."""
    rows_restored: int
    """Rows there that it, or a trigger on its behalf, changed or deleted."""
    stays: tuple[str, ...]
    """What is not taken back, in a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    """A table that the job made and that is there."""

    table: JobTable
    place: Place


def rollback(settings: Settings, job_id: int | None, *, dry_run: bool) -> RollbackView:
    """Take back what a job did to the target, in one transaction.

    Args:
        settings: Where the target is.
        job_id: None: the latest job.
        dry_run: Take the rollback itself back: what would be done, or why not, without any change.

    Raises:
        OperatorError: where it cannot be taken back exactly; says all that stands in the way, and nothing is changed.
        ConvoyError: where somebody holds a table for too long.
    """

    def roll_back(ledger: SqlAlchemyLedger) -> RollbackView:
        job = read_job(ledger, job_id)
        with taken_back(ledger.connection) if dry_run else nullcontext():
            return _roll_back(ledger, job.id, done=not dry_run)

    with open_ledger(settings) as target:
        return target.transact("rolling the job back", roll_back)


def _roll_back(ledger: SqlAlchemyLedger, job_id: int, *, done: bool) -> RollbackView:
    lock_starts(ledger)
    job = _ended_job(ledger, job_id)
    tables = read_tables(ledger, job.id)
    arrived = rows_arrived(ledger, job.id)
    _refuse(job, [*_later(ledger, job), *_irretrievable(tables, arrived)])
    made, own, gone = _what_is_there(ledger, job, tables)
    lock(ledger.connection, [each.place for each in own], whole=True)
    changed, reasons = _weighed(ledger, [table for table in tables if table.plan.undo is not None])
    _refuse(job, [*reasons, *_changed_since(ledger, job, own, arrived)])
    removed = [each for each in made if each.kind not in _STAY]
    refused = [each.reason for each in drop(ledger.connection, [each.place for each in own], removed)]
    _refuse(job, [*(f"{each}: drop that first" for each in refused), *refer_to_what_goes(ledger.connection, changed)])
    deleted, restored = _restore(ledger, job, changed)
    view = RollbackView(
        job=job.id,
        done=done,
        dropped=tuple(f"{each.place.schema}.{each.place.name}" for each in own),
        rows_dropped=sum(arrived.get(each.table.id, 0) for each in own),
        objects=tuple(f"{each.kind} {each.name}" for each in removed),
        restored=tuple(f"{each.place.schema}.{each.place.name}" for each in changed if each.rows),
        rows_deleted=deleted,
        rows_restored=restored,
        stays=tuple(_stays(ledger, made, gone, changed)),
    )
    move_job(ledger, job.id, JobState.ROLLED_BACK)
    forget_undo(ledger, job.id, _kept(view))
    return view


def _kept(view: RollbackView) -> dict[str, Any]:
    """What the ledger says of it from now on."""
    return {name: value for name, value in asdict(view).items() if name not in {"job", "done"}}


def _ended_job(ledger: SqlAlchemyLedger, job_id: int) -> Job:
    """Hold a job that has ended and of which nobody writes a chunk any more; its tables have back what they lacked."""
    job = read_job(ledger, job_id, lock=True)
    if job.state == JobState.ROLLED_BACK:
        msg = f"job {job.id} was rolled back already: nothing of it is left"
        raise OperatorError(msg)
    if job.state not in JOB_ENDS:
        msg = f"job {job.id} is {state(job.state)}: end it with `producer cancel {job.id}`, then roll it back"
        raise OperatorError(msg)
    if not put_back_if_idle(ledger, job.id) or not end_idle_chunks(ledger, job.id):
        msg = f"job {job.id} was {state(job.state)} and still writes a chunk: try again in a moment"
        raise OperatorError(msg)
    return job


def _refuse(job: Job, reasons: Sequence[str]) -> None:
    if reasons:
        raise _refusal(job, reasons)


def _refusal(job: Job, reasons: Sequence[str]) -> OperatorError:
    return OperatorError(f"job {job.id} is not rolled back, nothing was changed: {'; '.join(reasons)}")


def _later(ledger: SqlAlchemyLedger, job: Job) -> Iterator[str]:
    found: dict[tuple[int, str], list[str]] = {}
    for later in later_jobs(ledger, job.id):
        found.setdefault((later.id, later.state), []).append(later.table)
    for (later_id, later_state), names in found.items():
        first = "roll that back first" if later_state in JOB_ENDS else "end it and roll it back first"
        yield f"job {later_id} ({state(later_state)}) has come into {_named(names)} since: {first}"


def _irretrievable(tables: Sequence[JobTable], arrived: dict[int, int]) -> Iterator[str]:
    """What nothing brings back: tables that were replaced, and rows of which nobody kept what they were."""
    replaced = [table.plan.name for table in tables if table.plan.replaces and table.plan.swap_into is None]
    if replaced:
        yield (
            f"it replaced {_named(replaced)} (--recreate), and what stood there is gone: restore that from a backup, or"
            " drop the new tables by hand"
        )
    unknown = [
        table.plan.name
        for table in tables
        if not table.plan.creates and table.plan.undo is None and arrived.get(table.id)
    ]
    if unknown:
        yield (
            f"it wrote into {_named(unknown)}, which {'was' if len(unknown) == 1 else 'were'} there before, without"
            " --undo-log, so nobody kept what stood there: restore that from a backup, or remove the rows by hand"
        )
    old = [table.plan.name for table in tables if table.plan.creates and table.oid is None]
    if old:
        yield f"an older pgconvoy made {_named(old)} and did not note which tables they are: drop them by hand"


def _what_is_there(
    ledger: SqlAlchemyLedger, job: Job, tables: Sequence[JobTable]
) -> tuple[list[MadeObject], list[_Own], list[str]]:
    """What of the job's making is there, and what is not any more."""
    own, gone = [], []
    for table in tables:
        place = place_of(ledger.connection, table.oid) if table.plan.creates and table.oid is not None else None
        if place is not None:
            own.append(_Own(table=table, place=place))
        elif table.plan.creates:
            gone.append(table.plan.name)
    schemas = {job.target_schema, *(each.place.schema for each in own), *(table.plan.schema for table in tables)}
    there = {(each.kind, each.oid): each for each in objects_in(ledger.connection, schemas)}
    made, reasons = [], []
    for each in made_by(ledger, job.id):
        now = there.get((each.kind, each.oid))
        if now is None:
            gone.append(each.name)
        elif now.definition != each.definition:
            reasons.append(f"the {each.kind} {now.name} is another than the job made")
        else:
            made.append(now)
    _refuse(job, reasons)
    return made, own, gone


def _changed_since(ledger: SqlAlchemyLedger, job: Job, own: Sequence[_Own], arrived: dict[int, int]) -> Iterator[str]:
    names = [each.name for each in job.objects]
    for each in own:
        name, plan, settled = f"{each.place.schema}.{each.place.name}", each.table.plan, each.table.settled_xid
        if settled is not None and too_long_ago(ledger.connection, settled):
            yield f"whether rows of {name} have changed cannot be told after so many transactions: drop it by hand"
            continue
        rows = rows_of(ledger.connection, plan, each.place, settled, table=each.table.id)
        if rows.younger:
            yield f"{counted(rows.younger, 'row')} of {name} came or changed since ({_some(rows.keys, rows.younger)})"
        lacking = arrived.get(each.table.id, 0) - (rows.all - rows.younger)
        if lacking > 0:
            yield f"{counted(lacking, 'row')} of the job's in {name} changed or went since"
        elif lacking < 0:
            yield f"{counted(-lacking, 'row')} of {name} came from elsewhere"
        others = attached(ledger.connection, each.table.oid or 0, plan, names)
        if others:
            yield f"{name} has by now what the job did not make: {', '.join(others)}: drop that first"


def _weighed(ledger: SqlAlchemyLedger, tables: Sequence[JobTable]) -> tuple[list[Changed], list[str]]:
    """What the logs come to, of tables that nobody writes from now on; and what stands in the way."""
    places = {table: place_of(ledger.connection, table.oid or 0) for table in tables}
    lock(ledger.connection, [place for place in places.values() if place is not None], whole=False)
    found, reasons = [], []
    for table, place in places.items():
        if place is None:
            reasons.append(f"the table {table.plan.schema}.{table.plan.name}, in which the job wrote, is gone")
            continue
        each = weigh(ledger.connection, table.id, table.oid or 0, table.plan, place)
        if each is None:
            reasons.append(f"{place.schema}.{place.name} has other columns than when the job wrote there")
            continue
        if each.missing:
            name = f"{place.schema}.{place.name}"
            rows = counted(each.missing, "row")
            reasons.append(f"{rows} of {name} changed or went since the job wrote ({_some(each.keys, each.missing)})")
        found.append(each)
    return found, reasons


def _restore(ledger: SqlAlchemyLedger, job: Job, changed: Sequence[Changed]) -> tuple[int, int]:
    """Restore rows while triggers keep still; returns how many were deleted, and how many restored."""
    connection = ledger.connection
    busy = [each for each in changed if each.to_delete or each.to_restore]
    firing = {each.id: triggers_of(connection, each.oid) for each in busy}
    settled = [table_id for each in busy for table_id in _only_ours(ledger, each)]
    try:
        for each in busy:
            switch(connection, each, firing[each.id], on=False)
        counts = [restore(connection, group) for group in groups(connection, busy)]
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        for each in busy:
            switch(connection, each, firing[each.id], on=True)
    except DBAPIError as error:
        refused = judged(error, "restoring rows of tables that were there before")
        raise _refusal(job, [refused.reason]) from error
    deleted = sum(count for count, _, _ in counts)
    kept = deleted != sum(each.to_delete for each in busy)
    if kept or any(unlike(connection, each) for each in busy):
        names = _named([each.place.name for each in busy])
        _refuse(job, [f"a rule, row level security or a trigger of a partition keeps rows of {names} from coming back"])
    for table_id in settled:
        settle(ledger, table_id, nested=False)
    return deleted, sum(changed + inserted for _, changed, inserted in counts)


def _only_ours(ledger: SqlAlchemyLedger, each: Changed) -> Iterator[int]:
    """The tables of earlier jobs that made a table in which, since then, this job alone wrote: so it is afterwards."""
    for table_id, settled in settled_elsewhere(ledger, each.oid):
        if rows_of(ledger.connection, each.plan, each.place, settled, table=table_id).younger == each.rows:
            yield table_id


def _stays(
    ledger: SqlAlchemyLedger, made: Sequence[MadeObject], gone: Sequence[str], changed: Sequence[Changed]
) -> Iterator[str]:
    """What a rollback leaves as it is."""
    if gone:
        yield f"{_named(gone)} {'was' if len(gone) == 1 else 'were'} gone before"
    for each in made:
        if each.kind in _STAY:
            yield f"the {each.kind} {each.name} stays: others may use it by now"
    for table in changed:
        if table.rows:
            yield from _stays_of(ledger, table)


def _stays_of(ledger: SqlAlchemyLedger, table: Changed) -> Iterator[str]:
    name = f"{table.place.schema}.{table.place.name}"
    if any(column.identity for column in table.plan.columns):
        yield f"the sequence of {name} stays where it is: no number is given twice"
    away = {trigger.name for trigger in table.plan.set_aside.triggers} if table.plan.set_aside else set()
    fired = [trigger.name for trigger in triggers_of(ledger.connection, table.oid) if trigger.name not in away]
    if fired:
        whose = f"the trigger{'' if len(fired) == 1 else 's'} {_named(fired)} of {name}"
        yield f"what {whose} did in tables that are not the job's stays"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _some(keys: Sequence[str], count: int) -> str:
    return "; ".join(keys) + ("; …" if count > len(keys) else "")
