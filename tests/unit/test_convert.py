from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from targetkit import column, stored
from targetkit.cases import DOES_NOT_FIT, FITS

from shared.errors import NotArrowableError
from shared.records.plan import TypeKind
from shared.target.convert import WIRE_TYPES, to_target


@pytest.mark.parametrize(("sql", "value"), FITS)
def test_what_fits_has_the_wire_type_of_its_column(sql: str, value: object) -> None:
    """Every value that fits leaves as the column's wire type, under the column's name."""
    kind = column(sql).type.kind
    converted = to_target(stored([None, value]), [column(sql)])
    assert converted.column_names == ["v"]
    assert converted.column(0).null_count == 1
    if kind is TypeKind.NUMERIC:
        assert pa.types.is_decimal128(converted.schema.types[0])
    else:
        assert converted.schema.types == [WIRE_TYPES[kind]]


@pytest.mark.parametrize(("sql", "value"), DOES_NOT_FIT)
def test_one_value_that_does_not_fit_stops_the_column(sql: str, value: object) -> None:
    """A value that would not arrive exactly is refused with the column's name, among NULLs and all."""
    with pytest.raises(NotArrowableError, match='column "V" cannot travel as Arrow'):
        to_target(stored([None, value, None]), [column(sql)])


@pytest.mark.parametrize("kind", list(WIRE_TYPES))
def test_a_column_without_values_has_the_wire_type_all_the_same(kind: TypeKind) -> None:
    """A column of NULLs alone, and an empty one, are of the wire type."""
    for rows in (stored([None, None]), stored([]), pa.table({"0": pa.chunked_array([], pa.int64())})):
        converted = to_target(rows, [column(kind.value)])
        assert converted.schema.types == [WIRE_TYPES[kind]]
        assert converted.num_rows == rows.num_rows == converted.column(0).null_count


@pytest.mark.parametrize("kind", [TypeKind.TEXT, TypeKind.DATE, TypeKind.TIMESTAMPTZ, TypeKind.UUID, TypeKind.BOOLEAN])
@pytest.mark.parametrize("values", [[], [None, None]])
def test_strings_without_a_value_are_no_trouble(kind: TypeKind, values: list[None]) -> None:
    """A string column that is empty or all NULL converts too."""
    converted = to_target(pa.table({"0": pa.array(values, pa.string())}), [column(kind.value)])
    assert converted.schema.types == [WIRE_TYPES[kind]]
    assert converted.column(0).to_pylist() == values


def test_other_types_need_the_careful_path() -> None:
    """A type without a wire form here is refused."""
    with pytest.raises(NotArrowableError, match="needs the text form"):
        to_target(stored(["10.0.0.1"]), [column("inet")])


def test_invalid_utf8_is_text_for_bytea_alone() -> None:
    """A text that is not UTF-8 travels into bytea byte for byte and is refused by text and json."""
    undecodable = pa.Array.from_buffers(pa.string(), 1, [None, *pa.array([b"\xff\xfe"]).buffers()[1:]])
    rows = pa.table({"0": undecodable})
    assert to_target(rows, [column("bytea")]).column(0).to_pylist() == [b"\xff\xfe"]
    for sql in ("text", "json", "jsonb"):
        with pytest.raises(NotArrowableError, match="not valid UTF-8"):
            to_target(rows, [column(sql)])


def test_texts_of_many_widths_are_read_at_their_own_places() -> None:
    """Moments of different width, with and without NULLs between them, keep their order and their value."""
    texts = ["2024-01-01", None, "2024-01-01 00:00", "2024-01-01T00:00:01", "2024-01-01 00:00:00.5", None, "2024-01-02"]
    converted = to_target(stored(texts), [column("timestamp without time zone")])
    seconds = [None if text is None else text.timestamp() for text in converted.column(0).to_pylist()]
    first = seconds[0]
    assert [None if s is None else s - first for s in seconds] == [0.0, None, 0.0, 1.0, 0.5, None, 86400.0]


def test_a_slice_of_a_column_is_converted_as_that_slice() -> None:
    """Arrays that begin in the middle of their buffers don't drag in what lies before."""
    array = pa.array(["not a date", "2024-01-01", None, "2024-01-02", "\0"]).slice(1, 3)
    for sql in ("date", "text", "timestamp without time zone"):
        converted = to_target(pa.table({"0": array}), [column(sql)])
        assert [str(value)[:10] for value in converted.column(0).to_pylist()] == ["2024-01-01", "None", "2024-01-02"]


def test_batches_of_a_numeric_column_share_one_scale() -> None:
    """A column in several batches, each with decimals of its own length, is one decimal type in the end."""
    batches = pa.chunked_array([pa.array([0.5]), pa.array([0.125, None]), pa.array([3.0])])
    converted = to_target(pa.table({"0": batches}), [column("numeric")])
    assert [None if value is None else float(value) for value in converted.column(0).to_pylist()] == [
        0.5,
        0.125,
        None,
        3,
    ]


def test_decimals_are_those_of_the_shortest_text() -> None:
    """Doubles of any size and length become the decimal that Python writes for them, never the binary expansion."""
    numbers = random.Random(7)
    for digits in (1, 2, 9, 15, 17):
        values = [round(numbers.uniform(-1e5, 1e5), digits) for _ in range(500)]
        converted = to_target(stored(values), [column("numeric")])
        assert [float(value) for value in converted.column(0).to_pylist()] == values
        assert all(
            str(value).rstrip("0").rstrip(".") == repr(v).removesuffix(".0")
            for value, v in zip(converted.column(0).to_pylist(), values, strict=True)
            if "e" not in repr(v)
        )


def test_more_than_38_digits_are_refused() -> None:
    """What decimal128 cannot hold takes the careful path."""
    for values in ([1e300], [5e-324], [1e30, 1e-30]):
        with pytest.raises(NotArrowableError, match="more digits"):
            to_target(stored(values), [column("numeric")])


def test_reals_as_text_are_python_s_shortest() -> None:
    """Every real, of whatever size, is written into text columns as Python's repr writes it."""
    raw = np.random.default_rng(5).integers(0, 2**64, 20_000, dtype=np.uint64).view(np.float64)
    sizes = 10.0 ** np.random.default_rng(6).integers(-12, 25, 20_000)
    values = [*raw[np.isfinite(raw)].tolist(), *sizes.tolist(), *(np.arange(20_000) / 8 * sizes).tolist(), None]
    converted = to_target(stored(values), [column("text")])
    assert converted.column(0).to_pylist() == [None if value is None else repr(value) for value in values]


def test_a_name_twice_is_looked_for_where_the_profile_expects_misfits() -> None:
    """In a jsonb column for which the profile counted misfits, an object with one name twice is refused."""
    rows = stored(['{"a": 1, "b": {"c": 1, "c": 2}}'])
    with pytest.raises(NotArrowableError, match="same name twice"):
        to_target(rows, [column("jsonb", expected_rejects=1)])
