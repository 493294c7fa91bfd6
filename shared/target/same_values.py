"""Which values of two columns are surely the same: one in wire types, to be written, and one that the target holds.

What is called the same here must be so for the upsert's own comparison too (`shared.target.upsert`); what is not is
left to it. So the answers may be incomplete, but never wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.records.plan import TypeKind

Mask: TypeAlias = npt.NDArray[np.bool_]
_Same: TypeAlias = Callable[[pa.Array, pa.Array], pa.Array]

_BLANK_IN_JSON: Final = r'("(?:[^"\\]|\\.)*")|([,:]) '
"""A string, whose blanks are its own, or a blank as PostgreSQL writes one after each comma and colon of jsonb."""
_JSONB_VERSION: Final = b"\x01"
_MOST_DIGITS: Final = 38
"""Of decimal128."""


def same_values(new: pa.Array, held: pa.Array, kind: TypeKind) -> Mask:
    """Tell where both columns have the same value; NULL is the same as NULL.

    Args:
        new: In the wire type of the kind (`shared.target.convert`).
        held: As `shared.target.held_rows` reads the kind.
        kind: The column's.
    """
    same = mask(_SAME.get(kind, _equal)(new, held))
    if new.null_count and held.null_count:
        same |= mask(pc.and_(new.is_null(), held.is_null()))
    return same


def mask(truths: pa.Array | pa.ChunkedArray) -> Mask:
    """See truths as numpy's; NULL is False."""
    found: Mask = pc.fill_null(truths, fill_value=False).to_numpy(zero_copy_only=False)
    return found


def _equal(new: pa.Array, held: pa.Array) -> pa.Array:
    return pc.equal(new, held)


def _by_bits(integers: pa.DataType) -> _Same:
    """Compare bits: 0.0 and -0.0 differ, a NaN is the same as itself.

    The driver moves timestamps from PostgreSQL's origin to 1970 and wraps around for the infinite ones, which so
    become numbers that no moment has.
    """
    return lambda new, held: pc.equal(new.view(integers), held.view(integers))


def _numbers(new: pa.Array, held: pa.Array) -> pa.Array:
    """Compare by value, as PostgreSQL does: 1.10 is 1.1."""
    try:
        return pc.equal(new, held.cast(new.type))
    except pa.ArrowInvalid:  # more decimals or digits than any of ours, or no number at all
        return _numbers_one_by_one(new, held)


def _numbers_one_by_one(new: pa.Array, held: pa.Array) -> pa.Array:
    """The same where the column holds numbers that ours have no room for: they are left out."""
    scale = new.type.scale
    fraction = rf"(\.\d{{0,{scale}}}0*)?"
    whole = rf"\d{{1,{_MOST_DIGITS - scale}}}" if scale < _MOST_DIGITS else "0"
    fits = pc.match_substring_regex(held, rf"^-?{whole}{fraction}$")
    trimmed = pc.replace_substring_regex(held, rf"(\.\d{{{scale}}})0*$", r"\1")
    kept = pc.if_else(fits, trimmed, None)
    return pc.equal(new, kept.cast(pa.decimal128(_MOST_DIGITS, scale)))


def _jsonb(new: pa.Array, held: pa.Array) -> pa.Array:
    """Compare texts, then, where they are not all the same, without the blanks that mean nothing."""
    # In jsonb's wire form a byte stands before the text. (Cutting it off fails in Arrow 26, where there are NULLs.)
    wired = pc.binary_join_element_wise(_JSONB_VERSION, held.cast(pa.binary()), b"")
    same = pc.equal(new, wired)
    return same if mask(same).all() else pc.equal(_compact(new), _compact(wired))


def _compact(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, _BLANK_IN_JSON, r"\1\2")


_SAME: Final[Mapping[TypeKind, _Same]] = MappingProxyType(
    {
        TypeKind.REAL: _by_bits(pa.int32()),
        TypeKind.DOUBLE: _by_bits(pa.int64()),
        TypeKind.TIMESTAMP: _by_bits(pa.int64()),
        TypeKind.TIMESTAMPTZ: _by_bits(pa.int64()),
        TypeKind.NUMERIC: _numbers,
        TypeKind.JSONB: _jsonb,
    }
)
