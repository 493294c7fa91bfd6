"""A job of many small tables, whole and verified."""

from __future__ import annotations

from benchmarks import limits
from benchmarks.bench import Bench
from benchmarks.checks import Check, check_target, expected
from benchmarks.convoy import ConvoyRun
from benchmarks.figures import Figure, Section, Table, shown_median
from benchmarks.sources.many_tables import ROWS, make_many, table_name
from benchmarks.works.where_time_goes import where_table


def measure(bench: Bench) -> Section:
    """Time the whole job, command start to prompt."""
    tables = bench.sizes.tables
    source = make_many(bench.sources("tables.sqlite"), tables=tables)
    checks = [Check(table=table_name(number), total="id") for number in range(1, tables + 1)]
    wanted = expected(source, checks)
    runs: list[ConvoyRun] = []
    for _ in bench.each_round("many tables"):
        with bench.server.database("bench_tables") as url:
            runs.append(bench.convoy.run(source, url))
            check_target(url, checks, wanted)
        bench.say(f"  {runs[-1].seconds:.1f} s")
    parts = {
        "first claim to the last table's end": [run.times.tables_s for run in runs],
        "of it until the last keys are built": [run.times.copying_s for run in runs],
        "before and after": [run.seconds - run.times.tables_s for run in runs],
    }
    return Section(
        name="tables",
        title=f"{tables:,} tables of {ROWS} rows",
        how="The whole verified job, command start to prompt.",
        figures=(
            Figure(
                what="whole verified job",
                unit="s",
                ours=tuple(run.seconds for run in runs),
                limit=limits.MANY_TABLES_S,
            ),
        ),
        tables=(
            Table(
                title="Parts",
                header=("what", "time"),
                rows=tuple((what, shown_median(seconds)) for what, seconds in parts.items()),
            ),
            where_table({"the last one": runs[-1]}),
        ),
    )
