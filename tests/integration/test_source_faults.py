"""A source that is replaced, cut, damaged, emptied, written to or removed in the middle of its job.

What was read from it then never counts: a chunk is there as it was planned, or it is failed with a sentence. Once the
file is back as it was, requeueing ends the job.
"""

from __future__ import annotations

import errno
import os
import random
import re
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from casekit import Silent, inline_workforce
from fleetkit import TestPostgres
from oraclekit import problems_of
from pydantic import SecretStr

from producer import commands, starting
from producer.records import JobEnd
from shared.errors import OperatorError, SourceError
from shared.points import Point
from shared.records.plan import JobOptions
from shared.settings import Settings
from shared.source import sqlite_snapshot
from shared.source.kinds import snapshot_source

_ROWS = 3_000
"""Some 900 KB: more pages than a fingerprint samples."""
_CHUNK_BYTES = 150_000
_PYTHONS_OWN = re.compile(r"\b(?:[A-Z][a-z]+)+(?:Error|Exception)\b")


@pytest.fixture(scope="module")
def shared_target(postgres_server: TestPostgres) -> Iterator[str]:
    """One database for all jobs."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source as it was before anything befell it."""
    path = tmp_path_factory.mktemp("pristine") / "source.db"
    chance = random.Random(8)
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, b BLOB)")
        rows = ((number, f"value {number}" * 12, chance.randbytes(100)) for number in range(_ROWS))
        made.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    return path


def _replaced(path: Path) -> None:
    other = path.with_name("other.db")
    shutil.copy(path, other)
    with closing(sqlite3.connect(other)) as opened, opened:
        opened.execute("UPDATE t SET v = 'of another file'")
    other.replace(path)


def _written_over(path: Path) -> None:
    """As `cp other.db source.db` does: the same file, other bytes."""
    raw = path.read_bytes()
    with path.open("r+b") as file:
        file.write(raw.replace(b"value 2", b"VALUE 2"))


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _damaged(path: Path) -> None:
    """All pages but the first four, where the schema is, hold nothing that could be one."""
    with path.open("r+b") as file:
        file.seek(4 * 4096)
        file.write(b"\xa5" * (path.stat().st_size - 4 * 4096))


def _changed(path: Path) -> None:
    """As an application does: one transaction."""
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("UPDATE t SET v = 'changed meanwhile'")


def _made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


Befall = Callable[[Path], None]
FAULTS: tuple[Befall, ...] = (
    _replaced,
    _written_over,
    _cut,
    _emptied,
    _damaged,
    _changed,
    _made_a_folder,
    Path.unlink,
)
_POINTS = (Point.CLAIMED, Point.HELD, Point.COPIED_NOT_COMMITTED, Point.COMPARING)


class _Job:
    """A job, in this process, on a copy of the source."""

    def __init__(self, pristine: Path, folder: Path, url: str, *, snapshot: bool) -> None:
        self.source = folder / "source.db"
        shutil.copy(pristine, self.source)
        self._pristine = pristine
        self._url = url
        self._snapshot = snapshot
        self._found: Path | None = None
        self._settings = Settings(
            source_url=SecretStr(str(self.source)),
            target_url=SecretStr(url),
            home=folder / "home",
            workers=1,
            max_attempts=1,
            retry_delay_s=0.05,
        )

    @property
    def read_from(self) -> Path:
        """The file that workers read."""
        if self._snapshot and self._found is None:
            (self._found,) = (self._settings.home / "snapshots").glob("*.sqlite")
        return self._found or self.source

    def run(self) -> JobEnd:
        """Run it to its end."""
        options = JobOptions(snapshot=self._snapshot, chunk_bytes=_CHUNK_BYTES, recreate=True)
        ended = starting.start(self._settings, options, Silent())
        assert isinstance(ended, JobEnd)
        return ended

    def requeue(self) -> JobEnd:
        """Run again what failed, on the file as it was."""
        path = self.read_from
        if path.is_dir():
            path.rmdir()
        shutil.copy(self._pristine, path)
        ended = commands.requeue(self._settings, None, Silent(), table=None, chunk=None)
        assert isinstance(ended, JobEnd)
        return ended

    def strangers(self) -> list[Any]:
        """Rows of the target that the source, as it was, does not hold."""
        with closing(sqlite3.connect(self._pristine)) as opened:
            ours = set(opened.execute("SELECT id, v, b FROM t"))
        with closing(psycopg2.connect(self._url)) as opened, opened.cursor() as cursor:
            cursor.execute(
                "SELECT nspname FROM pg_namespace JOIN pg_class c ON relnamespace = pg_namespace.oid"
                " WHERE relname = 't' AND relkind = 'r'"
            )
            found = []
            for (schema,) in cursor.fetchall():
                cursor.execute(f'SELECT id, v, b FROM "{schema}".t')
                found += [row for row in cursor.fetchall() if (row[0], row[1], bytes(row[2])) not in ours]
            return found


