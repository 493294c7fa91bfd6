"""What each command does that only looks at recorded jobs: it reads the ledger, with neither Arrow nor Celery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Final

from producer.exporting import export_rejects
from producer.reading import job_id_of, job_lines, progress_of, reject_lines
from producer.records import JobProgress
from producer.report import report_of
from producer.services import open_ledger
from producer.views import JobLine, RejectLine, Report
from shared.settings import Settings

_WATCH_S: Final = 1.0
"""A person who watches sees a change within a second; a look costs one short query."""


def status(settings: Settings, job_id: int | None) -> JobProgress:
    """Where a job is.

    Raises:
        OperatorError: where there is no such job.
    """
    with open_ledger(settings) as target:
        return progress_of(target, job_id_of(target, job_id))


def watch(settings: Settings, job_id: int | None, show: Callable[[JobProgress], None]) -> JobProgress:
    """Show where a job is, again and again until it ends."""
    with open_ledger(settings) as target:
        job_id = job_id_of(target, job_id)
        while not (progress := progress_of(target, job_id)).ended:
            show(progress)
            sleep(_WATCH_S)
        return progress


def jobs(settings: Settings) -> tuple[JobLine, ...]:
    """All jobs of a target, latest first."""
    with open_ledger(settings) as target:
        return job_lines(target)


def rejects(settings: Settings, job_id: int | None, *, limit: int | None) -> tuple[RejectLine, ...]:
    """The rejected rows of a job."""
    with open_ledger(settings) as target:
        return reject_lines(target, job_id_of(target, job_id), limit=limit)


def export(settings: Settings, job_id: int | None, path: Path) -> int:
    """Write the rejected rows of a job into a new file; returns how many there are.

    Raises:
        OperatorError: where the file is there already, cannot be written, or its name says no format.
    """
    with open_ledger(settings) as target:
        return export_rejects(target, job_id_of(target, job_id), path)


def report(settings: Settings, job_id: int | None) -> Report:
    """The proof of a copy."""
    with open_ledger(settings) as target:
        return report_of(target, job_id_of(target, job_id))
