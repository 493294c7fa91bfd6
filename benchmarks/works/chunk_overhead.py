"""What a chunk costs beside its rows: a job of chunks of one row, over Redis and Celery as always."""

from __future__ import annotations

from benchmarks import limits
from benchmarks.bench import Bench
from benchmarks.checks import check_rows
from benchmarks.convoy import ConvoyRun
from benchmarks.figures import Figure, Section
from benchmarks.sources.narrow_table import make_narrow
from benchmarks.works.where_time_goes import where_table

_ONE_ROW_MB = "0.000001"


def measure(bench: Bench) -> Section:
    """Time chunks of one row from the first claim to the last commit."""
    count = bench.sizes.chunks
    source = make_narrow(bench.sources("chunks.sqlite"), rows=count)
    runs: list[ConvoyRun] = []
    for _ in bench.each_round("chunks of one row"):
        with bench.server.database("bench_chunks") as url:
            runs.append(bench.convoy.run(source, url, "--chunk-mb", _ONE_ROW_MB, "--no-verify"))
            check_rows(url, count, "readings")
        times = runs[-1].times
        bench.say(f"  {times.chunks:,} chunks in {times.rows_s:.1f} s")
    every_ms = tuple(1000 * run.times.rows_s / run.times.chunks for run in runs)
    return Section(
        name="chunks",
        title=f"The overhead of a chunk: {runs[0].times.chunks:,} chunks of one row",
        how="Redis, Celery's workers, ledger and target as in every job; first claim to last commit, divided by the"
        f" chunks: with {bench.workers} workers a chunk ends every so many milliseconds. A chunk without any row"
        " cannot be planned, so that one row's copying is in it.",
        figures=(
            Figure(
                what=f"a chunk, with {bench.workers} workers",
                unit="ms",
                ours=every_ms,
                limit=limits.EMPTY_CHUNK_MS,
            ),
            Figure(
                what="the same as one worker's time",
                unit="ms",
                ours=tuple(each * bench.workers for each in every_ms),
            ),
        ),
        tables=(where_table({"the last one": runs[-1]}),),
    )
