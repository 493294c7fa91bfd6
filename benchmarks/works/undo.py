"""What --undo-log costs: a second job into the same tables that changes every row, with the log and without."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.checks import Check, check_target, expected
from benchmarks.convoy import ConvoyRun
from benchmarks.events_table import events_in
from benchmarks.figures import Figure, Section
from benchmarks.server import one
from benchmarks.sources.changed_events import make_changed
from benchmarks.works.where_time_goes import where_table

_CHECKS = [Check(table="events", total="account_id")]


class LogMissesRowsError(Exception):
    """The log does not hold each changed row once."""


def measure(bench: Bench) -> Section:
    """Fill a table, then change its every row; each time in a database of its own."""
    rows = bench.sizes.again
    source = events_in(bench.folder, rows)
    changed = make_changed(bench.sources("changed.sqlite"), source, rows=rows)
    wanted = expected(changed, _CHECKS)
    runs: dict[str, list[ConvoyRun]] = {"without the log": [], "with the log": []}
    room: list[float] = []
    for _ in bench.each_round("undo log"):
        for name, options in (("without the log", ()), ("with the log", ("--undo-log",))):
            with bench.server.database("bench_undo") as url:
                bench.convoy.run(source, url)
                runs[name].append(bench.convoy.run(changed, url, *options))
                check_target(url, _CHECKS, wanted)
                if options:
                    room.append(_room(url, rows))
        bench.say("  copying: " + ", ".join(f"{name} {each[-1].times.copying_s:.1f} s" for name, each in runs.items()))
    without, logged = runs["without the log"], runs["with the log"]
    return Section(
        name="undo",
        title=f"Every row of a table changed under --undo-log, {rows:,} events",
        how="A second job into a table in which a value of every row differs, with the trigger of --undo-log against"
        " without it, each into a database that a first job has filled. Verified each time.",
        figures=(
            Figure(
                what="copying with the log / without",
                unit="x",
                ours=tuple(run.times.copying_s for run in logged),
                theirs=tuple(run.times.copying_s for run in without),
            ),
            Figure(
                what="whole verified job with the log / without",
                unit="x",
                ours=tuple(run.seconds for run in logged),
                theirs=tuple(run.seconds for run in without),
            ),
            Figure(what="the log / the table", unit="x", ours=tuple(room)),
        ),
        tables=(where_table({name: each[-1] for name, each in runs.items()}),),
    )


def _room(url: str, rows: int) -> float:
    """The bytes of the log, its indexes included, as a share of a new table of those rows.

    Raises:
        LogMissesRowsError: where the log does not hold each row as often as it was changed.
    """
    kept = _number(url, "SELECT count(*) FROM pgconvoy.undo")
    if kept != rows:
        msg = f"the log holds {kept:,} changes of {rows:,} rows"
        raise LogMissesRowsError(msg)
    # The table holds each row twice by now, as it was and as it is.
    log, table = (_number(url, f"SELECT pg_total_relation_size('{name}')") for name in ("pgconvoy.undo", "events"))
    return log / (table / 2)


def _number(url: str, question: str) -> int:
    return int(str(one(url, question)))
