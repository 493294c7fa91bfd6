"""Rows a second with one worker process and with two, PostgreSQL on the same cores, and where the time goes."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.checks import check_rows
from benchmarks.convoy import ConvoyRun
from benchmarks.events_table import events_in
from benchmarks.figures import Figure, Section
from benchmarks.works.where_time_goes import where_table

_COUNTS = (1, 2)


def measure(bench: Bench) -> Section:
    """Copy with each number of workers, in turns."""
    rows = bench.sizes.scaling
    source = events_in(bench.folder, rows)
    runs: dict[int, list[ConvoyRun]] = {count: [] for count in _COUNTS}
    for _ in bench.each_round("one worker and two"):
        for count in _COUNTS:
            with bench.server.database("bench_workers") as url:
                runs[count].append(bench.convoy.run(source, url, "--no-verify", workers=count))
                check_rows(url, rows)
            bench.say(f"  {count}: rows in {runs[count][-1].times.rows_s:.1f} s")
    rates = {count: tuple(rows / run.times.rows_s for run in each) for count, each in runs.items()}
    one, two = _COUNTS
    return Section(
        name="workers",
        title=f"One worker process and two, {rows:,} events",
        how="Rows a second from the first claim to the last commit, by the ledger's clock; not verified, so that the"
        " workers do nothing else. PostgreSQL runs on the same cores.",
        figures=(
            *(Figure(what=f"with {count}", unit="rows/s", ours=rates[count]) for count in _COUNTS),
            Figure(what=f"with {two} / with {one}", unit="x", ours=rates[two], theirs=rates[one]),
        ),
        tables=(where_table({f"with {count}": runs[count][-1] for count in _COUNTS}),),
    )
