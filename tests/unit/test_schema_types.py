"""Which type a column gets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from schemakit import NOTHING, blobs, column, integers, reals, texts

from shared.records.source import ColumnProfile
from shared.schema.column_types import choose_type
from shared.schema.declared import Affinity, affinity_of

_HUGE = 2**53


def _sql(declared: str, profile: ColumnProfile, name: str = "c") -> str:
    return choose_type(column(name, declared), profile).type.sql


@pytest.mark.parametrize(
    ("declared", "affinity"),
    [
        ("CHARINT", Affinity.INTEGER),
        ("FLOATING POINT", Affinity.INTEGER),
        ("tinyint(1)", Affinity.INTEGER),
        ("VARCHAR(255)", Affinity.TEXT),
        ("TEXTBLOB", Affinity.TEXT),
        ("BLOBREAL", Affinity.BLOB),
        ("", Affinity.BLOB),
        ("DOUBLE PRECISION", Affinity.REAL),
        ("STRING", Affinity.NUMERIC),
        ("DECIMAL(10,5)", Affinity.NUMERIC),
    ],
)
def test_affinity_rules_in_their_order(declared: str, affinity: Affinity) -> None:
    """The first of SQLite's five rules that applies decides."""
    assert affinity_of(declared) is affinity


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("INTEGER", "bigint"),
        ("short integer", "bigint"),
        ("REAL", "double precision"),
        ("FLOATING POINT", "double precision"),
        ("DECIMAL(10,2)", "numeric(10,2)"),
        ("DECIMAL(7)", "numeric(7,0)"),
        ("DECIMAL(2,5)", "numeric"),
        ("DECIMAL(2000)", "numeric"),
        ("MONEY", "numeric"),
        ("VARCHAR(20)", "text"),
        ("STRING", "text"),
        ("", "text"),
        ("GEOMETRY", "text"),
        ("BLOB", "bytea"),
        ("VARBINARY(16)", "bytea"),
        ("BOOLEAN", "boolean"),
        ("DATE", "date"),
        ("DATETIME", "timestamp without time zone"),
        ("TIMESTAMP(3) WITH TIME ZONE", "timestamp with time zone"),
        ("timestamptz", "timestamp with time zone"),
        ("TIME", "time without time zone"),
        ("UUID", "uuid"),
        ("CHAR(32)", "text"),
        ("JSON", "jsonb"),
    ],
)
def test_without_values_the_declared_type_decides(declared: str, expected: str) -> None:
    """An empty column gets the type that its declaration means."""
    assert _sql(declared, NOTHING) == expected


