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
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.checks import check_rows
from benchmarks.copying import SESSION, Spent, hands, planned, read_converted, ready_processes
from benchmarks.events_table import ROWS, events_in
from benchmarks.server import Server, run_sql
from shared.records.keys import ChunkRange
from shared.records.plan import ProfileMode, TablePlan
from shared.records.source import TableProfile
from shared.source.kinds import open_source
from shared.target.connections import connect_arrow
from shared.target.copy_writer import write_bare
from shared.target.ddl import create_table

_FOLDER = Path(__file__).parent / "work"


def main() -> None:
    """Time the profiles and the copy, round by round."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--work", type=Path, default=_FOLDER, help="where the source and the server's data go")
    options = arguments.parse_args()
    source = events_in(options.work, options.rows)
    print(f"source: {options.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB; {os.cpu_count()} cores")
    spent: dict[str, list[Spent]] = {"full": [], "sample": [], "copy": []}
    with Server(options.work / "home") as server:
        for number in range(1, options.rounds + 1):
            for mode in ProfileMode:
                with _spending() as spending:
                    profile = _profile(source, mode, options.processes)
                spent[mode].append(spending[0])
                seen = profile.sampled_rows or profile.rows
                print(f"round {number}: profile of {seen:>10,} rows: {spending[0]}")
            spent["copy"].append(_copy(source, server, options.rows, options.processes))
            print(f"round {number}: copy of    {options.rows:>10,} rows: {spent['copy'][-1]}")
    _summary(spent)


@contextmanager
def _spending() -> Iterator[list[Spent]]:
    """Note what the block takes; processes that it starts must have ended with it."""
    spent: list[Spent] = []
    clock, processors = time.perf_counter(), sum(os.times()[:4])
    yield spent
    spent.append(Spent(time.perf_counter() - clock, sum(os.times()[:4]) - processors))


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


def _copy(source: Path, server: Server, rows: int, processes: int) -> Spent:
    plan, ranges = planned(source)
    with server.database("bench_profile") as url, ready_processes(processes) as pool:
        run_sql(url, create_table(plan))
        before = server.processor_seconds()
        begin = time.perf_counter()
        taken = list(pool.map(functools.partial(_copy_chunks, source, url, plan), hands(ranges, processes)))
        clock = time.perf_counter() - begin
        spent = Spent(clock, sum(taken) + server.processor_seconds() - before)
        check_rows(url, rows)
    return spent


def _copy_chunks(source: Path, url: str, plan: TablePlan, chunks: Sequence[Sequence[ChunkRange]]) -> float:
    """Copy some chunks: what one worker does, but for the ledger. Returns the processor's seconds."""
    before = time.process_time()
    with closing(connect_arrow(url, SESSION)) as connection, open_source(str(source), frozen=True) as reader:
        for (key_range,) in chunks:
            write_bare(connection, read_converted(reader, plan, key_range), plan)
            connection.commit()
    return time.process_time() - before


if __name__ == "__main__":
    main()
