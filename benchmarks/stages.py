"""Where the processors' time of a copy goes: ``python -m benchmarks.stages``.

    python -m benchmarks.stages                            2,000,000 rows, three rounds
    python -m benchmarks.stages --rows 200000 --rounds 1

One process copies a table as a worker does (read, digest, convert, COPY in binary), without ledger and broker, and
notes the processor's time of each step and PostgreSQL's. Beside it, bare binary COPY of the same rows shows what
PostgreSQL takes alone. On a machine whose cores PostgreSQL shares, the sum divided by the cores is the least time that
a copy can take, however many processes there are.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.checks import check_rows
from benchmarks.copying import SESSION, planned
from benchmarks.events_table import ROWS, events_in
from benchmarks.server import Server, run_sql
from shared.records.keys import ChunkRange
from shared.records.plan import TablePlan
from shared.records.stored import size_of
from shared.source.kinds import open_source
from shared.source.reader import SourceReader
from shared.target.connections import begin, commit, connect_arrow
from shared.target.convert_split import to_target_where_fit
from shared.target.ddl import create_table
from shared.target.split_writer import SplitWriter
from workers.copy_columns import BATCH_BYTES, look_of
from workers.fingerprint import ColumnsDigest

_FOLDER = Path(__file__).parent / "work"


def main() -> None:
    """Copy, round by round, and print what each step took."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--work", type=Path, default=_FOLDER, help="where the source and the server's data go")
    options = arguments.parse_args()
    source = events_in(options.work, options.rows)
    print(f"source: {options.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB; {os.cpu_count()} cores")
    rounds: list[dict[str, float]] = []
    with Server(options.work / "home") as server:
        for number in range(1, options.rounds + 1):
            rounds.append(_round(source, server, options.rows))
            print(f"round {number}: {_shown(rounds[-1])}", flush=True)
    print(f"medians: {_shown({step: statistics.median(each[step] for each in rounds) for step in rounds[0]})}")


def _shown(spent: dict[str, float]) -> str:
    total = sum(spent.values())
    steps = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in spent.items())
    return f"{steps}; together {total:.2f} s, on {os.cpu_count()} cores at least {total / (os.cpu_count() or 1):.2f} s"


def _round(source: Path, server: Server, rows: int) -> dict[str, float]:
    plan, ranges = planned(source)
    spent: dict[str, float] = defaultdict(float)
    with server.database("bench_stages") as url:
        run_sql(url, create_table(plan))
        before = server.processor_seconds()
        with (
            closing(connect_arrow(url, SESSION)) as connection,
            open_source(str(source), frozen=True) as reader,
        ):
            for key_range in ranges:
                begin(connection)
                _copy(reader, SplitWriter(connection, plan), plan, key_range, spent)
                commit(connection)
        spent["PostgreSQL"] = server.processor_seconds() - before
        check_rows(url, rows)
    return dict(spent)


def _copy(
    reader: SourceReader, writer: SplitWriter, plan: TablePlan, key_range: ChunkRange, spent: dict[str, float]
) -> None:
    """What `workers.copy_columns` does with rows that all fit."""
    looks = [look_of(column, plan) for column in plan.columns]
    size = size_of(looks, row_bytes=plan.row_bytes, batch_bytes=BATCH_BYTES)
    digest = ColumnsDigest()
    with closing(reader.read_batches(plan.read, key_range, looks, size)) as batches:
        while True:
            with _noting(spent, "reading"):
                batch = next(batches, None)
            if batch is None:
                return
            with _noting(spent, "digest"):
                digest.add(part for parts in batch.columns for part in parts)
            with _noting(spent, "converting"):
                fitted = to_target_where_fit(batch, plan)
            with _noting(spent, "encoding and sending"):
                writer.write(fitted.rows)


@contextmanager
def _noting(spent: dict[str, float], step: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    spent[step] += time.process_time() - begun


if __name__ == "__main__":
    main()
