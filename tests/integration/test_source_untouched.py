"""The source is only read: no connection can write to it, and a whole job leaves not a byte or a time changed."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_manager import Error as AdbcError
from casekit import inline_workforce

from producer import starting
from producer.cli import main
from producer.survey import survey
from shared.source.sqlite import open_sqlite
from shared.source.sqlite_arrow_look import ArrowLook

_NOBODY = 65534
_WRITES = (
    "INSERT INTO t VALUES (9, 'nine')",
    "CREATE TABLE more (a)",
    "DROP TABLE t",
    "PRAGMA user_version = 7",
    "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema",
    "ALTER TABLE t ADD COLUMN more",
    "REINDEX",
    "PRAGMA query_only = OFF; DELETE FROM t",
)


_REFUSED = "readonly|query_only|may not be modified"
"""How SQLite says it."""


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Let the file system judge as for an ordinary user, also where the suite runs as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write to, once `_make` is through."""
    made = tmp_path / "closed"
    made.mkdir()
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        above.chmod(above.stat().st_mode | 0o111)
    yield made
    made.chmod(0o755)


def _make(folder: Path) -> Path:
    path = folder / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("""
            CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE mixed (a, b REAL, c BLOB);
            CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
            CREATE VIEW shown AS SELECT name FROM t;
        """)
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(number, f"name {number}") for number in range(500)])
        connection.executemany("INSERT INTO mixed VALUES (?, ?, ?)", [(1, 0.5, b"x"), ("two", None, b"")])
        connection.execute("INSERT INTO keyed VALUES ('a', 1)")
        connection.commit()
    return path


def _seen(path: Path) -> dict[str, Any]:
    """All that a write would change, of the file and of its folder; the time of the last read aside."""
    state = path.stat()
    found = {"bytes": path.read_bytes(), "moved": (state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_mode)}
    return found | {"beside": sorted(each.name for each in path.parent.iterdir())}


@pytest.mark.parametrize("frozen", [True, False], ids=["snapshot", "live"])
@pytest.mark.parametrize("write", _WRITES)
def test_no_connection_of_a_reader_can_write(write: str, frozen: bool, folder: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """SQLite's own, that of the columns, and that of the survey; not even where `query_only` is switched off again."""
    path = _make(folder)
    before = _seen(path)
    with open_sqlite(str(path), frozen=frozen) as reader, ExitStack() as stack:
        look = stack.enter_context(closing(ArrowLook(reader._file.uri, reader.catalog().tables[0])))
        for statement in write.split("; "):
            for execute in (
                _by_sqlite(reader._sqlite),
                _by_adbc(reader._arrow_connection()),
                _by_adbc(look._connected()),
            ):
                if statement.startswith("PRAGMA") and "; " in write:
                    execute(statement)
                else:
                    with pytest.raises((sqlite3.Error, AdbcError), match=_REFUSED):
                        execute(statement)
    assert _seen(path) == before


def test_every_connection_says_that_it_only_reads(folder: Path) -> None:
    """Beside the file's own mode, which would do alone: temporary tables are not made either."""
    with open_sqlite(str(_make(folder))) as reader, ExitStack() as stack:
        look = stack.enter_context(closing(ArrowLook(reader._file.uri, reader.catalog().tables[0])))
        assert reader._sqlite.execute("PRAGMA query_only").fetchone() == (1,)
        for connection in (reader._arrow_connection(), look._connected()):
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA query_only")
                assert cursor.fetchall() == [(1,)]


def _by_sqlite(connection: sqlite3.Connection) -> Callable[[str], None]:
    return lambda statement: connection.execute(statement).close()


def _by_adbc(connection: Any) -> Callable[[str], None]:
    def execute(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.fetchall()

    return execute


@pytest.mark.parametrize("frozen", [True, False], ids=["snapshot", "live"])
def test_a_file_and_a_folder_that_are_closed_to_writing_are_enough(frozen: bool, folder: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """As on a file system that is mounted read-only."""
    path = _make(folder)
    path.chmod(0o444)
    folder.chmod(0o555)
    before = _seen(path)
    with _as_nobody(), open_sqlite(str(path), frozen=frozen) as reader:
        assert not os.access(path, os.W_OK, effective_ids=True)
        assert not os.access(folder, os.W_OK, effective_ids=True)
        survey(reader, (), (), processes=1)
        reader.check()
    assert _seen(path) == before


@pytest.mark.parametrize("frozen", [(), ("--no-snapshot",)], ids=["through a snapshot", "in place"])
def test_a_whole_job_changes_nothing_of_its_source(
    frozen: tuple[str, ...], folder: Path, target_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check, plan, start, verify and a replay of all that: bytes, times and folder are as they were."""
    path = _make(folder)
    path.chmod(0o444)
    folder.chmod(0o555)
    before = _seen(path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(starting, "open_workforce", inline_workforce)
    monkeypatch.setenv("PGCONVOY_SOURCE_URL", str(path))
    monkeypatch.setenv("PGCONVOY_TARGET_URL", target_url)
    for command in (("check",), ("plan",), ("start", *frozen), ("verify",), ("start", "--recreate", *frozen)):
        assert main(command) == 0, command
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert _seen(path) == before


def test_a_source_in_use_keeps_its_wal(folder: Path, target_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a live application has not yet worked into its file is read, and stays where it was."""
    path = _make(folder)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with closing(sqlite3.connect(path)) as application:
        application.execute("PRAGMA journal_mode = WAL")
        application.execute("PRAGMA wal_autocheckpoint = 0")
        application.execute("INSERT INTO t VALUES (1000, 'in the -wal alone')")
        application.commit()
        wal = path.with_name("shop.db-wal")
        before, kept = _seen(path), wal.read_bytes()
        monkeypatch.setattr(starting, "open_workforce", inline_workforce)
        monkeypatch.setenv("PGCONVOY_SOURCE_URL", str(path))
        monkeypatch.setenv("PGCONVOY_TARGET_URL", target_url)
        for command in (("check",), ("plan",), ("start",), ("verify",)):
            assert main(command) == 0, command
        assert (_seen(path), wal.read_bytes()) == (before, kept)
    for number, handler in handlers.items():
        signal.signal(number, handler)
