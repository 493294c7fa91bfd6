"""What every kind of source must hold, shown on real databases that others made."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.survey import chunks_of, survey
from shared.errors import NotArrowableError
from shared.records.keys import EVERYTHING, RawText, Value
from shared.records.plan import ProfileMode, TablePlan, TableRead
from shared.records.source import ChunkKeyKind, ObjectKind, SourceTable, StorageClass
from shared.source import sqlite_profile
from shared.source.kinds import open_source, snapshot_source
from shared.source.reader import SourceReader
from shared.source.sqlite_file import path_of

FILES = [
    "chinook/Chinook_Sqlite.sqlite",
    "datasette/fixtures.db",
    "northwind/northwind.sqlite",
    "pgloader/sqlite.db",
    "wagtail/wagtail.sqlite3",
    *(
        f"duckdb-sqlite/{name}.db"
        for name in (
            "accounts_sample", "boolean", "borked", "chinook", "count", "decimal", "emptytype", "float", "fts",
            "giant_row_id", "issue44", "issue47", "longvarchar", "mixed_data_numeric", "negativepk", "norowid", "rtree",
            "unix_timestamp", "unsupported_view", "zeropk",
        )
    ),
]  # fmt: skip
CLASSES = {int: StorageClass.INTEGER, float: StorageClass.REAL, bytes: StorageClass.BLOB}


@pytest.fixture(params=FILES)
def original(request: pytest.FixtureRequest, datasets: Path) -> Path:
    """One real database."""
    return datasets / request.param


@pytest.fixture
def reader(original: Path, tmp_path: Path) -> Iterator[SourceReader]:
    """A snapshot of it, open."""
    with open_source(snapshot_source(str(original), tmp_path / "snapshots"), frozen=True) as source:
        yield source


def _read_of(table: SourceTable) -> TableRead:
    columns = tuple(column.name for column in table.columns)
    return TableRead(table=table.name, chunk_key=table.chunk_key, columns=columns)


def _stored(path: Path, table: SourceTable) -> list[tuple[Value, ...]]:
    """Read a table without any of our code."""

    def text(raw: bytes) -> str | RawText:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return RawText(raw)

    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        connection.text_factory = text
        name = table.name.replace('"', '""')
        columns = ", ".join('"' + column.name.replace('"', '""') + '"' for column in table.columns)
        return connection.execute(f'SELECT {columns} FROM "{name}"').fetchall()


def _with_classes(rows: list[tuple[Value, ...]]) -> Counter:
    return Counter(tuple((type(value), value) for value in row) for row in rows)


def test_each_row_of_each_table_is_read_once_in_small_chunks(original: Path, reader: SourceReader) -> None:
    """Cut into chunks of some rows, row by row, a table is what SQLite's own shell would show."""
    found = survey(reader, (), (), processes=2)
    for table in found.catalog.tables:
        profile, read = found.profiles[table.name], _read_of(table)
        plan = TablePlan(
            read=read, schema="public", name="t", columns=(), rows=profile.rows, row_bytes=profile.row_bytes
        )
        chunks = list(chunks_of(reader, plan, int(profile.row_bytes * max(7, profile.rows / 50))))
        rows = [
            row
            for chunk in chunks
            for batch in reader.read_rows(read, chunk.key_range, batch_rows=100)
            for row in batch
        ]
        stored = _stored(original, table)
        assert _with_classes([row.values for row in rows]) == _with_classes(stored), table.name
        assert profile.rows == reader.count_rows(table.name) == sum(chunk.rows for chunk in chunks) == len(stored)
        if table.chunk_key.kind is not ChunkKeyKind.NONE:
            assert len({row.key for row in rows}) == len(rows)
            assert len(chunks) > 1 or len(rows) <= 8


def test_columns_carry_what_rows_do(reader: SourceReader) -> None:
    """Arrow has the very values, in the same order; a table that it cannot carry has a mixed column."""
    for table in reader.catalog().tables:
        read = _read_of(table)
        rows = [row.values for batch in reader.read_rows(read, EVERYTHING, batch_rows=1000) for row in batch]
        mixed = [
            name for name, classes in reader.storage_classes(read, EVERYTHING, read.columns).items() if len(classes) > 1
        ]
        if mixed:
            with pytest.raises(NotArrowableError, match=r"mixes .* in table|mixes"):
                reader.read_arrow(read, EVERYTHING)
        else:
            columns = [column.to_pylist() for column in reader.read_arrow(read, EVERYTHING).columns]
            carried = list(zip(*columns, strict=True))
            assert [[(type(v), v) for v in row] for row in carried] == [[(type(v), v) for v in row] for row in rows]


