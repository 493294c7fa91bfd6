"""Virtual tables of a SQLite file: what they were made with, and the rows that they keep."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, KeyRange
from shared.records.plan import TableRead
from shared.records.source import ChunkKeyKind, ObjectKind, SourceTable, VirtualModule, VirtualTable
from shared.source.sqlite import SqliteReader, open_sqlite
from shared.source.sqlite_virtual import read_virtual_table
from shared.source.sqlite_virtual_fts import ColumnsOf

DECLARATIONS = [
    "fts3", "fts3()", "FTS3(a, b)", "fts3(a TEXT NOT NULL, b VARCHAR(10), tokenize=porter)",
    'fts3("a b", [c d], `e`, \'f\', tokenize porter)', "fts3(title, content=nothing)", 'fts3("tokenize", x)',
    "fts4", "fts4(a, b, tokenize=unicode61 \"remove_diacritics=0\" 'tokenchars=,-')", "fts4(a,, b, )",
    'fts4(a /* the, first */, -- and (the) second,\n b, prefix="2,4", order=DESC, matchinfo=fts3)',
    'fts4(a, b, c, notindexed=B, notindexed="c")', 'fts4(a, languageid="lid", b)', "fts4(a(1, 2), b)",
    'fts4(content="u")', 'fts4(content=t, x, "y z")', 'fts4(content="U", languageid=x)', 'fts4(content="", a)',
    "fts4(a, compress=zip, uncompress=unzip)", '"fts4"(a)', 'fts4(ünïcode, "quo""te")',
    "fts5(a)", "fts5('a = b', c)", "fts5(a, b UNINDEXED, \"c d\" unindexed, [e], 'f', `g`)",
    "fts5(a, tokenize = 'porter ascii')",
    "fts5(a, tokenize=\"unicode61 remove_diacritics 2 tokenchars '-_'\", prefix='2 3', detail=none, columnsize=0)",
    "fts5(a, content='')", "fts5(a, content=)", "fts5(x, \"y z\", content='t', content_rowid=id)", "fts5(a, cont=t)",
    'fts5("content", b)', "fts5(a /* UNINDEXED */, b)", 'fts5(a,\n b UNINDEXED, content="t")',
    "FTS5(a, tok=porter)", "rtree(id, x0, x1)", 'rtree_i32(id, a, b, "c c", [d])',
    'RTREE("the id", x0, x1, y0, y1, +label TEXT, +"z z")',
    "rtree(id, -- the key\n x0, x1 -- one dimension\n)", "rtree(id,a,b,c,d,e,f,g,h,i,j)",
]  # fmt: skip


def _columns_in(connection: sqlite3.Connection) -> ColumnsOf:
    return lambda table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_columns_and_shadow_tables_are_those_that_sqlite_makes(declaration: str) -> None:
    """However it is spelled, a declaration is read as the module itself reads it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript('CREATE TABLE t(id INTEGER PRIMARY KEY, x, "y z"); CREATE TABLE u(id, x, Y)')
        connection.execute(f"CREATE VIRTUAL TABLE v USING {declaration}")
        ((sql,),) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'v'")
        kept = read_virtual_table("v", sql, _columns_in(connection))
        assert kept is not None
        shown = [(row[1], row[6]) for row in connection.execute("PRAGMA table_xinfo(v)")]
        auxiliary = () if kept.virtual.module.is_search else kept.virtual.unindexed
        assert [*kept.order, *auxiliary] == [name for name, hidden in shown if not hidden]
        assert {*kept.virtual.columns, *kept.virtual.unindexed} <= {*kept.order, *auxiliary}
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert ("v_content" in tables) == (kept.keeps_rows and kept.virtual.module.is_search)
        hidden = [name for name, is_hidden in shown if is_hidden]
        assert kept.language_column is None or kept.language_column in hidden


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("fts3(a, tokenize=porter)", {"tokenizer": "porter"}),
        ("fts4(a)", {"tokenizer": "simple"}),
        ('fts4(a, tokenize=unicode61 "remove_diacritics=0")', {"tokenizer": "unicode61 remove_diacritics=0"}),
        ("fts4(a, b, notindexed=B)", {"columns": ("a",), "unindexed": ("b",)}),
        ('fts4(content="", a)', {"contentless": True, "content_table": None}),
        ('fts4(content="the t", a)', {"content_table": "the t"}),
        ("fts4(a, compress=zip, uncompress=unzip)", {"compressed": True}),
        ("fts5(a)", {"tokenizer": "unicode61", "content_rowid": None}),
        ("fts5(a, b UNINDEXED)", {"columns": ("a",), "unindexed": ("b",)}),
        ("fts5(a, tokenize = 'porter ascii')", {"tokenizer": "porter ascii"}),
        ("fts5(a, tok = trigram)", {"tokenizer": "trigram"}),
        ("fts5(a, content='')", {"contentless": True}),
        ("fts5(a, content=t)", {"content_table": "t", "content_rowid": "rowid"}),
        ("fts5(a, content=[t], content_rowid='id')", {"content_table": "t", "content_rowid": "id"}),
        ("rtree(id, x0, x1, +label TEXT)", {"columns": ("x0", "x1"), "unindexed": ("label",)}),
        ("geopoly(label, size)", {"columns": ("_shape",), "unindexed": ("label", "size")}),
    ],
)
def test_options_are_read(declaration: str, expected: dict[str, object]) -> None:
    """Content, tokenizer, and what is searched: by each module's own rules."""
    kept = read_virtual_table("v", f"CREATE VIRTUAL TABLE v USING {declaration}", lambda _: [])
    assert kept is not None
    virtual = kept.virtual
    assert {name: getattr(virtual, name) for name in expected} == expected


