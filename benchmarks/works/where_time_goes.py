"""Where the workers' time went while they copied, from the ledger's record of each chunk."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.convoy import ConvoyRun
from benchmarks.figures import Table, shown
from benchmarks.ledger_times import PARTS


def where_table(runs: Mapping[str, ConvoyRun]) -> Table:
    """Shares of the workers' time (processes times seconds from the first claim to the last commit), a row a run.

    Args:
        runs: By what they are called in the table.
    """
    header = ("job", "workers", "chunks", "path", "seconds", *PARTS, "the rest", "processors: workers", "server")
    return Table(
        title="Where the time of the workers went while they copied, and the processors' time of the whole job",
        header=header,
        rows=tuple((name, *_row(run)) for name, run in runs.items()),
    )


def _row(run: ConvoyRun) -> tuple[str, ...]:
    times = run.times
    capacity = times.rows_s * run.workers
    shares = [times.parts[part] / capacity if capacity else 0.0 for part in PARTS]
    rest = max(0.0, 1.0 - sum(shares))
    return (
        str(run.workers),
        f"{times.chunks:,}",
        times.paths,
        shown(times.rows_s),
        *(f"{share:.0%}" for share in (*shares, rest)),
        f"{shown(run.workers_s)} s",
        f"{shown(run.server_s)} s",
    )
