from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from shared.errors import SourceError
from shared.records.source import (
    ChunkKey,
    ChunkKeyKind,
    Generated,
    IndexOrigin,
    ObjectKind,
    SourceCatalog,
    SourceForeignKey,
    SourceTable,
)
from shared.source.sqlite import open_sqlite

CatalogOf = Callable[[str], SourceCatalog]


@pytest.fixture
def catalog_of(tmp_path: Path) -> CatalogOf:
    """Make a database of a script and read its catalog."""

    def make(script: str) -> SourceCatalog:
        path = tmp_path / "made.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        with open_sqlite(str(path)) as reader:
            return reader.catalog()

    return make


def _only(catalog: SourceCatalog) -> SourceTable:
    (table,) = catalog.tables
    return table


def _rowid(name: str) -> ChunkKey:
    return ChunkKey(kind=ChunkKeyKind.ROWID, columns=(name,))


def _columns(*names: str, nullable: bool = False) -> ChunkKey:
    return ChunkKey(kind=ChunkKeyKind.COLUMNS, columns=names, nullable=nullable)


_ALL = "rowid, _ROWID_, Oid"


@pytest.mark.parametrize(
    ("ddl", "chunk_key"),
    [
        ("CREATE TABLE t(a)", _rowid("rowid")),
        ("CREATE TABLE t(a TEXT PRIMARY KEY)", _rowid("rowid")),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY)", _rowid("rowid")),
        ("CREATE TABLE t(RowID, a)", _rowid("_rowid_")),
        ("CREATE TABLE t(rowid, _rowid_)", _rowid("oid")),
        (f"CREATE TABLE t(id INTEGER PRIMARY KEY, {_ALL})", _rowid("id")),
        ("CREATE TABLE t(_rowid_, oid, RowId INTEGER PRIMARY KEY)", _rowid("RowId")),
        (f"CREATE TABLE t(a NOT NULL UNIQUE, {_ALL})", _columns("a")),
        (f"CREATE TABLE t(a UNIQUE, b NOT NULL, c NOT NULL, {_ALL}, UNIQUE(c, b))", _columns("c", "b")),
        (f"CREATE TABLE t(a TEXT PRIMARY KEY, {_ALL})", _columns("a", nullable=True)),
        (f"CREATE TABLE t(a, b, {_ALL}, UNIQUE(a, b))", ChunkKey(kind=ChunkKeyKind.NONE)),
        (f"CREATE TABLE t(a, {_ALL}); CREATE UNIQUE INDEX i ON t(a) WHERE a > 0", ChunkKey(kind=ChunkKeyKind.NONE)),
        (f"CREATE TABLE t(a, {_ALL}); CREATE UNIQUE INDEX i ON t(abs(a))", ChunkKey(kind=ChunkKeyKind.NONE)),
        ("CREATE TABLE t(a, b, c, PRIMARY KEY(c, a)) WITHOUT ROWID", _columns("c", "a")),
        ("CREATE TABLE t(rowid TEXT PRIMARY KEY) WITHOUT ROWID", _columns("rowid")),
    ],
)
def test_the_chunk_key_is_the_rowid_wherever_it_has_a_name(
    catalog_of: CatalogOf, ddl: str, chunk_key: ChunkKey
) -> None:
    """Else the primary key of a WITHOUT ROWID table, else a unique key, NOT NULL ones first, else none."""
    assert _only(catalog_of(ddl)).chunk_key == chunk_key


@pytest.mark.parametrize(
    ("ddl", "alias"),
    [
        ("CREATE TABLE t(a INTEGER PRIMARY KEY)", "a"),
        ("CREATE TABLE t(a integer, PRIMARY KEY(a DESC))", "a"),
        ("CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT)", "a"),
        ("CREATE TABLE t(a INTEGER PRIMARY KEY DESC)", None),
        ("CREATE TABLE t(a INT PRIMARY KEY)", None),
        ("CREATE TABLE t(a INTEGER, b, PRIMARY KEY(a, b))", None),
        ("CREATE TABLE t(a INTEGER PRIMARY KEY) WITHOUT ROWID", None),
        ("CREATE TABLE t(a INTEGER)", None),
    ],
)
def test_only_integer_primary_key_is_the_rowid(catalog_of: CatalogOf, ddl: str, alias: str | None) -> None:
    """SQLite's oddities about aliases of the rowid are followed."""
    assert _only(catalog_of(ddl)).rowid_column == alias


