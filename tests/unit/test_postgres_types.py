"""Types as an operator writes them."""

from __future__ import annotations

import pytest

from shared.records.plan import TypeKind
from shared.schema.postgres_types import TypeTextError, read_type


@pytest.mark.parametrize(
    ("written", "kind", "sql"),
    [
        ("int4", TypeKind.INTEGER, "integer"),
        (" BigInt ", TypeKind.BIGINT, "bigint"),
        ("VARCHAR ( 20 )", TypeKind.TEXT, "character varying(20)"),
        ("varchar", TypeKind.TEXT, "character varying"),
        ("char", TypeKind.TEXT, "character(1)"),
        ("citext", TypeKind.TEXT, "citext"),
        ("decimal(10,2)", TypeKind.NUMERIC, "numeric(10,2)"),
        ("numeric(7)", TypeKind.NUMERIC, "numeric(7,0)"),
        ("float(24)", TypeKind.REAL, "real"),
        ("float(25)", TypeKind.DOUBLE, "double precision"),
        ("timestamptz", TypeKind.TIMESTAMPTZ, "timestamp with time zone"),
        ("timestamptz(3)", TypeKind.TIMESTAMPTZ, "timestamp(3) with time zone"),
        ("timestamp(0) without  time zone", TypeKind.TIMESTAMP, "timestamp(0) without time zone"),
        ("time", TypeKind.TIME, "time without time zone"),
        ("timetz", TypeKind.OTHER, "time with time zone"),
        ("inet", TypeKind.OTHER, "inet"),
        ("int4[][3]", TypeKind.OTHER, "integer[]"),
        ("Mood", TypeKind.OTHER, "mood"),
        ('app."Mood Of Day"', TypeKind.OTHER, 'app."Mood Of Day"'),
        ("geometry(Point, 4326)", TypeKind.OTHER, "geometry(Point,4326)"),
        ("interval day to second", TypeKind.OTHER, "interval day to second"),
    ],
)
def test_types_in_postgresqls_own_spelling(written: str, kind: TypeKind, sql: str) -> None:
    """Whatever alias and case the operator chose, the plan has the one spelling that PostgreSQL gives back."""
    read = read_type(written)
    assert (read.kind, read.sql) == (kind, sql)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "no type"),
        ("int; drop table t", "no type"),
        ("text default 'x'", "no type"),
        ("int not null", "no type"),
        ("int --", "no type"),
        ('"unclosed', "no type"),
        ("interval not null", "no type"),
        ("bigserial", "shorthand"),
        ("varchar(many)", "numbers"),
        ("float(54)", "from 1 to 53"),
        ("text(5)", "nothing in parentheses"),
    ],
)
def test_what_cannot_be_a_type(written: str, said: str) -> None:
    """A text that would break out of its place in the DDL, or that PostgreSQL cannot mean, is named."""
    with pytest.raises(TypeTextError, match=said):
        read_type(written)
