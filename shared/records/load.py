"""How much load a job may make in the target, and how much there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLoad:
    """What an operator allows; None: any. Each that is given is above 0."""

    bytes_per_s: float | None = None
    """Source bytes that chunks may bring into the target a second, over some seconds."""
    connections: int | None = None
    """Connections that run a statement on the target's server, whoever opened them, ours included."""
    lag_s: float | None = None
    """How far the slowest replica of the target may lag behind, in seconds."""

    @property
    def by_number(self) -> bool:
        """Whether a limit is kept by the number of chunks at once; bytes are kept by when each chunk may begin."""
        return self.connections is not None or self.lag_s is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was measured, by PostgreSQL's own views and its clock."""

    at: datetime
    bytes_per_s: float
    """Source bytes that the job's chunks brought, over the last seconds."""
    connections: int
    """Connections that ran a statement, the one that measured aside."""
    replicas: int
    """Replicas that are connected."""
    lag_s: float
    """Of the slowest of them; 0 without any."""