@pytest.mark.parametrize("sql", ["fts5vocab(v, row)", "dbstat", "spellfix1", "vec0(e float[3])", "fts2(a)", ""])
def test_other_modules_are_none_of_ours(sql: str) -> None:
    """What is not translated has no columns that could be guessed at."""
    assert read_virtual_table("v", f"CREATE VIRTUAL TABLE v USING {sql}", lambda _: []) is None


def test_a_name_that_holds_the_word_using_is_a_name() -> None:
    """The module stands after the first USING that is no part of a quoted name."""
    kept = read_virtual_table("a USING b", 'CREATE VIRTUAL TABLE "a USING b" /* USING x */ USING fts5(c)', lambda _: [])
    assert kept is not None
    assert (kept.virtual.module, kept.order) == (VirtualModule.FTS5, ("c",))


ROWS = """
    CREATE TABLE article(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
    INSERT INTO article VALUES (1, 'One', 'first'), (2, 'Two', 'second');
    CREATE VIRTUAL TABLE five USING fts5(title, note UNINDEXED, tokenize='porter');
    INSERT INTO five(rowid, title, note) VALUES (-3, 'a', 1), (7, NULL, x'00ff'), (9, 2.5, 'z');
    CREATE VIRTUAL TABLE "Four ""4"" x" USING fts4("the title", body, languageid=tongue);
    INSERT INTO "Four ""4"" x"(docid, "the title", body, tongue) VALUES (4, 'x', 'y', 2), (11, 1, NULL, 0);
    CREATE VIRTUAL TABLE three USING fts3;
    INSERT INTO three VALUES ('hello'), ('world');
    CREATE VIRTUAL TABLE outside USING fts5(title, body, content='article', content_rowid='id');
    CREATE VIRTUAL TABLE nowhere USING fts5(title, content='');
    CREATE VIRTUAL TABLE tree USING rtree(id, x0, x1, y0, y1, +label TEXT, +data BLOB);
    INSERT INTO tree VALUES (5, 0.1, 0.2, -1e30, 16777217, 'l', x'01'), (-8, 0, 0, 0, 0, NULL, 3);
    CREATE VIRTUAL TABLE whole USING rtree_i32(id, a, b);
    INSERT INTO whole VALUES (1, -2147483648, 2147483647);
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with virtual tables of every known kind."""
    with closing(sqlite3.connect(tmp_path / "v.db")) as connection:
        connection.executescript(ROWS)
    return tmp_path / "v.db"


@pytest.fixture(params=[False, True], ids=["live", "frozen"])
def reader(path: Path, request: pytest.FixtureRequest) -> Iterator[SqliteReader]:
    """The file, open with locks and without."""
    with open_sqlite(str(path), frozen=request.param) as opened:
        yield opened


def _own(reader: SqliteReader) -> dict[str, SourceTable]:
    return {table.name: table for table in reader.catalog().tables if table.virtual is not None}


def _whole(table: SourceTable) -> TableRead:
    return TableRead(
        table=table.name, chunk_key=table.chunk_key, columns=tuple(column.name for column in table.columns)
    )


