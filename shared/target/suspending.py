"""Foreign keys and triggers of a table that was there before: taken away while it is loaded, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, text

from shared.records.plan import ForeignKeyPlan, SetAside, SetAsideKey, SetAsideTrigger, TablePlan
from shared.target import ddl
from shared.target.statements import Refusal, attempt, probe, run
from shared.target.violations import orphans

_KEYS: Final = text("""
    SELECT k.conname FROM pg_catalog.pg_constraint k
     WHERE k.contype = 'f' AND k.conrelid = pg_catalog.to_regclass(:table)
""")
_TRIGGERS: Final = text("""
    SELECT t.tgname, t.tgenabled::text AS mode FROM pg_catalog.pg_trigger t
     WHERE NOT t.tgisinternal AND t.tgrelid = pg_catalog.to_regclass(:table)
""")
_DISABLED: Final = "D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlike:
    """A foreign key or trigger that is not as it was before the job."""

    name: str
    reason: str
    is_back: bool
    """Whether it is there, though less than it was (NOT VALID); False: PostgreSQL refused it."""
    is_key: bool = True


def take_away(connection: Connection, plan: TablePlan) -> tuple[TablePlan, tuple[Refusal, ...]]:
    """Take away what a plan sets aside, in the caller's transaction; harmless where it is away already.

    Returns:
        The plan with what is away now, and what PostgreSQL said of what could not be taken away, or would not come
        back: that stays.

    Raises:
        ConvoyError: where somebody holds the table for too long.
    """
    if plan.set_aside is None:
        return plan, ()
    there = _keys_there(connection, plan)
    keys, refused = [], []
    for key in plan.set_aside.foreign_keys:
        refusal = _drop(connection, plan, key) if key.name in there else None
        keys += [] if refusal else [key]
        refused += [refusal] if refusal else []
    modes = _modes(connection, plan)
    triggers = []
    for trigger in plan.set_aside.triggers:
        fires = modes.get(trigger.name, _DISABLED) != _DISABLED
        what = f"disabling trigger {trigger.name} of table {plan.name}"
        refusal = attempt(connection, ddl.switch_trigger(plan, trigger, on=False), what) if fires else None
        triggers += [] if refusal else [trigger]
        refused += [refusal] if refusal else []
    if not keys and not triggers:
        return replace(plan, set_aside=None), tuple(refused)
    away = SetAside(foreign_keys=tuple(keys), triggers=tuple(triggers), away=True)
    return replace(plan, set_aside=away), tuple(refused)


def _drop(connection: Connection, plan: TablePlan, key: SetAsideKey) -> Refusal | None:
    """Drop a key that PostgreSQL would take back: whoever may drop it need not have the right to make it."""
    what = f"taking foreign key {key.name} of table {plan.name} away"
    drop = ddl.drop_constraint(plan, key.name)
    return probe(connection, [drop, *ddl.set_aside_key(plan, key)], what) or attempt(connection, drop, what)


def put_back(connection: Connection, plan: TablePlan) -> Iterator[Unlike]:
    """Put back what is not there yet of what a plan set aside, keys NOT VALID, in the caller's transaction.

    `validate` follows, once the keys of all tables are back.

    Yields:
        What PostgreSQL refused.

    Raises:
        ConvoyError: where somebody holds the table for too long; nothing is lost, it can run again.
    """
    if plan.set_aside is None:
        return
    there = _keys_there(connection, plan)
    for key in plan.set_aside.foreign_keys:
        statements = ddl.set_aside_key(plan, key)
        refused = None if key.name in there else attempt(connection, statements, "putting it back")
        if refused is not None:
            yield _refused(key.name, refused, statements)
    modes = _modes(connection, plan)
    for trigger in plan.set_aside.triggers:
        yield from _enable(connection, plan, trigger, modes.get(trigger.name))


def _enable(connection: Connection, plan: TablePlan, trigger: SetAsideTrigger, mode: str | None) -> Iterator[Unlike]:
    if mode is None:
        reason = "it is gone: somebody dropped it while the job ran"
        yield Unlike(name=trigger.name, reason=reason, is_back=False, is_key=False)
    elif mode == _DISABLED:
        statement = ddl.switch_trigger(plan, trigger, on=True)
        refused = attempt(connection, statement, "enabling it")
        if refused is not None:
            yield replace(_refused(trigger.name, refused, [statement]), is_key=False)


def validate(connection: Connection, plan: TablePlan) -> Iterator[Unlike]:
    """Check the rows against the keys that were valid before; one that they violate stays NOT VALID.

    Yields:
        Such keys, with how many rows there are without a parent.
    """
    if plan.set_aside is None:
        return
    there = _keys_there(connection, plan)
    for key in plan.set_aside.foreign_keys:
        if key.validated and key.name in there:
            refused = attempt(connection, ddl.validate_constraint(plan, key.name), "validating it")
            if refused is not None:
                reason = orphans(connection, plan, _as_planned(key)) or refused.reason
                yield Unlike(name=key.name, reason=reason, is_back=True)


@contextmanager
def triggers_off(connection: Connection, plan: TablePlan) -> Iterator[None]:
    """Keep still what a plan sets aside of triggers, in the caller's transaction; what may not be disabled fires."""
    triggers = plan.set_aside.triggers if plan.set_aside is not None else ()
    modes = _modes(connection, plan)
    firing = [trigger for trigger in triggers if modes.get(trigger.name, _DISABLED) != _DISABLED]
    off = [ddl.switch_trigger(plan, trigger, on=False) for trigger in firing]
    refused = attempt(connection, off, f"disabling triggers of table {plan.name}")
    yield
    if refused is None:
        for trigger in firing:
            run(connection, ddl.switch_trigger(plan, trigger, on=True))


def _as_planned(key: SetAsideKey) -> ForeignKeyPlan:
    return ForeignKeyPlan(name=key.name, columns=key.columns, parent=key.parent, parent_columns=key.parent_columns)


def _refused(name: str, refused: Refusal, statements: Sequence[str]) -> Unlike:
    return Unlike(name=name, reason=f"{refused.reason}; mend that, then run: {statements[0]}", is_back=False)


def _keys_there(connection: Connection, plan: TablePlan) -> frozenset[str]:
    return frozenset(connection.execute(_KEYS, {"table": ddl.table_name(plan)}).scalars())


def _modes(connection: Connection, plan: TablePlan) -> dict[str, str]:
    return {row.tgname: row.mode for row in connection.execute(_TRIGGERS, {"table": ddl.table_name(plan)})}
