"""One look at the rows of a key range: storage classes first, then the questions that they raise.

The first statement has one guess a column, since nearly every column holds one storage class alone; only where the
guess fails are all classes counted. The second asks about the values, without testing each one's class again where
there is but one. Dates and times are guessed likewise: where all texts have the shape that most had before, they
have no other. So a usual key range takes two statements, and no answer rests on a guess that was not confirmed.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from shared.records.source import SourceColumn, SourceTable, StorageClass
from shared.source.sqlite_keys import Clause, column_sql, table_sql
from shared.source.sqlite_moments import SHAPES
from shared.source.sqlite_questions import (
    FRACTION_FUNCTION,
    SHORT_TEXTS,
    Question,
    class_questions,
    has_decimals_at_most,
    moment_questions,
    short_text_question,
    text_questions,
    value_questions,
)
from shared.source.sqlite_raised import certain_class, likely_class, questions_raised
from shared.source.sqlite_tally import Answer, ColumnTally
from shared.source.sqlite_texts import needs_judging

_QUESTIONS_A_STATEMENT: Final = 400
"""SQLite allows 2,000 result columns and a statement of 1,000,000 bytes; a question about times takes up to 2,000."""
_SAMPLED_REALS: Final = 500
"""Reals whose digits are counted one by one before the quick test takes over."""
_DOUBLE_DIGITS: Final = 17
"""The most significant digits that the shortest text of a double has."""

_NUMBERS: Final = (StorageClass.INTEGER, StorageClass.REAL)
"""What prices are stored as: 5.00 as an integer, 5.50 as a real."""

ClassCounts = dict[StorageClass, int]


class ColumnLook:
    """One column while it is looked at."""

    def __init__(self, column: SourceColumn, *, strict: bool, joined: bool = True) -> None:
        certain = certain_class(column, strict=strict)
        self.sql = column_sql(column.name)
        self.asked = questions_raised(column)
        self._joined = joined
        self.certain = certain is not None
        """Whether SQLite promises that there is no other storage class than `expected`."""
        self.expected: tuple[StorageClass, ...] = (certain or likely_class(column.declared_type),)
        if certain is None and self.asked.decimals:
            self.expected = _NUMBERS
        self.shape = "timestamp_texts"
        """The shape of date and time that most texts had so far."""
        self.tally = ColumnTally()

    def guesses(self) -> tuple[str, ...]:
        """Ask how many values there are, and how many of each expected class."""
        classes = (f"sum(typeof({self.sql}) = '{storage_class}')" for storage_class in self.expected)
        return (f"count({self.sql})", *(() if self.certain else classes))

    def confirmed(self, answers: Sequence[int]) -> ClassCounts | None:
        """Read the answers to `guesses`; None where other classes occur."""
        values, *found = answers
        counts = dict(zip(self.expected, found or [values], strict=True))
        return counts if sum(counts.values()) == values else None

    def learn_classes(self, counts: ClassCounts) -> None:
        """Guess the most frequent class next time, or the two that numbers have."""
        occurring = {storage_class for storage_class, count in counts.items() if count}
        usual = max(counts, key=lambda storage_class: counts[storage_class])
        self.expected = _NUMBERS if occurring == set(_NUMBERS) else (usual,)

    def questions(self, counts: ClassCounts) -> list[Question]:
        """Ask what the storage classes in a key range raise."""
        classes = [storage_class for storage_class, count in counts.items() if count]
        questions = list(value_questions(self.sql, classes, self.asked))
        if self.asked.moments and counts.get(StorageClass.TEXT):
            questions += moment_questions(self.sql, self._guessed_shapes(), pure=len(classes) == 1)
        elif counts.get(StorageClass.TEXT):
            questions += self.text_questions(counts)
        return questions

    def text_questions(self, counts: ClassCounts) -> list[Question]:
        """Ask what may be wrong with texts. Dates and times are spared it: they are ASCII without U+0000."""
        pure = counts[StorageClass.TEXT] == sum(counts.values())
        return list(text_questions(self.sql, pure=pure, joined=self._joined))

    def _guessed_shapes(self) -> tuple[str, ...]:
        # A date is a timestamp too, so that all are timestamps leaves open how many are dates.
        return ("date_texts", "timestamp_texts") if self.shape == "timestamp_texts" else (self.shape,)

    def open_shapes(self, found: dict[str, int], texts: int) -> list[str]:
        """Name the shapes that the guess left open, after noting what follows from it."""
        if found[self.shape] < texts:
            return [shape for shape in SHAPES if shape not in found]
        if self.shape == "date_texts":
            self.tally.counts["timestamp_texts"] += texts
        return []

    def learn_shape(self, found: dict[str, int]) -> None:
        """Guess the most frequent shape next time; a date only counts as that."""
        self.shape = max(SHAPES, key=lambda shape: found.get(shape, 0))


class TableLook:
    """What one process sees of a table.

    Args:
        table: The table.
        joined: Whether texts may be judged together, as those of UTF-8 may.
    """

    def __init__(self, table: SourceTable, *, joined: bool) -> None:
        self.table = table
        self.rows = 0
        self.columns = {
            column.name: ColumnLook(column, strict=table.strict, joined=joined)
            for column in table.columns
            if column.name != table.rowid_column
        }

    def see(self, connection: sqlite3.Connection, clause: Clause) -> None:
        """Look at the rows of a key range."""
        seen = self._count_classes(connection, clause)
        asked = [(look, question) for look, counts in seen for question in look.questions(counts)]
        moments: dict[int, dict[str, int]] = {}
        for look, question, answer in self._answered(connection, clause, asked):
            if question.field in SHAPES:
                moments.setdefault(id(look), {})[question.field] = int(answer or 0)
        shapeless: list[tuple[ColumnLook, Question]] = []
        for look, counts in seen:
            if id(look) in moments:
                shaped = self._see_other_shapes(connection, clause, look, moments[id(look)], counts)
                shapeless += [
                    (look, each) for each in look.text_questions(counts) if shaped < counts[StorageClass.TEXT]
                ]
            if look.asked.decimals and counts.get(StorageClass.REAL):
                self._count_fraction_digits(connection, clause, look)
        self._answered(connection, clause, shapeless)

    def _answered(
        self, connection: sqlite3.Connection, clause: Clause, asked: Sequence[tuple[ColumnLook, Question]]
    ) -> list[tuple[ColumnLook, Question, Answer]]:
        """Ask, and note the answers; short texts that hold something together are judged one by one."""
        answered: list[tuple[ColumnLook, Question, Answer]] = []
        answers = self._ask(connection, clause, [question for _, question in asked])
        for (look, question), answer in zip(asked, answers, strict=True):
            if question.field != SHORT_TEXTS:
                look.tally.note(question, answer)
                answered.append((look, question, answer))
            elif needs_judging(answer):
                single = short_text_question(look.sql)
                look.tally.note(single, self._ask(connection, clause, [single])[0])
        return answered

    def _count_classes(self, connection: sqlite3.Connection, clause: Clause) -> list[tuple[ColumnLook, ClassCounts]]:
        """Count rows, and each column's values by storage class."""
        looks = list(self.columns.values())
        guesses = [look.guesses() for look in looks]
        questions = [Question("", sql) for sql in ("count(*)", *itertools.chain(*guesses))]
        answers = iter([int(answer or 0) for answer in self._ask(connection, clause, questions)])
        self.rows += next(answers)
        return [
            (look, self._classes(connection, clause, look, list(itertools.islice(answers, len(asked)))))
            for look, asked in zip(looks, guesses, strict=True)
        ]

    def _classes(
        self, connection: sqlite3.Connection, clause: Clause, look: ColumnLook, guessed: list[int]
    ) -> ClassCounts:
        counts = look.confirmed(guessed)
        if counts is None:
            found = self._ask(connection, clause, list(class_questions(look.sql)))
            counts = {kind: int(answer or 0) for kind, answer in zip(StorageClass, found, strict=True)}
            look.learn_classes(counts)
        for storage_class, count in counts.items():
            look.tally.note_class(storage_class, count)
        return counts

    def _see_other_shapes(
        self,
        connection: sqlite3.Connection,
        clause: Clause,
        look: ColumnLook,
        found: dict[str, int],
        counts: ClassCounts,
    ) -> int:
        """Count the shapes that the guess left open; returns how many texts have any."""
        texts = counts[StorageClass.TEXT]
        questions = list(moment_questions(look.sql, look.open_shapes(found, texts), pure=texts == sum(counts.values())))
        answers = self._ask(connection, clause, questions)
        for question, answer in zip(questions, answers, strict=True):
            look.tally.note(question, answer)
            found[question.field] = int(answer or 0)
        look.learn_shape(found)
        dates, timestamps, *others = (found.get(shape, 0) for shape in SHAPES)
        return max(dates, timestamps) + sum(others)

    def _count_fraction_digits(self, connection: sqlite3.Connection, clause: Clause, look: ColumnLook) -> None:
        """Find the most digits after the point, counting one by one only where the known most may be exceeded."""
        reals = clause.narrowed(f"typeof({look.sql}) = 'real'")
        if look.tally.fraction_digits is None:
            sample = f"SELECT {look.sql} AS real FROM {table_sql(self.table.name)} {reals.sql} LIMIT {_SAMPLED_REALS}"
            most = f"SELECT max({FRACTION_FUNCTION}(real)) FROM ({sample})"
            look.tally.fraction_digits = connection.execute(most, reals.values).fetchone()[0]
        known = look.tally.fraction_digits or 0
        # A real from 10**m up spends m + 1 of its digits before the point.
        beyond = reals.narrowed(
            f"NOT {has_decimals_at_most(look.sql, known)} AND abs({look.sql}) < 1e{_DOUBLE_DIGITS - 1 - known}"
        )
        (exact,) = self._ask(connection, beyond, [Question("", f"max({FRACTION_FUNCTION}({look.sql}))")])
        look.tally.fraction_digits = max(known, int(exact or 0))

    def _ask(self, connection: sqlite3.Connection, clause: Clause, questions: Sequence[Question]) -> list[Any]:
        answers: list[Any] = []
        for first in range(0, len(questions), _QUESTIONS_A_STATEMENT):
            group = ", ".join(question.sql for question in questions[first : first + _QUESTIONS_A_STATEMENT])
            sql = f"SELECT {group} FROM {table_sql(self.table.name)} {clause.sql}"
            answers.extend(connection.execute(sql, clause.values).fetchone())
        return answers
