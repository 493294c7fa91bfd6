from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from producer.survey import survey
from shared.errors import ExitCode, SourceError, TransientError
from shared.source.kinds import open_source, snapshot_source
from shared.source.sqlite import open_sqlite
from shared.source.sqlite_file import path_of, url_of

_NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
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
def database(tmp_path: Path) -> Path:
    """A table of two rows."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2);")
    return path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///shop.db", "shop.db"),
        ("sqlite:////data/shop.db", "/data/shop.db"),
        ("shop.db", "shop.db"),
        ("/data/a b#c?d%20.db", "/data/a b#c?d%20.db"),
        ("SQLite:///x.db", "x.db"),
    ],
)
def test_urls_name_paths(url: str, path: str) -> None:
    """Three slashes are relative, four absolute, and a bare path is a path to the letter."""
    assert path_of(url) == Path(path)


def test_a_url_of_ours_names_the_same_file_everywhere(tmp_path: Path) -> None:
    """What workers get is absolute."""
    assert url_of(Path("shop.db")) == f"sqlite:///{tmp_path / 'shop.db'}"
    assert path_of(url_of(Path("shop.db"))) == tmp_path / "shop.db"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", ":memory:", ""])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    """A database in memory cannot be shared with workers."""
    with pytest.raises(SourceError, match="names no file"):
        path_of(url)


def test_another_kind_of_source_is_refused_without_its_password() -> None:
    """What cannot be read yet is said, and the URL is shown redacted."""
    with pytest.raises(SourceError, match=r"no source that pgconvoy can read") as caught:
        open_source("mysql://ann:secret@host/shop", frozen=False)
    assert "secret" not in str(caught.value)
    with pytest.raises(SourceError, match="no source"):
        snapshot_source("postgresql://host/shop", Path())


def test_any_path_can_be_opened(tmp_path: Path) -> None:
    """Characters that mean something in a URI are plain characters of a path."""
    path = tmp_path / "a b#c?d%20&é.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t(a);")
    for frozen in (False, True):
        with open_source(str(path), frozen=frozen) as reader:
            assert reader.count_rows("t") == 0


def _refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(str(path), frozen=False)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """A wrong path is named, and no file is made there."""
    assert "does not exist" in _refusal(tmp_path / "nope.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder(tmp_path: Path) -> None:
    """A folder is no source."""
    assert "is a folder" in _refusal(tmp_path)


def test_a_file_that_may_not_be_read(database: Path) -> None:
    """Permissions are named as the reason."""
    database.chmod(0)
    with unprivileged():
        assert "may not be read" in _refusal(database)


def test_an_empty_file(tmp_path: Path) -> None:
    """SQLite takes an empty file for a database; it is nearly always a wrong path."""
    path = tmp_path / "empty.db"
    path.touch()
    assert "empty file" in _refusal(path)


def test_an_empty_database_has_no_tables(tmp_path: Path) -> None:
    """A database without tables is fine."""
    path = tmp_path / "empty.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    with open_source(str(path), frozen=False) as reader:
        assert survey(reader, (), (), processes=2).catalog.tables == ()


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    """The first bytes are shown, which often tell what the file is."""
    path = tmp_path / "paper.db"
    path.write_bytes(b"%PDF-1.7" + b"plain words " * 1000)
    assert "is not a SQLite database: it begins with b'%PDF" in _refusal(path)


def test_an_encrypted_file(tmp_path: Path) -> None:
    """Bytes that look random may be an encrypted database."""
    path = tmp_path / "secret.db"
    path.write_bytes(random.Random(7).randbytes(8192))
    assert "or an encrypted one" in _refusal(path)


def test_a_database_of_sqlite_2(tmp_path: Path) -> None:
    """The forerunner's files can be converted."""
    path = tmp_path / "old.db"
    path.write_bytes(b"** This file contains an SQLite 2.1 database **" + bytes(2000))
    assert "SQLite 2" in _refusal(path)


