"""How far one ledger and one Redis reach: ``python -m benchmarks.fleet``.

    python -m benchmarks.fleet                                       1,000, 10,000 and 100,000 chunks
    python -m benchmarks.fleet --chunks 1000 10000 100000 1000000

Planning, ledger, queue and workers are the real ones, on a real PostgreSQL and a real Redis; only the copying of rows
is left out. For each size all chunks are planned and recorded. Then the ledger is brought to where nothing, half, and
nearly all of the job is done, by one UPDATE each; there the queries over the whole job are timed, processes claim and
finish chunks, and Celery workers take some thousands through the queue.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.fleet import acts
from benchmarks.fleet.plot import draw, reach, table
from benchmarks.fleet.stage import Stage, make_source, set_up
from benchmarks.page import write_block
from producer.local_postgres import start_postgres, stop_postgres
from shared.settings import Settings, load_settings

_FOLDER = Path(__file__).parent.parent / "work"
_SIZES = (1_000, 10_000, 100_000)
_FILLS = (0.0, 0.5, 0.9)
_DOCS = Path(__file__).parents[2] / "docs"
_MARK = "<!-- generated: python -m benchmarks.fleet --docs -->"


def main() -> None:
    """Measure each size in turn."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--chunks", type=int, nargs="+", default=list(_SIZES))
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--out", type=Path, default=_FOLDER / "fleet.json")
    arguments.add_argument("--docs", action="store_true", help="write the figures into docs/performance.md")
    options = arguments.parse_args()
    _FOLDER.mkdir(exist_ok=True)
    settings = load_settings(home=_FOLDER / "fleet")
    server = start_postgres(settings)
    print(f"{os.cpu_count()} cores, shared by PostgreSQL, Redis, workers and this program")
    try:
        found = [_measure(chunks, options.workers, settings, server) for chunks in options.chunks]
    finally:
        stop_postgres(settings)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    if len(found) > 1:
        print(f"\n{table(found)}")
        draw(found, options.out.with_suffix(".png"))
    if options.docs:
        draw(found, _DOCS / "fleet.png")
        block = f"{table(found)}\n\n{reach(found)}\n\n![Rates, times and sizes by the number of chunks](fleet.png)"
        write_block(_DOCS / "performance.md", block, begin_mark=_MARK)


def _measure(chunks: int, workers: int, settings: Settings, server: str) -> dict[str, Any]:
    source = make_source(_FOLDER / f"tiny-{chunks}.sqlite", chunks=chunks)
    with set_up(source, settings, server) as stage:
        planned, enqueued = acts.plan_all(stage), acts.enqueue(stage)
        print(f"\n{chunks:,} chunks: the walk yields {planned.walked_per_s:,.0f} a second; planned and recorded")
        print(f"  {planned.recorded_per_s:,.0f} a second, the producer grew by {planned.grown_mib:.0f} MiB,")
        print(f"  the ledger takes {planned.ledger_bytes:,.0f} bytes a chunk; chords: {enqueued.per_s:,.0f} messages")
        print(f"  a second, {enqueued.redis_bytes:,.0f} bytes of Redis each")
        states = [_measure_at(stage, share, workers) for share in _FILLS]
    return {"chunks": chunks, "planned": asdict(planned), "enqueued": asdict(enqueued), "states": states}


def _measure_at(stage: Stage, share: float, workers: int) -> dict[str, Any]:
    acts.fill(stage, share)
    looked = acts.look(stage)
    acts.fill(stage, share)
    rates = {processes: acts.claim_and_finish(stage, processes) for processes in (1, 2, 4) if share == 0.5}
    acts.fill(stage, share)
    fleet = acts.run_fleet(stage, workers)
    print(f"  {share:.0%} done: a look at the progress takes {looked.progress_ms:,.1f} ms, rescue", end=" ")
    print(f"{looked.rescue_ms:,.1f} ms, the next chord {looked.send_ms:,.0f} ms")
    for processes, rate in rates.items():
        print(f"    {processes} processes: {rate.per_s:,.0f} claims and ends a second,", end=" ")
        print(f"of one PostgreSQL takes {rate.server_ms:.2f} ms")
    print(f"    {workers} Celery workers: {fleet.per_s:,.0f} chunks a second; of one PostgreSQL takes", end=" ")
    print(f"{fleet.server_ms:.2f} ms, Redis {fleet.redis_ms:.2f} ms")
    return {
        "done": share,
        "looked": asdict(looked),
        "ledger": {str(processes): asdict(rate) for processes, rate in rates.items()},
        "fleet": {"workers": workers, **asdict(fleet)},
    }


if __name__ == "__main__":
    main()
