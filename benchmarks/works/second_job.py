"""A second job into the same tables: nothing changed, then every row changed, against the first copying."""

from __future__ import annotations

from benchmarks import limits
from benchmarks.bench import Bench
from benchmarks.checks import Check, check_target, expected
from benchmarks.convoy import ConvoyRun
from benchmarks.events_table import events_in
from benchmarks.figures import Figure, Section
from benchmarks.sources.changed_events import make_changed
from benchmarks.works.where_time_goes import where_table

_CHECKS = [Check(table="events", total="account_id")]


def measure(bench: Bench) -> Section:
    """Copy, copy again, and copy again after one value of every row has changed."""
    rows = bench.sizes.again
    source = events_in(bench.folder, rows)
    changed = make_changed(bench.sources("changed.sqlite"), source, rows=rows)
    wanted, wanted_then = expected(source, _CHECKS), expected(changed, _CHECKS)
    runs: dict[str, list[ConvoyRun]] = {"first": [], "nothing changed": [], "every row changed": []}
    for _ in bench.each_round("second job"):
        with bench.server.database("bench_again") as url:
            runs["first"].append(bench.convoy.run(source, url))
            runs["nothing changed"].append(bench.convoy.run(source, url))
            check_target(url, _CHECKS, wanted)
            runs["every row changed"].append(bench.convoy.run(changed, url))
            check_target(url, _CHECKS, wanted_then)
        bench.say("  copying: " + ", ".join(f"{name} {each[-1].times.copying_s:.1f} s" for name, each in runs.items()))
    copying = {name: tuple(run.times.copying_s for run in each) for name, each in runs.items()}
    return Section(
        name="again",
        title=f"A second job into the same table, {rows:,} events",
        how="Copying of a second job into the table that the first one filled, against the first one's, by the"
        " ledger's clock: from the same source, and from one where a value of every row differs. Verified each time.",
        figures=(
            Figure(
                what="nothing changed / first copying",
                unit="x",
                ours=copying["nothing changed"],
                theirs=copying["first"],
                limit=limits.AGAIN_UNCHANGED,
            ),
            Figure(
                what="every row changed / first copying",
                unit="x",
                ours=copying["every row changed"],
                theirs=copying["first"],
                limit=limits.AGAIN_CHANGED,
            ),
        ),
        tables=(where_table({name: each[-1] for name, each in runs.items()}),),
    )
