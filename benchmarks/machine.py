"""Where it was measured: the machine, and the versions of all that took part."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sqlite3
from pathlib import Path

import psutil

from benchmarks.peers import duckdb_load, pgloader
from benchmarks.server import Server

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def machine() -> str:
    """Cores, model, memory and system in one line."""
    memory = psutil.virtual_memory().total / 1e9
    return f"{_cores()} cores ({_model()}), {memory:.0f} GB, {platform.system()} {platform.release()}"


def versions(server: Server) -> str:
    """All versions in one line; a peer that isn't there is left out."""
    packages = {"pgconvoy": "pgconvoy", "pyarrow": "pyarrow", "ADBC": "adbc-driver-postgresql", "Celery": "celery"}
    found = {
        "PostgreSQL": server.version(),
        "SQLite": sqlite3.sqlite_version,
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(package) for name, package in packages.items()},
        **({"DuckDB": duckdb_load.version()} if duckdb_load.available() is None else {}),
        **({"pgloader": pgloader.version()} if pgloader.available() is None else {}),
    }
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _model() -> str:
    information = Path("/proc/cpuinfo")
    found = _MODEL.search(information.read_text()) if information.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
