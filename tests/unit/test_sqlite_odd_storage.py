"""Files that are stored in unusual ways."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import SourceError
from shared.records.keys import EVERYTHING
from shared.records.plan import TableRead
from shared.source.kinds import open_source, snapshot_source
from shared.source.reader import SourceReader

_HUGE = 110_000_000


def _values(reader: SourceReader) -> list[object]:
    (table,) = reader.catalog().tables
    read = TableRead(table=table.name, chunk_key=table.chunk_key, columns=tuple(c.name for c in table.columns))
    return [
        value for batch in reader.read_rows(read, EVERYTHING, batch_rows=10) for row in batch for value in row.values
    ]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_commits_in_a_wal_whose_index_is_gone(tmp_path: Path, encoding: str) -> None:
    """Without its -shm a -wal is read all the same: where it lies, by columns and rows, and into a snapshot."""
    (tmp_path / "live").mkdir()
    (tmp_path / "crashed").mkdir()
    with closing(sqlite3.connect(tmp_path / "live" / "a.db")) as writer:
        writer.executescript(f"PRAGMA encoding = '{encoding}'; PRAGMA journal_mode = WAL; CREATE TABLE t(a TEXT);")
        writer.execute("INSERT INTO t VALUES ('in the wal, é')")
        writer.commit()
        for name in ("a.db", "a.db-wal"):
            shutil.copyfile(tmp_path / "live" / name, tmp_path / "crashed" / name)
    path = tmp_path / "crashed" / "a.db"
    assert path.with_name("a.db-wal").stat().st_size
    snapshot = snapshot_source(str(path), tmp_path / "snapshots")
    for url, frozen in ((str(path), False), (snapshot, True)):
        with open_source(url, frozen=frozen) as reader:
            (table,) = reader.catalog().tables
            read = TableRead(table="t", chunk_key=table.chunk_key, columns=("a",))
            assert _values(reader) == ["in the wal, é"]
            assert reader.read_arrow(read, EVERYTHING).column(0).to_pylist() == ["in the wal, é"]
            assert reader.profile(table).columns["a"].texts == 1


def test_a_row_of_more_than_a_hundred_megabytes(tmp_path: Path) -> None:
    """Both paths read it whole, and its profile knows how long it is."""
    with closing(sqlite3.connect(tmp_path / "huge.db")) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA page_size = 65536; CREATE TABLE t(a TEXT, b BLOB);")
        connection.execute("INSERT INTO t VALUES (?, zeroblob(?))", ("é" * (_HUGE // 2), _HUGE))
        connection.commit()
    with open_source(str(tmp_path / "huge.db"), frozen=True) as reader:
        (table,) = reader.catalog().tables
        profile = reader.profile(table)
        assert (profile.columns["a"].longest_text, profile.columns["b"].longest_blob) == (_HUGE, _HUGE)
        assert (profile.columns["a"].invalid_texts, profile.columns["a"].nul_texts) == (0, 0)
        assert profile.source_bytes > 2 * _HUGE
        text, blob = _values(reader)
        assert text == "é" * (_HUGE // 2)
        assert blob == bytes(_HUGE)
        read = TableRead(table="t", chunk_key=table.chunk_key, columns=("a", "b"))
        columns = reader.read_arrow(read, EVERYTHING)
        assert columns.column(0)[0].as_buffer().size == columns.column(1)[0].as_buffer().size == _HUGE


def test_a_file_that_is_encrypted_behind_its_first_bytes(tmp_path: Path) -> None:
    """Some ciphers leave the header readable: the sentence says that it may be one of those."""
    path = tmp_path / "e.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t(a)")
    plain = path.read_bytes()
    path.write_bytes(plain[:32] + os.urandom(len(plain) - 32))
    with pytest.raises(
        SourceError, match=r"e\.db begins like a SQLite database and looks encrypted behind that: decrypt it"
    ):
        open_source(str(path), frozen=False)


def test_columns_that_table_info_hides(tmp_path: Path) -> None:
    """Generated columns are read like any others, stored or not."""
    with closing(sqlite3.connect(tmp_path / "g.db")) as connection:
        connection.executescript(
            "CREATE TABLE t(a INT, v TEXT AS (a || '!'), s INT AS (a * 2) STORED, n INT AS (a + 1), z TEXT);"
            "INSERT INTO t(a, z) VALUES (4, 'end');"
        )
    with open_source(str(tmp_path / "g.db"), frozen=True) as reader:
        assert _values(reader) == [4, "4!", 8, 5, "end"]
        (table,) = reader.catalog().tables
        read = TableRead(table="t", chunk_key=table.chunk_key, columns=("s", "n"))
        assert reader.read_arrow(read, EVERYTHING).to_pydict() == {"0": [8], "1": [5]}
        assert reader.profile(table).columns["v"].longest_text == 2


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16be"])
def test_a_text_that_is_cut_by_a_null_character_is_read_to_its_end(tmp_path: Path, encoding: str) -> None:
    """SQLite's own length() stops there; bytes are counted as they are stored."""
    with closing(sqlite3.connect(tmp_path / "n.db")) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE t(a UUID)")
        connection.execute("INSERT INTO t VALUES (?)", ("a\0" + "b" * 400,))
        connection.commit()
    with open_source(str(tmp_path / "n.db"), frozen=True) as reader:
        found = reader.profile(reader.catalog().tables[0]).columns["a"]
    assert found.longest_text == 402 * (1 if encoding == "UTF-8" else 2)
    assert (found.nul_texts, found.empty_texts, found.uuid_texts) == (1, 0, 0)


def test_a_database_without_tables(tmp_path: Path) -> None:
    """It has been written to, and holds nothing but its header, its version and SQLite's own tables."""
    with closing(sqlite3.connect(tmp_path / "z.db")) as connection:
        connection.executescript(
            "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE INDEX i ON t(id); ANALYZE; DROP TABLE t;"
            "PRAGMA user_version = 3;"
        )
    with open_source(str(tmp_path / "z.db"), frozen=True) as reader:
        catalog = reader.catalog()
    assert (catalog.tables, catalog.objects, [v.value for v in catalog.versions]) == ((), (), ["3"])
