"""Where a job's time went, in shares and in a sentence that says what would make it faster; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.records.work import TimeSums

_DOMINANT: Final = 0.6
"""A share from which on a step is what a person should look at: shortening all others by half gains less."""
_SMALL_CHUNKS: Final = 0.4
"""What surrounds the rows takes 3 % of a chunk of the usual size."""
_SLOW_COMMITS: Final = 0.25
"""Commits wait for no disk (synchronous_commit is off for chunks): a quarter of the time means that they do."""
_QUEUED: Final = 0.5
"""Chunks that waited for a worker for half as long as one of them takes: there was always another one waiting."""
_TOO_SHORT_S: Final = 1.0
"""Of less work than a second nothing follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesView:
    """Where the time of chunks went, in seconds, summed over the workers. In the JSON of status and report."""

    chunks: int
    workers: int
    """Processes that copied them."""
    read_s: float
    """Reading the source."""
    convert_s: float
    """Bringing values to the target's types."""
    write_s: float
    """PostgreSQL taking the rows."""
    commit_s: float
    rest_s: float
    """Connecting, opening the source, the ledger."""
    compare_s: float
    """Verification, both sides."""
    wait_s: float
    """Chunks waiting in the queue until a worker was free: no worker's time."""
    shares: dict[str, float]
    """Of the workers' time: read, convert, write, commit, rest, compare; together 1."""
    bottleneck: str | None
    """What copying waited for most, and what follows from it; None where there is too little to tell."""

    @property
    def copy_s(self) -> float:
        """The workers' time for copying."""
        return self.read_s + self.convert_s + self.write_s + self.commit_s + self.rest_s


def times_view(sums: TimeSums) -> TimesView | None:
    """Say where the time of some chunks went; None where no chunk has times."""
    if not sums.chunks:
        return None
    seconds = {
        "read": sums.read_s,
        "convert": sums.convert_s,
        "write": sums.write_s,
        "commit": sums.commit_s,
        "rest": sums.rest_s,
        "compare": sums.compare_s,
    }
    whole = sum(seconds.values())
    return TimesView(
        chunks=sums.chunks,
        workers=sums.workers,
        **{f"{name}_s": value for name, value in seconds.items()},
        wait_s=sums.wait_s,
        shares={name: value / whole if whole else 0.0 for name, value in seconds.items()},
        bottleneck=_bottleneck(sums),
    )


def _bottleneck(sums: TimeSums) -> str | None:
    copying = sums.read_s + sums.convert_s + sums.write_s + sums.commit_s + sums.rest_s
    return None if copying < _TOO_SHORT_S else next(_findings(sums, copying))


def _findings(sums: TimeSums, copying: float) -> Iterator[str]:
    """What holds of the copying, the surest first: it suffers from small chunks, the disk, PostgreSQL, few workers."""
    rest, commits = sums.rest_s / copying, sums.commit_s / copying
    server, own = (sums.write_s + sums.commit_s) / copying, (sums.read_s + sums.convert_s) / copying
    queued = sums.wait_s > _QUEUED * copying
    if rest >= _SMALL_CHUNKS:
        yield (
            f"what surrounds the rows takes {rest:.0%} of the copying: fewer and larger chunks cost less (--chunk-mb),"
            " where tables are large enough for them"
        )
    if commits >= _SLOW_COMMITS:
        yield (
            f"commits take {commits:.0%} of the copying: the disk of PostgreSQL's write-ahead log is the limit;"
            " `producer check` names settings that make it write less, and a larger --chunk-mb makes fewer commits"
        )
    if server >= _DOMINANT:
        yield (
            f"PostgreSQL takes {server:.0%} of the workers' time for copying: more workers help only while its machine"
            " has idle cores and its disk keeps up; `producer check` names settings that slow a load"
        )
    if not queued:
        yield "chunks hardly waited for a free worker: more workers would stand idle"
    if own >= _DOMINANT:
        yield (
            f"the workers' own work takes {own:.0%} of the copying, and chunks waited for a free worker: more worker"
            " processes make it faster, on cores that are idle"
        )
    yield "no single step takes most of the time: the workers' cores and PostgreSQL's share it"
