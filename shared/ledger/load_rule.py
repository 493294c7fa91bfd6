"""How many chunks may be copied at once under a limit, decided from what was measured; pure.

The rule is that of congestion control: what is too much is halved at once, what is left free is taken up slowly. So
the number falls from any height to 0 in a few looks, and comes back to what the target bears.
"""

from __future__ import annotations

from typing import Final

from shared.records.load import Load, MaxLoad

_FREE: Final = 0.5
"""Below half of what is allowed there is room for twice as much."""
_NEAR: Final = 0.9
"""From here on one chunk more may be one too many: the number stays."""
FIRST: Final = 1
"""How many chunks begin, before anything is known of what they do to the target."""


def pressure_of(limits: MaxLoad, load: Load) -> float:
    """The load as a share of what is allowed, of the limit that is nearest; above 1: too much.

    Bytes a second are not among them: each chunk's beginning is delayed until they allow it.
    """
    shares = [0.0]
    if limits.connections is not None:
        shares.append(load.connections / limits.connections)
    if limits.lag_s is not None:
        shares.append(load.lag_s / limits.lag_s)
    return max(shares)


def next_in_flight(in_flight: int, *, pressure: float, running: int) -> int:
    """How many chunks may be copied at once from now on.

    Args:
        in_flight: How many may be now.
        pressure: The load as a share of what is allowed.
        running: How many are being copied or compared: a number that nobody uses up does not grow.
    """
    if pressure > 1:
        return in_flight // 2
    if in_flight == 0:
        return FIRST  # whatever room there is: else nothing would ever begin again
    if pressure > _NEAR or 2 * running < in_flight:
        return in_flight
    return 2 * in_flight if pressure <= _FREE else in_flight + 1
