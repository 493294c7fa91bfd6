"""One column while it is looked at: what is asked of a key range, what the answers mean, and what they leave open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from shared.records.source import Generated, SourceColumn, StorageClass
from shared.source.sqlite_arrow_values import Told, most_fraction_digits, shapes_of
from shared.source.sqlite_common_shape import common_shape
from shared.source.sqlite_keys import column_sql
from shared.source.sqlite_moments import SHAPES
from shared.source.sqlite_questions import (
    LARGEST,
    REALS_BEYOND,
    SHORT_BYTES,
    SHORT_TEXTS,
    Merge,
    Question,
    empty_texts,
    infinity_questions,
    judged,
    moment_questions,
    reals_beyond,
    short_texts,
    text_bytes,
    value_questions,
)
from shared.source.sqlite_raised import certain_class, likely_class, questions_raised
from shared.source.sqlite_tally import Answer, ColumnTally
from shared.source.sqlite_texts import may_have_empty, needs_judging

NUMBERS: Final = (StorageClass.INTEGER, StorageClass.REAL)
"""What prices are stored as: 5.00 as an integer, 5.50 as a real."""
_TRIES: Final = 3
"""How often in a row texts may turn out to have no common shape before that is not tried any more."""
SAMPLED_REALS: Final = 500
"""Reals whose digits are counted one by one before the quick test takes over."""

ClassCounts = dict[StorageClass, int]


class ColumnLook:
    """One column while it is looked at."""

    def __init__(self, column: SourceColumn, *, strict: bool, joined: bool = True) -> None:
        certain = certain_class(column, strict=strict)
        self.sql = column_sql(column.name)
        self.asked = questions_raised(column)
        self.tally = ColumnTally()
        self._joined = joined
        # What is computed when it is read is computed by SQLite's own driver, whose version is another's.
        self._is_stored = column.generated is not Generated.VIRTUAL
        self.expected: tuple[StorageClass, ...] = (certain or likely_class(column.declared_type),)
        self._may_be_null = certain is not None and not column.not_null
        """Whether there were NULLs before."""
        self.is_steady = certain is not None
        """Whether key ranges have had the expected classes alone, so that the next one will too."""
        self._misses = 0
        """How often it had not."""
        self.has_new_digits = False
        """Whether the last key range may have reals of more digits after the point than any before."""
        self._shape = "timestamp_texts"
        """The shape of date and time that most texts had so far."""
        self._tries = _TRIES
        self._long = not joined
        """Whether there were long texts before, which are asked about by themselves."""
        self._found: dict[str, int] = {}
        """Texts of this key range by shape."""

    @property
    def is_simple(self) -> bool:
        """Whether Arrow may be asked: texts were short before, and come as they are stored."""
        return self.is_steady and self._is_stored and not self._long

    def expectation(self) -> str:
        """A condition that holds for a row whose value is of a class that was met before."""
        classes = [f"'{storage_class}'" for storage_class in self.expected]
        classes += ["'null'"] if self._may_be_null else []
        return f"typeof({self.sql}) IN ({', '.join(classes)})"

    def count_questions(self) -> list[str]:
        """Ask how many values of each expected class there are, where all rows are as expected."""
        values = [f"count({self.sql})"] if self._may_be_null else []
        return values + [f"sum(typeof({self.sql}) = '{each}')" for each in self.expected[1:]]

    def expected_counts(self, answers: Sequence[int], rows: int) -> ClassCounts:
        """Read the answers to `count_questions`."""
        values = answers[0] if self._may_be_null else rows
        others = answers[-len(self.expected) + 1 :] if len(self.expected) > 1 else []
        return dict(zip(self.expected, [values - sum(others), *others], strict=True))

    def learn(self, counts: ClassCounts, rows: int, *, guessed: bool) -> None:
        """Expect the classes that a key range turned out to have, while they are one, or the two that numbers have.

        `guessed` says that the key range was looked at as expected before, and that some column was not.
        """
        occurring = {storage_class for storage_class, count in counts.items() if count}
        nulls = sum(counts.values()) < rows
        met = set(self.expected) if self.is_steady else set()
        if guessed and not (occurring <= met and (self._may_be_null or not nulls)):
            self._misses += 1
        self._may_be_null = self._may_be_null or nulls
        if occurring:
            self.expected = NUMBERS if occurring | met == set(NUMBERS) else tuple(occurring)[:1]
        self.is_steady = occurring <= set(self.expected) and self._misses < _TRIES

    def questions(self, classes: Sequence[StorageClass]) -> list[Question]:
        """Ask what the storage classes in a key range raise."""
        self._found = {}
        self.has_new_digits = self.asked.decimals and self.tally.fraction_digits is None
        questions = list(value_questions(self.sql, classes, self.asked))
        if StorageClass.TEXT in classes:
            questions += [short_texts(self.sql)] if self._joined else []
            questions += self._about_long() if self._long else []
            if self.asked.moments and not (self._joined and self._tries):
                questions += self._guessed_shapes(pure=len(classes) == 1)
        if StorageClass.REAL in classes and self.asked.decimals and self.tally.fraction_digits is not None:
            beyond = reals_beyond(self.sql, self.tally.fraction_digits)
            questions.append(Question(REALS_BEYOND, f"count(CASE WHEN {beyond} THEN 1 END)"))
        return questions

    def take(self, answers: Sequence[tuple[Question, Any]], counts: ClassCounts) -> list[Question]:
        """Take in the answers about a key range; returns what they leave open."""
        left_open: list[Question] = []
        for question, answer in answers:
            if question.field == SHORT_TEXTS and counts.get(StorageClass.TEXT):
                longest = next(int(length) for other, length in answers if other.field == "longest_text")
                left_open += self._take_joined(answer, longest, counts)
            elif question.field == LARGEST:
                left_open += self._take_largest(answer)
            elif question.field == REALS_BEYOND:
                self.has_new_digits = bool(answer)
            elif question.field != SHORT_TEXTS:
                self.tally.note(question, answer)
                if question.field in SHAPES:
                    self._found[question.field] = int(answer or 0)
        if any(question.field in SHAPES for question, _ in answers):
            left_open += self._open_shapes(counts)
        return left_open

    def take_told(
        self, counts: ClassCounts, told: Sequence[Told], texts: pa.StringArray | None, reals: Any
    ) -> list[Question]:
        """Take in what Arrow told of a key range, of which it had the classes `counts`; returns what is left open."""
        self._found = {}
        self.has_new_digits = False
        self.tally.note_classes(counts)
        for each in told:
            self.tally.note_all(each.counts, each.extremes)
        if reals is not None and len(reals) and self.asked.decimals:
            self._take_digits(reals)
        return self._open_moments(texts, counts) if texts is not None and self.asked.moments else []

    def _take_digits(self, reals: Any) -> None:
        known = self.tally.fraction_digits
        if known is None:
            known = most_fraction_digits(reals[:SAMPLED_REALS], 0)
        self.tally.fraction_digits = max(known, most_fraction_digits(reals, known))

    def _open_moments(self, texts: pa.StringArray, counts: ClassCounts) -> list[Question]:
        shapes = shapes_of(texts) if self._tries and len(texts) else None
        if shapes is None:
            self._tries = max(0, self._tries - 1)
            return self._guessed_shapes(pure=_are_pure(counts)) if len(texts) else []
        for shape, count in shapes.items():
            self._note_shape(shape, count)
        self._shape, self._tries = shapes.most_common(1)[0][0], _TRIES
        return []

    def _note_shape(self, shape: str, texts: int) -> None:
        self.tally.counts[shape] += texts
        if shape == "date_texts":
            self.tally.counts["timestamp_texts"] += texts

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
            left_open += self._guessed_shapes(pure=_are_pure(counts))
        return left_open

    def _take_lengths(self, joined: bytes, texts: int) -> list[Question]:
        self.tally.counts["text_bytes"] += len(joined) - (texts - 1)
        return [empty_texts(self.sql)] if may_have_empty(joined) else []

    def _have_common_shape(self, joined: bytes, texts: int) -> bool:
        shape = common_shape(joined, texts) if self.asked.moments and self._tries else None
        if shape is None:
            return False
        self._note_shape(shape, texts)
        self._shape, self._tries = shape, _TRIES
        return True

    def _guessed_shapes(self, *, pure: bool) -> list[Question]:
        # A date is a timestamp too, so that all are timestamps leaves open how many are dates.
        guess = ("date_texts", "timestamp_texts") if self._shape == "timestamp_texts" else (self._shape,)
        return list(moment_questions(self.sql, guess, pure=pure))

    def _open_shapes(self, counts: ClassCounts) -> list[Question]:
        """Ask for the shapes that the guess left open; where it left none, note what follows from it."""
        texts = counts.get(StorageClass.TEXT, 0)
        missing = [shape for shape in SHAPES if shape not in self._found]
        if missing and self._found[self._shape] < texts:
            return list(moment_questions(self.sql, missing, pure=_are_pure(counts)))
        if "timestamp_texts" in missing and self._shape == "date_texts":
            self.tally.counts["timestamp_texts"] += texts
        self._shape = max(SHAPES, key=lambda shape: self._found.get(shape, 0))  # a date only counts as that
        return []


def _are_pure(counts: ClassCounts) -> bool:
    return counts.get(StorageClass.TEXT) == sum(counts.values())
