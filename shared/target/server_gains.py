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


MEASURED: Final = "4,000,000 rows in 2 streams, PostgreSQL 18.4, 2 cores, 25 GB of memory"
PROVISIONAL: Final = True
"""Whether the machine was busy when these were measured, so that they are placeholders."""
WAL_PER_BYTE: Final = 0.96
"""Bytes of write-ahead log a byte of rows, at the default settings."""
BYTES_PER_S: Final = 130_000_000
"""Of rows, at the default settings."""
GAINS: Final = {
    "max_wal_size": Gain(copy=0.91, key=1.00, load=0.94, wal=1.00),
    "checkpoint_completion_target": Gain(copy=0.78, key=0.81, load=0.79, wal=1.00),
    "wal_compression": Gain(copy=0.84, key=2.23, load=1.36, wal=0.94),
    "wal_buffers": Gain(copy=0.92, key=1.09, load=0.98, wal=1.00),
    "wal_level": Gain(copy=1.31, key=1.04, load=1.21, wal=0.87),
    "shared_buffers": Gain(copy=1.18, key=1.12, load=1.16, wal=1.00),
    "maintenance_work_mem": Gain(copy=0.99, key=0.82, load=0.92, wal=1.00),
    "max_parallel_maintenance_workers": Gain(copy=0.73, key=0.96, load=0.82, wal=1.00),
    "autovacuum": Gain(copy=0.71, key=0.89, load=0.78, wal=1.00),
    "full_page_writes": Gain(copy=1.03, key=1.00, load=1.02, wal=1.00),
    "synchronous_commit": Gain(copy=0.91, key=1.17, load=1.01, wal=1.00),
}
