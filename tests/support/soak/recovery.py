"""How long the chunk of a killed worker waits until it is begun again, by the ledger's own times."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

import psycopg2

from soak.stage import Postgres

_GIVEN_UP_S = 60.0
_COPIED_BY = """
    SELECT id, attempt FROM pgconvoy.chunks WHERE state = 'copying' AND split_part(worker, ':', 2) = ANY(%s)
"""
_STANDING = """
    SELECT id, attempt, state, extract(epoch FROM started_at)::float, coalesce(wait_s, 0)
      FROM pgconvoy.chunks WHERE id = ANY(%s)
"""


@dataclass(slots=True, kw_only=True)
class Lost:
    """A chunk whose worker was killed."""

    chunk: int
    attempt: int
    killed_at: float
    """Seconds since 1970."""
    quiet: bool
    """Whether nothing else was broken since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """How long it took until a lost chunk was begun again."""

    seconds: float
    waited_s: float
    """So much of it its message waited in the queue, behind others: no worker was free."""

    @property
    def sent_s(self) -> float:
        """Until its message was sent again, to be taken by whoever is free."""
        return self.seconds - self.waited_s


class Recovery:
    """Watches lost chunks."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._waiting: list[Lost] = []
        self.quiet: list[Begun] = []
        """Where nothing else was broken meanwhile."""
        self.stormy: list[Begun] = []
        """Where other faults came in between."""

    def watch(self, pids: Collection[int], *, quiet: bool) -> int:
        """Watch what these processes were copying; returns how many chunks.

        Args:
            pids: Processes that were killed just now.
            quiet: Whether nothing else is broken or will be.
        """
        killed_at = time.time()
        try:
            there = self._postgres.rows(_COPIED_BY, [str(pid) for pid in pids])
        except psycopg2.Error:
            return 0
        self._waiting += [
            Lost(chunk=chunk, attempt=attempt, killed_at=killed_at, quiet=quiet) for chunk, attempt in there
        ]
        return len(there)

    def disturb(self) -> None:
        """Say that something else is broken from now on."""
        for lost in self._waiting:
            lost.quiet = False

    def forget(self) -> None:
        """Wait for no chunk any more: the ledger has lost its last commits."""
        self._waiting.clear()

    @property
    def is_quiet_wait(self) -> bool:
        """Whether a chunk is waited for while nothing else is broken."""
        return any(lost.quiet for lost in self._waiting)

    def look(self) -> list[str]:
        """See which chunks were begun again; says of each how long it took."""
        if not self._waiting:
            return []
        try:
            found = self._postgres.rows(_STANDING, [lost.chunk for lost in self._waiting])
        except psycopg2.Error:
            return []
        standing = {row[0]: row[1:] for row in found}
        told = []
        for lost in list(self._waiting):
            attempt, state, started_at, waited_s = standing[lost.chunk]
            if attempt > lost.attempt:
                told.append(self._begun(lost, started_at - lost.killed_at, waited_s))
            elif state not in {"copying", "pending"}:
                self._waiting.remove(lost)  # its commit was through, or the job was cancelled
            elif time.time() - lost.killed_at > _GIVEN_UP_S:
                told.append(self._begun(lost, _GIVEN_UP_S, 0.0))
        return told

    def _begun(self, lost: Lost, seconds: float, waited_s: float) -> str:
        begun = Begun(seconds=seconds, waited_s=min(waited_s, seconds))
        (self.quiet if lost.quiet else self.stormy).append(begun)
        self._waiting.remove(lost)
        return (
            f"chunk {lost.chunk} was sent again {begun.sent_s:.1f} s after its worker was killed,"
            f" and begun after {seconds:.1f} s"
        )