def _big_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE u(w);")
        connection.executemany("INSERT INTO t(v) VALUES (?)", [("x" * 200,)] * 5000)
        connection.commit()


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_damaged_page_is_found_by_the_survey(tmp_path: Path, place: float) -> None:
    """Nothing is copied from a file that quick_check finds broken; its first finding is named."""
    path = tmp_path / "broken.db"
    _big_database(path)
    with path.open("r+b") as stream:
        stream.seek(int(path.stat().st_size * place) // 4096 * 4096)
        stream.write(b"\xde\xad" * 512)
    with open_source(str(path), frozen=False) as reader, pytest.raises(SourceError, match=r"is damaged \(.*[Pp]age"):
        survey(reader, (), (), processes=1)


def test_a_truncated_file_is_damaged(tmp_path: Path) -> None:
    """A copy that broke off is noticed before its rows are."""
    path = tmp_path / "cut.db"
    _big_database(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(SourceError, match="is damaged"), open_source(str(path), frozen=False) as reader:
        survey(reader, (), (), processes=1)


def test_a_file_with_only_the_header_is_damaged(tmp_path: Path) -> None:
    """What only begins like a database is told from one."""
    path = tmp_path / "head.db"
    path.write_bytes(b"SQLite format 3\0" + b"\x7f" * 4080)
    with pytest.raises(SourceError, match="is damaged"):
        open_source(str(path), frozen=False)


def test_damage_met_while_reading_is_a_source_error(tmp_path: Path) -> None:
    """A worker that meets a broken page names table and range, by columns as well as by rows."""
    path = tmp_path / "broken.db"
    _big_database(path)
    with open_sqlite(str(path), frozen=True) as reader:
        read = _read_of(reader)
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2 // 4096 * 4096)
        stream.write(b"\xde\xad" * 512)
    with open_sqlite(str(path), frozen=True) as reader:
        with pytest.raises(SourceError, match=r"damaged.*table 't'"):
            reader.read_arrow(*read)
        with pytest.raises(SourceError, match=r"damaged.*table 't'"):
            list(reader.read_rows(*read, batch_rows=100))


def _read_of(reader: object) -> tuple:
    from shared.records.keys import EVERYTHING  # noqa: PLC0415 - needed here alone
    from shared.records.plan import TableRead  # noqa: PLC0415 - needed here alone

    table = next(table for table in reader.catalog().tables if table.name == "t")
    return TableRead(table="t", chunk_key=table.chunk_key, columns=("id", "v")), EVERYTHING


def test_values_that_break_constraints_are_no_damage(tmp_path: Path) -> None:
    """NULL in a NOT NULL column, or a failing CHECK, is a row to copy or reject, not a broken file."""
    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE t(a, b CHECK (b > 0));
            PRAGMA ignore_check_constraints = ON;
            INSERT INTO t VALUES (NULL, -1), ('x', -2);
            PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = 'CREATE TABLE t(a INT NOT NULL, b CHECK (b > 0))';
            """
        )
    with open_source(str(path), frozen=False) as reader:
        assert survey(reader, (), (), processes=1).profiles["t"].rows == 2


def test_functions_and_collations_of_the_application_do_not_stop_the_check(tmp_path: Path) -> None:
    """An index that needs a collation of the application cannot be checked, but its table can be copied."""
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("LOCALIZED", lambda a, b: (a > b) - (a < b))
        connection.create_function("mine", 1, lambda value: value, deterministic=True)
        connection.executescript(
            """
            CREATE TABLE t(a TEXT COLLATE LOCALIZED, b CHECK (mine(b) = b));
            CREATE INDEX i ON t(a); INSERT INTO t VALUES ('x', 1);
            CREATE TABLE u(id INTEGER PRIMARY KEY, v);
            """
        )
        connection.executemany("INSERT INTO u(v) VALUES (?)", [("x" * 200,)] * 2000)
        connection.commit()
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'u'").fetchone()[0]
    with open_source(str(path), frozen=False) as reader:
        assert survey(reader, (), (), processes=1).profiles["t"].rows == 1
    with path.open("r+b") as stream:  # damage elsewhere is found all the same
        stream.seek(page * 4096)
        stream.write(b"\xde\xad" * 1024)
    with open_source(str(path), frozen=False) as reader, pytest.raises(SourceError, match="is damaged"):
        survey(reader, (), (), processes=1)


def test_a_lock_that_a_writer_holds_may_pass(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live source that is being written to is a reason to try again, not to give up."""
    monkeypatch.setattr("shared.source.sqlite_file._BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(database, isolation_level=None)) as writer, open_sqlite(str(database)) as reader:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TransientError, match="locked"):
            reader.count_rows("t")


def test_the_source_is_never_written_to(database: Path) -> None:
    """Not by the reader, and not through the reader's connection."""
    before = database.read_bytes()
    with open_sqlite(str(database)) as reader:
        survey(reader, (), (), processes=2)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._sqlite.execute("INSERT INTO t VALUES (3)")
    assert database.read_bytes() == before


# --- fingerprint -------------------------------------------------------------------------------------------------


def _fingerprint(path: Path, *, frozen: bool) -> str:
    with open_sqlite(str(path), frozen=frozen) as reader:
        return reader.fingerprint()


def test_a_copy_has_the_same_fingerprint_and_a_changed_file_another(database: Path, tmp_path: Path) -> None:
    """Workers on other machines see the file with other times and inodes; only its content counts."""
    first = _fingerprint(database, frozen=True)
    copy = tmp_path / "copy.db"
    copy.write_bytes(database.read_bytes())
    os.utime(copy, (1, 1))
    assert _fingerprint(copy, frozen=True) == first
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE t SET a = 7 WHERE a = 1")
        connection.commit()
    assert _fingerprint(copy, frozen=True) != first


def test_a_change_of_the_same_size_far_inside_a_large_file_is_seen(tmp_path: Path) -> None:
    """SQLite's change counter is part of the fingerprint, so that no page need be sampled to notice a commit."""
    path = tmp_path / "big.db"
    _big_database(path)
    first = _fingerprint(path, frozen=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE t SET v = ? WHERE id = 2345", ("y" * 200,))
        connection.commit()
    assert _fingerprint(path, frozen=True) != first


def test_a_commit_to_the_wal_of_a_live_source_is_seen(database: Path) -> None:
    """In WAL mode the file itself stays as it is."""
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        first = _fingerprint(database, frozen=False)
        assert _fingerprint(database, frozen=False) == first
        writer.execute("INSERT INTO t VALUES (3)")
        writer.commit()
        assert _fingerprint(database, frozen=False) != first
