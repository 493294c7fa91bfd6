"""What `benchmarks.fleet` found as a picture and as a table of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_MIB = 1024 * 1024


def draw(found: Sequence[dict[str, Any]], path: Path) -> None:
    """Save three panels over the number of chunks: rates, times of whole-job queries, and sizes.

    Args:
        found: For each size what `benchmarks.fleet` measured, smallest first.
        path: The PNG.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - of the extra `bench`: the figures are printed without it

    figure = Figure(figsize=(12, 4), layout="constrained")
    chunks = [each["chunks"] for each in found]
    panels = zip(figure.subplots(1, 3), _panels(found), strict=True)
    for axes, (title, lines) in panels:
        for name, values in lines.items():
            axes.plot(chunks, values, marker="o", label=name)
        axes.set(title=title, xlabel="chunks of the job", xscale="log", yscale="log")
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)


def _panels(found: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, list[float]]]]:
    halfway = [each["states"][1] for each in found]
    workers = halfway[0]["fleet"]["workers"]
    rates = {
        "planned and recorded": [each["planned"]["recorded_per_s"] for each in found],
        "messages sent": [each["enqueued"]["per_s"] for each in found],
        "claims and ends, 1 process": [each["ledger"]["1"]["per_s"] for each in halfway],
        f"through {workers} Celery workers": [each["fleet"]["per_s"] for each in halfway],
    }
    times = {
        "progress": [each["looked"]["progress_ms"] for each in halfway],
        "rescue": [each["looked"]["rescue_ms"] for each in halfway],
        "next chord, its 1,000 messages included": [each["looked"]["send_ms"] for each in halfway],
    }
    sizes = {
        "ledger": [each["planned"]["ledger_bytes"] * each["chunks"] / _MIB for each in found],
        "producer's growth": [max(1.0, each["planned"]["grown_mib"]) for each in found],
        "Redis, a whole chord waiting": [each["enqueued"]["redis_bytes"] * 1000 / _MIB for each in found],
    }
    return [("a second", rates), ("milliseconds, half of the job done", times), ("MiB", sizes)]


def table(found: Sequence[dict[str, Any]]) -> str:
    """Render a Markdown table, a row for each number of chunks."""
    head = (
        "| chunks | planned and recorded a second | messages sent a second | claims and ends a second, 1 / 2 / 4"
        " processes | through the fleet a second, 0 / 50 / 90 % done | a look at the progress, ms"
        " | ledger, bytes a chunk | producer's growth, MiB |"
    )
    rule = "| " + " | ".join(["---:"] * 8) + " |"
    return "\n".join([head, rule, *(_row(each) for each in found)])


def reach(found: Sequence[dict[str, Any]]) -> str:
    """Say how many workers one ledger and one Redis feed, by the processor time that a chunk takes of each.

    Of the largest job, half done. One processor of PostgreSQL is counted for the ledger, and one of Redis, which has no
    more; each chunk's copy and its comparison are two messages and about as many statements.
    """
    fleet = found[-1]["states"][1]["fleet"]
    ledger, queue = 500 / fleet["server_ms"], 500 / fleet["redis_ms"]
    return (
        f"Of a chunk's copy without rows PostgreSQL takes {fleet['server_ms']:.1f} ms of a processor and Redis"
        f" {fleet['redis_ms']:.2f} ms; its comparison takes about as much again. So one processor of PostgreSQL keeps"
        f" the ledger of {ledger:,.0f} chunks a second, and one Redis carries {queue:,.0f}: where a chunk takes 10 s,"
        f" that is {ledger * 10:,.0f} and {queue * 10:,.0f} workers. The rows themselves load PostgreSQL long before."
    )


def _row(each: dict[str, Any]) -> str:
    states = each["states"]
    cells = [
        f"{each['chunks']:,}",
        f"{each['planned']['recorded_per_s']:,.0f}",
        f"{each['enqueued']['per_s']:,.0f}",
        " / ".join(f"{rate['per_s']:,.0f}" for rate in states[1]["ledger"].values()),
        " / ".join(f"{state['fleet']['per_s']:,.0f}" for state in states),
        " / ".join(f"{state['looked']['progress_ms']:,.0f}" for state in states),
        f"{each['planned']['ledger_bytes']:,.0f}",
        f"{each['planned']['grown_mib']:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"
