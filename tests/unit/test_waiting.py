"""How often the waiting producer looks."""

from __future__ import annotations

import pytest

from producer.waiting import pause_after


@pytest.mark.parametrize(("look_s", "pause_s"), [(0.0, 0.2), (0.01, 0.2), (0.05, 0.5), (0.6, 6.0)])
def test_a_long_look_is_followed_by_a_longer_pause(look_s: float, pause_s: float) -> None:
    """Looking takes little time where it is cheap, and a tenth of it where it isn't."""
    assert pause_after(look_s) == pytest.approx(pause_s)
