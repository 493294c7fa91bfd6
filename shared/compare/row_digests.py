"""Tables compared as multisets: an order-free fingerprint of each side, then the digests that one side has alone.

Memory is bounded: a fingerprint is kept for each of a few thousand partitions of the digests, and only partitions
whose fingerprints differ are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from shared.compare.forms import Form

RowForms: TypeAlias = tuple[Form, ...]
"""A row's values in canonical form."""
RowStream: TypeAlias = Callable[[], Iterator[RowForms]]
"""Reads one side again from its beginning."""

_DIGEST_BYTES: Final = 16
_PARTITION_BITS: Final = 12
_PARTITIONS: Final = 1 << _PARTITION_BITS
"""A single changed row of 100 million rows makes 25,000 digests a side to be looked at again."""
_DIGESTS_AT_ONCE: Final = 4_000_000
"""Digests of one side in memory: 32 MB."""
_LONG: Final = 10_000
"""Bytes; the repr of a blob has up to four times as many."""
_MOST_WANTED: Final = 1_000
"""As many rows are listed of each side; see `shared.compare.findings`."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a multiset of rows comes to, in whatever order they are read."""

    counts: tuple[int, ...]
    """Rows by partition."""
    sums: tuple[int, ...]
    """Sums of the rows' digests, modulo 2**128, by partition: unlike XOR, a row there twice changes it."""

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """Rows that one side has oftener than the other."""

    rows: int
    wanted: dict[int, int]
    """The first of them: digest, and how many times too often."""


def digest(row: RowForms) -> int:
    """Name a row by 128 bits; canonical forms of one column are of one type, so their repr tells them apart."""
    long = any(isinstance(form, str | bytes) and len(form) > _LONG for form in row)
    spelled = ", ".join(map(_spelled, row)) if long else repr(row)
    return int.from_bytes(blake2b(spelled.encode(), digest_size=_DIGEST_BYTES).digest(), "big")


def _spelled(form: Form) -> str:
    """A form's repr, or in angle brackets, as no repr of a form is, what stands for a long one: a repr needs room."""
    if not isinstance(form, str | bytes) or len(form) <= _LONG:
        return repr(form)
    return f"<{type(form).__name__} {blake2b(form.encode() if isinstance(form, str) else form).hexdigest()}>"


def fingerprint(rows: Iterable[RowForms]) -> Fingerprint:
    """Read all rows of a side into its fingerprint."""
    counts, sums = [0] * _PARTITIONS, [0] * _PARTITIONS
    for row in rows:
        name = digest(row)
        place = name % _PARTITIONS
        counts[place] += 1
        sums[place] += name
    return Fingerprint(tuple(counts), tuple(total % (1 << 8 * _DIGEST_BYTES) for total in sums))


def surpluses(source: RowStream, target: RowStream) -> tuple[Surplus, Surplus]:
    """Find what each side has oftener than the other: the source's surplus and the target's."""
    left, right = fingerprint(source()), fingerprint(target())
    missing, extra = Surplus(rows=0, wanted={}), Surplus(rows=0, wanted={})
    for partitions in _groups(left, right):
        names_left, names_right = _names(source(), partitions), _names(target(), partitions)
        missing, extra = _more(missing, names_left, names_right), _more(extra, names_right, names_left)
    return missing, extra


def _groups(left: Fingerprint, right: Fingerprint) -> Iterator[frozenset[int]]:
    """The partitions that differ, in groups whose digests fit into memory."""
    group: set[int] = set()
    room = _DIGESTS_AT_ONCE
    for place in range(_PARTITIONS):
        if (left.counts[place], left.sums[place]) == (right.counts[place], right.sums[place]):
            continue
        size = max(left.counts[place], right.counts[place])
        if group and size > room:
            yield frozenset(group)
            group, room = set(), _DIGESTS_AT_ONCE
        group.add(place)
        room -= size
    if group:
        yield frozenset(group)


def short_name(name: int) -> int:
    """The upper half of a digest, which is enough to tell apart the rows of some partitions."""
    return name >> 64


def _names(rows: Iterable[RowForms], partitions: frozenset[int]) -> npt.NDArray[np.uint64]:
    names = map(digest, rows)
    return np.fromiter((short_name(name) for name in names if name % _PARTITIONS in partitions), np.uint64)


def _more(so_far: Surplus, mine: npt.NDArray[np.uint64], theirs: npt.NDArray[np.uint64]) -> Surplus:
    names, counts = np.unique(mine, return_counts=True)
    other_names, other_counts = np.unique(theirs, return_counts=True)
    if len(other_names):
        places = np.minimum(np.searchsorted(other_names, names), len(other_names) - 1)
        counts = counts - np.where(other_names[places] == names, other_counts[places], 0)
    over = counts > 0
    listed = zip(names[over].tolist(), counts[over].tolist(), strict=True)
    room = _MOST_WANTED - len(so_far.wanted)
    more = dict(pair for pair, _ in zip(listed, range(room), strict=False))
    return Surplus(rows=so_far.rows + int(counts[over].sum()), wanted=so_far.wanted | more)
