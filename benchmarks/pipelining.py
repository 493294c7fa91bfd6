"""Should a worker read its next batch while PostgreSQL takes the last: ``python -m benchmarks.pipelining``.

    python -m benchmarks.pipelining                            2,000,000 rows, five rounds
    python -m benchmarks.pipelining --rows 200000 --rounds 1

Copies the same table in three ways, with one process and with two, in turns: each chunk as a whole (read all, then
write), each chunk in four batches one after the other, and in the same batches while a thread reads and converts the
next one. A chunk is one transaction either way. Prints the clock's and the processors' times, the server's included,
and their ratios to the first way: the processors' show what the threads cost, the clock's what they bring. On a busy
machine the clock's mean nothing.
"""

from __future__ import annotations

import argparse
import functools
import os
import queue
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from benchmarks.checks import check_rows
from benchmarks.copying import SESSION, Spent, hands, planned, read_converted, ready_processes
from benchmarks.events_table import ROWS, events_in
from benchmarks.server import Server, run_sql
from shared.records.keys import ChunkRange
from shared.records.plan import TablePlan
from shared.source.kinds import open_source
from shared.target.connections import connect_arrow
from shared.target.copy_writer import write_bare
from shared.target.ddl import create_table

_FOLDER = Path(__file__).parent / "work"
_BATCHES = 4
"""Of a chunk. More of them start sooner and cost more statements."""
_AHEAD = 1
"""Batches that are read and wait: one is enough where reading and writing take about as long."""
_END = None


def main() -> None:
    """Time the three ways, round by round."""
    arguments = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--work", type=Path, default=_FOLDER, help="where the source and the server's data go")
    options = arguments.parse_args()
    source = events_in(options.work, options.rows)
    print(f"source: {options.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB; {os.cpu_count()} cores")
    spent: dict[tuple[int, str], list[Spent]] = defaultdict(list)
    with Server(options.work / "home") as server:
        for number in range(1, options.rounds + 1):
            for processes in (1, 2):
                for way in _WAYS:
                    found = _copy(source, server, options.rows, processes, way)
                    spent[processes, way].append(found)
                    print(f"round {number}, processes {processes}: {way:27} {found}", flush=True)
    _summary(spent)


def _summary(spent: dict[tuple[int, str], list[Spent]]) -> None:
    for (processes, way), found in spent.items():
        base = spent[processes, _FIRST]
        clock = statistics.median(each.clock for each in found)
        processors = statistics.median(each.processors for each in found)
        print(
            f"processes {processes}: {way:27} {clock:5.2f} s, {_ratio(found, base, 'clock')} of reading all first;"
            f" processors {processors:5.2f} s, {_ratio(found, base, 'processors')}"
        )


def _ratio(found: Sequence[Spent], base: Sequence[Spent], what: str) -> str:
    ours, theirs = (statistics.median(getattr(each, what) for each in side) for side in (found, base))
    return f"{ours / theirs:.2f} x"


def _copy(source: Path, server: Server, rows: int, processes: int, way: str) -> Spent:
    parts = 1 if way == _FIRST else _BATCHES
    plan, ranges = planned(source, parts=parts)
    with server.database("bench_pipelining") as url, ready_processes(processes) as pool:
        run_sql(url, create_table(plan))
        before = server.processor_seconds()
        begin = time.perf_counter()
        work = functools.partial(_copy_chunks, source, url, plan, way)
        taken = list(pool.map(work, hands(ranges, processes, parts=parts)))
        clock = time.perf_counter() - begin
        spent = Spent(clock, sum(taken) + server.processor_seconds() - before)
        check_rows(url, rows)
    return spent


def _copy_chunks(source: Path, url: str, plan: TablePlan, way: str, chunks: Sequence[Sequence[ChunkRange]]) -> float:
    """Copy chunks, each of one or more batches; returns the processor's seconds of this process."""
    before = time.process_time()
    with closing(connect_arrow(url, SESSION)) as connection:
        for chunk in chunks:
            for rows in _WAYS[way](source, plan, chunk):
                write_bare(connection, rows, plan)
            connection.commit()
    return time.process_time() - before


def _one_after_the_other(source: Path, plan: TablePlan, batches: Sequence[ChunkRange]) -> Iterator[pa.Table]:
    with open_source(str(source), frozen=True) as reader:
        for key_range in batches:
            yield read_converted(reader, plan, key_range)


def _ahead(source: Path, plan: TablePlan, batches: Sequence[ChunkRange]) -> Iterator[pa.Table]:
    """Read in a thread, a batch ahead of whoever takes them."""
    waiting: queue.Queue[pa.Table | None] = queue.Queue(_AHEAD)

    def read() -> None:
        try:
            for rows in _one_after_the_other(source, plan, batches):
                waiting.put(rows)
        finally:
            waiting.put(_END)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    while (rows := waiting.get()) is not _END:
        yield rows
    thread.join()


_FIRST = "whole chunks"
_WAYS: dict[str, Callable[[Path, TablePlan, Sequence[ChunkRange]], Iterator[pa.Table]]] = {
    _FIRST: _one_after_the_other,
    f"{_BATCHES} batches": _one_after_the_other,
    f"{_BATCHES} batches, read ahead": _ahead,
}


if __name__ == "__main__":
    main()
