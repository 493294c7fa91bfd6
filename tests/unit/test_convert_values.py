from __future__ import annotations

import pytest
from targetkit import column
from targetkit.cases import DOES_NOT_FIT, FITS

from shared.records.keys import RawText, Value
from shared.records.plan import TypeKind
from shared.target.convert_values import ValueDoesNotFit, adapt


@pytest.mark.parametrize(("sql", "value"), FITS)
def test_what_fits_becomes_text(sql: str, value: Value) -> None:
    """Every value that fits has a text for PostgreSQL to read, without NUL."""
    text = adapt(value, column(sql))
    assert text is not None
    assert "\0" not in text


@pytest.mark.parametrize(("sql", "value"), DOES_NOT_FIT)
def test_what_does_not_fit_says_why(sql: str, value: Value) -> None:
    """A value that would not arrive exactly is refused with the column and a reason."""
    with pytest.raises(ValueDoesNotFit, match=r"the value .+ \(type ") as refusal:
        adapt(value, column(sql))
    assert refusal.value.column.source == "V"


@pytest.mark.parametrize("kind", list(TypeKind))
def test_null_is_null(kind: TypeKind) -> None:
    """NULL fits every type."""
    assert adapt(None, column(kind.value)) is None


def test_the_same_name_twice_does_not_fit_jsonb() -> None:
    """Type jsonb would keep one of two members of one name, at whatever depth; json keeps both."""
    document = '[{"a": {"b": 1, "b": 1}}]'
    assert adapt(document, column("json")) == document
    with pytest.raises(ValueDoesNotFit, match="same name twice"):
        adapt(document, column("jsonb"))


def test_undecodable_text_is_its_bytes_for_bytea_alone() -> None:
    """A text that is not UTF-8 goes into bytea byte for byte and fits no other type."""
    value = RawText(b"\xff\xfe")
    assert adapt(value, column("bytea")) == "\\xfffe"
    for kind in set(TypeKind) - {TypeKind.BYTEA}:
        with pytest.raises(ValueDoesNotFit):
            adapt(value, column(kind.value))


def test_integers_beyond_2_to_53_fit_a_double_that_holds_them() -> None:
    """The careful path knows the larger integers that a double holds exactly."""
    assert adapt(2**60, column("double precision")) == str(2**60)
    with pytest.raises(ValueDoesNotFit, match="no exact form"):
        adapt(2**63 - 1, column("double precision"))


def test_infinity_fits_numeric_without_limits() -> None:
    """PostgreSQL's numeric has infinities; whether this server's has is for it to say."""
    assert adapt(float("-inf"), column("numeric")) == "-Infinity"


def test_other_types_get_the_text_form() -> None:
    """A type that is none of ours is read by PostgreSQL from the text; a blob has none."""
    assert adapt("10.0.0.1", column("inet")) == "10.0.0.1"
    assert adapt(5, column("money")) == "5"
    with pytest.raises(ValueDoesNotFit, match="no text form"):
        adapt(b"\x01", column("inet"))


@pytest.mark.parametrize(
    ("sql", "value", "why"),
    [
        ("interval", 90, "number without a unit"),
        ("interval", 1.5, "number without a unit"),
        ("interval", " -90.5 ", "number without a unit"),
        ("bit(3)", 101, "row of bits"),
        ("bit varying", 1, "row of bits"),
        ("interval(0)", "01:00:00.5", "more digits"),
        ("time(3) with time zone", "10:00:00.1234+00", "more digits"),
        ("timestamp with time zone", 1_700_000_000, "unix_s"),
        ("timestamp without time zone", "1700000000", "unix_s"),
        ("timestamp without time zone", "2024-01-01T00:00:00Z", "has an offset"),
    ],
)
def test_what_postgresql_would_bend_is_refused_with_what_to_do(sql: str, value: Value, why: str) -> None:
    """Numbers that PostgreSQL would read as something else, and decimals that it would round, say so."""
    with pytest.raises(ValueDoesNotFit, match=why):
        adapt(value, column(sql))


def test_other_types_take_what_is_no_bare_number() -> None:
    """Intervals with units and as many decimals as are kept, and bits that a text spells."""
    for sql, text in (("interval", "90 s"), ("interval(1)", "01:00:00.50"), ("bit(3)", "101"), ("interval", "1:30")):
        assert adapt(text, column(sql)) == text
