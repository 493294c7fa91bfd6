"""The works of the benchmark by the names that ``--only`` takes, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.figures import Section
from benchmarks.works import (
    against_peers,
    chunk_overhead,
    dirty_data,
    many_tables,
    memory,
    planning,
    scaling,
    second_job,
    undo,
)

WORKS: dict[str, Callable[[Bench], Section]] = {
    "events": against_peers.events,
    "tpch": against_peers.tpch,
    "wide": against_peers.wide,
    "blobs": against_peers.blobs,
    "again": second_job.measure,
    "undo": undo.measure,
    "planning": planning.measure,
    "tables": many_tables.measure,
    "chunks": chunk_overhead.measure,
    "memory": memory.measure,
    "workers": scaling.measure,
    "dirty": dirty_data.measure,
}