def test_the_profile_counts_what_is_stored(original: Path, reader: SourceReader) -> None:
    """Rows, NULLs, storage classes and integer extremes agree with a count in Python."""
    for table in reader.catalog().tables:
        profile = reader.profile(table, processes=2)
        stored = _stored(original, table)
        for place, column in enumerate(table.columns):
            values = [row[place] for row in stored]
            found = profile.columns[column.name]
            classes = Counter(CLASSES.get(type(value), StorageClass.TEXT) for value in values if value is not None)
            assert found.nulls == values.count(None)
            assert (found.integers, found.reals, found.texts, found.blobs) == tuple(
                classes[storage_class] for storage_class in StorageClass
            )
            integers = [value for value in values if isinstance(value, int)]
            assert found.integer_min == min(integers, default=None)
            assert found.integer_max == max(integers, default=None)
            texts = [value.encode() if isinstance(value, str) else value.raw for value in values if _is_text(value)]
            assert found.longest_text == max(map(len, texts), default=None)
            assert (found.empty_texts, found.nul_texts) == (texts.count(b""), sum(b"\0" in text for text in texts))
            assert found.invalid_texts == sum(isinstance(value, RawText) for value in values)
            blobs = [len(value) for value in values if isinstance(value, bytes)]
            assert found.longest_blob == max(blobs, default=None)


def test_a_sample_knows_the_number_of_rows(reader: SourceReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each table it sees some rows, the least and the greatest integer key among them, and counts all."""
    monkeypatch.setattr(sqlite_profile, "_SAMPLE_ROWS", 2)
    monkeypatch.setattr(sqlite_profile, "_SAMPLE_PLACES", 5)
    for table in reader.catalog().tables:
        whole, sample = reader.profile(table), reader.profile(table, mode=ProfileMode.SAMPLE)
        assert sample.rows == whole.rows
        if sample.sampled_rows is None:
            assert sample == whole
            continue
        assert 8 <= sample.sampled_rows <= 12
        for name in table.primary_key:
            key, found = whole.columns[name], sample.columns[name]
            assert found.nulls == key.nulls
            is_chunk_key = name == table.rowid_column or name in table.chunk_key.columns
            if len(table.primary_key) == 1 and is_chunk_key:
                assert (found.integer_min, found.integer_max) == (key.integer_min, key.integer_max)


def _is_text(value: Value) -> bool:
    return isinstance(value, str | RawText)


def test_every_object_of_the_schema_is_in_the_catalog(original: Path, reader: SourceReader) -> None:
    """Nothing is dropped silently but SQLite's own bookkeeping."""
    with closing(sqlite3.connect(f"{original.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        names = connection.execute(
            "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
    catalog = reader.catalog()
    listed = [table.name for table in catalog.tables if table.virtual is None] + [each.name for each in catalog.objects]
    listed += [index.name for table in catalog.tables for index in table.indexes if index.sql]
    shadows = {each.name for each in catalog.objects if each.kind is ObjectKind.SHADOW_TABLE}
    assert Counter(listed) == Counter(
        name for kind, name in names if kind != "index" or name in listed or not _is_of(name, shadows, original)
    )


def _is_of(index: str, tables: set[str], path: Path) -> bool:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        (owner,) = connection.execute("SELECT tbl_name FROM sqlite_schema WHERE name = ?", [index]).fetchone()
    return owner in tables


def test_the_fingerprint_stays_and_tells_sources_apart(
    original: Path, reader: SourceReader, datasets: Path, tmp_path: Path
) -> None:
    """Asked twice, or of another copy, it is the same; of another source it is not."""
    copy = tmp_path / "copy.db"
    copy.write_bytes(next(path_of(str(tmp_path / "snapshots")).iterdir()).read_bytes())
    with open_source(str(copy), frozen=True) as again:
        assert again.fingerprint() == reader.fingerprint()
    other = datasets / FILES[(FILES.index(str(original.relative_to(datasets))) + 1) % len(FILES)]
    with open_source(str(other), frozen=True) as another:
        assert another.fingerprint() != reader.fingerprint()
