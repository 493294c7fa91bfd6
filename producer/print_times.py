"""Where a job's time went, as Rich renders it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from producer.times import TimesView
from producer.wording import counted, span


def times_lines(times: TimesView | None) -> Iterable[Text]:
    """Where the time went, and what follows from it."""
    if times is None:
        return
    yield Text(time_sentence(times))
    if times.bottleneck is not None:
        yield Text(times.bottleneck, style="cyan")


def time_sentence(times: TimesView) -> str:
    """Where the workers' time went, in one sentence: copying by its steps, comparing, and waiting."""
    parts = {
        "PostgreSQL taking rows": times.write_s,
        "commits": times.commit_s,
        "reading": times.read_s,
        "converting": times.convert_s,
        "the rest": times.rest_s,
    }
    whole = times.copy_s or 1.0
    steps = ", ".join(f"{name} {seconds / whole:.0%}" for name, seconds in parts.items())
    compared = f"; comparing {span(times.compare_s)}" if times.compare_s else ""
    waited = f"; a chunk waited {span(times.wait_s / times.chunks)} for a free worker"
    who = counted(times.workers, "worker process", "worker processes")
    return f"time of {who}: copying {span(times.copy_s)} ({steps}){compared}{waited}"