def test_columns(catalog_of: CatalogOf) -> None:
    """Types as written, NOT NULL, defaults, places in the key, generated columns and collations."""
    table = _only(
        catalog_of(
            """
            CREATE TABLE t(
              "id" INTEGER PRIMARY KEY, -- COLLATE nothing, CHECK (nothing)
              name VARCHAR(20) NOT NULL DEFAULT 'it''s, COLLATE x' /* , */ COLLATE nocase,
              plain,
              at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
              total AS (id * 2) VIRTUAL,
              kept UNSIGNED BIG INT GENERATED ALWAYS AS (id * (2 + 1)) STORED
            )
            """
        )
    )
    assert [column.name for column in table.columns] == ["id", "name", "plain", "at", "total", "kept"]
    by_name = {column.name: column for column in table.columns}
    assert by_name["id"].not_null
    assert by_name["id"].primary_key_position == 1
    assert by_name["name"].declared_type == "VARCHAR(20)"
    assert by_name["name"].not_null
    assert by_name["name"].default_sql == "'it''s, COLLATE x'"
    assert by_name["name"].collation == "NOCASE"
    assert by_name["plain"].declared_type == ""
    assert by_name["plain"].default_sql is None
    assert by_name["plain"].collation == "BINARY"
    assert by_name["at"].default_sql == "CURRENT_TIMESTAMP"
    assert by_name["total"].generated is Generated.VIRTUAL
    assert by_name["kept"].generated is Generated.STORED
    assert not table.has_checks


def test_primary_keys_may_hold_null_only_where_sqlite_lets_them(catalog_of: CatalogOf) -> None:
    """A rowid table's text key is not NOT NULL by itself; keys of STRICT and WITHOUT ROWID tables are."""
    catalog = catalog_of(
        """
        CREATE TABLE a(k TEXT PRIMARY KEY);
        CREATE TABLE b(k TEXT PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE c(k TEXT PRIMARY KEY) STRICT;
        """
    )
    assert [table.columns[0].not_null for table in catalog.tables] == [False, True, True]


@pytest.mark.parametrize(
    ("options", "without_rowid", "strict"),
    [
        ("", False, False),
        ("STRICT", False, True),
        ("without rowid", True, False),
        ("WITHOUT  ROWID, strict -- )", True, True),
    ],
)
def test_table_options(catalog_of: CatalogOf, options: str, without_rowid: bool, strict: bool) -> None:  # noqa: FBT001 - parametrised
    """STRICT and WITHOUT ROWID stand after the last parenthesis."""
    table = _only(catalog_of(f'CREATE TABLE "STRICT) WITHOUT ROWID"("x)" INT PRIMARY KEY CHECK ("x)" > 0)) {options}'))
    assert (table.without_rowid, table.strict, table.has_checks) == (without_rowid, strict, True)


def test_foreign_keys(catalog_of: CatalogOf) -> None:
    """All of them in the order of the statement, with actions and when they are checked."""
    catalog = catalog_of(
        """
        CREATE TABLE p(a, b, PRIMARY KEY(a, b));
        CREATE TABLE t(
          one REFERENCES p DEFERRABLE INITIALLY DEFERRED,
          two INT REFERENCES "p"(a) ON DELETE SET NULL ON UPDATE CASCADE NOT DEFERRABLE INITIALLY DEFERRED,
          three CONSTRAINT c REFERENCES p(b) MATCH FULL DEFERRABLE,
          four, five DEFAULT ('REFERENCES x DEFERRABLE'),
          CONSTRAINT d FOREIGN KEY (four, five) REFERENCES p(a, b) DEFERRABLE INITIALLY IMMEDIATE
          FOREIGN KEY (five) REFERENCES t(one) ON DELETE RESTRICT CHECK (four > 0)
        )
        """
    )
    table = catalog.tables[1]
    assert table.has_checks
    assert table.foreign_keys == (
        SourceForeignKey(
            columns=("one",), parent_table="p", parent_columns=(), deferrable=True, initially_deferred=True
        ),
        SourceForeignKey(
            columns=("two",), parent_table="p", parent_columns=("a",), on_delete="SET NULL", on_update="CASCADE"
        ),
        SourceForeignKey(columns=("three",), parent_table="p", parent_columns=("b",), deferrable=True),
        SourceForeignKey(columns=("four", "five"), parent_table="p", parent_columns=("a", "b"), deferrable=True),
        SourceForeignKey(columns=("five",), parent_table="t", parent_columns=("one",), on_delete="RESTRICT"),
    )


