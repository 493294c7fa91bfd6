from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
import pytest

from shared.records.plan import TypeKind
from shared.target.same_values import same_values


def _same(new: pa.Array, held: pa.Array, kind: TypeKind) -> list[bool]:
    return same_values(new, held, kind).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("scale", "new", "held", "same"),
    [
        (2, "1.10", ["1.1", "1.10", "1.1000", "1.101", "1.1001", "NaN", "Infinity", "1" * 40, None], 3),
        (2, "-0.50", ["-0.5", "-0.50", "0.5", "-0.50000000000000000000000000000000000000000000000000001"], 2),
        (0, "7", ["7", "7.0", "7.000", "7.1", "NaN", "70"], 3),
        (0, "-12", ["-12", "12", "-Infinity"], 1),
        (38, "0." + "1" * 38, ["0." + "1" * 38, "0." + "1" * 39, "0." + "1" * 37], 1),
    ],
)
def test_numbers_are_compared_by_value(scale: int, new: str, held: Sequence[str | None], same: int) -> None:
    """Whatever else the column holds: numbers with more digits than ours, or none at all, hide nothing beside them."""
    numbers = pa.array([Decimal(new)] * len(held), pa.decimal128(38, scale))
    assert _same(numbers, pa.array(held), TypeKind.NUMERIC) == [place < same for place in range(len(held))]


@pytest.mark.parametrize(
    ("new", "held"),
    [
        ('{"a":1,"b":[1,2]}', '{"a": 1, "b": [1, 2]}'),
        ('["\\\\", 1]', '["\\\\",1]'),
        ('"ü: "', '"ü: "'),
    ],
)
def test_blanks_after_commas_and_colons_mean_nothing_in_jsonb(new: str, held: str) -> None:
    """PostgreSQL writes them, most programs do not; NULL is the same as NULL alone."""
    wire = pa.array([b"\x01" + new.encode(), None, b"\x01[]", None])
    assert _same(wire, pa.array([held, None, None, "[]"]), TypeKind.JSONB) == [True, True, False, False]


@pytest.mark.parametrize(
    ("new", "held"),
    [
        ('["a, b"]', '["a,b"]'),
        ('["a\\", b"]', '["a\\",b"]'),
        ("1 2", "12"),
        ('"a b"', '"ab"'),
        ('{"a":  1}', '{"a": 1}'),
    ],
)
def test_other_blanks_are_left_to_postgresql(new: str, held: str) -> None:
    """Those inside of strings belong to them, and what stands elsewhere may be no JSON at all."""
    assert _same(pa.array([b"\x01" + new.encode()]), pa.array([held]), TypeKind.JSONB) == [False]


def test_bits_of_reals_and_moments_without_end() -> None:
    """Zero is not minus zero; an endless moment, which wraps around on its way, is no other moment."""
    doubles = [0.0, -0.0, 1.5, None]
    assert _same(pa.array(doubles), pa.array([-0.0, -0.0, 1.5, None]), TypeKind.DOUBLE) == [False, True, True, True]
    singles = pa.array(doubles, pa.float32())
    assert _same(singles, pa.array([0.0, 0.0, 1.0, 0.0], pa.float32()), TypeKind.REAL) == [True, False, False, False]
    moments = pa.array([0, None], pa.timestamp("us"))
    assert _same(moments, pa.array([-(2**63) + 5, None], pa.timestamp("us")), TypeKind.TIMESTAMP) == [False, True]
