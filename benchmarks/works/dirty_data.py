"""Dirty data against clean: 0.01 % of values that need the careful path, and no other difference."""

from __future__ import annotations

from benchmarks import limits
from benchmarks.bench import Bench
from benchmarks.checks import check_rows
from benchmarks.convoy import ConvoyRun
from benchmarks.events_table import events_in
from benchmarks.figures import Figure, Section
from benchmarks.sources.dirty_table import dirty_rows, make_dirty, refused_rows
from benchmarks.works.where_time_goes import where_table

_DECLARED = ("--types", "declared")


def measure(bench: Bench) -> Section:
    """Copy the clean table and the dirty one, in turns."""
    rows = bench.sizes.dirty
    clean = events_in(bench.folder, rows)
    dirty = make_dirty(bench.sources("dirty.sqlite"), clean, rows=rows)
    refused = len(list(refused_rows(rows)))
    runs: dict[str, list[ConvoyRun]] = {"clean": [], "dirty": []}
    for _ in bench.each_round("clean and dirty"):
        with bench.server.database("bench_dirty") as url:
            runs["clean"].append(bench.convoy.run(clean, url, *_DECLARED))
            check_rows(url, rows)
        with bench.server.database("bench_dirty") as url:
            runs["dirty"].append(bench.convoy.run(dirty, url, *_DECLARED, rejects=refused > 0))
            check_rows(url, rows - refused)
        bench.say("  copying: " + ", ".join(f"{name} {each[-1].times.copying_s:.1f} s" for name, each in runs.items()))
    copying = {name: tuple(run.times.copying_s for run in each) for name, each in runs.items()}
    whole = {name: tuple(run.seconds for run in each) for name, each in runs.items()}
    return Section(
        name="dirty",
        title=f"Dirty data: {len(dirty_rows(rows)):,} of {rows:,} rows, {refused:,} of them rejects",
        how="0.01 % of the values of the events need the careful path: texts with U+0000 or of invalid UTF-8, days that"
        " do not exist (all of these become rejects, kept whole) and truth values spelled out (which arrive). Both"
        " tables are copied with `--types declared`, so that no column's type differs.",
        figures=(
            Figure(
                what="copying, dirty / clean",
                unit="x",
                ours=copying["dirty"],
                theirs=copying["clean"],
                limit=limits.DIRTY_TO_CLEAN,
            ),
            Figure(what="whole job, dirty / clean", unit="x", ours=whole["dirty"], theirs=whole["clean"]),
        ),
        tables=(where_table({name: each[-1] for name, each in runs.items()}),),
    )
