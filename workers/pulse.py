"""A worker's sign of life for health checks: a file whose time says when its event loop last ran.

Asking a worker over the broker (`celery inspect ping`) starts a second Celery and costs a second of processor time,
which a fleet would spend every few seconds; a look at a file's time costs two milliseconds. The file is touched by
the event loop that also takes messages, and only while the broker is connected.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PULSE_FILE_VARIABLE: Final = "PGCONVOY_PULSE_FILE"
"""Names the file; unset: no sign is given."""


def give_sign_of_life(**_signal: object) -> None:
    """Touch the file; made to be connected to Celery's signals ``worker_ready`` and ``heartbeat_sent``."""
    name = os.environ.get(PULSE_FILE_VARIABLE)
    if name:
        Path(name).touch()
