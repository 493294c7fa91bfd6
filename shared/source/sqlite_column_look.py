"""One column while it is looked at: what is asked of a key range, what the answers mean, and what they leave open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from shared.records.source import SourceColumn, StorageClass
from shared.source.sqlite_common_shape import common_shape
from shared.source.sqlite_keys import column_sql
from shared.source.sqlite_moments import SHAPES
from shared.source.sqlite_questions import (
    LARGEST,
    SHORT_BYTES,
    SHORT_TEXTS,
    Merge,
    Question,
    empty_texts,
    infinity_questions,
    judged,
    moment_questions,
    short_texts,
    text_bytes,
    value_questions,
)
from shared.source.sqlite_raised import certain_class, likely_class, questions_raised
from shared.source.sqlite_tally import Answer, ColumnTally
from shared.source.sqlite_texts import may_have_empty, needs_judging

_NUMBERS: Final = (StorageClass.INTEGER, StorageClass.REAL)
"""What prices are stored as: 5.00 as an integer, 5.50 as a real."""
_TRIES: Final = 3
"""How often in a row texts may turn out to have no common shape before that is not tried any more."""

ClassCounts = dict[StorageClass, int]


class ColumnLook:
    """One column while it is looked at."""

    def __init__(self, column: SourceColumn, *, strict: bool, joined: bool = True) -> None:
        certain = certain_class(column, strict=strict)
        self.sql = column_sql(column.name)
        self.asked = questions_raised(column)
        self.tally = ColumnTally()
        self._joined = joined
        self._certain = certain is not None
        """Whether SQLite promises that there is no other storage class than the expected one."""
        self._expected: tuple[StorageClass, ...] = (certain or likely_class(column.declared_type),)
        if certain is None and self.asked.decimals:
            self._expected = _NUMBERS
        self._may_be_null = self._certain
        """Whether values are counted too; where none was NULL so far, those of the expected classes say it all."""
        self._shape = "timestamp_texts"
        """The shape of date and time that most texts had so far."""
        self._tries = _TRIES
        self._long = not joined
        """Whether there were long texts before, which are asked about by themselves."""
        self._found: dict[str, int] = {}
        """Texts of this key range by shape."""

    def guesses(self) -> tuple[str, ...]:
        """Ask how many values of each expected class there are, and how many in all."""
        classes = (f"sum(typeof({self.sql}) = '{storage_class}')" for storage_class in self._expected)
        values = (f"count({self.sql})",) if self._may_be_null else ()
        return (*values, *(() if self._certain else classes))

    def confirmed(self, answers: Sequence[int], rows: int) -> ClassCounts | None:
        """Read the answers to `guesses`; None where there may be more than was expected."""
        values = answers[0] if self._may_be_null else rows
        found = [values] if self._certain else answers[-len(self._expected) :]
        counts = dict(zip(self._expected, found, strict=True))
        return counts if sum(counts.values()) == values else None

    def learn_classes(self, counts: ClassCounts, rows: int) -> None:
        """Guess the most frequent class next time, or the two that numbers have."""
        occurring = {storage_class for storage_class, count in counts.items() if count}
        usual = max(counts, key=lambda storage_class: counts[storage_class])
        self._may_be_null = self._may_be_null or sum(counts.values()) < rows
        if occurring:
            self._expected = _NUMBERS if occurring == set(_NUMBERS) else (usual,)

    def questions(self, counts: ClassCounts) -> list[Question]:
        """Ask what the storage classes in a key range raise."""
        self._found = {}
        classes = [storage_class for storage_class, count in counts.items() if count]
        questions = list(value_questions(self.sql, classes, self.asked))
        if counts.get(StorageClass.TEXT):
            questions += [short_texts(self.sql)] if self._joined else []
            questions += self._about_long() if self._long else []
            if self.asked.moments and not (self._joined and self._tries):
                questions += self._guessed_shapes(counts)
        return questions

    def take(self, answers: Sequence[tuple[Question, Any]], counts: ClassCounts) -> list[Question]:
        """Take in the answers about a key range; returns what they leave open."""
        left_open: list[Question] = []
        for question, answer in answers:
            if question.field == SHORT_TEXTS:
                longest = next(int(length) for other, length in answers if other.field == "longest_text")
                left_open += self._take_joined(answer, longest, counts)
            elif question.field == LARGEST:
                left_open += self._take_largest(answer)
            else:
                self.tally.note(question, answer)
                if question.field in SHAPES:
                    self._found[question.field] = int(answer or 0)
        if any(question.field in SHAPES for question, _ in answers):
            left_open += self._open_shapes(counts)
        return left_open

    def _take_largest(self, largest: Answer) -> list[Question]:
        if largest is not None and math.isinf(largest):
            return list(infinity_questions(self.sql))
        self.tally.note(Question("largest_real", "", Merge.MOST), largest)
        return []

    def _about_long(self) -> list[Question]:
        return [text_bytes(self.sql), empty_texts(self.sql), judged(self.sql, short=False if self._joined else None)]

    def _take_joined(self, joined: bytes | None, longest: int, counts: ClassCounts) -> list[Question]:
        """Take in the short texts of a key range, which are all of its texts unless the longest is long."""
        texts = counts[StorageClass.TEXT]
        all_joined = joined is not None and longest <= SHORT_BYTES
        left_open = [judged(self.sql, short=True)] if needs_judging(joined) else []
        if not self._long:
            left_open += self._take_lengths(joined, texts) if joined is not None and all_joined else self._about_long()
            self._long = not all_joined
        shaped = joined is not None and all_joined and self._have_common_shape(joined, texts)
        if self.asked.moments and self._tries and not shaped:
            self._tries -= 1
            left_open += self._guessed_shapes(counts)
        return left_open

    def _take_lengths(self, joined: bytes, texts: int) -> list[Question]:
        self.tally.counts["text_bytes"] += len(joined) - (texts - 1)
        return [empty_texts(self.sql)] if may_have_empty(joined) else []

    def _have_common_shape(self, joined: bytes, texts: int) -> bool:
        shape = common_shape(joined, texts) if self.asked.moments and self._tries else None
        if shape is None:
            return False
        self.tally.counts[shape] += texts
        if shape == "date_texts":
            self.tally.counts["timestamp_texts"] += texts
        self._shape, self._tries = shape, _TRIES
        return True

    def _guessed_shapes(self, counts: ClassCounts) -> list[Question]:
        # A date is a timestamp too, so that all are timestamps leaves open how many are dates.
        guess = ("date_texts", "timestamp_texts") if self._shape == "timestamp_texts" else (self._shape,)
        return self._shape_questions(guess, counts)

    def _open_shapes(self, counts: ClassCounts) -> list[Question]:
        """Ask for the shapes that the guess left open; where it left none, note what follows from it."""
        texts = counts[StorageClass.TEXT]
        missing = [shape for shape in SHAPES if shape not in self._found]
        if missing and self._found[self._shape] < texts:
            return self._shape_questions(missing, counts)
        if "timestamp_texts" in missing and self._shape == "date_texts":
            self.tally.counts["timestamp_texts"] += texts
        self._shape = max(SHAPES, key=lambda shape: self._found.get(shape, 0))  # a date only counts as that
        return []

    def _shape_questions(self, shapes: Sequence[str], counts: ClassCounts) -> list[Question]:
        pure = counts[StorageClass.TEXT] == sum(counts.values())
        return list(moment_questions(self.sql, shapes, pure=pure))
