"""Every function of SQLite that is known here, with its grade: what the docs' matrix is made from."""

from __future__ import annotations

from typing import Final

from shared.schema.dialect.calls import FUNCTIONS
from shared.schema.dialect.functions import Function
from shared.schema.dialect.windows import FUNCTIONS as WINDOW_FUNCTIONS

ALL_FUNCTIONS: Final[tuple[Function, ...]] = tuple(
    sorted((*FUNCTIONS, *WINDOW_FUNCTIONS), key=lambda each: (each.name, each.least))
)
"""By name, signs left as they are; a name may stand twice (min and max of one argument are aggregates)."""
