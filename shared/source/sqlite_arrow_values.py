"""What a column's values in a key range answer, told of many at once: the answers that SQL gives to `value_questions`.

Each function takes the values that are not NULL and tells what it found by the questions' fields; None where the values
are not as simple as it takes for granted, so that SQL must be asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.source.sqlite_common_shape import shape_of_rows
from shared.source.sqlite_json import judge_json
from shared.source.sqlite_questions import (
    EPOCHS,
    EXACT_POWER,
    JULIAN_YEARS,
    TRUTH_VALUES,
    fraction_digits,
    largest_with_digits_beyond,
)
from shared.source.sqlite_raised import Asked
from shared.source.sqlite_utf16 import UTF_8

Integers: TypeAlias = npt.NDArray[np.int64]
Reals: TypeAlias = npt.NDArray[np.float64]
Offsets: TypeAlias = npt.NDArray[np.int32]

_END_OF_INT64: Final = 2.0**63
_END_OF_ASCII: Final = 128
_TRUTHS: Final = pa.array(TRUTH_VALUES)
_UUID: Final = r"\A(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\z"
_LENGTHS: Final = 8
"""Texts of so many lengths are looked at for dates and times: one program's, with and without fractions."""


@dataclass(frozen=True, slots=True)
class Told:
    """Answers about some values, by the questions' fields."""

    counts: Mapping[str, int] = field(default_factory=dict)
    extremes: Mapping[str, float] = field(default_factory=dict)


def of_integers(values: Integers, asked: Asked) -> Told:
    """Tell of integers; of none, nothing."""
    if not len(values):
        return Told()
    extremes = {"integer_min": int(values.min()), "integer_max": int(values.max())}
    return Told(_epochs(values) if asked.epochs else {}, extremes)


def of_reals(values: Reals, asked: Asked) -> Told | None:
    """Tell of reals; None where one is infinite."""
    if not len(values):
        return Told()
    magnitudes = np.abs(values)
    largest = float(magnitudes.max())
    if largest == np.inf:
        return None
    integral = (magnitudes < _END_OF_INT64) & (np.trunc(values) == values)
    counts = {"integral_reals": int(np.count_nonzero(integral))}
    if asked.epochs:
        least, end = JULIAN_YEARS
        counts |= _epochs(values) | {"julian_days": int(np.count_nonzero((values >= least) & (values < end)))}
    return Told(counts, {"largest_real": largest})


def _epochs(values: Integers | Reals) -> dict[str, int]:
    return {name: int(np.count_nonzero((values >= least) & (values < end))) for name, least, end in EPOCHS}


def most_fraction_digits(values: Reals, known: int) -> int:
    """Find the most digits after the point that finite reals have, where `known` is what others had at most.

    As in `reals_beyond`: only those are counted one by one of which rounding does not say that they have no more.
    """
    if known <= EXACT_POWER:
        with np.errstate(over="ignore", invalid="ignore"):  # too large to have digits after the point
            values = values[np.rint(values * 10.0**known) / 10.0**known != values]
    beyond = values[np.abs(values) < largest_with_digits_beyond(known)]
    return max((fraction_digits(float(value)) for value in beyond), default=0)


def of_texts(texts: pa.StringArray, asked: Asked) -> Told | None:
    """Tell of texts, their dates and times aside (`shapes_of`); None where one is not UTF-8 or holds U+0000."""
    if not len(texts):
        return Told()
    offsets, characters = pieces(texts)
    if not _are_plain(texts, characters):
        return None
    lengths = np.diff(offsets)
    counts = {"text_bytes": len(characters), "empty_texts": int(np.count_nonzero(lengths == 0))}
    if asked.booleans:
        counts["boolean_texts"] = _true(pc.is_in(pc.ascii_lower(texts), _TRUTHS))
    if asked.uuids:
        counts["uuid_texts"] = _true(pc.match_substring_regex(texts, _UUID))
    if asked.json:
        counts["json_answers"] = sum(judge_json(raw, UTF_8) for raw in texts.cast(pa.binary()).to_pylist())
    return Told(counts, {"longest_text": int(lengths.max())})


def pieces(texts: pa.StringArray) -> tuple[Offsets, npt.NDArray[np.uint8]]:
    """Where texts begin, and their bytes, one behind the other; `texts` holds no NULL."""
    _, offsets_buffer, characters_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if characters_buffer is None or offsets[0] == offsets[-1]:
        return offsets - offsets[0], np.empty(0, np.uint8)
    return offsets - offsets[0], np.frombuffer(characters_buffer, np.uint8)[offsets[0] : offsets[-1]]


def _are_plain(texts: pa.StringArray, characters: npt.NDArray[np.uint8]) -> bool:
    if len(characters) and not characters.min():
        return False
    if not len(characters) or characters.max() < _END_OF_ASCII:
        return True
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _true(answers: pa.BooleanArray) -> int:
    return int(answers.true_count)


def shapes_of(texts: pa.StringArray) -> Counter[str] | None:
    """Count texts by their shape of date and time; None where not all texts of a length have one in common."""
    found: Counter[str] = Counter()
    offsets, characters = pieces(texts)
    lengths = np.diff(offsets)
    occurring, counts = np.unique(lengths, return_counts=True)
    if len(occurring) > _LENGTHS:
        return None
    for length, count in zip(occurring.tolist(), counts.tolist(), strict=True):
        if count == len(texts):
            rows = characters.reshape(count, length)
        else:
            rows = characters[offsets[:-1][lengths == length][:, None] + np.arange(length)]
        shape = shape_of_rows(rows)
        if shape is None:
            return None
        found[shape] += count
    return found


def of_blobs(lengths: Integers, asked: Asked) -> Told:
    """Tell of blobs by their lengths; of none, nothing."""
    if not len(lengths):
        return Told()
    counts = {"blob_bytes": int(lengths.sum())}
    if asked.uuids:
        counts["uuid_blobs"] = int(np.count_nonzero(lengths == 16))
    return Told(counts, {"longest_blob": int(lengths.max())})
