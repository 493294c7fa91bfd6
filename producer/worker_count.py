"""How many worker processes a local fleet gets where nobody said: by cores, where PostgreSQL runs, and its room."""

from __future__ import annotations

import ipaddress
import math
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import sqlalchemy as sa

from producer.wording import counted
from shared.cores import usable_cores
from shared.ledger.session import SqlAlchemyLedger
from shared.settings import Settings

CONNECTIONS: Final = 2
"""Connections of a worker process at most: the ledger's and one for rows, of one task at a time (workers/context.py).
A test counts them. Its parent opens one for the moment in which it answers `producer check`."""
PRODUCER_CONNECTIONS: Final = 2
_FEWEST: Final = 2
"""While one worker waits for PostgreSQL or the disk, another one reads: also on a single core."""
_BESIDE_SERVER: Final = 0.75
"""Of the cores, where PostgreSQL needs some too: a worker and its server process mostly take turns, so that a pair
keeps a core busy and a third of another one."""
_ROOM: Final = """
    SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
           - coalesce(current_setting('reserved_connections', true), '0')::integer
           - (SELECT coalesce(sum(numbackends), 0)::integer FROM pg_stat_database)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCount:
    """A number of worker processes, and why it is that."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"{counted(self.number, 'worker process', 'worker processes')}: {self.reason}"


def workers_for(settings: Settings, ledger: SqlAlchemyLedger) -> WorkerCount:
    """Choose for a target that is open, so that its connections suffice."""
    left = int(ledger.connection.execute(sa.text(_ROOM)).scalar_one())
    return choose_workers(settings, left=left)


def choose_workers(settings: Settings, *, left: int | None = None, cores: int | None = None) -> WorkerCount:
    """Choose a number of worker processes; what was set stands.

    Args:
        settings: With the target's URL; none means the embedded server.
        left: Connections that PostgreSQL can still give; None: unknown.
        cores: Processors that may be used; None: this machine is asked.
    """
    if settings.workers is not None:
        return WorkerCount(number=settings.workers, reason="set by --workers or PGCONVOY_WORKERS")
    cores = usable_cores() if cores is None else cores
    near = is_on_this_machine(settings)
    number = max(_FEWEST, math.ceil(cores * _BESIDE_SERVER) if near else cores)
    where = "PostgreSQL on the same machine" if near else "PostgreSQL on another machine"
    reason = f"{counted(cores, 'core')}, {where}"
    room = number if left is None else max(1, (left - PRODUCER_CONNECTIONS) // CONNECTIONS)
    if room < number:
        return WorkerCount(number=room, reason=f"{reason}, which has {counted(left or 0, 'connection')} left")
    return WorkerCount(number=number, reason=reason)


def is_on_this_machine(settings: Settings) -> bool:
    """Whether the target shares this machine's cores: the embedded one, a Unix socket, a loopback address."""
    if settings.target_url is None:
        return True
    url = urlsplit(settings.target)
    hosts = parse_qs(url.query).get("host", [unquote(url.hostname or "")])[0]
    return all(_is_here(host) for host in hosts.split(","))


def _is_here(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host in {"localhost", socket.gethostname()}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
