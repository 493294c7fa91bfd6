"""How often the waiting producer looks."""

from __future__ import annotations

import psycopg2.errors
import pytest
import sqlalchemy as sa

from producer.waiting import _translated, pause_after
from shared.errors import TransientError


@pytest.mark.parametrize(("look_s", "pause_s"), [(0.0, 0.2), (0.01, 0.2), (0.05, 0.5), (0.6, 6.0)])
def test_a_long_look_is_followed_by_a_longer_pause(look_s: float, pause_s: float) -> None:
    """Looking takes little time where it is cheap, and a tenth of it where it isn't."""
    assert pause_after(look_s) == pytest.approx(pause_s)


def test_a_deadlock_with_workers_is_tried_again() -> None:
    """What PostgreSQL ends to let somebody else go on is no fault of ours: it is tried again."""

    def deadlock() -> None:
        said, statement = "deadlock detected", "UPDATE"
        raise sa.exc.OperationalError(statement, None, psycopg2.errors.DeadlockDetected(said))

    with pytest.raises(TransientError, match="deadlock"):
        _translated(deadlock)