def test_indexes(catalog_of: CatalogOf) -> None:
    """In the order of their making, with direction, collation, expressions, WHERE and what made them."""
    table = _only(
        catalog_of(
            """
            CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE, b TEXT, UNIQUE(b, a));
            CREATE INDEX i1 ON t(b COLLATE NOCASE DESC, a);
            CREATE UNIQUE INDEX "i 2" ON t(lower(b), id) WHERE a > 0;
            """
        )
    )
    kinds = [(index.origin, index.unique, index.partial, index.sql is None) for index in table.indexes]
    assert kinds == [
        (IndexOrigin.UNIQUE, True, False, True),
        (IndexOrigin.UNIQUE, True, False, True),
        (IndexOrigin.CREATED, False, False, False),
        (IndexOrigin.CREATED, True, True, False),
    ]
    first, second = table.indexes[2:]
    assert [(c.name, c.descending, c.collation) for c in first.columns] == [
        ("b", True, "NOCASE"),
        ("a", False, "BINARY"),
    ]
    assert [column.name for column in second.columns] == [None, "id"]
    assert second.sql is not None
    assert second.sql.endswith("WHERE a > 0")


def test_autoincrement_remembers_the_highest_id_it_gave_out(catalog_of: CatalogOf) -> None:
    """Also where that row is gone; a table that never gave one out, or does not count, has none."""
    catalog = catalog_of(
        """
        CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT);
        CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT);
        CREATE TABLE c(id INTEGER PRIMARY KEY);
        INSERT INTO a VALUES (41), (42); DELETE FROM a; INSERT INTO c VALUES (7);
        """
    )
    assert [table.autoincrement_floor for table in catalog.tables] == [42, None, None]


def test_every_object_is_listed(catalog_of: CatalogOf) -> None:
    """Views, triggers, virtual and shadow tables are objects; SQLite's own tables are not mentioned."""
    catalog = catalog_of(
        """
        CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a);
        CREATE INDEX i ON t(a); INSERT INTO t(a) VALUES (1); ANALYZE;
        CREATE VIEW "a view" AS SELECT nope FROM nowhere;
        CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;
        CREATE VIRTUAL TABLE "my docs" USING fts5(body);
        CREATE VIRTUAL TABLE box USING rtree(id, x0, x1);
        CREATE VIRTUAL TABLE old USING FTS4(body);
        CREATE TABLE "my docs_history"(a);
        """
    )
    assert [table.name for table in catalog.tables] == ["t", "my docs", "box", "old", "my docs_history"]
    found = {(each.kind, each.name, each.table) for each in catalog.objects}
    assert {name for kind, name, _ in found if kind is ObjectKind.VIRTUAL_TABLE} == {"my docs", "box", "old"}
    assert (ObjectKind.VIEW, "a view", None) in found
    assert (ObjectKind.TRIGGER, "g", "t") in found
    shadows = {name: table for kind, name, table in found if kind is ObjectKind.SHADOW_TABLE}
    assert shadows["my docs_data"] == "my docs"
    assert shadows["box_node"] == "box"
    assert {name.split("_")[1] for name in shadows if name.startswith("my")} == {
        "data", "idx", "content", "docsize", "config",
    }  # fmt: skip
    assert {name for name in shadows if name.startswith("old")} == {
        "old_content", "old_segments", "old_segdir", "old_docsize", "old_stat",
    }  # fmt: skip


def test_shadow_tables_of_modules_that_are_not_here_are_known_by_name(catalog_of: CatalogOf) -> None:
    """A module need not be loaded; what may be a shadow of an unknown one is copied rather than lost."""
    catalog = catalog_of(
        """
        CREATE TABLE shape_node(a); CREATE TABLE shape_rowid(a); CREATE TABLE shape_parent(a);
        CREATE TABLE v_data(a);
        PRAGMA writable_schema = ON;
        INSERT INTO sqlite_schema VALUES ('table', 'shape', 'shape', 0, 'CREATE VIRTUAL TABLE shape USING geopoly(a)'),
          ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING unknown(a)');
        """
    )
    assert [table.name for table in catalog.tables] == ["v_data"]
    assert [o.name for o in catalog.objects if o.kind is ObjectKind.SHADOW_TABLE] == [
        "shape_node",
        "shape_rowid",
        "shape_parent",
    ]


def test_a_table_that_an_fts_table_indexes_is_no_shadow(catalog_of: CatalogOf) -> None:
    """With content=… the text lies in a table of the user's own, whatever its name."""
    catalog = catalog_of(
        """
        CREATE TABLE docs_content(id INTEGER PRIMARY KEY, body);
        CREATE VIRTUAL TABLE docs USING fts5(body, content = 'docs_content', content_rowid='id');
        """
    )
    assert [table.name for table in catalog.tables] == ["docs_content"]