@pytest.mark.parametrize(
    ("declared", "profile", "expected"),
    [
        ("INTEGER", integers(), "bigint"),
        ("SMALLINT", integers(0, 1), "bigint"),
        ("", integers(), "bigint"),
        ("BLOB", integers(), "bigint"),
        ("BOOLEAN", integers(0, 1), "boolean"),
        ("BOOLEAN", integers(0, 2), "bigint"),
        ("BOOLEAN", integers(-1, 0), "bigint"),
        ("DATETIME", integers(1_600_000_000, 1_700_000_000), "bigint"),
        ("STRING", integers(), "text"),
        ("JSON", integers(), "text"),
        ("UUID", integers(), "bigint"),
        ("FLOATING POINT", integers(), "double precision"),
        ("FLOATING POINT", integers(0, _HUGE), "numeric"),
        ("REAL", reals(), "double precision"),
        ("INTEGER", reals(), "double precision"),
        ("DATETIME", reals(), "double precision"),
        ("STRING", reals(), "text"),
        ("DECIMAL(5,2)", reals(before=3, after=2), "numeric(5,2)"),
        ("DECIMAL(5,2)", reals(before=4, after=2), "numeric"),
        ("DECIMAL(5,2)", reals(before=3, after=3), "numeric"),
        ("DECIMAL(5,2)", ColumnProfile(reals=9), "numeric"),
        ("NUMERIC", reals(infinities=1), "double precision"),
        ("TEXT", texts(), "text"),
        ("BLOB", texts(), "text"),
        ("INTEGER", texts(), "text"),
        ("BOOLEAN", texts("boolean"), "boolean"),
        ("BOOLEAN", texts(boolean_texts=8), "text"),
        ("DATE", texts("date", "timestamp"), "date"),
        ("DATE", texts("timestamp", date_texts=3), "timestamp without time zone"),
        ("DATE", texts(date_texts=8, timestamp_texts=8), "text"),
        ("DATETIME", texts("date", "timestamp"), "timestamp without time zone"),
        ("DATETIME", texts("timestamptz", timestamp_texts=0), "timestamp with time zone"),
        ("DATETIME", texts(timestamp_texts=5, timestamptz_texts=4), "text"),
        ("TIMESTAMPTZ", texts("timestamp"), "timestamp without time zone"),
        ("TIME", texts("time"), "time without time zone"),
        ("TIME", texts("timestamp", time_texts=0), "text"),
        ("UUID", texts("uuid"), "uuid"),
        ("CHAR(32)", texts("uuid"), "uuid"),
        ("char(36)", texts("uuid"), "uuid"),
        ("VARCHAR(80)", texts("uuid"), "text"),
        ("CHAR(36)", texts(uuid_texts=8), "text"),
        ("JSON", texts("json", "jsonb"), "jsonb"),
        ("JSON", texts("json", jsonb_texts=8), "json"),
        ("JSON", texts(json_texts=8, jsonb_texts=8), "text"),
        ("BLOB", blobs(), "bytea"),
        ("TEXT", blobs(), "bytea"),
        ("BINARY(16)", blobs(uuid_blobs=9), "uuid"),
        ("BINARY(16)", blobs(uuid_blobs=8), "bytea"),
        ("BLOB", blobs(uuid_blobs=9), "bytea"),
    ],
)
def test_values_of_one_class(declared: str, profile: ColumnProfile, expected: str) -> None:
    """The narrowest type that holds every value, never narrower than the declaration suggests."""
    assert _sql(declared, profile) == expected


@pytest.mark.parametrize(
    ("declared", "profile", "expected"),
    [
        ("INTEGER", replace(reals(), integers=1, integer_min=0, integer_max=_HUGE - 1), "double precision"),
        ("INTEGER", replace(reals(), integers=1, integer_min=0, integer_max=_HUGE), "numeric"),
        ("INTEGER", replace(reals(), integers=1, integer_min=-_HUGE, integer_max=0), "numeric"),
        ("INTEGER", replace(reals(infinities=1), integers=1, integer_min=0, integer_max=_HUGE), "text"),
        ("NUMERIC", replace(reals(infinities=1), integers=1, integer_min=0, integer_max=9), "double precision"),
        ("DECIMAL(5,2)", replace(reals(), integers=1, integer_min=0, integer_max=_HUGE), "numeric(5,2)"),
        ("JSON", replace(reals(), integers=1, integer_min=0, integer_max=1), "text"),
        ("INTEGER", replace(integers(), texts=1), "text"),
        ("BOOLEAN", replace(integers(0, 1), texts=1, boolean_texts=1), "boolean"),
        ("BOOLEAN", replace(integers(0, 2), texts=1, boolean_texts=1), "text"),
        ("BOOLEAN", replace(integers(0, 1), texts=2, boolean_texts=1), "text"),
        ("INTEGER", ColumnProfile(reals=9, integral_reals=9), "bigint"),
        ("INTEGER", ColumnProfile(reals=9, integral_reals=8), "double precision"),
        ("BIGINT", replace(integers(0, _HUGE), reals=2, integral_reals=2), "bigint"),
        ("REAL", replace(reals(), texts=1), "text"),
        ("DATE", replace(texts("date"), integers=1), "text"),
        ("TEXT", replace(texts(), blobs=1), "bytea"),
        ("INTEGER", replace(integers(), blobs=1), "bytea"),
    ],
)
def test_mixed_classes_lose_nothing(declared: str, profile: ColumnProfile, expected: str) -> None:
    """Where storage classes mix, the type is one that holds them all unchanged."""
    assert _sql(declared, profile) == expected


def test_mixed_classes_are_doubtful() -> None:
    """A person is told what the mix is and what becomes of it."""
    chosen = choose_type(column("c"), replace(integers(), texts=2))
    assert chosen.doubt == "it holds 9 integers and 2 texts: all become text, numbers as their digits"


