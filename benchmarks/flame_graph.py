"""Where one worker's time goes, as a flame graph: py-spy watches it do a whole job of a made-up table.

    python -m benchmarks.flame_graph [--rows N] [--waiting] [--output build/profile.svg]

The worker is a child of py-spy, so no right to look into other processes is needed. Functions of C and C++ (Arrow,
SQLite, libpq, ADBC) are shown too where py-spy can read them. Without ``--waiting`` only what keeps a processor busy is
counted; with it also waiting for PostgreSQL and for messages.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.events_table import make_events
from benchmarks.server import Server
from producer.local_redis import PrivateRedis

_ROOT: Final = Path(__file__).parents[1]
_WORK: Final = _ROOT / "benchmarks" / "work"
_HOME: Final = _WORK / "flame"
"""A server of its own: another benchmark may be running."""
_RATE: Final = 200
"""Looks a second: a job of a few seconds gets about a thousand; more slow the worker down, since each look stops it."""
_START_S: Final = 60
_WORKER: Final = ("-m", "celery", "-A", "workers.celery_app", "worker", "-Q", "copy,verify,control", "--pool", "solo")


def main() -> int:
    """Record one job; returns 0 where there is a graph."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--output", type=Path, default=_ROOT / "build" / "profile.svg")
    parser.add_argument("--waiting", action="store_true", help="count also what waits, for PostgreSQL above all")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.unlink(missing_ok=True)
    _WORK.mkdir(parents=True, exist_ok=True)
    source = make_events(_WORK / f"flame-{options.rows}.sqlite", rows=options.rows)
    log = options.output.with_suffix(".log")
    with Server(_HOME) as server, server.database("flame") as url, _redis() as redis, log.open("w") as out:
        environment = os.environ | {
            "PGCONVOY_TARGET_URL": url,
            "PGCONVOY_BROKER_URL": redis.broker_url,
            "PGCONVOY_RESULT_URL": redis.result_url,
            "PGCONVOY_SNAPSHOT_DIR": str(_HOME / "snapshots"),
        }
        with _recorded_worker(options.output, environment, out.fileno(), redis, waiting=options.waiting):
            start = [sys.executable, "-m", "producer", "start", "--source", str(source)]
            code = subprocess.run(start, env=environment, cwd=_ROOT, check=False).returncode
    shutil.rmtree(_HOME / "snapshots", ignore_errors=True)
    if code or not options.output.exists():
        print(f"no flame graph: the job ended with {code}; what worker and py-spy said stands in {log}")
        return 1
    print(f"{options.output}: open it in a browser; what worker and py-spy said stands in {log}")
    return 0


@contextmanager
def _redis() -> Iterator[PrivateRedis]:
    with tempfile.TemporaryDirectory(prefix="pgconvoy-flame-") as folder:
        redis = PrivateRedis(Path(folder))
        process = subprocess.Popen(redis.command(Path(folder) / "log"), stdout=subprocess.DEVNULL)
        try:
            _await(redis.answers)
            yield redis
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _recorded_worker(
    graph: Path, environment: dict[str, str], out: int, redis: PrivateRedis, *, waiting: bool
) -> Iterator[None]:
    """Run a worker under py-spy, which writes the graph when the block ends."""
    record = [str(Path(sys.executable).with_name("py-spy")), "record", "--native", "--rate", str(_RATE)]
    record += ["--output", str(graph), *(["--idle"] if waiting else [])]
    process = subprocess.Popen(
        [*record, "--", sys.executable, *_WORKER], env=environment, cwd=_ROOT, stdout=out, stderr=subprocess.STDOUT
    )
    try:
        _await(redis.has_consumer)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # py-spy writes what it has, and ends its child
        process.wait(_START_S)


def _await(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _START_S
    while not condition():
        if time.monotonic() > end:
            msg = f"not ready after {_START_S} s"
            raise TimeoutError(msg)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
