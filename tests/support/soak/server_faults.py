"""Faults that PostgreSQL's server has by itself: lost to a standby, no room, no connection, a table that is held."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psycopg2
from fleetkit.processes import NeverTrueError

from soak.stage import Stage
from soak.storm import Step

Later = Callable[[], None]
After = Callable[[Step, str, Later], None]
_LOCK_BOUND: Final = "2s"


class NothingHitError(Exception):
    """What the fault would hit is not there now."""


def failover(stage: Stage, step: Step, after: After) -> str:
    """Let a standby follow, carry nothing to it for a while, and then lose the server: its last commits are gone."""
    postgres = stage.postgres
    if postgres.has_standby or postgres.disk.full or not postgres.answers():
        raise NothingHitError
    try:
        postgres.hold_standby_back()
    except (subprocess.SubprocessError, NeverTrueError, psycopg2.Error) as error:
        msg = f"no standby could be made: {error!r}"
        raise RuntimeError(msg) from error
    after(step, f"PostgreSQL was lost to a standby that lacks {step.hold_s:.1f} s", stage.fail_over)
    return f"what is committed in the next {step.hold_s:.1f} s"


def full_disk(stage: Stage, step: Step, after: After) -> str:
    """Leave no room for tables, indexes and ledger."""
    postgres = stage.postgres
    if postgres.has_standby or postgres.disk.full or not postgres.running or not postgres.disk.fill():
        raise NothingHitError

    def make_room() -> None:
        postgres.disk.make_room()
        # A server that began without room has ended again.
        postgres.start()

    after(step, "there is room again", make_room)
    return f"for {step.hold_s:.1f} s"


def no_connection(stage: Stage, step: Step, after: After) -> str:
    """Take all connections that are left."""
    if not stage.postgres.answers():
        raise NothingHitError
    taken: list[Any] = []
    with suppress(psycopg2.OperationalError):
        while True:
            taken.append(psycopg2.connect(stage.postgres.url, connect_timeout=3))

    def give_back() -> None:
        for connection in taken:
            connection.close()

    after(step, "connections are left again", give_back)
    return f"{len(taken)} taken, for {step.hold_s:.1f} s"


def lock_table(stage: Stage, step: Step, after: After) -> str:
    """Hold a table of the latest job as somebody else's ALTER TABLE does."""
    try:
        ((table,), *_) = _tables(stage, step)
        connection = psycopg2.connect(stage.postgres.url, connect_timeout=3)
    except (psycopg2.Error, ValueError):
        raise NothingHitError from None
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout TO '{_LOCK_BOUND}'")
            cursor.execute(f"LOCK TABLE {table}")
    except psycopg2.Error:
        connection.close()
        raise NothingHitError from None
    after(step, f"{table} is free again", connection.close)
    return f"{table}, for {step.hold_s:.1f} s"


def _tables(stage: Stage, step: Step) -> list[tuple[Any, ...]]:
    """The tables of the latest job; first the one that chance picks."""
    there = stage.postgres.rows(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname ="
        " (SELECT target_schema FROM pgconvoy.jobs ORDER BY id DESC LIMIT 1) ORDER BY tablename"
    )
    return there[step.pick(len(there)) :] if there else []
