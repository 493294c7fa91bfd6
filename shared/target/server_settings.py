"""What of the server's settings slows a load: the line to change, what it brings, and what it risks; never `fsync`.

Figures are those of `shared.target.server_gains`, which a program of the benchmarks measures and writes. What it found
to bring next to nothing is not advised. What a job sets for its own sessions is none of the operator's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.target.server_gains import BYTES_PER_S, GAINS, MEASURED, PROVISIONAL, WAL_PER_BYTE, Gain

_GB: Final = 1024**3
_UNITS: Final = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "GB": _GB, "ms": 0.001, "s": 1, "min": 60}
"""Of pg_settings: bytes or seconds."""
_WORTH: Final = 0.97
"""A load that takes more of the default's time than this is no reason to change a server; rounds differ by as much."""
_KEYS_ALONE: Final = frozenset({"maintenance_work_mem", "max_parallel_maintenance_workers", "wal_level"})
"""Settings that rows know nothing of: what was measured of rows with them is chance."""
_LARGEST_WAL: Final = 64
"""GB of write-ahead log that are asked of a disk at most."""
_QUESTION: Final = """
    SELECT name, setting, unit, context FROM pg_catalog.pg_settings
     WHERE name IN ('max_wal_size', 'checkpoint_timeout', 'checkpoint_completion_target', 'wal_compression',
                    'wal_buffers', 'wal_level', 'archive_mode', 'shared_buffers', 'maintenance_work_mem',
                    'max_parallel_maintenance_workers', 'full_page_writes', 'fsync')
"""
_FOLLOWERS: Final = """
    SELECT (SELECT count(*) FROM pg_catalog.pg_stat_replication)
         + (SELECT count(*) FROM pg_catalog.pg_replication_slots)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSetting:
    """A setting as the server has it."""

    text: str
    """As pg_settings has it, in `unit`."""
    unit: str | None
    restart: bool
    """Whether a change needs the server to start anew; else a reload does."""

    @property
    def size(self) -> float:
        """In bytes or seconds; plain numbers as they are."""
        return float(self.text) * _UNITS.get(self.unit or "", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What advice depends on."""

    settings: Mapping[str, ServerSetting]
    """Those that this version knows, by name."""
    followers: int
    """Replicas, and slots for some."""
    load: int
    """Bytes of rows that are to be loaded, about."""
    cores: int | None
    memory: int | None
    """Bytes. Both of the server's machine; None where that is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One setting, and what to do about it."""

    setting: str
    now: str
    line: str
    """Of postgresql.conf."""
    restart: bool
    why: str
    gain: Gain | None
    """What was measured; None where the advice is about safety."""

    def __str__(self) -> str:
        how = "restart" if self.restart else "reload"
        text = f"{self.setting} is {self.now}: {self.why}; in postgresql.conf: {self.line} ({how})"
        if self.gain is None:
            return text
        keys = f"the primary key in {self.gain.key:.2f} x the time"
        gain = keys if self.setting in _KEYS_ALONE else f"rows in {self.gain.copy:.2f} x, {keys}"
        how = "measured beside other work" if PROVISIONAL else "measured"
        return f"{text}; {how}: {gain} ({MEASURED})"

    @property
    def is_worth(self) -> bool:
        """Whether what was measured is a reason to change a server."""
        if self.gain is None:
            return True
        return (self.gain.key if self.setting in _KEYS_ALONE else self.gain.load) <= _WORTH


def read_server(connection: Any, *, load: int, cores: int | None, memory: int | None) -> Server:
    """Ask a server for its settings.

    Args:
        connection: psycopg2's, or any DB-API connection.
        load: Bytes of rows that are to be loaded, about.
        cores: Of the server's machine; None where nobody knows.
        memory: The same, in bytes.
    """
    with connection.cursor() as cursor:
        cursor.execute(_QUESTION)
        settings = {
            name: ServerSetting(text=text, unit=unit, restart=context == "postmaster")
            for name, text, unit, context in cursor.fetchall()
        }
        cursor.execute(_FOLLOWERS)
        followers = int(cursor.fetchall()[0][0])
    return Server(settings=settings, followers=followers, load=load, cores=cores, memory=memory)


def advice(server: Server) -> tuple[Advice, ...]:
    """Say what to change for a load of this size; first what is unsafe, then what brings something."""
    return (*_unsafe(server), *(each for each in _slow(server) if each.is_worth))


