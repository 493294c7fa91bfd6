"""What settings of the server bring a load; written by ``python -m benchmarks.server_settings --write``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Time and log of a load with the setting changed, as ratios to the default server."""

    copy: float
    key: float
    """The primary key, built after the rows."""
    load: float
    """Rows and key."""
    wal: float


MEASURED: Final = "6,000,000 rows in 2 streams, PostgreSQL 18.4, 2 cores, 25 GB of memory"
PROVISIONAL: Final = False
"""Whether the machine was busy when these were measured, so that they are placeholders."""
WAL_PER_BYTE: Final = 1.94
"""Bytes of write-ahead log a byte of rows, at the default settings."""
BYTES_PER_S: Final = 405_493_663
"""Of rows, at the default settings."""
GAINS: Final = {
    "max_wal_size": Gain(copy=0.98, key=0.50, load=0.72, wal=0.50),
    "checkpoint_completion_target": Gain(copy=1.05, key=0.96, load=1.00, wal=1.00),
    "wal_compression": Gain(copy=0.97, key=3.22, load=2.19, wal=0.77),
    "wal_buffers": Gain(copy=0.87, key=1.01, load=0.94, wal=1.00),
    "wal_level": Gain(copy=0.98, key=1.10, load=1.05, wal=0.94),
    "shared_buffers": Gain(copy=1.00, key=0.90, load=0.94, wal=0.93),
    "maintenance_work_mem": Gain(copy=1.05, key=1.11, load=1.08, wal=1.00),
    "max_parallel_maintenance_workers": Gain(copy=0.97, key=1.03, load=1.00, wal=1.00),
    "autovacuum": Gain(copy=0.95, key=0.98, load=0.96, wal=1.00),
    "full_page_writes": Gain(copy=0.98, key=0.56, load=0.75, wal=0.50),
    "synchronous_commit": Gain(copy=1.04, key=0.96, load=1.00, wal=1.00),
}
