"""Files that somebody made to harm, or that are none: a sentence or a right copy, and never more than that."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fleetkit import TestPostgres
from fuzzkit import Verdict, judge

from shared.errors import SourceError
from shared.source.kinds import open_source
from shared.source.sqlite_arrow import connect_columns
from shared.source.sqlite_file import SqliteFile

ROWS = "CREATE TABLE t (x, y); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL);"
_MINUTES = os.environ.get("PGCONVOY_FUZZ_MINUTES")
"""Read here: tests run without such variables."""
Make = Callable[[Path], Path]


@pytest.fixture(scope="module")
def shared_target(postgres_server: TestPostgres) -> Iterator[str]:
    """One database for all files."""
    with postgres_server.fresh_database() as url:
        yield url


def made(folder: Path, script: str, *written: tuple[str, ...]) -> Path:
    """Make a database; `written` are statements, with their values, that write into its schema."""
    path = folder / "source.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.executescript(script)
        opened.execute("PRAGMA writable_schema = ON")
        for statement, *values in written:
            opened.execute(statement, values)
    return path


def _retold(sql: str) -> tuple[str, str]:
    """Let table t have been made by another statement."""
    return "UPDATE sqlite_schema SET sql = ? WHERE name = 't'", sql


def _tower(floors: int) -> str:
    """Views of which each reads the one before twice: 2 to the power of `floors` tables."""
    views = (f"CREATE VIEW v{n} AS SELECT a.x FROM v{n - 1} a, v{n - 1} b;" for n in range(1, floors))
    return f"CREATE VIEW v0 AS SELECT x FROM t; {''.join(views)}"


_MEGABYTE = 1_000_000
_ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS rowid, i AS x FROM n"
COPIED = {
    "a check of a megabyte": (ROWS, _retold(f"CREATE TABLE t (x, y, CHECK (x <> '{'z' * _MEGABYTE}'))")),
    "a check of a thousand levels": (ROWS, _retold(f"CREATE TABLE t (x, y, CHECK (x > 0{' OR x = 2' * 950}))")),
    "a default of a megabyte": (ROWS, _retold(f"CREATE TABLE t (x, y DEFAULT '{'z' * _MEGABYTE}')")),
    "a comment of a megabyte": (ROWS, _retold(f"CREATE TABLE t (x, y /* {'(' * _MEGABYTE} */)")),
    "a type of many words": (ROWS, _retold(f"CREATE TABLE t (x {'word ' * 20_000}, y)")),
    "fewer columns than are stored": (ROWS, _retold("CREATE TABLE t (x)")),
    "a collation with SQL in it": (
        ROWS,
        _retold('CREATE TABLE t (x COLLATE "o\'; DROP TABLE t; --", y COLLATE [\x1b])'),
    ),
    "a function of nobody's in a default": (ROWS, _retold("CREATE TABLE t (x, y DEFAULT (load_extension('/x.so')))")),
    "a view of itself": (
        ROWS,
        ("INSERT INTO sqlite_schema VALUES ('view', 'v', 'v', 0, 'CREATE VIEW v AS SELECT * FROM v')",),
    ),
    "views of each other": (ROWS + "CREATE VIEW v AS SELECT * FROM w; CREATE VIEW w AS SELECT * FROM v;",),
    "a view without end": (f"{ROWS} CREATE VIEW v AS {_ENDLESS};",),
    "a tower of views": (ROWS + _tower(19),),
    "a view of 500 queries": (f"{ROWS} CREATE VIEW v AS {' UNION ALL '.join(['SELECT x FROM t'] * 500)};",),
    "views of SQLite's own tables": (ROWS + "CREATE VIEW v AS SELECT * FROM pragma_database_list, sqlite_schema;",),
    "triggers without end": (
        ROWS + "PRAGMA recursive_triggers = ON;"
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO t VALUES (NEW.x + 1, 1); END;"
        "CREATE TRIGGER l AFTER DELETE ON t BEGIN SELECT load_extension('/x.so'); END;",
    ),
    "numbers of the header at their ends": (
        ROWS + "PRAGMA user_version = -2147483648; PRAGMA application_id = -1; PRAGMA default_cache_size = 2147483647;",
    ),
    "a search with an unknown tokenizer": (
        ROWS + "CREATE VIRTUAL TABLE f USING fts5 (a);",
        ("UPDATE sqlite_schema SET sql = 'CREATE VIRTUAL TABLE f USING fts5 (a, tokenize=\"x y\")' WHERE name = 'f'",),
    ),
    "a search of itself": (ROWS + "CREATE VIRTUAL TABLE f USING fts5 (x, content='f');",),
    "a search of a view without end": (
        f"{ROWS} CREATE VIEW e AS {_ENDLESS}; CREATE VIRTUAL TABLE f USING fts5 (x, content='e');",
    ),
    "a table of all pages": (
        ROWS,
        ("INSERT INTO sqlite_schema VALUES ('table', 'd', 'd', 0, 'CREATE VIRTUAL TABLE d USING sqlite_dbpage')",),
    ),
    "a sequence that is none": (
        """CREATE TABLE t (x INTEGER PRIMARY KEY AUTOINCREMENT, y); INSERT INTO t VALUES (1, 2);
        INSERT INTO sqlite_sequence VALUES ('t', 'zzz'), ('t', 9223372036854775807), (NULL, 1e300), (x'ff', x'00');""",
    ),
    "a pattern that takes long": (
        f"CREATE TABLE t (x, y AS (x LIKE '%a%a%a%b')); INSERT INTO t (x) VALUES ('{'a' * 300}');",
    ),
    "a computed value that is large": (
        "CREATE TABLE t (x, y AS (length(hex(zeroblob(x * 1000000))))); INSERT INTO t (x) VALUES (1), (9);",
    ),
}
REFUSED = {
    "a table under a name of SQLite's own": (
        "a name that SQLite keeps for itself",
        ROWS + "CREATE TABLE u (x);",
        (
            """UPDATE sqlite_schema SET (name, tbl_name, sql) =
                ('sqlite_hidden', 'sqlite_hidden', 'CREATE TABLE sqlite_hidden (x, y)') WHERE name = 't'""",
        ),
    ),
    "two tables on one page": (
        "2nd reference to page",
        ROWS + "CREATE TABLE u (x, y);",
        ("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'u'",),
    ),
    "a page that is not there": ("damaged", ROWS, ("UPDATE sqlite_schema SET rootpage = 99 WHERE name = 't'",)),
    "a table under another name": ("malformed", ROWS, ("UPDATE sqlite_schema SET name = 'u' WHERE name = 't'",)),
    "a table that is called a view": ("malformed", ROWS, ("UPDATE sqlite_schema SET type = 'view'",)),
    "a schema of no SQL": ("malformed", ROWS, _retold("ATTACH '/etc/passwd' AS p")),
    "a table of a query": ("malformed", ROWS, _retold("CREATE TABLE t AS SELECT 1")),
    "ten thousand parentheses": (
        "parser stack overflow|damaged",
        ROWS,
        _retold(f"CREATE TABLE t (x, y DEFAULT ({'(' * 10_000}1{')' * 10_000}))"),
    ),
    "a column computed from itself": ("loop", ROWS, _retold("CREATE TABLE t (x, y, g AS (h), h AS (g))")),
    "a computed value beyond all memory": (
        "too big",
        "CREATE TABLE u (x INT); INSERT INTO u VALUES (900000000);",
        ("UPDATE sqlite_schema SET sql = 'CREATE TABLE u (x INT, y AS (hex(zeroblob(x))))' WHERE name = 'u'",),
    ),
    "more columns than PostgreSQL has": (
        "at most 1,600",
        f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(2_000))}); INSERT INTO t (c0) VALUES (1);",
    ),
}


@pytest.mark.parametrize("name", COPIED)
def test_crafted_schemas_whose_rows_can_be_read_are_copied(name: str, shared_target: str, tmp_path: Path) -> None:
    """What the schema holds beside the rows is translated or refused by itself, and never runs."""
    script, *written = COPIED[name]
    assert judge(made(tmp_path, script, *written), shared_target) == Verdict(outcome="completed")


@pytest.mark.parametrize("name", REFUSED)
def test_crafted_schemas_that_cannot_be_trusted_are_refused(name: str, shared_target: str, tmp_path: Path) -> None:
    """One sentence says what was found; nothing counts as copied."""
    said, script, *written = REFUSED[name]
    verdict = judge(made(tmp_path, script, *written), shared_target)
    assert verdict.outcome == "refused"
    assert not verdict.problems
    assert re.search(said, verdict.said)


def test_a_damaged_tree_of_boxes_is_refused_and_not_copied_in_part(shared_target: str, tmp_path: Path) -> None:
    """Rows that the tree does not lead to any more would be missing in silence."""
    path = made(
        tmp_path,
        ROWS + "CREATE VIRTUAL TABLE r USING rtree (id, a, b); INSERT INTO r VALUES (1, 0, 1), (2, 3, 4);"
        "UPDATE r_node SET data = CAST(x'00000000' || zeroblob(length(data) - 4) AS BLOB);",
    )
    with open_source(str(path), frozen=False) as reader:
        (tree,) = (each for each in reader.catalog().objects if each.name == "r")
    assert tree.virtual is not None
    assert "its tree is damaged (Wrong number of entries" in (tree.virtual.unreadable or "")


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.db")
    return folder / "pipe.db"


def _socket(folder: Path) -> Path:
    with closing(socket.socket(socket.AF_UNIX)) as bound:
        bound.bind("s.db")  # a short name, in the current folder
    return folder / "s.db"


def _lone_wal(folder: Path) -> Path:
    with closing(sqlite3.connect(folder / "source.db")) as writer:
        writer.executescript("PRAGMA journal_mode = WAL;" + ROWS)
        shutil.copy(folder / "source.db-wal", folder / "alone.db-wal")
    return folder / "alone.db-wal"


def _loop(folder: Path) -> Path:
    (folder / "loop.db").symlink_to("loop.db")
    return folder / "loop.db"


def _of_bytes(content: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / "source.db").write_bytes(content)
        return folder / "source.db"

    return make


NO_DATABASES: dict[str, tuple[Make, str]] = {
    "a pipe": (_pipe, "is a pipe"),
    "a socket": (_socket, "is a socket"),
    "a device": (lambda _: Path("/dev/zero"), "is a device"),
    "a folder": (lambda folder: folder, "is a folder"),
    "a link to itself": (_loop, "cannot be read: (Too many levels of symbolic links|Symlink loop)|loop"),
    "a link to nothing": (lambda folder: _link(folder / "gone", folder / "link.db"), "does not exist"),
    "an empty file": (_of_bytes(b""), "is an empty file"),
    "a -wal alone": (_lone_wal, "is not a SQLite database"),
    "a header alone": (_of_bytes(b"SQLite format 3\0"), "damaged|not a database"),
    "a header and nothing": (_of_bytes(b"SQLite format 3\0" + bytes(4080)), "damaged|not a database"),
    "a URI": (lambda _: Path("file:x.db?mode=rwc&vfs=unix-none&cache=shared"), "does not exist"),
    "a file in memory": (lambda _: Path(":memory:"), "names no file"),
    "a name with a NUL": (lambda _: Path("x\0y.db"), "no path holds U"),
    "a very long name": (lambda _: Path("x" * 5_000), "cannot be read"),
    "characters of a terminal": (lambda _: Path("\x1b[2J\u202e.db"), "does not exist"),
}


def _link(to: Path, at: Path) -> Path:
    at.symlink_to(to)
    return at


@pytest.mark.parametrize("name", NO_DATABASES)
def test_what_is_no_database_is_refused_without_waiting_for_it(name: str, tmp_path: Path) -> None:
    """A pipe would be waited for, a device read without end."""
    make, said = NO_DATABASES[name]
    with pytest.raises(SourceError, match=said):
        open_source(str(make(tmp_path)), frozen=False)


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_link_is_read_with_the_changes_beside_the_file_that_it_names(
    shared_target: str, tmp_path: Path, *, snapshot: bool
) -> None:
    """SQLite keeps a -wal beside the file itself: through a link, `..` or both its rows are there too."""
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    alive = made(tmp_path, "PRAGMA journal_mode = WAL;" + ROWS)
    with closing(sqlite3.connect(alive)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO t VALUES (4, 'in the -wal')")
        writer.commit()
        for name in ("source.db", "source.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / "real" / name)
    (tmp_path / "links" / "named.db").symlink_to("../real/source.db")
    path = tmp_path / "links" / ".." / "links" / "named.db"
    assert judge(path, shared_target, snapshot=snapshot) == Verdict(outcome="completed")


def test_a_source_that_another_program_holds_is_waited_for_and_told_of(
    shared_target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exclusive lock is named as what it is; nothing is made."""
    monkeypatch.setattr("shared.source.sqlite_file._BUSY_SECONDS", 0.1)
    path = made(tmp_path, ROWS)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        verdict = judge(path, shared_target)
    assert verdict.outcome == "refused"
    assert "database is locked" in verdict.said


