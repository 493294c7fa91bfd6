"""Lengths of time as PostgreSQL takes them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def seconds(value: Any) -> Any:
    """Render a number of seconds, or an expression of one, as an interval."""
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, value)
