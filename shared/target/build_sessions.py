"""Transactions that build keys and indexes: their memory, their processes, and how they are ended from elsewhere."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

_NAME: Final = text("SELECT pg_catalog.set_config('application_name', :name, true)")
_MEMORY: Final = text("""
    SELECT pg_catalog.set_config('maintenance_work_mem',
                                 GREATEST(ours.setting::bigint, LEAST(:most, buffers.setting::bigint * 8 / :share))
                                 || 'kB', true)
      FROM pg_catalog.pg_settings ours, pg_catalog.pg_settings buffers
     WHERE ours.name = 'maintenance_work_mem' AND buffers.name = 'shared_buffers'
""")
"""pg_settings counts shared_buffers in pages of 8 kB."""
_GIVEN: Final = text("SELECT pg_catalog.set_config(:name, :value, true)")
_END: Final = text("""
    SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity
     WHERE pg_catalog.starts_with(application_name, :name) AND datname = pg_catalog.current_database()
       AND usename = current_user AND backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
""")
_MOST_KB: Final = 1024 * 1024
"""1 GiB. Past the size at which all runs are merged in one pass, more memory sorts hardly faster: 256 MB instead of
64 MB took a twentieth off the processor time of five indexes on 2 M rows."""
_SHARE: Final = 8
"""Builds take an eighth of shared_buffers together: about 1/32 of a server's memory where shared_buffers is the usual
quarter of it."""


def name_build(connection: Connection, job_id: int, what: str) -> None:
    """Show in pg_stat_activity what a job's transaction builds, until it ends; `end_builds` finds it by that."""
    connection.execute(_NAME, {"name": f"{_prefix(job_id)}{what}"})


def give_memory(connection: Connection, *, at_once: int, memory_mb: int | None, workers: int | None) -> None:
    """Give a transaction the memory and processes to build with. Validating foreign keys uses that memory too.

    Args:
        connection: In the transaction.
        at_once: How many builds share the server's memory.
        memory_mb: maintenance_work_mem as the operator has it, in MiB; None: the server's own, or more where
            shared_buffers says that there is.
        workers: max_parallel_maintenance_workers as the operator has it; None: the server's own.
    """
    if memory_mb is None:
        connection.execute(_MEMORY, {"most": _MOST_KB, "share": _SHARE * max(1, at_once)})
    else:
        connection.execute(_GIVEN, {"name": "maintenance_work_mem", "value": f"{memory_mb}MB"})
    if workers is not None:
        connection.execute(_GIVEN, {"name": "max_parallel_maintenance_workers", "value": str(workers)})


def end_builds(connection: Connection, job_id: int) -> int:
    """Cancel the statements of a job's builds; returns how many are still there to end, 0 where there is none."""
    return len(connection.execute(_END, {"name": _prefix(job_id)}).all())


def _prefix(job_id: int) -> str:
    return f"pgconvoy job {job_id} builds "
