"""How long what went wrong waits for its next attempt, and whether there is to be one."""

from __future__ import annotations

from typing import Final

from shared.errors import ExhaustedError, TransientError, UnreachableError
from shared.settings import Settings
from shared.target.connections import translate_error

SCARCE: Final = 15
"""How many times longer a chunk waits where the server has no disk, memory or connection to spare: by the default
settings 30, 60, 120 and 240 s instead of 2, 4, 8 and 16, so that whoever is called has seven minutes to make room."""


def delay_before_retry(settings: Settings, error: Exception) -> float:
    """Seconds before the second time; 0.0 where nothing says that waiting helps."""
    known = translate_error(error, what="")
    if isinstance(known, ExhaustedError):
        return settings.retry_delay_s * SCARCE
    return settings.retry_delay_s if isinstance(known, TransientError | UnreachableError) else 0.0
