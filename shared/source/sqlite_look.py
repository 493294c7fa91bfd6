"""One look at the rows of a key range: storage classes first, then the questions that they raise.

The first statement has one guess a column, since nearly every column holds one storage class alone; only where the
guess fails are all classes counted. The second asks about the values, without testing each one's class again where
there is but one. What its answers leave open is asked then. So a usual key range takes two statements, and no answer
rests on a guess that was not confirmed.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from shared.records.source import SourceTable, StorageClass
from shared.source.sqlite_column_look import ClassCounts, ColumnLook
from shared.source.sqlite_keys import Clause, table_sql
from shared.source.sqlite_questions import FRACTION_FUNCTION, Question, class_questions, has_decimals_at_most

_QUESTIONS_A_STATEMENT: Final = 400
"""SQLite allows 2,000 result columns and a statement of 1,000,000 bytes; a question about times takes up to 2,000."""
_SAMPLED_REALS: Final = 500
"""Reals whose digits are counted one by one before the quick test takes over."""
_DOUBLE_DIGITS: Final = 17
"""The most significant digits that the shortest text of a double has."""


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
        """Look at the rows of a key range; the connection gives texts as bytes."""
        seen = self._count_classes(connection, clause)
        open_ = [(look, counts, look.questions(counts)) for look, counts in seen]
        while open_:
            answers = iter(self._ask(connection, clause, [each for _, _, questions in open_ for each in questions]))
            taken = [
                (look, counts, look.take([(question, next(answers)) for question in questions], counts))
                for look, counts, questions in open_
            ]
            open_ = [each for each in taken if each[2]]
        for look, counts in seen:
            if look.asked.decimals and counts.get(StorageClass.REAL):
                self._count_fraction_digits(connection, clause, look)

    def _count_classes(self, connection: sqlite3.Connection, clause: Clause) -> list[tuple[ColumnLook, ClassCounts]]:
        """Count rows, and each column's values by storage class."""
        looks = list(self.columns.values())
        guesses = [look.guesses() for look in looks]
        questions = [Question("", sql) for sql in ("count(*)", *itertools.chain(*guesses))]
        answers = iter([int(answer or 0) for answer in self._ask(connection, clause, questions)])
        rows = next(answers)
        self.rows += rows
        return [
            (look, self._classes(connection, clause, look, rows, list(itertools.islice(answers, len(asked)))))
            for look, asked in zip(looks, guesses, strict=True)
        ]

    def _classes(
        self, connection: sqlite3.Connection, clause: Clause, look: ColumnLook, rows: int, guessed: list[int]
    ) -> ClassCounts:
        counts = look.confirmed(guessed, rows)
        if counts is None:
            found = self._ask(connection, clause, list(class_questions(look.sql)))
            counts = {kind: int(answer or 0) for kind, answer in zip(StorageClass, found, strict=True)}
            look.learn_classes(counts, rows)
        for storage_class, count in counts.items():
            look.tally.note_class(storage_class, count)
        return counts

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
