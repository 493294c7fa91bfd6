"""Where a plan is tried: on the target, on a private server that goes afterwards, or nowhere, which is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from producer.private_postgres import is_installed, private_target
from producer.records import Listener
from producer.services import Target, has_running_server, open_target
from shared.errors import ConvoyError
from shared.ledger.made import objects_of_jobs
from shared.ledger.session import SqlAlchemyLedger
from shared.ledger.upgrade import ledger_exists
from shared.records.existing import TargetAbilities
from shared.records.plan import ObjectPlan, SchemaPlan
from shared.settings import Settings
from shared.target.abilities import read_abilities
from shared.target.trials.plans import Tried, try_plan

_NOT_LOOKED_AT = "no target is set, so tables that may be there already were not looked at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where a plan can be tried."""

    target: Target | None = None
    """None: nowhere."""
    abilities: TargetAbilities
    is_private: bool = False
    """Whether the server is there for the trial alone, so that it says nothing of what is in the target."""
    notes: tuple[str, ...] = ()


@contextmanager
def trial_ground(settings: Settings, listener: Listener) -> Iterator[Ground]:
    """Open the target, or a private server where none is set; nothing of what is done there stays.

    Raises:
        ConvoyError: where the target does not answer.
    """
    if settings.target_url is not None or has_running_server(settings):
        with open_target(settings) as target:
            notes = ("the target is the embedded PostgreSQL, which runs",) if target.embedded else ()
            yield Ground(target=target, abilities=abilities_of(target), notes=notes)
        return
    with ExitStack() as stack:
        yield _without_target(settings, listener, stack)


def _without_target(settings: Settings, listener: Listener, stack: ExitStack) -> Ground:
    if not is_installed():
        note = f"{_NOT_LOOKED_AT}, and nothing was tried on PostgreSQL"
        return Ground(abilities=TargetAbilities(), notes=(note,))
    listener.say("starting a private PostgreSQL to try the schema on")
    try:
        target = stack.enter_context(private_target(settings))
        abilities = abilities_of(target)
    except ConvoyError as error:
        note = f"{_NOT_LOOKED_AT}, and nothing was tried on PostgreSQL: {error}"
        return Ground(abilities=TargetAbilities(), notes=(note,))
    version = abilities.version // 10_000
    note = f"{_NOT_LOOKED_AT}; the schema was tried on a private PostgreSQL {version}, which is gone again"
    return Ground(target=target, abilities=abilities, is_private=True, notes=(note,))


def abilities_of(target: Target) -> TargetAbilities:
    """Ask the target's server what it can do.

    Raises:
        ConvoyError: where it does not answer.
    """
    with target.ledger(f"looking at the target {target.shown}") as ledger:
        return read_abilities(ledger.connection)


def tried(ledger: SqlAlchemyLedger, plan: SchemaPlan, schema: str) -> Tried:
    """Keep of a fitted plan what PostgreSQL takes; the caller's transaction is left as it was.

    Raises:
        OperatorError: where it takes a table in no form.
    """
    ours: tuple[ObjectPlan, ...] = objects_of_jobs(ledger, schema) if ledger_exists(ledger.connection) else ()
    return try_plan(ledger.connection, plan, schema=schema, ours=ours)
