"""Our copy path without ledger, broker and verification: what a worker does with key ranges, and what that takes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from producer.survey import chunks_of
from shared.records.keys import ChunkRange
from shared.records.plan import JobOptions, ProfileMode, TablePlan, TypeKind
from shared.schema.objects import translate
from shared.source.kinds import open_source
from shared.source.reader import SourceReader
from shared.target.connections import SessionSettings
from shared.target.convert import to_target

_NUMBERS = frozenset({TypeKind.NUMERIC, TypeKind.DOUBLE, TypeKind.REAL})
SESSION = SessionSettings(
    application_name="benchmark", connect_timeout_s=10, lock_timeout_s=60, idle_timeout_s=600, durable=False
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What something took, in seconds."""

    clock: float
    processors: float
    """Of all processes that took part."""

    def __str__(self) -> str:
        return f"{self.clock:5.1f} s, processors {self.processors:5.1f} s"


def planned(source: Path, *, parts: int = 1) -> tuple[TablePlan, list[ChunkRange]]:
    """Plan a source's only table and cut it into chunks, each into so many parts."""
    options = JobOptions()
    with open_source(str(source), frozen=True) as reader:
        catalog = reader.catalog()
        (table,) = catalog.tables
        profile = reader.profile(table, mode=ProfileMode.SAMPLE)
        plan = translate(catalog, {table.name: profile}, target_schema="public", options=options).tables[0]
        plan = replace(plan, sampled=False)  # as after a full profile, which has no cause to suspect any column
        return plan, [chunk.key_range for chunk in chunks_of(reader, plan, options.chunk_bytes // parts)]


def read_converted(reader: SourceReader, plan: TablePlan, key_range: ChunkRange) -> pa.Table:
    """Read a key range and bring it to the target's types, as a worker does."""
    numbers = [column.source for column in plan.columns if column.type.kind in _NUMBERS]
    mixed = [column.source for column in plan.columns if column.mixed]
    rows = reader.read_arrow(plan.read, key_range, suspects=mixed, as_numbers=numbers)
    return to_target(rows, plan.columns)


def hands(ranges: Sequence[ChunkRange], processes: int, *, parts: int = 1) -> list[list[list[ChunkRange]]]:
    """Deal chunks, each a list of its parts, to processes in turn."""
    chunks = [list(ranges[first : first + parts]) for first in range(0, len(ranges), parts)]
    return [chunks[first::processes] for first in range(processes)]


@contextmanager
def ready_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that have started: starting Python and importing Arrow is no copying."""
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_ready, range(count)))
        yield pool


def _ready(number: int) -> int:
    time.sleep(1)  # so that each process gets one
    return number
