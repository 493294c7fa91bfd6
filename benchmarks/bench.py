"""What every work of the benchmark needs: the server, pgconvoy, a folder, sizes, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from benchmarks.convoy import Convoy
from benchmarks.server import Server

_SMALLEST_TPCH = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large the sources are."""

    events: int
    """Rows of the events."""
    again: int
    """Rows of the events that are copied a second time."""
    dirty: int
    """Rows of the events that are copied clean, and dirty."""
    scaling: int
    """Rows of the events that one worker copies, and two."""
    tpch: float
    """TPC-H's scale."""
    wide: int
    """Rows of 60 columns."""
    blobs: int
    """Blobs of 10 to 100 KB."""
    huge_blobs: int
    """Blobs of 50 MB."""
    tables: int
    """Tables of 100 rows."""
    planning: int
    """Rows that are cut into chunks."""
    chunks: int
    """Chunks of one row."""

    def times(self, share: float) -> Self:
        """The same, smaller or larger: at least 2 of each, and of TPC-H the smallest scale that has unique keys."""
        scaled = {field.name: getattr(self, field.name) * share for field in fields(self)}
        whole = {name: max(2, round(size)) for name, size in scaled.items() if name != "tpch"}
        return type(self)(**whole, tpch=max(_SMALLEST_TPCH, scaled["tpch"]))


FULL = Sizes(
    events=2_000_000,
    again=2_000_000,
    dirty=2_000_000,
    scaling=2_000_000,
    tpch=1.0,
    wide=1_000_000,
    blobs=50_000,
    huge_blobs=16,
    tables=500,
    planning=4_000_000,
    chunks=1_000,
)
SMALL = Sizes(
    events=2_000_000,
    again=500_000,
    dirty=500_000,
    scaling=500_000,
    tpch=0.05,
    wide=50_000,
    blobs=2_000,
    huge_blobs=6,
    tables=500,
    planning=4_000_000,
    chunks=400,
)
"""Ends in under ten minutes on 2 cores. The events have their full size: beside fewer rows a job's start weighs more,
and the ratios would be others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the benchmark."""

    server: Server
    convoy: Convoy
    folder: Path
    sizes: Sizes
    rounds: int
    say: Callable[[str], None] = print

    @property
    def workers(self) -> int:
        """Worker processes of pgconvoy, and streams of bare COPY."""
        return self.convoy.workers

    def limit(self, work: str, limit: float) -> float | None:
        """A limit of a work that counts at its full size alone: beside few rows a job's start weighs more."""
        return limit if getattr(self.sizes, work) >= getattr(FULL, work) else None

    def sources(self, name: str) -> Path:
        """Where a source goes."""
        return self.folder / "sources" / name

    def each_round(self, what: str) -> Iterator[int]:
        """Count the rounds, aloud."""
        for number in range(1, self.rounds + 1):
            self.say(f"{what}, round {number} of {self.rounds}")
            yield number