_WRITES = (
    "INSERT INTO t VALUES (9, 9)",
    "DELETE FROM t",
    "DROP TABLE t",
    "PRAGMA user_version = 7",
    "PRAGMA journal_mode = WAL",
    "VACUUM",
    "ATTACH 'elsewhere.db' AS elsewhere",
    "VACUUM INTO 'elsewhere.db'",
    "SELECT load_extension('/x.so')",
)


@pytest.mark.parametrize("statement", _WRITES)
def test_no_statement_on_a_source_writes_or_loads_anything(statement: str, tmp_path: Path) -> None:
    """Whatever a file might make its readers run: it cannot be changed, no other file opened, no code loaded."""
    path = made(tmp_path, ROWS)
    before = path.read_bytes()
    with closing(SqliteFile(path=path, immutable=False).connect()) as connection:
        try:
            connection.execute(statement).fetchall()
        except sqlite3.Error:
            pass
        else:
            assert statement.startswith("PRAGMA")  # it answers with what is, and changes nothing
    assert path.read_bytes() == before
    assert not Path("elsewhere.db").exists()


def test_both_of_the_drivers_are_defended(tmp_path: Path) -> None:
    """A schema calls nothing of ours, damaged pages are noticed when they are read, and memory is bounded."""
    path = made(tmp_path, ROWS)
    file = SqliteFile(path=path, immutable=False)
    asked = ("cell_size_check", "hard_heap_limit")
    with closing(file.connect()) as connection:
        assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked] == [1, 4 * 1024**3]
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_ATTACHED) == 0
    with connect_columns(file.uri) as columns, columns.cursor() as cursor:
        for name, value in zip(("trusted_schema", *asked), (0, 1, 4 * 1024**3), strict=True):
            cursor.execute(f"PRAGMA {name}")
            assert cursor.fetchone() == (value,)


def test_fuzzed_files_are_refused_or_copied_right(shared_target: str, tmp_path: Path) -> None:
    """Bytes, pages, lengths, logs and schemas at random: no error of Python's, crash, hang or wrong "verified".

    PGCONVOY_FUZZ_MINUTES=5 goes on for so long, from a seed that it prints; `make fuzz MINUTES=5` sets it.
    """
    minutes = _MINUTES
    asked = ["--minutes", minutes, "--seed", str(int.from_bytes(os.urandom(4)))] if minutes else ["--files", "30"]
    command = [sys.executable, "-m", "fuzzkit", "--url", shared_target, "--folder", str(tmp_path), *asked]
    longest = 600 + 60 * float(minutes or 0)
    here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=longest, env=here)
    at = tmp_path / "seed"
    assert ended.returncode == 0, (
        f"{asked}, last at seed {at.exists() and at.read_text()}:\n{ended.stdout[-20_000:]}\n{ended.stderr[-5_000:]}"
    )
    sys.stdout.write(ended.stdout)
