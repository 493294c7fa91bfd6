"""What is done to some jobs once they have ended: damaged and repaired, or taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from soak.convoy import Convoy
from soak.postgres import Postgres

_DAMAGES: Final = (
    "UPDATE {schema}.people SET ratio = coalesce(ratio, 1) / 3, note = 'damaged' WHERE id % 1000 = 3",
    "DELETE FROM {schema}.files WHERE id % 50 = 0",
    "UPDATE {schema}.places SET name = name || '?' WHERE height % 100 = 1",
    "DELETE FROM {schema}.visits WHERE points % 100 = 7",
    "UPDATE {schema}.colours SET name = 'damaged' WHERE id = (SELECT min(id) FROM {schema}.colours)",
)
_SURPLUS: Final = "INSERT INTO {schema}.visits SELECT person, place, day || '!', points FROM {schema}.visits LIMIT 3"
"""Removed only where the job made the table."""
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1"


class Afterwards:
    """Works in peace: nothing is broken meanwhile."""

    def __init__(self, postgres: Postgres, convoy: Convoy, tell: Callable[[str], None]) -> None:
        self._postgres = postgres
        self._convoy = convoy
        self._tell = tell
        self._before: dict[str, Any] = {}

    def remember(self) -> None:
        """Keep what the tables hold before a job, if it is to be taken back."""
        self._before = self._contents() if self._convoy.job.taken_back else {}

    def repair(self) -> list[str]:
        """Damage rows of the job that has ended, and have them repaired; returns what is wrong with that."""
        job = self._convoy.job
        for damage in (*_DAMAGES, *([] if job.again else [_SURPLUS])):
            self._postgres.run(damage.format(schema=job.schema))
        code, said = self._convoy.command("verify", "--repair")
        self._tell(f"job {job.ledger_id} damaged on purpose; producer verify --repair ended with {code}")
        right = code == job.codes[-1] and "copied again" in said
        return [] if right else [f"producer verify --repair ended with {code}, not {job.codes[-1]}: {said[-600:]}"]

    def take_back(self) -> list[str]:
        """Roll the job back; returns what is wrong afterwards: the tables must be as they were before it."""
        job = self._convoy.job
        code, said = self._convoy.command("rollback", "--yes")
        self._tell(f"producer rollback of job {job.ledger_id} ended with {code}")
        if code:
            return [f"producer rollback ended with {code}: {said[-600:]}"]
        found = self._contents()
        names = sorted(found.keys() | self._before.keys())
        return [
            f"{name}: rows and sum {found.get(name)} after a rollback, {self._before.get(name)} before the job"
            for name in names
            if found.get(name) != self._before.get(name)
        ]

    def _contents(self) -> dict[str, Any]:
        """Number and sum of all rows, by table."""
        schema = self._convoy.job.schema
        ask = 'SELECT count(*), sum(hashtextextended(t::text, 0)) FROM "{}"."{}" AS t'
        names = [name for (name,) in self._postgres.rows(_TABLES, schema)]
        return {name: self._postgres.rows(ask.format(schema, name))[0] for name in names}
