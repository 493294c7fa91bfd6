"""Celery's tasks: a name and one call each; arguments are ids."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.worker.control import inspect_command

from shared.messages import (
    BUILD_INDEX,
    CARRY_TABLES,
    COPY_CHUNK,
    FINISH_JOB,
    FINISH_TABLE,
    LONGEST_BUILD_S,
    PROBE,
    RESCUE,
    VERIFY_CHUNK,
)
from workers import build_index as building
from workers import carry_tables as carrying
from workers import copy_chunk as copying
from workers import finish_job as job_end
from workers import finish_table as table_end
from workers import verify_chunk as verifying
from workers.context import worker_context
from workers.probe import probe
from workers.rescue import rescue_running


@shared_task(name=COPY_CHUNK)
def copy_chunk(chunk_id: int) -> str:
    """Copy one chunk."""
    return copying.copy_chunk(worker_context(), chunk_id)


@shared_task(name=CARRY_TABLES)
def carry_tables(*table_ids: int) -> str:
    """Carry small tables to their ends."""
    return carrying.carry_tables(worker_context(), table_ids)


@shared_task(name=VERIFY_CHUNK)
def verify_chunk(chunk_id: int) -> str:
    """Compare one chunk."""
    return verifying.verify_chunk(worker_context(), chunk_id)


@shared_task(name=BUILD_INDEX, time_limit=LONGEST_BUILD_S)
def build_index(job_id: int) -> str:
    """Build the largest key or index that a job waits for."""
    return building.build_index(worker_context(), job_id)


@shared_task(name=FINISH_TABLE, time_limit=LONGEST_BUILD_S)
def finish_table(table_id: int) -> str:
    """Do what a table needs after its chunks."""
    return table_end.finish_table(worker_context(), table_id)


@shared_task(name=FINISH_JOB, time_limit=LONGEST_BUILD_S)
def finish_job(job_id: int) -> str:
    """End a job whose tables have all ended."""
    return job_end.finish_job(worker_context(), job_id)


@shared_task(name=RESCUE)
def rescue() -> str:
    """Rescue every running job."""
    return rescue_running(worker_context())


@inspect_command(name=PROBE, args=[("url", str)], signature="[url]")
def pgconvoy_probe(state: Any, url: str = "") -> dict[str, Any]:
    """Answer what this worker can see of source, target and ledger."""
    return probe(state, url)
