"""What building a table's indexes in parallel tasks brings: ``python -m benchmarks.index_builds``.

    python -m benchmarks.index_builds                             2,000,000 rows
    python -m benchmarks.index_builds --rows 10000000 --rounds 1

Fills one table and builds its key, four indexes and the index of a search, one after the other and in tasks side by
side, the largest first, as workers do, with the server's memory and processes for a build and with others. Prints the
clock's and the processors' time of each way as a ratio to the first. Times differ between machines, ratios hardly do;
on a busy machine only those of the processors' time mean something.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

import psycopg2
import sqlalchemy as sa

from benchmarks.server import Server, one, run_sql
from shared.target.build_sessions import give_memory

_FOLDER = Path(__file__).parent / "work"
_ROWS: Final = 2_000_000
_FILL: Final = """
    CREATE TABLE t AS
    SELECT n::bigint AS id, (n * 7919::bigint) % 2000003 AS number, md5(n::text) AS code, n / 7.0::float8 AS ratio,
           'name ' || n % 50000 AS name, to_tsvector('simple', 'word' || n % 9973 || ' thing' || n % 613) AS search
      FROM generate_series(1, {rows}) n
"""
_BUILDS: Final = (
    "CREATE INDEX t_search ON t USING gin (search)",
    "CREATE INDEX t_code ON t (code)",
    "CREATE INDEX t_name ON t (name)",
    "CREATE UNIQUE INDEX t_pkey ON t (id)",
    "CREATE INDEX t_number ON t (number)",
    "CREATE INDEX t_ratio ON t (ratio DESC)",
)
"""In the order in which workers take them: the largest first."""
_DROP: Final = "DROP INDEX t_search, t_code, t_name, t_pkey, t_number, t_ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to build them all."""

    tasks: int
    memory_mb: int | None = None
    """None: as pgconvoy chooses it."""
    helpers: int | None = None
    """max_parallel_maintenance_workers; None: the server's own."""

    def __str__(self) -> str:
        tasks = "one after the other" if self.tasks == 1 else f"{self.tasks} side by side"
        memory = "memory as chosen" if self.memory_mb is None else f"{self.memory_mb} MB each"
        helpers = "the server's processes" if self.helpers is None else f"{self.helpers} helping processes"
        return f"{tasks}, {memory}, {helpers}"


def main() -> None:
    """Build in every way, round by round."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--rows", type=int, default=_ROWS)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--tasks", type=int, default=2)
    arguments.add_argument("--work", type=Path, default=_FOLDER, help="where the server's data go")
    options = arguments.parse_args()
    ways = [
        Way(tasks=tasks, memory_mb=memory, helpers=helpers)
        for tasks in (1, options.tasks)
        for memory in (None, 256)
        for helpers in (None, 0)
    ]
    spent: dict[Way, list[tuple[float, float]]] = {way: [] for way in ways}
    with Server(options.work / "home") as server, server.database("index_builds") as url:
        run_sql(url, _FILL.format(rows=options.rows), "VACUUM ANALYZE t")
        print(f"{options.rows:,} rows, {len(_BUILDS)} indexes; {os.cpu_count()} cores; PostgreSQL {server.version()}")
        print(f"maintenance_work_mem is {one(url, 'SHOW maintenance_work_mem')}")
        for number in range(1, options.rounds + 1):
            for way in ways:
                spent[way].append(_spent(server, url, way))
                print(f"round {number}: {way}: {spent[way][-1][0]:.2f} s, processors {spent[way][-1][1]:.2f} s")
    _summary(spent)


def _spent(server: Server, url: str, way: Way) -> tuple[float, float]:
    """Build all indexes and drop them; returns the seconds of the clock and of the processors."""
    run_sql(url, "CHECKPOINT")
    processors, clock = server.processor_seconds(), time.perf_counter()
    _build_all(url, way)
    took = time.perf_counter() - clock
    processors = server.processor_seconds() - processors
    run_sql(url, _DROP)
    return took, processors


def _build_all(url: str, way: Way) -> None:
    waiting: SimpleQueue[str] = SimpleQueue()
    for statement in _BUILDS:
        waiting.put(statement)
    engine = sa.create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(url), poolclass=sa.pool.NullPool
    )
    with ThreadPoolExecutor(way.tasks) as pool:
        for task in [pool.submit(_take_builds, engine, way, waiting) for _ in range(way.tasks)]:
            task.result()


def _take_builds(engine: sa.Engine, way: Way, waiting: SimpleQueue[str]) -> None:
    """Build one after the other, each in its own transaction, until none waits."""
    while True:
        try:
            statement = waiting.get_nowait()
        except Empty:
            return
        with engine.begin() as connection:
            give_memory(connection, at_once=way.tasks, memory_mb=way.memory_mb, workers=way.helpers)
            connection.exec_driver_sql(statement)


def _summary(spent: dict[Way, list[tuple[float, float]]]) -> None:
    medians = {
        way: (statistics.median(one[0] for one in each), statistics.median(one[1] for one in each))
        for way, each in spent.items()
    }
    first = next(iter(medians.values()))
    print("\nmedians, and ratios to the first:")
    for way, (clock, processors) in medians.items():
        ratios = f"{clock / first[0]:.2f} x, processors {processors / first[1]:.2f} x"
        print(f"{way}: {clock:.2f} s, processors {processors:.2f} s: {ratios}")


if __name__ == "__main__":
    main()
