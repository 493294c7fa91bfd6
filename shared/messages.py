"""The names of tasks and queues: producer and workers meet in these and in the ledger. Messages carry ids alone."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

COPY_QUEUE: Final = "copy"
VERIFY_QUEUE: Final = "verify"
CONTROL_QUEUE: Final = "control"
QUEUES: Final = (COPY_QUEUE, VERIFY_QUEUE, CONTROL_QUEUE)

COPY_CHUNK: Final = "pgconvoy.copy_chunk"
VERIFY_CHUNK: Final = "pgconvoy.verify_chunk"
BUILD_INDEX: Final = "pgconvoy.build_index"
CARRY_TABLES: Final = "pgconvoy.carry_tables"
FINISH_TABLE: Final = "pgconvoy.finish_table"
FINISH_JOB: Final = "pgconvoy.finish_job"
RESCUE: Final = "pgconvoy.rescue"

ROUTES: Final = MappingProxyType(
    {
        COPY_CHUNK: COPY_QUEUE,
        CARRY_TABLES: COPY_QUEUE,
        VERIFY_CHUNK: VERIFY_QUEUE,
        # Building a table's keys is heavy work for the fleet, not for the one controller.
        BUILD_INDEX: VERIFY_QUEUE,
        FINISH_TABLE: VERIFY_QUEUE,
        FINISH_JOB: VERIFY_QUEUE,
        RESCUE: CONTROL_QUEUE,
    }
)

LONGEST_BUILD_S: Final = 7 * 24 * 3600
"""An index of a huge table may take hours. Redis then hands the message out again, past the visibility time-out, and
whoever gets it finds the row of table or build held and leaves."""

LAST: Final = 9
"""The priority of what may wait for all else: 0 comes first and 9 last (kombu's Redis transport; RabbitMQ's queues, as
they are declared here, know none)."""
PRIORITIES: Final = MappingProxyType({VERIFY_CHUNK: LAST})
"""Comparisons come by the thousand, and a build that was sent after them would wait for all of them, its table's own
comparisons behind it. Measured on TPC-H at scale 1: the last index was there after 38 s instead of 21 s."""

PROBE: Final = "pgconvoy_probe"
"""The remote-control command that asks a worker what it can see."""
