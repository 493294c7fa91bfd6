"""The made-up shop holds one of each thing, is the same for the same seed, and is sound."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from producer.demo import closing_words, opening_words, write_demo_source
from producer.demo_shop import ShopSummary, write_shop
from shared.settings import load_settings


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopSummary:
    """One shop for all tests here."""
    return write_shop(tmp_path_factory.mktemp("shop") / "shop.sqlite")


@pytest.fixture
def database(shop: ShopSummary) -> Iterator[sqlite3.Connection]:
    """The shop, open for reading."""
    with closing(sqlite3.connect(f"file:{shop.path}?mode=ro", uri=True)) as connection:
        yield connection


def _one(database: sqlite3.Connection, question: str) -> object:
    return database.execute(question).fetchone()[0]


def test_it_is_large_enough(shop: ShopSummary, database: sqlite3.Connection) -> None:
    """At least 200,000 rows over at least 8 tables, and the summary counts them right."""
    assert shop.rows >= 200_000
    assert len(shop.tables) >= 8
    for table, rows in shop.tables.items():
        assert _one(database, f'SELECT count(*) FROM "{table}"') == rows
    assert shop.size_bytes == shop.path.stat().st_size


def test_it_is_sound(database: sqlite3.Connection) -> None:
    """SQLite finds neither damage nor a row without its parent."""
    assert _one(database, "PRAGMA integrity_check") == "ok"
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize(
    ("what", "question"),
    [
        ("a composite foreign key", "SELECT count(*) >= 2 FROM pragma_foreign_key_list('Line Returns')"),
        ("a reference to itself", "SELECT \"table\" = 'categories' FROM pragma_foreign_key_list('categories')"),
        ("a table without rowid", "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%WITHOUT ROWID%'"),
        ("a table without a key", "SELECT count(*) > 0 AND max(pk) = 0 FROM pragma_table_info('EVENTS')"),
        ("a partial index", "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'"),
        ("triggers", "SELECT count(*) >= 3 FROM sqlite_schema WHERE type = 'trigger'"),
        ("a view that answers", "SELECT count(*) > 0 AND min(turnover) > 0 FROM sales_by_category"),
        ("a search index that finds", "SELECT count(*) FROM reviews_search WHERE reviews_search MATCH 'paint'"),
        ("a column called order", 'SELECT count("order") FROM orders'),
        ("pictures", "SELECT count(*) FROM product_images WHERE substr(content, 2, 3) = CAST('PNG' AS BLOB)"),
        ("booleans of both kinds", "SELECT count(DISTINCT newsletter) = 2 FROM customers"),
        ("JSON", "SELECT min(json_valid(attributes)) FROM products"),
        ("Unicode", "SELECT count(*) FROM customers WHERE full_name LIKE '%李%'"),
        ("a line feed in a text", "SELECT count(*) FROM orders WHERE note LIKE '%' || char(10) || '%'"),
        ("an empty text", "SELECT count(*) FROM orders WHERE note = ''"),
        ("NULL beside values", "SELECT count(*) > count(born) AND count(born) > 0 FROM customers"),
        ("a sequence ahead of its table", "SELECT min(seq) > (SELECT max(id) FROM customers) FROM sqlite_sequence"),
        ("gaps in a key", "SELECT max(id) > count(*) FROM reviews"),
    ],
)  # fmt: skip
def test_it_holds_one_of_each(database: sqlite3.Connection, what: str, question: str) -> None:
    """What makes a copy hard occurs."""
    assert _one(database, question), what


def test_totals_are_the_sums_of_their_lines(database: sqlite3.Connection) -> None:
    """The rows make sense, so that a person can check a copy by asking."""
    wrong = """SELECT count(*) FROM orders AS o WHERE abs(total -
        (SELECT sum(price * quantity) FROM order_lines WHERE order_id = o.id)) > 0.001"""
    assert _one(database, wrong) == 0


def test_the_same_seed_gives_the_same_shop(shop: ShopSummary, tmp_path: Path) -> None:
    """Byte for byte; another seed gives another one."""
    again = write_shop(tmp_path / "again.sqlite")
    other = write_shop(tmp_path / "other.sqlite", seed=1)
    digest = zlib.crc32(shop.path.read_bytes())
    assert zlib.crc32(again.path.read_bytes()) == digest
    assert zlib.crc32(other.path.read_bytes()) != digest


def test_it_replaces_what_was_there(tmp_path: Path) -> None:
    """A second demo finds the file of the first."""
    path = tmp_path / "shop.sqlite"
    path.write_text("something else")
    write_shop(path)
    assert [file.name for file in tmp_path.glob("shop*")] == ["shop.sqlite"]
    with closing(sqlite3.connect(path)) as database:
        assert _one(database, "SELECT count(*) FROM countries") == 20


def test_the_demo_writes_below_its_home_and_says_where(tmp_path: Path) -> None:
    """The words name the file, how to connect, and how to stop the server that stays."""
    settings = load_settings(home=tmp_path / "home")
    made = write_demo_source(settings)
    assert made.path == tmp_path / "home" / "demo" / "shop.sqlite"
    assert str(made.path) in opening_words(made)
    words = "\n".join(closing_words(settings, "postgresql://postgres@/pgconvoy?host=/x", "demo", embedded=True))
    assert "psql" in words
    assert "kill -INT" in words
    assert "kill" not in "\n".join(closing_words(settings, "postgresql://u@h/db", "demo", embedded=False))
