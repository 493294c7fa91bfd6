"""A worker's memory where rows are large: blobs of 50 MB."""

from __future__ import annotations

from benchmarks import limits
from benchmarks.bench import Bench
from benchmarks.checks import Check, check_target, expected
from benchmarks.convoy import ConvoyRun
from benchmarks.figures import Figure, Section
from benchmarks.sources.blob_table import HUGE, make_blobs
from benchmarks.works.where_time_goes import where_table

_CHECKS = [Check(table="files", total="length(content)")]


def measure(bench: Bench) -> Section:
    """Copy and verify blobs of 50 MB, and note the largest worker process."""
    source = make_blobs(bench.sources("huge_blobs.sqlite"), rows=bench.sizes.huge_blobs, sizes=HUGE)
    wanted = expected(source, _CHECKS)
    runs: list[ConvoyRun] = []
    for _ in bench.each_round("blobs of 50 MB"):
        with bench.server.database("bench_memory") as url:
            runs.append(bench.convoy.run(source, url))
            check_target(url, _CHECKS, wanted)
        bench.say(f"  largest worker {runs[-1].worker_mb:,.0f} MB")
    twice_widest = 2 * HUGE[1] / 1e6
    return Section(
        name="memory",
        title=f"{bench.sizes.huge_blobs} blobs of 50 MB",
        how="The largest resident set that a worker process ever had, pages that it shares with others included; copy"
        " and verification. The memory of the other works stands with them.",
        figures=(
            Figure(
                what="largest worker process",
                unit="MB",
                ours=tuple(run.worker_mb for run in runs),
                limit=max(limits.WORKER_MB, twice_widest),
                worst=True,
            ),
        ),
        tables=(where_table({"the last one": runs[-1]}),),
    )
