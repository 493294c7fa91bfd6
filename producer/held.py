"""What holds a job back, in words."""

from __future__ import annotations

from producer.records import Throttle
from producer.wording import counted, rate
from shared.ledger.states import JOB_ENDS
from shared.records.load import Load, MaxLoad
from shared.records.work import Job


def lag_note(limits: MaxLoad, *, replicas: int) -> str | None:
    """Say that a limit of lag holds nobody back where no replica is connected."""
    if limits.lag_s is None or replicas:
        return None
    return "no replica is connected to the target now: the limit of lag holds nothing back until one is"


def throttle_of(job: Job) -> Throttle | None:
    """What holds a job back; None where nothing does, or it has ended."""
    if job.max_load is None or job.state in JOB_ENDS:
        return None
    return Throttle(max_load=job.max_load, in_flight=job.in_flight, load=job.load, said=_said(job, job.max_load))


def _said(job: Job, limits: MaxLoad) -> str:
    match job.in_flight:
        case None:
            held = "held back"
        case 0:
            held = "paused until there is less load"
        case number:
            held = f"held to {counted(number, 'chunk')} at once"
    return f"{held}: {', '.join(_shares(limits, job.load))}"


def _shares(limits: MaxLoad, load: Load | None) -> list[str]:
    """Each limit, and what was measured of it."""
    shares = []
    if limits.bytes_per_s is not None:
        shares.append((rate(load.bytes_per_s) if load else None, rate(limits.bytes_per_s), ""))
    if limits.connections is not None:
        shares.append((f"{load.connections:,}" if load else None, f"{limits.connections:,}", " active connections"))
    if limits.lag_s is not None:
        shares.append((f"{load.lag_s:.1f} s" if load else None, f"{limits.lag_s:g} s", " of replica lag"))
    return [
        f"at most {most}{what}" if seen is None else f"{seen} of at most {most}{what}" for seen, most, what in shares
    ]
