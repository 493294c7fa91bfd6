"""Cutting a long table into chunks: how long it takes, and whether its memory stays flat."""

from __future__ import annotations

import multiprocessing
import re
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import limits
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Section, Table, shown
from benchmarks.sources.narrow_table import make_narrow
from producer.survey import chunks_of
from shared.records.plan import JobOptions, ProfileMode, TablePlan
from shared.schema.objects import translate
from shared.source.kinds import open_source

_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB", re.MULTILINE)
_MANY_CHUNKS = 10_000
_FEWER = 2
"""The shorter table has so many times fewer rows: still more than SQLite's page cache takes."""
_LOOK_EVERY = 100
"""Chunks between two looks at the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What came before the cut."""

    plan: TablePlan
    full_s: float
    sample_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """What a cut took."""

    rows: int
    chunks: int
    seconds: float
    memory_mb: float
    """How much the process grew."""


def measure(bench: Bench) -> Section:
    """Cut the table as a job would, then a shorter one, then into many more chunks."""
    rows = bench.sizes.planning
    long = make_narrow(bench.sources("planning.sqlite"), rows=rows)
    short = make_narrow(bench.sources("planning_short.sqlite"), rows=max(2, rows // _FEWER))
    looked, looked_short = _apart(_look, long, bench.workers), _apart(_look, short, bench.workers)
    usual = JobOptions().chunk_bytes
    small = max(1, int(looked.plan.row_bytes * rows / _MANY_CHUNKS))
    cuts: dict[str, list[_Cut]] = {"usual": [], "fewer rows": [], "many chunks": []}
    for _ in bench.each_round("planning"):
        cuts["usual"].append(_apart(_cut, long, looked.plan, usual))
        cuts["fewer rows"].append(_apart(_cut, short, looked_short.plan, small))
        cuts["many chunks"].append(_apart(_cut, long, looked.plan, small))
    grown = {name: max(cut.memory_mb for cut in each) for name, each in cuts.items()}
    bench.say(f"  {cuts['usual'][-1].seconds:.2f} s; memory " + ", ".join(f"{mb:.1f} MB" for mb in grown.values()))
    return Section(
        name="planning",
        title=f"Planning a table of {rows:,} rows",
        how="Cutting the table into chunks, key by key, in a process that has the plan already; the chunks are let go"
        " as they come, as where they are recorded in batches. Memory is what the process grew by meanwhile, SQLite's"
        " page cache included; it is flat where half the rows, or a thousand times the chunks, take as much. The"
        " look at the values, which comes before and chooses the types, is timed apart.",
        figures=(
            Figure(
                what="cutting into chunks",
                unit="s",
                ours=tuple(cut.seconds for cut in cuts["usual"]),
                limit=limits.PLANNING_S,
            ),
            Figure(
                what="memory: the largest cut's less the smallest's",
                unit="MB",
                ours=(max(grown.values()) - min(grown.values()),),
                limit=limits.PLANNING_MB,
            ),
            Figure(what="before it: looking at every value", unit="s", ours=(looked.full_s,)),
            Figure(what="or at a sample", unit="s", ours=(looked.sample_s,)),
        ),
        tables=(
            Table(
                title="Cuts",
                header=("cut", "rows", "chunks", "seconds", "memory"),
                rows=tuple((name, *_row(each[-1])) for name, each in cuts.items()),
            ),
        ),
    )


def _row(cut: _Cut) -> tuple[str, ...]:
    return f"{cut.rows:,}", f"{cut.chunks:,}", shown(cut.seconds), f"{shown(cut.memory_mb)} MB"


def _apart(function: object, *arguments: object) -> object:
    """Run a function in a process of its own, whose memory nothing else has used."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _look(source: Path, processes: int) -> _Looked:
    with open_source(str(source), frozen=True) as reader:
        catalog = reader.catalog()
        (table,) = catalog.tables
        begin = time.perf_counter()
        reader.profile(table, mode=ProfileMode.SAMPLE)
        middle = time.perf_counter()
        profile = reader.profile(table, processes=processes, mode=ProfileMode.FULL)
        end = time.perf_counter()
    plan = translate(catalog, {table.name: profile}, target_schema="public", options=JobOptions()).tables[0]
    return _Looked(plan=plan, full_s=end - middle, sample_s=middle - begin)


def _cut(source: Path, plan: TablePlan, chunk_bytes: int) -> _Cut:
    with open_source(str(source), frozen=True) as reader:
        before = most = _anonymous_mb()
        begin = time.perf_counter()
        chunks = rows = 0
        for chunk in chunks_of(reader, plan, chunk_bytes):
            chunks, rows = chunks + 1, rows + chunk.rows
            if chunks % _LOOK_EVERY == 0:
                most = max(most, _anonymous_mb())
        seconds = time.perf_counter() - begin
        most = max(most, _anonymous_mb())
    return _Cut(rows=rows, chunks=chunks, seconds=seconds, memory_mb=most - before)


def _anonymous_mb() -> float:
    """The memory that is this process's own: pages of the source's file, which the kernel may drop, aside."""
    status = Path("/proc/self/status")
    found = _ANONYMOUS.search(status.read_text()) if status.exists() else None
    return int(found[1]) * 1024 / 1e6 if found else 0.0
