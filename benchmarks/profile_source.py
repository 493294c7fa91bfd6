"""How long the profile of a table takes beside copying it: ``python -m benchmarks.profile_source``.

    python -m benchmarks.profile_source                                  2,000,000 rows
    python -m benchmarks.profile_source --rows 10000000 --rounds 1

Profiles every value, then a sample, then copies the same rows by our copy path (read, convert, binary COPY into a
bare table, commit a chunk) without ledger, broker or verification, each with as many processes; prints the ratios,
by the clock and by the processors' time, the server's included. Times differ between machines, ratios hardly do; on a
busy machine only those of the processors' time mean something.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg2

from benchmarks.checks import check_rows
from benchmarks.events_table import ROWS, make_events
from benchmarks.server import database, run_sql
from producer.local_postgres import start_postgres, stop_postgres
from producer.survey import chunks_of
from shared.records.keys import ChunkRange
from shared.records.plan import JobOptions, ProfileMode, TablePlan, TypeKind
from shared.records.source import TableProfile
from shared.schema.objects import translate
from shared.settings import load_settings
from shared.source.kinds import open_source
from shared.target.connections import SessionSettings, connect_arrow
from shared.target.convert import to_target
from shared.target.copy_writer import write_bare
from shared.target.ddl import create_table

_FOLDER = Path(__file__).parent / "work"
_NUMBERS = frozenset({TypeKind.NUMERIC, TypeKind.DOUBLE, TypeKind.REAL})
_SESSION = SessionSettings(
    application_name="benchmark", connect_timeout_s=10, lock_timeout_s=60, idle_timeout_s=600, durable=False
)


def main() -> None:
    """Time the profiles and the copy, round by round."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--processes", type=int, default=2)
    options = arguments.parse_args()
    _FOLDER.mkdir(exist_ok=True)
    source = make_events(_FOLDER / "events.sqlite", rows=options.rows)
    print(f"source: {options.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB; {os.cpu_count()} cores")
    settings = load_settings(home=_FOLDER / "home")
    server = start_postgres(settings)
    spent: dict[str, list[Spent]] = {"full": [], "sample": [], "copy": []}
    try:
        for number in range(1, options.rounds + 1):
            for mode in ProfileMode:
                with _spending(server) as spending:
                    profile = _profile(source, mode, options.processes)
                spent[mode].append(spending[0])
                seen = profile.sampled_rows or profile.rows
                print(f"round {number}: profile of {seen:>10,} rows: {spending[0]}")
            spent["copy"].append(_copy(source, server, options.rows, options.processes))
            print(f"round {number}: copy of    {options.rows:>10,} rows: {spent['copy'][-1]}")
    finally:
        stop_postgres(settings)
    _summary(spent)


@dataclass(frozen=True, slots=True)
class Spent:
    """What something took, in seconds."""

    clock: float
    processors: float
    """Of all processes that took part."""

    def __str__(self) -> str:
        return f"{self.clock:5.1f} s, processors {self.processors:5.1f} s"


@contextmanager
def _spending(server: str) -> Iterator[list[Spent]]:
    """Note what the block takes; processes that it starts must have ended with it."""
    spent: list[Spent] = []
    clock, processors = time.perf_counter(), _processor_seconds(server)
    yield spent
    spent.append(Spent(time.perf_counter() - clock, _processor_seconds(server) - processors))


def _processor_seconds(server: str) -> float:
    """What this process, its ended children and the server's ended sessions have taken so far."""
    own = os.times()
    with closing(psycopg2.connect(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (folder,) = cursor.fetchone()
    postmaster = psutil.Process(int((Path(folder) / "postmaster.pid").read_text().split()[0])).cpu_times()
    return sum(own[:4]) + postmaster.children_user + postmaster.children_system


def _summary(spent: dict[str, list[Spent]]) -> None:
    def median(name: str) -> tuple[float, float]:
        return statistics.median(s.clock for s in spent[name]), statistics.median(s.processors for s in spent[name])

    clock, processors = median("copy")
    for mode in ProfileMode:
        own_clock, own_processors = median(mode)
        shares = f"{own_clock / clock:.2f} by the clock, {own_processors / processors:.2f} by the processors' time"
        print(f"{mode} profile / copy: {shares}")


def _profile(source: Path, mode: ProfileMode, processes: int) -> TableProfile:
    with open_source(str(source), frozen=True) as reader:
        (table,) = reader.catalog().tables
        return reader.profile(table, processes=processes, mode=mode)


def _copy(source: Path, server: str, rows: int, processes: int) -> Spent:
    with database(server, "bench_profile") as url:
        plan, ranges = _planned(source)
        run_sql(url, create_table(plan))
        hands = [ranges[first::processes] for first in range(processes)]
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(_ready, range(processes)))  # starting Python and importing Arrow is no copying
            before = _processor_seconds(server)
            begin = time.perf_counter()
            taken = list(pool.map(functools.partial(_copy_ranges, source, url, plan), hands))
            clock = time.perf_counter() - begin
            time.sleep(1)  # the server counts a session when it has buried it
            spent = Spent(clock, sum(taken) + _processor_seconds(server) - before)
        check_rows(url, rows)
    return spent


def _planned(source: Path) -> tuple[TablePlan, list[ChunkRange]]:
    options = JobOptions()
    with open_source(str(source), frozen=True) as reader:
        catalog = reader.catalog()
        (table,) = catalog.tables
        profile = reader.profile(table, mode=ProfileMode.SAMPLE)
        plan = translate(catalog, {table.name: profile}, target_schema="public", options=options).tables[0]
        plan = replace(plan, sampled=False)  # as after a full profile, which has no cause to suspect any column
        return plan, [chunk.key_range for chunk in chunks_of(reader, plan, options.chunk_bytes)]


def _ready(number: int) -> int:
    time.sleep(1)  # so that each process gets one
    return number


def _copy_ranges(source: Path, url: str, plan: TablePlan, ranges: Sequence[ChunkRange]) -> float:
    """Copy some chunks: what one worker does, but for the ledger. Returns the processor's seconds."""
    before = time.process_time()
    numbers = [column.source for column in plan.columns if column.type.kind in _NUMBERS]
    mixed = [column.source for column in plan.columns if column.mixed]
    with closing(connect_arrow(url, _SESSION)) as connection, open_source(str(source), frozen=True) as reader:
        for key_range in ranges:
            rows = reader.read_arrow(plan.read, key_range, suspects=mixed, as_numbers=numbers)
            write_bare(connection, to_target(rows, plan.columns), plan)
            connection.commit()
    return time.process_time() - before


if __name__ == "__main__":
    main()
