from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections import namedtuple
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.errors import SourceError
from shared.source.kinds import open_source, snapshot_source
from shared.source.sqlite_file import path_of

_NOBODY = 65534


def _make(path: Path, *, wal: bool = False, rows: int = 100) -> None:
    with closing(sqlite3.connect(path)) as connection:
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
        connection.executemany("INSERT INTO t(v) VALUES (?)", [("x" * 100,)] * rows)
        connection.commit()


def _values(url: str) -> list[tuple]:
    with closing(sqlite3.connect(f"{path_of(url).as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT * FROM t ORDER BY id").fetchall()


def _is_plain(url: str) -> bool:
    header = path_of(url).read_bytes()[:20]
    return header[18:20] == b"\1\1" and [path.name for path in path_of(url).parent.iterdir()] == [path_of(url).name]


def test_a_snapshot_is_one_plain_whole_file(tmp_path: Path) -> None:
    """It holds every row, has a name of its own, an absolute URL, and nothing lies beside it."""
    _make(tmp_path / "shop.db")
    url = snapshot_source("shop.db", Path("snapshots/deep"))
    assert url.startswith(f"sqlite:///{tmp_path}/snapshots/deep/shop-")
    assert _is_plain(url)
    assert len(_values(url)) == 100
    assert snapshot_source("shop.db", Path("snapshots/deep")) != url


def test_a_snapshot_of_the_same_content_has_the_fingerprint_of_that_content(tmp_path: Path) -> None:
    """Moved to another machine, a snapshot is still the job's source."""
    _make(tmp_path / "shop.db")
    url = snapshot_source("shop.db", tmp_path / "one")
    moved = tmp_path / "moved.sqlite"
    shutil.copyfile(path_of(url), moved)
    with open_source(url, frozen=True) as first, open_source(str(moved), frozen=True) as second:
        assert first.fingerprint() == second.fingerprint()


def test_commits_in_the_wal_are_in_the_snapshot(tmp_path: Path) -> None:
    """What is not checkpointed yet is committed all the same; what is not committed is not in it."""
    path = tmp_path / "shop.db"
    _make(path, wal=True)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO t(v) VALUES ('in the wal')")
        writer.commit()
        writer.execute("INSERT INTO t(v) VALUES ('not committed')")
        before = path.read_bytes()
        url = snapshot_source(str(path), tmp_path / "s")
        assert path.read_bytes() == before
    assert [value for _, value in _values(url)][100:] == ["in the wal"]
    assert _is_plain(url)


@pytest.mark.parametrize("wal", [False, True])
def test_a_snapshot_taken_while_somebody_writes_is_one_moment(tmp_path: Path, wal: bool) -> None:  # noqa: FBT001 - parametrised
    """Two tables that are always written together agree in the snapshot, though commits go on all the while."""
    path = tmp_path / "busy.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
        connection.executescript("CREATE TABLE a(n); CREATE TABLE filler(x); CREATE TABLE b(n);")
        connection.executemany("INSERT INTO filler VALUES (?)", [(bytes(3000),)] * 3000)
        connection.execute("INSERT INTO a VALUES (0)")
        connection.execute("INSERT INTO b VALUES (0)")
        connection.commit()
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        urls = [snapshot_source(str(path), tmp_path / "s") for _ in range(5)]
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()
    for url in urls:
        with closing(sqlite3.connect(path_of(url))) as connection:
            (a,), (b,) = connection.execute("SELECT n FROM a UNION ALL SELECT n FROM b").fetchall()
        assert a == b


_WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
print("writing", flush=True)
while True:
    connection.executescript("BEGIN IMMEDIATE; UPDATE a SET n = n + 1; UPDATE b SET n = n + 1; COMMIT;")
    time.sleep(0.001)  # else a reader waits many seconds for its turn at a file without a WAL
"""


@contextmanager
def _locked_folder() -> Iterator[Path]:
    """A folder that its reader may not write to, also where the suite runs as root."""
    folder = Path(tempfile.mkdtemp(prefix="pgconvoy-test-"))
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def _as_reader(folder: Path) -> Iterator[None]:
    for path in folder.iterdir():
        path.chmod(0o644 if path.is_file() else 0o777)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(_NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


def _crashed_copy(source: Path, folder: Path) -> Path:
    """Copy a database and what lies beside it, as a crash would leave them."""
    for path in source.parent.glob(source.name + "*"):
        if not path.name.endswith("-shm"):
            shutil.copyfile(path, folder / path.name)
    return folder / source.name


def test_a_wal_source_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """SQLite cannot make its -shm there; the commits in the -wal are in the snapshot nevertheless."""
    _make(tmp_path / "shop.db", wal=True)
    with _locked_folder() as folder, _locked_folder() as snapshots:
        with closing(sqlite3.connect(tmp_path / "shop.db")) as writer:
            writer.execute("INSERT INTO t(v) VALUES ('in the wal')")
            writer.commit()
            path = _crashed_copy(tmp_path / "shop.db", folder)
        if os.geteuid() == 0:
            os.chown(snapshots, _NOBODY, -1)
        with _as_reader(folder):
            with pytest.raises(SourceError, match="snapshot"):
                open_source(str(path), frozen=False)
            url = snapshot_source(str(path), snapshots)
        assert [value for _, value in _values(url)][100:] == ["in the wal"]
        assert _is_plain(url)
        assert sorted(entry.name for entry in folder.iterdir()) == ["shop.db", "shop.db-wal"]


def test_a_wal_source_without_a_wal_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """With nothing in a -wal the file alone is the database, and can be read where it lies."""
    with _locked_folder() as folder, _locked_folder() as snapshots:
        _make(folder / "shop.db", wal=True)
        if os.geteuid() == 0:
            os.chown(snapshots, _NOBODY, -1)
        with _as_reader(folder):
            with open_source(str(folder / "shop.db"), frozen=False) as reader:
                assert reader.count_rows("t") == 100
            url = snapshot_source(str(folder / "shop.db"), snapshots)
        assert len(_values(url)) == 100


def test_a_source_with_a_hot_journal(tmp_path: Path) -> None:
    """A writer's crash left a transaction half done: it is rolled back in the copy, not in the source."""
    path = tmp_path / "shop.db"
    _make(path, rows=3000)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 5")
        writer.execute("BEGIN")
        writer.execute("UPDATE t SET v = 'half done'")
        (tmp_path / "crashed").mkdir()
        crashed = _crashed_copy(path, tmp_path / "crashed")
        writer.execute("ROLLBACK")
    with closing(sqlite3.connect(f"{crashed.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM t WHERE v = 'half done'").fetchone() != (0,)
    before = crashed.read_bytes()
    url = snapshot_source(str(crashed), tmp_path / "s")
    assert {value for _, value in _values(url)} == {"x" * 100}
    assert crashed.read_bytes() == before


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names both numbers, and the folder stays empty."""
    _make(tmp_path / "shop.db")
    usage = namedtuple("usage", "total used free")(100, 90, 10)  # noqa: PYI024 - as shutil makes it
    monkeypatch.setattr("shared.source.sqlite_snapshot.shutil.disk_usage", lambda _: usage)
    with pytest.raises(SourceError, match="and 10 are free"):
        snapshot_source("shop.db", tmp_path / "s")
    assert list((tmp_path / "s").iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where writing breaks off half-way, there is one clear sentence and no half of a snapshot."""
    _make(tmp_path / "shop.db", rows=20_000)
    code = """
        import resource, sys
        from pathlib import Path
        from shared.errors import SourceError
        from shared.source.kinds import snapshot_source
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        try:
            snapshot_source("shop.db", Path("s"))
        except SourceError as error:
            print(error)
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "the snapshot of shop.db cannot be written" in run.stdout, run.stderr
    assert list((tmp_path / "s").iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The setting to change is named."""
    _make(tmp_path / "shop.db")
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="PGCONVOY_SNAPSHOT_DIR"):
        snapshot_source("shop.db", tmp_path / "file" / "s")


def test_others_may_not_read_a_snapshot_of_what_they_may_not_read(tmp_path: Path) -> None:
    """A snapshot is as private as its source."""
    _make(tmp_path / "shop.db")
    (tmp_path / "shop.db").chmod(0o640)
    assert path_of(snapshot_source("shop.db", tmp_path / "s")).stat().st_mode & 0o777 == 0o640


def test_nobody_commits_while_the_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader's lock is held over the whole copy, and given up behind it."""
    path = tmp_path / "s.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t(v); INSERT INTO t VALUES (1);")
    said: list[str] = []
    copyfile = shutil.copyfile

    def copied(source: Any, target: Any) -> Any:
        with closing(sqlite3.connect(path, timeout=0)) as writer, pytest.raises(sqlite3.OperationalError) as refused:
            writer.executescript("INSERT INTO t VALUES (2);")
        said.append(str(refused.value))
        return copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", copied)
    copy = path_of(snapshot_source(str(path), tmp_path / "snapshots"))
    assert said == ["database is locked"]
    with closing(sqlite3.connect(path, timeout=0)) as writer:
        writer.executescript("INSERT INTO t VALUES (3);")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT v FROM t").fetchall() == [(1,)]
