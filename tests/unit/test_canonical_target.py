"""What comes back from the target, as Arrow's kernels take it."""

from __future__ import annotations

import pyarrow as pa

from shared.compare.canonical_target import plain_array


def test_a_column_in_one_piece_is_not_copied() -> None:
    """It may be as large as a batch, or one value of 50 MB."""
    piece = pa.array([b"x" * 1_000_000])
    before = pa.total_allocated_bytes()
    assert plain_array(pa.chunked_array([piece])).equals(piece)
    assert pa.total_allocated_bytes() == before
    assert plain_array(pa.chunked_array([piece, piece])).to_pylist() == piece.to_pylist() * 2