def test_expected_rejects_are_counted() -> None:
    """Texts with U+0000 cannot be text, and the plan says how many there are."""
    chosen = choose_type(column("c", "TEXT"), texts(nul_texts=3))
    assert (chosen.type.sql, chosen.expected_rejects) == ("text", 3)
    assert "3 texts hold U+0000" in chosen.doubt
    assert 'nul = "strip"' in chosen.doubt


def test_texts_with_nul_in_a_blob_column_become_bytea() -> None:
    """A column that was declared for bytes loses no text to U+0000."""
    chosen = choose_type(column("c", "BLOB"), texts(nul_texts=3))
    assert (chosen.type.sql, chosen.expected_rejects) == ("bytea", 0)


@pytest.mark.parametrize("name", ["md5", "password_hash", "ETag"])
def test_digests_are_no_uuids(name: str) -> None:
    """32 hexadecimal digits under the name of a digest stay text."""
    assert _sql("CHAR(32)", texts("uuid"), name) == "text"


def test_date_that_defaults_to_now_is_a_timestamp() -> None:
    """A DATE column that CURRENT_TIMESTAMP fills will hold times of day."""
    dated = column("c", "DATE", default_sql="CURRENT_TIMESTAMP")
    assert choose_type(dated, texts("date", "timestamp")).type.sql == "timestamp without time zone"
    assert choose_type(dated, NOTHING).type.sql == "timestamp without time zone"


def test_varchar_length_is_not_kept() -> None:
    """The reason says that SQLite never enforced the length."""
    assert "does not enforce the length 20" in choose_type(column("c", "VARCHAR(20)"), texts()).reason


@pytest.mark.parametrize(
    ("declared", "profile", "expected"),
    [("INT", NOTHING, "bigint"), ("ANY", NOTHING, "text"), ("ANY", integers(), "bigint"), ("ANY", blobs(), "bytea")],
)
def test_strict_tables(declared: str, profile: ColumnProfile, expected: str) -> None:
    """STRICT types are taken at their word, and ANY by what is found."""
    assert choose_type(column("c", declared), profile, strict=True).type.sql == expected


@pytest.mark.parametrize(
    ("declared", "profile", "form"),
    [
        ("DATETIME", replace(integers(), epoch_s=9, epoch_ms=0), "unix_s"),
        ("INTEGER", replace(integers(), epoch_s=0, epoch_ms=8), "unix_ms"),
        ("INTEGER", replace(integers(), epoch_us=9), "unix_us"),
        ("REAL", replace(reals(), julian_days=9), "julian"),
        ("TIMESTAMP", replace(reals(), epoch_s=7), "unix_s"),
        ("INTEGER", replace(integers(), epoch_s=4), ""),
        ("INTEGER", integers(), ""),
    ],
)
def test_numbers_that_may_be_moments_stay_numbers_with_a_hint(declared: str, profile: ColumnProfile, form: str) -> None:
    """The reason names the rule that would make timestamps of them, where most of them are plausible."""
    chosen = choose_type(column("made_at", declared), profile)
    assert chosen.type.sql in {"bigint", "double precision"}
    assert (f'form = "{form}"' in chosen.reason + chosen.doubt) == bool(form)
    assert ("a rule with form" in chosen.reason + chosen.doubt) == bool(form)


def test_texts_that_do_not_decode_are_expected_rejects() -> None:
    """The doubt names the rules that would carry them."""
    chosen = choose_type(column("c", "TEXT"), texts(invalid_texts=2))
    assert chosen.expected_rejects == 2
    assert 'bad_utf8 = "latin-1"' in chosen.doubt


def test_moments_of_several_shapes_name_the_rule_that_reads_them() -> None:
    """Text holds them as they are; the doubt says what else could be done."""
    chosen = choose_type(column("c", "DATETIME"), texts(timestamp_texts=5, timestamptz_texts=3))
    assert chosen.type.sql == "text"
    assert '8 of 9 texts are ISO moments: a rule with form = "iso"' in chosen.doubt


def test_letters_that_only_look_latin_mean_nothing_to_sqlite() -> None:
    """Affinity is decided by ASCII letters."""
    assert affinity_of("p\u0131nt") is Affinity.NUMERIC
    assert affinity_of("point") is Affinity.INTEGER