@contextmanager
def _once_at(point: Point, act: Callable[[], None], patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let something happen when a worker is at a point for the second time."""
    times: list[int] = []

    def reach(reached: Point, number: int) -> None:
        if reached is point:
            times.append(number)
            if len(times) == 2:
                act()

    with patch.context() as patched:
        patched.setattr("workers.copy_chunk.reach", reach)
        patched.setattr("workers.verify_chunk.reach", reach)
        yield times


def _cases() -> Iterator[Any]:
    """Each fault of a snapshot and of the source itself, at one point each, so that all points have their turns."""
    for number, befall in enumerate(FAULTS):
        for snapshot in (True, False):
            point = _POINTS[(number + 2 * snapshot) % len(_POINTS)]
            where = "snapshot" if snapshot else "source"
            yield pytest.param(befall, point, snapshot, id=f"{where} {befall.__name__.strip('_')} at {point}")


@pytest.mark.parametrize(("befall", "point", "snapshot"), list(_cases()))
def test_what_befalls_a_source_in_the_middle_of_its_job_never_counts(
    befall: Befall,
    point: Point,
    snapshot: bool,  # noqa: FBT001 - a parameter
    pristine: Path,
    tmp_path: Path,
    shared_target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before, while and after a chunk is read, and before it is compared: failed with a sentence, or as it was."""
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    job = _Job(pristine, tmp_path, shared_target, snapshot=snapshot)
    with _once_at(point, lambda: befall(job.read_from), monkeypatch) as times:
        ended = job.run()
    assert len(times) > 1
    assert ended.progress.state == "failed"
    told = [failure.error for failure in ended.failures] + [table.error or "" for table in ended.progress.tables]
    assert any(job.read_from.name in each for each in told), told
    assert not [each for each in told if _PYTHONS_OWN.search(each)]
    assert job.strangers() == []
    again = job.requeue()
    assert again.progress.state == "completed", again
    assert again.verified
    assert problems_of(shared_target, pristine, again.progress.job) == []


def test_a_file_that_is_overwritten_while_it_is_copied_is_not_taken(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does not ask SQLite (cp, rsync) heeds no lock: half of the one and half of the other is no snapshot."""
    source = tmp_path / "source.db"
    shutil.copy(pristine, source)
    copy = shutil.copyfile

    def overwritten(from_: str, to: Path) -> None:
        copy(from_, to)
        _written_over(source)

    monkeypatch.setattr(sqlite_snapshot.shutil, "copyfile", overwritten)
    with pytest.raises(SourceError, match="was written to by something that heeds no lock of SQLite's"):
        snapshot_source(str(source), tmp_path / "snapshots")
    assert list((tmp_path / "snapshots").iterdir()) == []


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a disk that is full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_disk_that_fills_up_while_the_snapshot_is_written_is_told_of(
    mode: str, pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing half made stays; the sentence says what to set."""
    source = tmp_path / "source.db"
    shutil.copy(pristine, source)
    with closing(sqlite3.connect(source)) as opened:
        opened.execute(f"PRAGMA journal_mode = {mode}")
    with _room_for(300_000), pytest.raises(SourceError, match="PGCONVOY_SNAPSHOT_DIR"):
        snapshot_source(str(source), tmp_path / "snapshots")
    assert list((tmp_path / "snapshots").iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 100))
    with pytest.raises(SourceError, match="100 are free: make room"):
        snapshot_source(str(source), tmp_path / "snapshots")


def test_a_disk_that_cannot_be_read_is_told_of(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk's own ends in a sentence, and no snapshot is left."""

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sqlite_snapshot.shutil, "copyfile", broken)
    with pytest.raises(OperatorError, match="Input/output error"):
        snapshot_source(str(pristine), tmp_path / "snapshots")
    assert list((tmp_path / "snapshots").iterdir()) == []
