"""The whole job against pgloader's unverified load: same machine, same server, same file, in one run.

    make bench            all of it, three rounds
    python -m benchmarks --rows 200000 --rounds 1

Prints each round's wall time and the medians' ratio; times differ between machines, ratios hardly do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg2

from benchmarks.events_table import ROWS, make_events
from producer.local_postgres import start_postgres, stop_postgres
from shared.settings import load_settings

_FOLDER = Path(__file__).parent / "work"
_PRODUCER = Path(sys.executable).parent / "producer"
_SAMPLE_SECONDS = 0.05
_MIB = 1024 * 1024


def main() -> int:
    """Run the rounds and print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("--rows", type=int, default=ROWS)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--workers", type=int, default=2)
    options = arguments.parse_args()
    _FOLDER.mkdir(exist_ok=True)
    source = make_events(_FOLDER / "events.sqlite", rows=options.rows)
    print(f"source: {options.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB; {os.cpu_count()} cores")
    settings = load_settings(home=_FOLDER / "home")
    server = start_postgres(settings)
    convoy, loader, memory = [], [], []
    try:
        for number in range(1, options.rounds + 1):
            with database(server, "bench_convoy") as url:
                seconds, peak = run_convoy(source, url, options.workers)
                check_rows(url, options.rows)
            convoy.append(seconds)
            memory.append(peak)
            print(f"round {number}: pgconvoy, verified     {seconds:6.1f} s, largest worker {peak:,.0f} MB")
            if shutil.which("pgloader"):
                with database(server, "bench_pgloader") as url:
                    loader.append(run_pgloader(source, url))
                    check_rows(url, options.rows)
                print(f"round {number}: pgloader, not verified {loader[-1]:6.1f} s")
    finally:
        stop_postgres(settings)
    return summary(convoy, loader, memory)


def summary(convoy: list[float], loader: list[float], memory: list[float]) -> int:
    """Print the medians and their ratio; 1 where the target is missed."""
    ours = statistics.median(convoy)
    print(f"pgconvoy: median {ours:.1f} s, largest worker {max(memory):,.0f} MB (limit 400 MB)")
    if not loader:
        print("pgloader is not on the PATH: nothing to compare with (Debian: apt-get install pgloader)")
        return 0
    theirs = statistics.median(loader)
    print(f"pgloader: median {theirs:.1f} s; pgconvoy's verified job takes {ours / theirs:.2f} of that")
    return 0 if ours < theirs and max(memory) < 400 else 1


def run_convoy(source: Path, url: str, workers: int) -> tuple[float, float]:
    """Run `producer start` with the local fleet; returns seconds and the largest worker's memory in MB."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PGCONVOY_")},
        "PGCONVOY_HOME": str(_FOLDER / "home"),
        "PGCONVOY_TARGET_URL": url,
    }
    command = [str(_PRODUCER), "start", "--source", str(source), "--workers", str(workers), "--tables", "all", "--json"]
    log = _FOLDER / "convoy.log"
    begin = time.perf_counter()
    with log.open("w") as output, peak_memory() as peak:
        subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True)
    return time.perf_counter() - begin, peak[0]


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Watch the unique memory of our pool processes, in MB; shared pages of the interpreter count once, not here."""
    peak = [0.0]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], *(_memory(process) for process in _workers()), 0.0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _workers() -> Iterator[psutil.Process]:
    for process in psutil.Process().children(recursive=True):
        try:
            if "workers.celery_app" in " ".join(process.cmdline()):
                yield process
        except psutil.Error:
            continue


def _memory(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / _MIB
    except psutil.Error:
        return 0.0


def run_pgloader(source: Path, url: str) -> float:
    """Run pgloader as its manual shows it, over the same Unix socket; returns seconds."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query)["host"][0]
    target = f"postgresql://postgres@unix:{folder}:5432{parts.path}"
    begin = time.perf_counter()
    with (_FOLDER / "pgloader.log").open("w") as output:
        subprocess.run(["pgloader", str(source), target], stdout=output, stderr=subprocess.STDOUT, check=True)
    return time.perf_counter() - begin


def check_rows(url: str, rows: int) -> None:
    """Make sure that what was timed did the work."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM events")
        (found,) = cursor.fetchone()
    if found != rows:
        msg = f"{found:,} rows arrived, not {rows:,}"
        raise SystemExit(msg)


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """A fresh database beside the server's own; its URL."""
    run_sql(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}", "CHECKPOINT")
    parts = urlsplit(server)
    try:
        yield parts._replace(path=f"/{name}").geturl()
    finally:
        run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


def run_sql(url: str, *statements: str) -> None:
    """Run statements outside a transaction."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
