from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.source.sqlite import open_sqlite


def _versions(path: Path, script: str) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    with open_sqlite(str(path)) as reader:
        versions = reader.catalog().versions
    assert len({version.name for version in versions}) == len(versions)
    return {version.name: version.value for version in versions}


def test_a_database_may_say_nothing(tmp_path: Path) -> None:
    """Zero is what SQLite writes where nobody set a version."""
    assert _versions(tmp_path / "v.db", "CREATE TABLE t(a)") == {}


def test_the_numbers_in_the_header(tmp_path: Path) -> None:
    """An application_id is shown with its letters where it has some."""
    script = "PRAGMA user_version = -3; PRAGMA application_id = 0x47504B47;"
    assert _versions(tmp_path / "g.db", script) == {"user_version": "-3", "application_id": "1196444487 (GPKG)"}
    assert _versions(tmp_path / "n.db", "PRAGMA application_id = -1;") == {"application_id": "-1"}


_TOOLS = [
    (
        {"alembic": "a, b"},
        "CREATE TABLE Alembic_Version(version_num)",
        "INSERT INTO alembic_version VALUES ('b'), ('a')",
    ),
    (
        {"django auth": "2", "django shop": "0001"},
        "CREATE TABLE django_migrations(id INTEGER PRIMARY KEY, app TEXT, name TEXT, applied DATETIME)",
        "INSERT INTO django_migrations(app, name) VALUES ('auth', '1'), ('shop', '0001'), ('auth', '2')",
    ),
    (
        {"schema_migrations": "2024"},
        "CREATE TABLE schema_migrations(version)",
        "INSERT INTO schema_migrations VALUES ('2024'), ('2023')",
    ),
    (
        {"schema_migrations": "7 (dirty)"},
        "CREATE TABLE schema_migrations(version INT, dirty BOOL)",
        "INSERT INTO schema_migrations VALUES (7, 1)",
    ),
    (
        {"goose": "5"},
        "CREATE TABLE goose_db_version(id INTEGER PRIMARY KEY, version_id INT, is_applied INT)",
        "INSERT INTO goose_db_version VALUES (1, 0, 1), (2, 5, 1), (3, 9, 0)",
    ),
    (
        {"Entity Framework": "2024_a"},
        'CREATE TABLE "__EFMigrationsHistory"(MigrationId, ProductVersion)',
        "INSERT INTO __EFMigrationsHistory VALUES ('2024_a', '8'), ('2023_b', '7')",
    ),
    (
        {"migration_log": "add y (2 in all)"},
        "CREATE TABLE migration_log(id INTEGER PRIMARY KEY, migration_id, sql)",
        "INSERT INTO migration_log(migration_id) VALUES ('create x'), ('add y')",
    ),
    (
        {"schema_changes": "43"},
        "CREATE TABLE schema_changes(change_id INTEGER PRIMARY KEY, schema_version INT)",
        "INSERT INTO schema_changes(schema_version) VALUES (41), (43)",
    ),
    (
        {"knex": "a.js"},
        "CREATE TABLE knex_migrations(id INTEGER PRIMARY KEY, name)",
        "INSERT INTO knex_migrations(name) VALUES ('b.js'), ('a.js')",
    ),
    (
        {"flyway": "1.1"},
        "CREATE TABLE flyway_schema_history(installed_rank INT, version, success)",
        "INSERT INTO flyway_schema_history VALUES (1, '1', 1), (2, '1.1', 1), (3, NULL, 1), (4, '2', 0)",
    ),
    (
        {"room": "ab"},
        "CREATE TABLE room_master_table(id INTEGER PRIMARY KEY, identity_hash)",
        "INSERT INTO room_master_table VALUES (42, 'ab')",
    ),
    (
        {"chromium": "12"},
        "CREATE TABLE meta(key LONGVARCHAR PRIMARY KEY, value)",
        "INSERT INTO meta VALUES ('version', 12), ('x', 1)",
    ),
]


@pytest.mark.parametrize(("versions", "table", "rows"), _TOOLS)
def test_tools_versions(tmp_path: Path, versions: dict[str, str], table: str, rows: str) -> None:
    """Each tool's own table says where the schema is, whatever the case of its name."""
    assert _versions(tmp_path / "t.db", f"{table}; {rows};") == versions


def test_odd_tables_of_such_names_do_no_harm(tmp_path: Path) -> None:
    """Other columns, no rows, blobs, texts that are no UTF-8, views and very long values: nothing fails."""
    script = """
        CREATE TABLE alembic_version(version_num); INSERT INTO alembic_version VALUES (CAST(x'ff' AS TEXT));
        CREATE TABLE django_migrations(id, app, name); INSERT INTO django_migrations VALUES (1, NULL, x'00');
        CREATE TABLE goose_db_version(other);
        CREATE TABLE knex_migrations(id, name);
        CREATE VIEW meta AS SELECT 'version' AS key, 1 AS value;
        CREATE TABLE schema_migrations(version); INSERT INTO schema_migrations VALUES (x'01');
        CREATE TABLE grdb_migrations(identifier PRIMARY KEY) WITHOUT ROWID; INSERT INTO grdb_migrations VALUES ('a');
        CREATE TABLE sequelizemeta(name); INSERT INTO sequelizemeta VALUES (char(10) || printf('%500c', 'v') || 'end');
    """
    versions = _versions(tmp_path / "o.db", script)
    assert set(versions) <= {"sequelize"}


def test_a_damaged_version_table_does_not_stop_the_catalog(tmp_path: Path) -> None:
    """Whether the file is damaged is for the check to say."""
    path = tmp_path / "d.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "PRAGMA page_size = 512; CREATE TABLE alembic_version(version_num); CREATE TABLE t(a);"
        )
        connection.executemany("INSERT INTO alembic_version VALUES (?)", [("x" * 100,)] * 50)
        connection.commit()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'alembic_version'").fetchone()
    raw = bytearray(path.read_bytes())
    raw[(page - 1) * 512 : page * 512] = b"\xaa" * 512
    path.write_bytes(raw)
    with open_sqlite(str(path)) as reader:
        catalog = reader.catalog()
    assert ([table.name for table in catalog.tables], catalog.versions) == (["alembic_version", "t"], ())