def _unsafe(server: Server) -> Iterator[Advice]:
    if _text(server, "fsync") == "off":
        yield _about(server, "fsync", "on", "a crash of the machine may leave nothing of the database", gain=None)
    if _text(server, "full_page_writes") == "off":
        why = "a crash of the machine may leave torn pages, unless the file system writes 8 kB wholly or not at all"
        yield _about(server, "full_page_writes", "on", why, gain=None)


def _slow(server: Server) -> Iterator[Advice]:
    yield from _checkpoints(server)
    yield from _memory(server)
    if _text(server, "wal_compression") == "off":
        why = "whole pages go into the write-ahead log as they are (compressing them takes processor time)"
        yield _about(server, "wal_compression", "on", why, gain=GAINS["wal_compression"])
    if _size(server, "wal_buffers") < 64 * 1024**2:
        why = "several sessions that write at once fill them"
        yield _about(server, "wal_buffers", "64MB", why, gain=GAINS["wal_buffers"])
    if _text(server, "wal_level") != "minimal" and _text(server, "archive_mode") == "off" and not server.followers:
        why = (
            "keys and indexes of new tables go into the write-ahead log (rows do at any level, since tables are made in"
            " another transaction); minimal risks this: no replica and no archive until it is set back, and a new base"
            " backup then"
        )
        line = "minimal, and max_wal_senders = 0"
        yield _about(server, "wal_level", line, why, gain=GAINS["wal_level"])


def _checkpoints(server: Server) -> Iterator[Advice]:
    """Of checkpoints that a load causes, each of which makes pages go into the log whole once more."""
    log = server.load * WAL_PER_BYTE
    target = _size(server, "checkpoint_completion_target")
    distance = _size(server, "max_wal_size") / (1 + target)
    if log > distance:
        wanted = min(_LARGEST_WAL, 2 ** math.ceil(math.log2(max(1.0, log * (1 + target) / _GB))))
        why = (
            f"of about {log / 1e9:.1f} GB of write-ahead log, every {distance / 1e9:.1f} GB make a checkpoint"
            f" (the disk needs room for the log)"
        )
        yield _about(server, "max_wal_size", f"{wanted}GB", why, gain=GAINS["max_wal_size"])
    if server.load / BYTES_PER_S > _size(server, "checkpoint_timeout"):
        why = "a load that takes longer makes checkpoints; measured is what fewer of them bring"
        yield _about(server, "checkpoint_timeout", "30min", why, gain=GAINS["max_wal_size"])
    if target < 0.9:
        why = "checkpoints write in bursts"
        yield _about(server, "checkpoint_completion_target", "0.9", why, gain=GAINS["checkpoint_completion_target"])


def _memory(server: Server) -> Iterator[Advice]:
    buffers = _size(server, "shared_buffers")
    if server.memory is not None and buffers < min(server.load, server.memory / 4):
        wanted = max(1, round(server.memory / 4 / _GB))
        why = f"a quarter of the machine's {server.memory / 1e9:.0f} GB of memory is usual"
        yield _about(server, "shared_buffers", f"{wanted}GB", why, gain=GAINS["shared_buffers"])
    if _size(server, "maintenance_work_mem") < min(_GB, server.load):
        why = "an index that does not fit is sorted on disk"
        yield _about(server, "maintenance_work_mem", "1GB", why, gain=GAINS["maintenance_work_mem"])
    helpers = _size(server, "max_parallel_maintenance_workers")
    if server.cores is not None and helpers < min(4, server.cores - 1):
        why = f"the machine has {server.cores} cores for building an index"
        gain = GAINS["max_parallel_maintenance_workers"]
        yield _about(server, "max_parallel_maintenance_workers", "4", why, gain=gain)


def _about(server: Server, name: str, wanted: str, why: str, *, gain: Gain | None) -> Advice:
    found = server.settings[name]
    now = f"{found.size / 1024**2:g}MB" if found.unit in {"kB", "8kB", "MB"} else f"{found.text}{found.unit or ''}"
    return Advice(setting=name, now=now, line=f"{name} = {wanted}", restart=found.restart, why=why, gain=gain)


def _text(server: Server, name: str) -> str:
    found = server.settings.get(name)
    return "" if found is None else found.text


def _size(server: Server, name: str) -> float:
    """In bytes or seconds; infinite where this server has no such setting, so that nothing is below it."""
    found = server.settings.get(name)
    return math.inf if found is None else found.size
