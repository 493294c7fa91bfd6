"""What `producer check` says of the server's settings: what slows a load of this source's size, and never a failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psutil

from producer.services import Target
from producer.views import Finding, Outcome
from producer.worker_count import is_on_this_machine
from shared.cores import usable_cores
from shared.errors import ConvoyError
from shared.settings import Settings
from shared.source.sqlite_file import path_of
from shared.target.server_settings import Server, advice, read_server


def check_server_settings(target: Target) -> Iterator[Finding]:
    """Name each setting that is worth a change; nothing where the source, and so the load's size, is not known."""
    load = _source_bytes(target.settings)
    if load is None:
        return
    near = is_on_this_machine(target.settings)
    with suppress(ConvoyError):  # a role that may not read them: nothing is wrong with the job
        yield from _findings(_read(target, load=load, near=near))


def _read(target: Target, *, load: int, near: bool) -> Server:
    with target.ledger("reading the server's settings") as ledger:
        return read_server(
            ledger.connection.connection.dbapi_connection,
            load=load,
            cores=usable_cores() if near else None,
            memory=psutil.virtual_memory().total if near else None,
        )


def _findings(server: Server) -> Iterator[Finding]:
    found = advice(server)
    for each in found:
        yield Finding(what="setting", outcome=Outcome.NOTE, text=str(each), change=each.line)
    if not found:
        yield Finding(what="settings", outcome=Outcome.OK, text="none of the server's is known to slow this load")


def _source_bytes(settings: Settings) -> int | None:
    if settings.source_url is None:
        return None
    try:
        return path_of(settings.source_url.get_secret_value()).stat().st_size
    except (ConvoyError, OSError):
        return None
