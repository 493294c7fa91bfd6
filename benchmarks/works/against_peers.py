"""One source into the same server by pgconvoy, bare binary COPY, DuckDB and pgloader, in turns."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import limits
from benchmarks.bench import Bench
from benchmarks.checks import Check, check_target, expected
from benchmarks.convoy import ConvoyRun
from benchmarks.events_table import events_in
from benchmarks.figures import Figure, Section, Table, shown, shown_median
from benchmarks.ledger_times import latest_plans
from benchmarks.peers import bare_copy, duckdb_load, pgloader
from benchmarks.sources.blob_table import make_blobs
from benchmarks.sources.tpch_tables import make_tpch
from benchmarks.sources.wide_table import make_wide
from benchmarks.works.where_time_goes import where_table

CONVOY, BARE, DUCKDB, PGLOADER = "pgconvoy", "bare COPY", "DuckDB", "pgloader"
_HOW = (
    "The whole job of pgconvoy, from the command's start to its prompt, verified; of it the copying: first chunk"
    " claimed to last chunk committed and keys built, by the ledger's clock. Bare binary COPY of prepared files in as"
    " many streams as pgconvoy has workers, keys built after; DuckDB's INSERT … SELECT into the same tables, keys built"
    " after; pgloader's whole load, which verifies nothing. All into a fresh database of one server, in turns; the"
    " result of each is checked by rows and sums."
)


def events(bench: Bench) -> Section:
    """The main work: one table of ten typed columns, with every limit."""
    source = events_in(bench.folder, bench.sizes.events)
    race = _race(bench, source, [Check(table="events", total="account_id")])
    runs = race.runs
    figures = [
        *_against(bench, "events", race),
        Figure(
            what="verification of every value / copying",
            unit="x",
            ours=tuple(run.times.verifying_s for run in runs),
            theirs=tuple(run.times.copying_s for run in runs),
            limit=bench.limit("events", limits.VERIFY_TO_COPY),
        ),
        _memory(runs),
    ]
    title = f"{bench.sizes.events:,} events: 10 typed columns, {_mb(source)}"
    return _section("events", title, race, figures)


def tpch(bench: Bench) -> Section:
    """Eight tables with composite keys, dates and money."""
    source = make_tpch(bench.sources("tpch.sqlite"), scale=bench.sizes.tpch)
    checks = [
        Check(table="region", total="r_regionkey"),
        Check(table="nation", total="n_regionkey"),
        Check(table="part", total="p_size"),
        Check(table="supplier", total="s_nationkey"),
        Check(table="partsupp", total="ps_availqty"),
        Check(table="customer", total="c_nationkey"),
        Check(table="orders", total="o_custkey"),
        Check(table="lineitem", total="l_partkey"),
    ]
    race = _race(bench, source, checks)
    rows = race.runs[0].times.rows
    title = f"TPC-H at scale {bench.sizes.tpch:g}: {rows:,} rows in 8 tables, {_mb(source)}"
    return _section("tpch", title, race, [*_against(bench, "tpch", race), _memory(race.runs)])


def wide(bench: Bench) -> Section:
    """A table of 60 columns."""
    source = make_wide(bench.sources("wide.sqlite"), rows=bench.sizes.wide)
    race = _race(bench, source, [Check(table="wide", total="c06")])
    title = f"{bench.sizes.wide:,} rows of 60 columns, {_mb(source)}"
    return _section("wide", title, race, [*_against(bench, "wide", race), _memory(race.runs)])


def blobs(bench: Bench) -> Section:
    """Blobs of 10 to 100 KB."""
    source = make_blobs(bench.sources("blobs.sqlite"), rows=bench.sizes.blobs)
    race = _race(bench, source, [Check(table="files", total="length(content)")])
    title = f"{bench.sizes.blobs:,} blobs of 10 to 100 KB, {_mb(source)}"
    return _section("blobs", title, race, [*_against(bench, "blobs", race), _memory(race.runs)])


@dataclass(slots=True)
class _Race:
    """What the rounds brought."""

    runs: list[ConvoyRun] = field(default_factory=list)
    clocks: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)

    def skip(self, name: str, reason: str) -> None:
        """Say once why a program takes no part."""
        note = f"{name} was skipped: {reason}"
        if note not in self.notes:
            self.notes.append(note)


def _race(bench: Bench, source: Path, checks: Sequence[Check]) -> _Race:
    race, wanted = _Race(), expected(source, checks)
    files = bench.folder / "prepared"
    prepared: bare_copy.Prepared | None = None
    try:
        for _ in bench.each_round(source.stem):
            with bench.server.database("bench_convoy") as url:
                race.runs.append(bench.convoy.run(source, url))
                check_target(url, checks, wanted)
                if prepared is None:
                    prepared = bare_copy.prepare(url, latest_plans(url), files, streams=bench.workers)
            bench.say(f"  {CONVOY}: {race.runs[-1].seconds:.1f} s, copying {race.runs[-1].times.copying_s:.1f} s")
            _peers(bench, source, prepared, race, lambda url: check_target(url, checks, wanted))
    finally:
        shutil.rmtree(files, ignore_errors=True)
    return race


def _peers(bench: Bench, source: Path, prepared: bare_copy.Prepared, race: _Race, check: Callable[[str], None]) -> None:
    programs: dict[str, tuple[str | None, Callable[[str], float]]] = {
        BARE: (None, lambda url: bare_copy.load(prepared, url)),
        DUCKDB: (duckdb_load.available(), lambda url: duckdb_load.load(source, url, prepared.plans)),
        PGLOADER: (pgloader.available(), lambda url: pgloader.load(source, url, bench.folder)),
    }
    for name, (missing, load) in programs.items():
        if missing:
            race.skip(name, missing)
            continue
        try:
            with bench.server.database("bench_peer") as url:
                seconds = load(url)
                check(url)
        except Exception as error:  # noqa: BLE001 - whatever stops another program, the rest is measured
            race.skip(name, str(error))
            bench.say(f"  {name}: {error}")
            continue
        race.clocks[name].append(seconds)
        bench.say(f"  {name}: {seconds:.1f} s")


def _against(bench: Bench, work: str, race: _Race) -> list[Figure]:
    runs, clocks = race.runs, race.clocks
    copying = tuple(run.times.copying_s for run in runs)
    whole = tuple(run.seconds for run in runs)
    compared = (
        ("copying / bare binary COPY", copying, BARE, limits.COPY_TO_BARE_COPY),
        ("copying / DuckDB's INSERT … SELECT", copying, DUCKDB, limits.COPY_TO_DUCKDB),
        ("whole verified job / pgloader's load", whole, PGLOADER, limits.JOB_TO_PGLOADER),
    )
    return [
        Figure(what=what, unit="x", ours=ours, theirs=tuple(clocks[peer]), limit=bench.limit(work, limit))
        for what, ours, peer, limit in compared
        if len(clocks[peer]) == len(ours)
    ]


def _memory(runs: Sequence[ConvoyRun]) -> Figure:
    peaks = tuple(run.worker_mb for run in runs)
    return Figure(what="largest worker process", unit="MB", ours=peaks, limit=limits.WORKER_MB, worst=True)


def _section(name: str, title: str, race: _Race, figures: Sequence[Figure]) -> Section:
    runs = race.runs
    times = [run.times for run in runs]
    rows = times[0].rows
    lines = [
        ("pgconvoy: whole job, verified", [run.seconds for run in runs]),
        ("pgconvoy: copying and keys", [each.copying_s for each in times]),
        ("pgconvoy: of it rows alone", [each.rows_s for each in times]),
        ("pgconvoy: verification after that", [each.verifying_s for each in times]),
        *((each, race.clocks[each]) for each in (BARE, DUCKDB, PGLOADER)),
    ]
    clocks = {
        "pgconvoy, whole and verified": tuple(run.seconds for run in runs),
        "pgconvoy, copying": tuple(each.copying_s for each in times),
        **{f"{each}": tuple(race.clocks[each]) for each in (BARE, DUCKDB, PGLOADER) if race.clocks[each]},
    }
    around = [run.seconds - run.times.tables_s for run in runs]
    table = Table(
        title=f"Seconds by the clock, median of {len(runs)} (least to most)",
        header=("what", "time", "rows a second"),
        rows=(
            *((what, shown_median(seconds), _rate(rows, seconds)) for what, seconds in lines),
            ("pgconvoy: before the first claim and after the last comparison", shown_median(around), ""),
        ),
    )
    return Section(
        name=name,
        title=title,
        how=_HOW,
        figures=tuple(figures),
        tables=(table, where_table({"the last one": runs[-1]})),
        notes=tuple(race.notes),
        clocks=clocks,
    )


def _rate(rows: int, seconds: Sequence[float]) -> str:
    return shown(rows / min(seconds)) if seconds and min(seconds) > 0 else "—"


def _mb(source: Path) -> str:
    return f"{source.stat().st_size / 1e6:,.0f} MB"