def _shown(path: Path, table: SourceTable) -> list[tuple[object, ...]]:
    """What the module itself answers."""
    names = ", ".join('"' + column.name.replace('"', '""') + '"' for column in table.columns)
    with closing(sqlite3.connect(path)) as connection:
        name = table.name.replace('"', '""')
        return connection.execute(f'SELECT {names} FROM "{name}" ORDER BY 1').fetchall()


def test_tables_that_keep_their_own_rows_are_tables(reader: SqliteReader) -> None:
    """They stand under their own names, the key first, and can be cut by it."""
    own = _own(reader)
    assert {name: [column.name for column in table.columns] for name, table in own.items()} == {
        "five": ["rowid", "title", "note"],
        'Four "4" x': ["docid", "the title", "body", "tongue"],
        "three": ["docid", "content"],
        "tree": ["id", "x0", "x1", "y0", "y1", "label", "data"],
        "whole": ["id", "a", "b"],
    }
    for table in own.values():
        assert table.chunk_key.kind is ChunkKeyKind.ROWID
        assert table.chunk_key.columns == table.primary_key == (table.rowid_column,) == (table.columns[0].name,)


def test_every_value_is_what_the_module_shows(path: Path, reader: SqliteReader) -> None:
    """Row by row with storage classes, in key order, whole and in chunks, counted and profiled."""
    for table in _own(reader).values():
        read, shown = _whole(table), _shown(path, table)
        rows = [row.values for batch in reader.read_rows(read, EVERYTHING, batch_rows=1) for row in batch]
        assert [[(type(v), v) for v in row] for row in rows] == [[(type(v), v) for v in row] for row in shown]
        keys = [row[0] for row in shown]
        assert [key for (key,) in reader.walk_keys(table.name, table.chunk_key, step=1)] == keys[1:]
        chunk = KeyRange(lower=(keys[-1],))
        assert [row.values for batch in reader.read_rows(read, chunk, batch_rows=9) for row in batch] == shown[-1:]
        assert reader.count_rows(table.name) == len(shown) == reader.profile(table).rows


def test_columns_of_one_class_are_read_as_arrow(path: Path, reader: SqliteReader) -> None:
    """ADBC's own connection finds the same rows; a mixed column is met as everywhere."""
    own = _own(reader)
    for name in ("three", "whole"):
        table = reader.read_arrow(_whole(own[name]), EVERYTHING)
        assert list(zip(*(column.to_pylist() for column in table.columns), strict=True)) == _shown(path, own[name])
    with pytest.raises(NotArrowableError, match="'title' mixes"):
        reader.read_arrow(_whole(own["five"]), EVERYTHING)


def test_large_ones_are_walked_without_sorting(path: Path, reader: SqliteReader) -> None:
    """A key range is a search of the table below the view; nothing is sorted or stored in between."""
    with closing(reader._file.connect()) as connection:
        for table in _own(reader).values():
            name, key = (each.replace('"', '""') for each in (table.name, table.columns[0].name))
            sql = f'SELECT * FROM "{name}" AS t WHERE t."{key}" >= 1 AND t."{key}" < 9 ORDER BY t."{key}"'
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
            assert "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in plan[0], plan
            assert not [step for step in plan if "B-TREE" in step or "MATERIALIZE" in step or "CO-ROUTINE" in step]


def test_the_file_is_not_written_to(path: Path) -> None:
    """Views for reading are temporary, and nothing is left beside the file."""
    before = hashlib.sha256(path.read_bytes()).digest()
    with open_sqlite(str(path)) as reader:
        for table in _own(reader).values():
            reader.profile(table)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._sqlite.execute("CREATE TEMP TABLE more(a)")
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def _virtual(reader: SqliteReader) -> dict[str, tuple[str | None, VirtualTable | None]]:
    objects = reader.catalog().objects
    return {each.name: (each.table, each.virtual) for each in objects if each.kind is ObjectKind.VIRTUAL_TABLE}


def test_virtual_tables_name_the_table_that_holds_their_rows(reader: SqliteReader) -> None:
    """Their own, the one that content= names, or none."""
    found = _virtual(reader)
    assert {name: table for name, (table, _) in found.items()} == {
        "five": "five", 'Four "4" x': 'Four "4" x', "three": "three", "outside": "article", "nowhere": None,
        "tree": "tree", "whole": "whole",
    }  # fmt: skip
    assert all(virtual is not None and virtual.name == name for name, (_, virtual) in found.items())