ODD_NAMES = [
    'a "b"', "it's", "a.b", "select", "sp ace", "Ünï", "日本", "semi;colon", "back`tick", "[square]", "new\nline",
    "--", "%s", "?1", ":x", "MiXed", "1st", "", "tab\t", "\U0001f600",
]  # fmt: skip


def test_odd_identifiers_everywhere(tmp_path: Path) -> None:
    """Tables, columns, keys, indexes and foreign keys of any name are read, profiled and copied by any path."""
    from shared.records.keys import EVERYTHING  # noqa: PLC0415 - needed here alone
    from shared.records.plan import TableRead  # noqa: PLC0415 - needed here alone

    def quote(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as connection:
        for name in ODD_NAMES:
            table, key, value = quote(f"t {name}"), quote(name), quote(f"v{name}")
            connection.execute(
                f"CREATE TABLE {table}({key} TEXT COLLATE NOCASE PRIMARY KEY REFERENCES {table} DEFERRABLE, "
                f"{value} REAL) WITHOUT ROWID"
            )
            connection.execute(f"CREATE INDEX {quote('i' + name)} ON {table}({value} DESC)")
            connection.execute(f"INSERT INTO {table} VALUES ('a', 1.5), ('b', 2.5)")
        connection.commit()
    with open_sqlite(str(path), frozen=True) as reader:
        tables = reader.catalog().tables
        assert [table.name for table in tables] == [f"t {name}" for name in ODD_NAMES]
        for table, name in zip(tables, ODD_NAMES, strict=True):
            assert [column.name for column in table.columns] == [name, f"v{name}"]
            assert table.columns[0].collation == "NOCASE"
            assert table.chunk_key == _columns(name)
            assert table.foreign_keys[0].columns == (name,)
            assert table.foreign_keys[0].deferrable
            created = next(index for index in table.indexes if index.origin is IndexOrigin.CREATED)
            assert created.columns[0].name == f"v{name}"
            assert reader.profile(table).columns[f"v{name}"].reals == 2
            assert list(reader.walk_keys(table.name, table.chunk_key, step=1)) == [("b",)]
            read = TableRead(table=table.name, chunk_key=table.chunk_key, columns=(f"v{name}", name))
            assert reader.read_arrow(read, EVERYTHING).to_pydict() == {"0": [1.5, 2.5], "1": ["a", "b"]}


@pytest.mark.parametrize(
    ("column", "sql", "collation"),
    [
        ("b INT GENERATED ALWAYS AS (a + 1)", "a + 1", "BINARY"),
        ("b AS(a+1)STORED", "a+1", "BINARY"),
        ("b INT AS ((a + (1)) * 2) VIRTUAL NOT NULL", "(a + (1)) * 2", "BINARY"),
        ("b NOT NULL CONSTRAINT g GENERATED ALWAYS AS (a) UNIQUE COLLATE NOCASE", "a", "NOCASE"),
        ("b TEXT COLLATE 'rtrim' AS (a || ')' || \"a\" || [a]) CHECK (b <> '(')", "a || ')' || \"a\" || [a]", "RTRIM"),
        ("b /* AS (1) */ AS -- AS (2)\n ( /* ) */ a -- )\n || 'it''s)' )", "/* ) */ a -- )\n || 'it''s)'", "BINARY"),
        ("b DEFAULT (' AS (3)') COLLATE/**/[NoCase]", None, "NOCASE"),
        ("b TEXT COLLATE BINARY COLLATE nocase REFERENCES t DEFERRABLE INITIALLY DEFERRED", None, "NOCASE"),
        ("b CONSTRAINT c COLLATE rtrim CONSTRAINT d NOT NULL ON CONFLICT FAIL", None, "RTRIM"),
        ('b "GENERATED ALWAYS" CHECK (CAST(b AS TEXT) COLLATE NOCASE <> \'\')', None, "BINARY"),
    ],
)  # fmt: skip
def test_expression_and_collation_of_a_column(
    catalog_of: CatalogOf, column: str, sql: str | None, collation: str
) -> None:
    """In any order of constraints, among comments, strings and quoted names; the last COLLATE counts."""
    table = _only(catalog_of(f"CREATE TABLE t(a TEXT, {column}, z)"))
    assert [each.name for each in table.columns] == ["a", "b", "z"]
    assert (table.columns[1].generated_sql, table.columns[1].collation) == (sql, collation)
    assert (table.columns[1].generated is Generated.NO) == (sql is None)
    assert (table.columns[2].generated_sql, table.columns[2].collation) == (None, "BINARY")


def test_tables_are_written_in_any_quotes(catalog_of: CatalogOf) -> None:
    """Names in brackets, backticks and single quotes, quoted types, comments, and CREATE TABLE AS SELECT."""
    catalog = catalog_of(
        """
        CREATE TABLE [odd (t] (-- first
            [a,b] "my type(3)" /* , */ PRIMARY KEY, 'x y' `other, type`, `c)` TEXT COLLATE "NOCASE" /* end */
        ) /* options */ WITHOUT /* a */ ROWID;
        CREATE TABLE temp(a INT PRIMARY KEY, b ANY) STRICT, WITHOUT ROWID;
        CREATE TABLE copied AS SELECT "x y" AS "q ""q", a AS i, a * 1.0 AS none FROM [odd (t], temp;
        CREATE TABLE ""("" INT, "new
line" TEXT);
        CREATE INDEX i ON temp(b DESC);
        ANALYZE;
        """
    )
    shown = {table.name: [(c.name, c.declared_type, c.collation) for c in table.columns] for table in catalog.tables}
    assert shown == {
        "odd (t": [("a,b", "my type(3)", "BINARY"), ("x y", "other, type", "BINARY"), ("c)", "TEXT", "NOCASE")],
        "temp": [("a", "INT", "BINARY"), ("b", "ANY", "BINARY")],
        "copied": [('q "q', "NUM", "BINARY"), ("i", "INT", "BINARY"), ("none", "", "BINARY")],
        "": [("", "INT", "BINARY"), ("new\nline", "TEXT", "BINARY")],
    }
    assert [(table.without_rowid, table.strict) for table in catalog.tables] == [
        (True, False), (True, True), (False, False), (False, False),
    ]  # fmt: skip


def test_an_index_of_an_old_format_has_no_descending_columns(tmp_path: Path) -> None:
    """Files of schema format 1 say DESC and sort upwards; SQLite knows, and so does the catalog."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE t(a, b); CREATE INDEX i ON t(a, b); INSERT INTO t VALUES (1, 2), (2, 1);"
        )
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(a, b DESC)' WHERE name = 'i'")
        connection.commit()
    raw = bytearray(path.read_bytes())
    raw[44:48] = (1).to_bytes(4)  # https://sqlite.org/fileformat2.html, section 1.3.12
    path.write_bytes(raw)
    with open_sqlite(str(path)) as reader:
        reader.check()
        (index,) = _only(reader.catalog()).indexes
    assert [(column.name, column.descending) for column in index.columns] == [("a", False), ("b", False)]


def test_what_is_not_utf_8_in_the_schema(tmp_path: Path) -> None:
    """A comment of another encoding does no harm; a name of one is refused in a sentence."""
    for name, written in (
        ("comment.db", b"CREATE TABLE t(a /* caf\xe9 */)"),
        ("name.db", b'CREATE TABLE "caf\xe9"(a)'),
    ):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("CREATE TABLE t(a)")
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("UPDATE sqlite_schema SET sql = CAST(? AS TEXT)", (written,))
            if name == "name.db":
                connection.execute("UPDATE sqlite_schema SET name = CAST(? AS TEXT)", (b"caf\xe9",))
                connection.execute("UPDATE sqlite_schema SET tbl_name = name")
            connection.commit()
    with open_sqlite("comment.db") as reader:
        assert _only(reader.catalog()).sql == "CREATE TABLE t(a /* caf\ufffd */)"
    with (
        open_sqlite("name.db") as reader,
        pytest.raises(SourceError, match=r"name\.db cannot be read, .* not valid UTF-8 \(x'636166e9'\): rename"),
    ):
        reader.catalog()


def test_blanks_of_other_scripts_belong_to_names(catalog_of: CatalogOf) -> None:
    """SQLite takes a no-break space for a letter of a name: what its column declares is found under the whole name."""
    catalog = catalog_of("CREATE TABLE t(\u00a0a\u3000 TEXT COLLATE NOCASE, b INT AS (\u00a0a\u3000 > '') STORED)")
    columns = {column.name: column for column in _only(catalog).columns}
    assert columns["\u00a0a\u3000"].collation == "NOCASE"
    assert columns["b"].generated_sql == "\u00a0a\u3000 > ''"
