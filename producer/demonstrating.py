"""The story of `producer demo`: make up a shop, copy it into an embedded PostgreSQL, say how to look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import SecretStr

from producer.demo import closing_words, opening_words, write_demo_source
from producer.demo_shop import ShopSummary
from producer.records import Detached, JobEnd, Listener
from producer.services import has_embedded_data, open_target
from producer.starting import start
from shared.errors import OperatorError
from shared.ledger.jobs import cancel_job, read_jobs
from shared.ledger.states import JOB_ENDS
from shared.ledger.upgrade import ledger_exists, upgrade_ledger
from shared.records.plan import JobOptions
from shared.settings import Settings

SCHEMA: Final = "demo"
"""A schema of its own: the demo makes its tables anew each time and must not meet anybody's."""
_CHUNK_BYTES: Final = 2 * 1024 * 1024
"""Small, so that the bars move: the whole shop is a few chunks otherwise."""


def demonstrate(settings: Settings, listener: Listener) -> tuple[JobEnd, tuple[str, ...]]:
    """Show the whole way of a copy, with servers of its own whatever is set.

    Returns:
        How the job ended, and what to look at.
    """
    shop = _write_shop(settings)
    listener.say(opening_words(shop))
    own = {"source_url": SecretStr(str(shop.path)), "target_url": None, "broker_url": None, "result_url": None}
    folder = shop.path.parent / "snapshots"
    settings = settings.model_copy(update={**own, "target_schema": SCHEMA, "snapshot_dir": folder})
    _cancel_earlier(settings)
    end = start(settings, JobOptions(recreate=True, chunk_bytes=_CHUNK_BYTES), listener)
    assert not isinstance(end, Detached)  # noqa: S101 - narrows the type: nothing was detached
    _forget_earlier_snapshots(folder)
    with open_target(settings) as target:
        return end, closing_words(settings, target.shown, SCHEMA, embedded=True)


def _write_shop(settings: Settings) -> ShopSummary:
    try:
        return write_demo_source(settings)
    except OSError as error:
        msg = f"the demo's shop cannot be written in {settings.home}: {error.strerror}; set PGCONVOY_HOME elsewhere"
        raise OperatorError(msg) from error


def _cancel_earlier(settings: Settings) -> None:
    """End demos that were interrupted, so that this one may make their tables anew."""
    if not has_embedded_data(settings):
        return
    with open_target(settings) as target, target.ledger("looking for earlier demos") as ledger:
        if ledger_exists(ledger.connection):
            upgrade_ledger(ledger.connection)  # an older pgconvoy may have shown its demo here
            for job in read_jobs(ledger):
                if job.target_schema == SCHEMA and job.state not in JOB_ENDS:
                    cancel_job(ledger, job.id)


def _forget_earlier_snapshots(folder: Path) -> None:
    for snapshot in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-1]:
        snapshot.unlink(missing_ok=True)