def _altered(path: Path, script: str) -> Path:
    """Change a file as no application would."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA writable_schema = ON;" + script)
    return path


def test_a_module_or_tokenizer_that_is_not_here_does_not_stand_in_the_way(path: Path) -> None:
    """Texts are read from where they lie; what only the module can read is said to be unreadable."""
    _altered(
        path,
        """
        UPDATE sqlite_schema SET sql = replace(sql, 'porter', 'mozporter') WHERE name = 'five';
        DELETE FROM sqlite_schema WHERE name = 'whole_rowid';
        DELETE FROM tree_node;
        INSERT INTO sqlite_schema VALUES
          ('table', 'more', 'more', 0, 'CREATE VIRTUAL TABLE more USING vec0(a)'),
          ('table', 'lost', 'lost', 0, 'CREATE VIRTUAL TABLE lost USING fts5(a)');
        """,
    )
    with open_sqlite(str(path)) as reader:
        five = _own(reader)["five"]
        assert reader.count_rows("five") == 3
        assert len([row for batch in reader.read_rows(_whole(five), EVERYTHING, batch_rows=9) for row in batch]) == 3
        found = _virtual(reader)
        assert found["more"] == (None, None)
        assert {name: virtual.unreadable for name, (_, virtual) in found.items() if virtual and virtual.unreadable} == {
            "whole": "its shadow table whole_rowid is not there",
            "tree": 'SQLite here cannot open it (undersize RTree blobs in "tree_node")',
            "lost": "its shadow table lost_content is not there",
        }


def test_geopoly_is_read_without_its_module(path: Path) -> None:
    """Its shapes lie in a shadow table beside its auxiliary columns."""
    _altered(
        path,
        """
        CREATE TABLE land_rowid(rowid INTEGER PRIMARY KEY, nodeno, a0, a1);
        CREATE TABLE land_node(a); CREATE TABLE land_parent(a);
        INSERT INTO land_rowid VALUES (3, 1, x'01000003', 'north');
        INSERT INTO sqlite_schema VALUES
          ('table', 'land', 'land', 0, 'CREATE VIRTUAL TABLE land USING geopoly(label)');
        """,
    )
    with open_sqlite(str(path)) as reader:
        table = _own(reader)["land"]
        assert [column.name for column in table.columns] == ["rowid", "_shape", "label"]
        ((row,),) = reader.read_rows(_whole(table), EVERYTHING, batch_rows=9)
        assert row.values == (3, b"\x01\0\0\x03", "north")


def test_contentless_tables_keep_their_unindexed_columns(path: Path) -> None:
    """With contentless_unindexed=1 these are stored, under their places; the others are nowhere."""
    _altered(
        path,
        """
        CREATE TABLE part_content(id INTEGER PRIMARY KEY, c1);
        INSERT INTO part_content VALUES (6, 'kept');
        INSERT INTO sqlite_schema VALUES ('table', 'part', 'part', 0,
          'CREATE VIRTUAL TABLE part USING fts5(a, b UNINDEXED, content='''', contentless_unindexed=1)');
        """,
    )
    with open_sqlite(str(path)) as reader:
        table = _own(reader)["part"]
        assert [column.name for column in table.columns] == ["rowid", "b"]
        ((row,),) = reader.read_rows(_whole(table), EVERYTHING, batch_rows=9)
        assert row.values == (6, "kept")


def test_locales_of_texts_are_kept(path: Path) -> None:
    """With locale=1 each searched text may have one, stored beside it."""
    _altered(
        path,
        """
        CREATE TABLE said_content(id INTEGER PRIMARY KEY, c0, c1, l0);
        INSERT INTO said_content VALUES (1, 'salut', 2, 'fr_FR');
        INSERT INTO sqlite_schema VALUES ('table', 'said', 'said', 0,
          'CREATE VIRTUAL TABLE said USING fts5(a, A_LOCALE UNINDEXED, locale=1)');
        """,
    )
    with open_sqlite(str(path)) as reader:
        table = _own(reader)["said"]
        assert [column.name for column in table.columns] == ["rowid", "a", "A_LOCALE", "a_locale_"]
        ((row,),) = reader.read_rows(_whole(table), EVERYTHING, batch_rows=9)
        assert row.values == (1, "salut", 2, "fr_FR")
