"""Answers about one column, gathered range by range, and the `ColumnProfile` that they add up to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.records.source import ColumnProfile, StorageClass
from shared.source.sqlite_json import JSONB
from shared.source.sqlite_questions import Merge, Question, integer_digits
from shared.source.sqlite_raised import Asked
from shared.source.sqlite_texts import INVALID

_NUMBER_BYTES = 8
"""What an integer or real counts for: as much as it takes on its way, since a chunk must fit in memory there."""

Answer = int | float | None


@dataclass(slots=True)
class ColumnTally:
    """What is known of one column so far."""

    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    extremes: dict[str, float] = field(default_factory=dict)
    fraction_digits: int | None = None
    """The most that any real was found to have; None before the first real."""

    def note(self, question: Question, answer: Answer) -> None:
        """Merge one answer; NULL means that no value was there to ask about."""
        if answer is None:
            return
        known = self.extremes.get(question.field)
        match question.merge:
            case Merge.ADD:
                self.counts[question.field] += int(answer)
            case Merge.LEAST:
                self.extremes[question.field] = answer if known is None else min(known, answer)
            case Merge.MOST:
                self.extremes[question.field] = answer if known is None else max(known, answer)

    def note_all(self, counts: Mapping[str, int], extremes: Mapping[str, float]) -> None:
        """Take in answers by the questions' fields."""
        for name, count in counts.items():
            self.counts[name] += count
        for name, value in extremes.items():
            self.note(Question(name, "", Merge.LEAST if name.endswith("_min") else Merge.MOST), value)

    def note_class(self, storage_class: StorageClass, count: int) -> None:
        """Count values of one storage class."""
        self.counts[f"{storage_class}s"] += count

    def note_classes(self, counts: Mapping[StorageClass, int]) -> None:
        """Count values of several storage classes."""
        for storage_class, count in counts.items():
            self.note_class(storage_class, count)

    def add(self, other: ColumnTally) -> None:
        """Take in what another thread found."""
        self.note_all(other.counts, other.extremes)
        self.fraction_digits = _most((self.fraction_digits, other.fraction_digits))

    @property
    def values(self) -> int:
        """How many values are not NULL."""
        return sum(self.counts[f"{storage_class}s"] for storage_class in StorageClass)

    @property
    def value_bytes(self) -> int:
        """What the values take."""
        numbers = self.counts["integers"] + self.counts["reals"]
        return _NUMBER_BYTES * numbers + self.counts["text_bytes"] + self.counts["blob_bytes"]

    def profile(self, rows: int, asked: Asked) -> ColumnProfile:
        """Render what was found; questions that were not asked stay None."""
        counts = self.counts
        jsonb, json = divmod(counts["json_answers"], JSONB - 1)
        invalid, nul = divmod(counts["text_answers"], INVALID)
        reals_matter = asked.reals or counts["reals"] > 0
        return ColumnProfile(
            nulls=rows - self.values,
            integers=counts["integers"],
            reals=counts["reals"],
            texts=counts["texts"],
            blobs=counts["blobs"],
            integer_min=self._integer("integer_min"),
            integer_max=self._integer("integer_max"),
            integral_reals=counts["integral_reals"] if reals_matter else None,
            infinities=counts["infinities"] if reals_matter else None,
            empty_texts=counts["empty_texts"],
            longest_text=self._integer("longest_text"),
            longest_blob=self._integer("longest_blob"),
            invalid_texts=invalid,
            epoch_s=counts["epoch_s"] if asked.epochs else None,
            epoch_ms=counts["epoch_ms"] if asked.epochs else None,
            epoch_us=counts["epoch_us"] if asked.epochs else None,
            julian_days=counts["julian_days"] if asked.epochs else None,
            nul_texts=nul,
            decimal_integer_digits=self._integer_digits() if asked.decimals else None,
            decimal_fraction_digits=(self.fraction_digits or 0) if asked.decimals else None,
            boolean_texts=counts["boolean_texts"] if asked.booleans else None,
            date_texts=counts["date_texts"] if asked.moments else None,
            timestamp_texts=counts["timestamp_texts"] if asked.moments else None,
            timestamptz_texts=counts["timestamptz_texts"] if asked.moments else None,
            time_texts=counts["time_texts"] if asked.moments else None,
            uuid_texts=counts["uuid_texts"] if asked.uuids else None,
            uuid_blobs=counts["uuid_blobs"] if asked.uuids else None,
            json_texts=json if asked.json else None,
            jsonb_texts=jsonb if asked.json else None,
        )

    def _integer(self, name: str) -> int | None:
        value = self.extremes.get(name)
        return None if value is None else int(value)

    def _integer_digits(self) -> int:
        names = ("integer_min", "integer_max", "largest_real")
        return max(integer_digits(self.extremes.get(name)) for name in names)


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
