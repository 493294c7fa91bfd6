"""How long the profile of every value takes, by processes: ``python -m benchmarks.profile_source``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.events_table import ROWS, make_events
from shared.source.kinds import open_source

_FOLDER = Path(__file__).parent / "work"


def main() -> None:
    """Profile the benchmark's table with one process, then with two."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=ROWS)
    rows = arguments.parse_args().rows
    _FOLDER.mkdir(exist_ok=True)
    source = make_events(_FOLDER / "events.sqlite", rows=rows)
    with open_source(str(source), frozen=True) as reader:
        (table,) = reader.catalog().tables
        for processes in (1, 2):
            begin = time.perf_counter()
            profile = reader.profile(table, processes=processes)
            seconds = time.perf_counter() - begin
            print(f"{profile.rows:,} rows, {len(profile.columns)} columns, {processes} processes: {seconds:.1f} s")


if __name__ == "__main__":
    main()
